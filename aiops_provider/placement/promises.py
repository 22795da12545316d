"""
How much of a group's SLA weight keeps its promises on a pool: deadline, latency, availability.

Deadlines are chance constraints (Charnes and Cooper, Chance-constrained programming, Management
Science 1959): what counts is how likely a run ends in time, by the quantiles of its duration.
"""

from __future__ import annotations

import math

from aiops_provider.domain.cluster import ClusterSpec, Pool, Purchase
from aiops_provider.domain.plan import WorkloadGroup
from aiops_provider.domain.promise import Promise
from aiops_provider.placement.eligibility import accelerator_taken

# Probabilities are exact to about this.
_EXACT = 1e-9


def kept_share(group: WorkloadGroup, cluster: ClusterSpec, pool: Pool) -> float:
    """
    Share of the group's SLA weight that keeps its promises there, if all of it runs there.

    Args:
        group: Of which one machine of the pool can hold the request.
        cluster: Whose availability counts for all members alike.
        pool: Whose accelerator sets the pace; on a spot machine a run must be in time although it is
            lost once.
    """
    return available_share(cluster) * promised_share(
        group, accelerator_of(group, pool), cluster, spot=is_spot(pool)
    )


def is_spot(pool: Pool) -> bool:
    """Whether its machines may be taken away at any time."""
    return pool.purchase is Purchase.SPOT


def available_share(cluster: ClusterSpec) -> float:
    """Share of the time in which a cluster can be used; 1 where nothing is known."""
    return cluster.availability.share if cluster.availability is not None else 1.0


def promised_share(
    group: WorkloadGroup, accelerator: str | None, cluster: ClusterSpec, *, spot: bool
) -> float:
    """Of :func:`kept_share` what does not hang on the cluster's availability."""
    if not group.promises or group.sla_weight <= 0:
        return 1.0
    missed = math.fsum(
        each.weight * (1.0 - each.kept(accelerator, cluster.round_trip_ms, lost_once=spot))
        for each in group.promises
    )
    return max(0.0, 1.0 - missed / group.sla_weight)


def promise_against(
    group: WorkloadGroup, accelerator: str | None, cluster: ClusterSpec, *, spot: bool
) -> str | None:
    """Why a member would not keep its own promise there as often as it says, or ``None``."""
    available = available_share(cluster)
    if available < group.sla_attainment - _EXACT:
        return f"it can be used {available:.4%} of the time, {group.sla_attainment:.4%} is promised"
    broken = (_broken(promise, accelerator, cluster, spot=spot) for promise in group.promises)
    return next((reason for reason in broken if reason is not None), None)


def accelerator_of(group: WorkloadGroup, pool: Pool) -> str | None:
    """The model that the group gets on the pool; ``None`` if it needs none."""
    return accelerator_taken(group.request, pool) if group.request.accelerators else None


def _broken(
    promise: Promise, accelerator: str | None, cluster: ClusterSpec, *, spot: bool
) -> str | None:
    kept = promise.kept(accelerator, cluster.round_trip_ms, lost_once=spot)
    share = available_share(cluster) * kept
    if share >= promise.attainment - _EXACT:
        return None
    what = []
    if promise.deadline_s is not None:
        what.append(f"the deadline of {promise.deadline_s:g} s")
    if promise.latency_objective_ms is not None:
        what.append(f"the latency objective of {promise.latency_objective_ms:g} ms")
    lost = ", if its spot machine is lost once" if spot and promise.deadline_s is not None else ""
    return (
        f"{' and '.join(what)} would be kept {share:.2%} of the time{lost}, "
        f"{promise.attainment:.2%} is promised"
    )
