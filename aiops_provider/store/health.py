"""The latest probe of each cluster."""

from __future__ import annotations

from collections.abc import Iterable

from sqlalchemy import Connection, select

from aiops_provider.domain.cluster import ClusterHealth, HealthState
from aiops_provider.store import version as version_counter
from aiops_provider.store.statements import insert_into
from aiops_provider.store.tables import cluster_health


def record(connection: Connection, healths: Iterable[ClusterHealth]) -> None:
    """
    Keep the latest probe of each cluster; one that is older than the stored one is left out.

    The counter moves when a cluster is new or its *state* changed, not with every probe.
    """
    version_counter.lock(connection)
    stored = listed(connection)
    changed = False
    for health in sorted(healths, key=lambda health: health.observed_at):
        before = stored.get(health.cluster)
        if before is not None and health.observed_at < before.observed_at:
            continue
        changed |= before is None or before.state is not health.state
        stored[health.cluster] = health
        values = {
            "state": health.state.value,
            "observed_at": health.observed_at,
            "detail": health.detail,
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
        row.cluster: ClusterHealth(
            cluster=row.cluster,
            state=HealthState(row.state),
            observed_at=row.observed_at,
            detail=row.detail,
        )
        for row in connection.execute(select(cluster_health).order_by(cluster_health.c.cluster))
    }
