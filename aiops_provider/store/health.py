"""The latest probe of each cluster, and how often it could be used."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row, select

from aiops_provider.domain.cluster import Availability, ClusterHealth, HealthState
from aiops_provider.store import version as version_counter
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
        row.cluster: (_health(row), row.watched_s, row.available_s)
        for row in connection.execute(select(cluster_health))
    }
    changed = False
    for health in sorted(healths, key=lambda health: health.observed_at):
        counted = (0.0, 0.0)
        known = stored.get(health.cluster)
        if known is not None:
            before, watched_s, available_s = known
            if health.observed_at < before.observed_at:
                continue
            differ = again and before.state is not health.state
            if differ and _outweighs(before, health):
                continue
            counted = watched_s, available_s
            if not differ:
                counted = _counted(before, health.observed_at, *counted)
        changed |= known is None or known[0].state is not health.state
        stored[health.cluster] = (health, *counted)
        values = {
            "state": health.state.value,
            "observed_at": health.observed_at,
            "detail": health.detail,
            **dict(zip(("watched_s", "available_s"), counted, strict=True)),
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


def _outweighs(before: ClusterHealth, repeated: ClusterHealth) -> bool:
    """Whether what was found lately stands although another prober still says something else."""
    age_s = (repeated.observed_at - before.observed_at).total_seconds()
    return repeated.state is not HealthState.HEALTHY and age_s <= _LONGEST_STEP_S


def _counted(
    before: ClusterHealth, now: datetime, watched_s: float, available_s: float
) -> tuple[float, float]:
    passed_s = (now - before.observed_at).total_seconds()
    left = 0.5 ** (passed_s / _HALF_LIFE_S)
    watched_s, available_s = watched_s * left, available_s * left
    if before.state is HealthState.UNKNOWN or not 0 < passed_s <= _LONGEST_STEP_S:
        return watched_s, available_s
    up = before.state is HealthState.HEALTHY
    return watched_s + passed_s, available_s + (passed_s if up else 0.0)


def _health(row: Row[Any]) -> ClusterHealth:
    return ClusterHealth(
        cluster=row.cluster,
        state=HealthState(row.state),
        observed_at=row.observed_at,
        detail=row.detail,
    )
