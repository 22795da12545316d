"""Whether a new plan is worth switching to, with the old one judged by today's demand."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import replace

from aiops_provider.domain.cluster import ClusterSpec, Pool
from aiops_provider.domain.plan import Assignment, PlacementPlan, PlanStatus, WorkloadGroup
from aiops_provider.domain.profile import WorkloadProfile
from aiops_provider.domain.task import TaskKey
from aiops_provider.placement.cost import EgressPrices, group_cost_usd_per_hour
from aiops_provider.placement.figures import shared_carbon
from aiops_provider.placement.interference import Interference
from aiops_provider.placement.multiplexing import make_group
from aiops_provider.placement.placeable import placeable
from aiops_provider.placement.promises import kept_share

# A thousandth of the SLA weight: below it, forecasts differ more from one day to the next.
MEANINGFUL_ATTAINMENT = 0.001


def better_plan(
    new: PlacementPlan, old: PlacementPlan | None, switching_cost_usd: float = 0.0
) -> bool:
    """
    Whether the new plan beats the old one by more than switching costs.

    Both must be of the same demand (see :func:`refresh_plan`). More SLA counts before less cost
    when SLA is maximised; a plan for another objective is always better, for that is what the user
    asks for now.

    Args:
        new: Candidate.
        old: In force, or ``None``.
        switching_cost_usd: What must be saved per hour.
    """
    if new.status is PlanStatus.INFEASIBLE:
        return False
    if old is None or old.status is PlanStatus.INFEASIBLE or new.objective != old.objective:
        return True
    if new.objective.maximize_sla:
        gained = new.sla_attainment - old.sla_attainment
        if abs(gained) > MEANINGFUL_ATTAINMENT:
            return gained > 0
    saved = old.cost_usd_per_hour - new.cost_usd_per_hour
    # A figure of a solver is exact to about a millionth of itself.
    return saved > switching_cost_usd + 1e-6 * max(1e-3, old.cost_usd_per_hour)


def refresh_plan(
    plan: PlacementPlan,
    profiles: Iterable[WorkloadProfile],
    clusters: Sequence[ClusterSpec],
    *,
    egress: EgressPrices | None = None,
    interference: Interference | None = None,
) -> PlacementPlan:
    """
    The same decisions with today's demand and prices: what staying with the plan would mean.

    Args:
        plan: In force.
        profiles: Of today; tasks that are gone leave their group, new ones stand unplaced.
        clusters: Of today; an assignment to a pool that is gone keeps its old cost and no promise.
        egress: USD per GiB by region of the data, then region of the cluster, where known.
        interference: By how much members of a group slow one another.

    Returns:
        A plan without a proven bound: it says what the decisions are worth, not how good they are.
    """
    by_task = {profile.task: profile for profile in placeable(profiles, clusters)}
    groups = _groups(plan, by_task, interference)
    shares: dict[str, float] = {}
    assignments = []
    pools = {(c.name, pool.name): (c, pool) for c in clusters for pool in c.pools}
    kept = 0.0
    for given in plan.assignments:
        group = groups.get(given.group)
        if group is not None:
            place = pools.get((given.cluster, given.pool))
            usd_per_kg = plan.objective.carbon_usd_per_kg
            assignments.append(_repriced(given, group, place, egress or {}, usd_per_kg))
            shares[given.group] = shares.get(given.group, 0.0) + given.share
            if place is not None and place[1].machine.fits(group.request):
                share = 1.0 if plan.objective.every_workload else kept_share(group, *place)
                kept += group.sla_weight * given.share * share
    weight = math.fsum(group.sla_weight for group in groups.values())
    attainment = min(1.0, kept / weight) if weight else 1.0
    cost = math.fsum(given.cost_usd_per_hour for given in assignments)
    value = attainment if plan.objective.maximize_sla else cost
    left = {name: 1.0 - shares.get(name, 0.0) for name in groups}
    return replace(
        plan,
        groups=tuple(groups.values()),
        assignments=tuple(assignments),
        objective_value=value,
        bound=value,
        gap=0.0,
        cost_usd_per_hour=cost,
        sla_attainment=attainment,
        unplaced={name: share for name, share in left.items() if share > 1e-6},
    )


def _groups(
    plan: PlacementPlan,
    by_task: dict[TaskKey, WorkloadProfile],
    interference: Interference | None,
) -> dict[str, WorkloadGroup]:
    """Old groups with today's demand under their old names, then one for each new task."""
    groups: dict[str, WorkloadGroup] = {}
    for group in plan.groups:
        members = [by_task[task] for task in group.tasks if task in by_task]
        # A member whose limits have changed breaks up the group: it counts as a new task.
        alike = [profile for profile in members if _limits(profile) == _limits(members[0])]
        if alike:
            groups[group.name] = replace(make_group(alike, interference), name=group.name)
    known = {task for group in groups.values() for task in group.tasks}
    for task in sorted(set(by_task) - known):
        alone = make_group([by_task[task]])
        name = alone.name if alone.name not in groups else f"{alone.name} (new)"
        groups[name] = replace(alone, name=name)
    return groups


def _limits(profile: WorkloadProfile) -> tuple[object, ...]:
    return (
        frozenset(profile.allowed_regions),
        frozenset(profile.allowed_providers),
        profile.data_region,
        profile.pinned_cluster,
        frozenset(profile.user_regions),
        profile.request.accelerator,
        profile.request.accelerators > 0,
        profile.spread,
        profile.anti_affinity,
    )


def _repriced(
    given: Assignment,
    group: WorkloadGroup,
    place: tuple[ClusterSpec, Pool] | None,
    egress: EgressPrices,
    carbon_usd_per_kg: float,
) -> Assignment:
    if place is None or not place[1].machine.fits(group.request):
        return given
    cost = group_cost_usd_per_hour(group, *place, egress, carbon_usd_per_kg=carbon_usd_per_kg)
    carbon = shared_carbon(group, place[1], given.share)
    return replace(given, cost_usd_per_hour=cost * given.share, carbon_kg_per_hour=carbon)
