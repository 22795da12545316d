"""
The plan as lists of clusters, for a dispatcher that is told where to try.

Kueue's MultiKueue lets an outside controller write ``status.nominatedClusterNames`` of a Workload,
which is then created on all of them, and the first that reserves quota has it (KEP-693,
https://github.com/kubernetes-sigs/kueue/tree/main/keps/693-multikueue). So only clusters that the
plan itself chose are nominated together; those to try after them are a list of their own.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass

from aiops_provider.domain.cluster import ClusterSpec
from aiops_provider.domain.plan import PlacementPlan, WorkloadGroup
from aiops_provider.domain.task import TaskKey
from aiops_provider.placement.cost import planning_price
from aiops_provider.placement.eligibility import rule_against

MOST_NOMINATED = 10
"""The most that every version of MultiKueue takes; later ones take twenty."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Nomination:
    """
    Where a task should be tried.

    Attributes:
        task: Which.
        group: Its group in the plan.
        nominated: Names of clusters of the plan, the largest share first; empty: no place.
        next: Names of clusters that may and can hold it, the cheapest first, for the case that none
            of those reserves quota.
    """

    task: TaskKey
    group: str
    nominated: tuple[str, ...]
    next: tuple[str, ...]


def nominate(
    plan: PlacementPlan, clusters: Sequence[ClusterSpec], unavailable: Collection[str] = frozenset()
) -> list[Nomination]:
    """
    Lists of clusters for every task of a plan.

    Args:
        plan: In force.
        clusters: As they are now.
        unavailable: Names of clusters that must not be used; none of them is on a list.

    Returns:
        By task.
    """
    usable = {cluster.name: cluster for cluster in clusters if cluster.name not in unavailable}
    found = []
    for group in plan.groups:
        chosen = tuple(name for name in _chosen(plan, group) if name in usable)[:MOST_NOMINATED]
        others = _others(group, [c for name, c in usable.items() if name not in chosen])
        found += [
            Nomination(task=task, group=group.name, nominated=chosen, next=others)
            for task in group.tasks
        ]
    return sorted(found, key=lambda nomination: str(nomination.task))


def _chosen(plan: PlacementPlan, group: WorkloadGroup) -> list[str]:
    shares: dict[str, float] = {}
    for given in plan.assignments:
        if given.group == group.name:
            shares[given.cluster] = shares.get(given.cluster, 0.0) + given.share
    return sorted(shares, key=lambda name: (-shares[name], name))


def _others(group: WorkloadGroup, clusters: Sequence[ClusterSpec]) -> tuple[str, ...]:
    prices = {
        cluster.name: min(
            planning_price(pool) * pool.machine_share(group.request)
            for pool in cluster.feasible_pools(group.request)
        )
        for cluster in clusters
        if rule_against(group, cluster) is None and cluster.feasible_pools(group.request)
    }
    return tuple(sorted(prices, key=lambda name: (prices[name], name)))[:MOST_NOMINATED]
