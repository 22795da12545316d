"""What ``aiops clusters list`` shows: every cluster, how it is, and what keeps tasks off it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from aiops_provider.control.cluster_check import failed_checks
from aiops_provider.control.fencing import fenced_tries, overlaps
from aiops_provider.control.snapshot_reader import in_force
from aiops_provider.domain.cluster import ClusterHealth, ClusterSpec

if TYPE_CHECKING:
    from aiops_provider.control.installation import Installation


@dataclass(frozen=True, slots=True, kw_only=True)
class ClusterView:
    """
    One cluster.

    Attributes:
        spec: As configured.
        health: What the last probe said; ``None``: nobody has probed it yet.
        quarantine: Why it is avoided; empty if it is not.
        unfit: Why its last check failed; empty if it did not.
        fenced: Tries that were fenced there in the time asked for.
        overlaps: Those of them that are known to have run beside their successor.
    """

    spec: ClusterSpec
    health: ClusterHealth | None
    quarantine: str
    unfit: str
    fenced: int
    overlaps: int


def view_clusters(
    installation: Installation, now: datetime, *, since: datetime
) -> tuple[ClusterView, ...]:
    """
    All clusters, in the order of aiops.yaml.

    Args:
        installation: With a store.
        now: Decides which quarantines are in force.
        since: Fenced tries are counted from that moment on.

    Raises:
        StoreError: The store does not answer.
    """
    store = installation.require_store()
    health = store.health()
    quarantined, _, _ = in_force(store.responses(active_at=now))
    unfit = failed_checks(store)
    fenced = fenced_tries(store, since=since)
    views = []
    for spec in installation.clusters:
        there = [each for each in fenced if each.cluster == spec.name]
        views.append(
            ClusterView(
                spec=spec,
                health=health.get(spec.name),
                quarantine=quarantined.get(spec.name, ""),
                unfit=unfit.get(spec.name, ""),
                fenced=len(there),
                overlaps=overlaps(there),
            )
        )
    return tuple(views)
