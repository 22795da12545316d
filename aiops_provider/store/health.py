"""The latest probe of each cluster, how often it could be used, and how it comes and goes."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict, fields
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row, select

from aiops_provider.domain.cluster import Availability, ClusterHealth, ClusterSpells, HealthState
from aiops_provider.store import version as version_counter
from aiops_provider.store.spells import Spells
from aiops_provider.store.statements import insert_into
from aiops_provider.store.tables import cluster_health

# Nobody knows what happened in a longer time between two probes.
_LONGEST_STEP_S = 600.0
# Half of what is known is forgotten in this time: clusters are repaired, and moved.
_HALF_LIFE_S = 30 * 86_400.0
# What was watched for less says nothing about a cluster.
_LEAST_WATCHED_S = 86_400.0
# Probes of several schedulers within a minute tell the same.
_OBSERVATION_S = 60.0
# A cluster that never answered may still do so one day.
_LEAST_SHARE = 1e-6
_SPELL_COLUMNS = tuple(each.name for each in fields(Spells))


def record(
    connection: Connection, healths: Iterable[ClusterHealth], *, again: bool = False
) -> None:
    """
    Keep the latest probe of each cluster; one that is older than the stored one is left out.

    The counter moves when a cluster is new or its *state* changed, not with every probe. The time
    since the probe before counts for the state that was found then.

    Args:
        connection: In a transaction that writes.
        healths: In any order.
        again: Whoever probes has said the same before. Where another one has found something else
            since, the one that reaches the cluster is right – the other's own network may be broken –
            and the time in which they differ counts for neither.
    """
    version_counter.lock(connection)
    stored = {
        row.cluster: (_health(row), row.watched_s, row.available_s, _spells_of(row))
        for row in connection.execute(select(cluster_health))
    }
    changed = False
    for health in sorted(healths, key=lambda health: health.observed_at):
        counted, spells = (0.0, 0.0), Spells()
        known = stored.get(health.cluster)
        if known is not None:
            before, watched_s, available_s, spells = known
            if health.observed_at < before.observed_at:
                continue
            differ = again and before.state is not health.state
            if differ and _outweighs(before, health):
                continue
            counted = watched_s, available_s
            if not differ:
                counted = _counted(before, health.observed_at, *counted)
                spells = _lasting(before, health.observed_at, spells)
        spells = spells.told(health.state, health.observed_at, again=again)
        changed |= known is None or known[0].state is not health.state
        stored[health.cluster] = (health, *counted, spells)
        values = {
            "state": health.state.value,
            "observed_at": health.observed_at,
            "detail": health.detail,
            **dict(zip(("watched_s", "available_s"), counted, strict=True)),
            **asdict(spells),
        }
        connection.execute(
            insert_into(connection, cluster_health)
            .values(cluster=health.cluster, **values)
            .on_conflict_do_update(index_elements=["cluster"], set_=values)
        )
    if changed:
        version_counter.move(connection)


def listed(connection: Connection) -> dict[str, ClusterHealth]:
    """By name of the cluster."""
    return {
        row.cluster: _health(row)
        for row in connection.execute(select(cluster_health).order_by(cluster_health.c.cluster))
    }


def availability(connection: Connection) -> dict[str, Availability]:
    """Share of the watched time in which each cluster answered; of those watched for a day."""
    return {
        row.cluster: Availability(
            share=max(_LEAST_SHARE, min(1.0, row.available_s / row.watched_s)),
            observations=int(row.watched_s / _OBSERVATION_S),
        )
        for row in connection.execute(
            select(cluster_health).where(cluster_health.c.watched_s >= _LEAST_WATCHED_S)
        )
    }


def spells(connection: Connection) -> dict[str, ClusterSpells]:
    """How each cluster has come and gone, by name."""
    found = {}
    for row in connection.execute(select(cluster_health)):
        known = _spells_of(row)
        found[row.cluster] = ClusterSpells(
            is_up=known.is_up,
            observed_at=row.observed_at,
            up_s=known.up_s,
            down_s=known.down_s,
            losses=known.losses,
            returns=known.returns,
        )
    return found


def _outweighs(before: ClusterHealth, repeated: ClusterHealth) -> bool:
    """Whether what was found lately stands although another prober still says something else."""
    age_s = (repeated.observed_at - before.observed_at).total_seconds()
    return repeated.state is not HealthState.HEALTHY and age_s <= _LONGEST_STEP_S


def _counted(
    before: ClusterHealth, now: datetime, watched_s: float, available_s: float
) -> tuple[float, float]:
    passed_s, left = _passed(before, now)
    watched_s, available_s = watched_s * left, available_s * left
    up = before.state is HealthState.HEALTHY
    return watched_s + passed_s, available_s + (passed_s if up else 0.0)


def _lasting(before: ClusterHealth, now: datetime, spells: Spells) -> Spells:
    passed_s, left = _passed(before, now)
    return spells.aged(left).lasting(passed_s)


def _passed(before: ClusterHealth, now: datetime) -> tuple[float, float]:
    """Seconds of which something is known, and the share that is left of what was known before."""
    passed_s = (now - before.observed_at).total_seconds()
    known = before.state is not HealthState.UNKNOWN and 0 < passed_s <= _LONGEST_STEP_S
    return passed_s if known else 0.0, 0.5 ** (passed_s / _HALF_LIFE_S)


def _spells_of(row: Row[Any]) -> Spells:
    return Spells(**{name: getattr(row, name) for name in _SPELL_COLUMNS})


def _health(row: Row[Any]) -> ClusterHealth:
    return ClusterHealth(
        cluster=row.cluster,
        state=HealthState(row.state),
        observed_at=row.observed_at,
        detail=row.detail,
    )
