"""From profiles to a plan: grouped where that costs nothing, one by one where it would."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import replace
from datetime import datetime

from aiops_provider.domain.cluster import ClusterSpec
from aiops_provider.domain.plan import Objective, PlacementPlan, PlanStatus, WorkloadGroup
from aiops_provider.domain.profile import WorkloadProfile
from aiops_provider.errors import PlanError
from aiops_provider.placement.cost import EgressPrices
from aiops_provider.placement.improvement import MEANINGFUL_ATTAINMENT
from aiops_provider.placement.input_words import counted_by_input
from aiops_provider.placement.interference import Interference
from aiops_provider.placement.multiplexing import latest_profiles, make_group, multiplex
from aiops_provider.placement.placeable import placeable
from aiops_provider.placement.planner import plan_placement

# Beyond this many, a program with a group for each task is too large to be searched in time.
_MOST_TASKS_ALONE = 1000
# Less saving than this is not worth giving up shared reservations.
_MEANINGFUL_SAVING = 0.01


def plan_workloads(
    profiles: Iterable[WorkloadProfile],
    clusters: Sequence[ClusterSpec],
    objective: Objective,
    *,
    now: datetime,
    unavailable: Collection[str] = frozenset(),
    egress: EgressPrices | None = None,
    time_limit_s: float = 25.0,
    gap_tolerance: float = 0.005,
    interference: Interference | None = None,
) -> PlacementPlan:
    """
    Group workloads and place the groups.

    A group is placed or left out as a whole, so where capacity or budget are short grouping may cost
    SLA. If the grouped plan leaves anything out, a plan without groups is made too and the better
    one is taken, with what grouping would have cost among its explanations.

    Args:
        profiles: One per task; of several for one task the latest is taken.
        clusters: Where.
        objective: What for.
        now: Time stamp of the plan.
        unavailable: Names of clusters that must not be used.
        egress: USD per GiB by region of the data, then region of the cluster, where known.
        time_limit_s: For all solving together.
        gap_tolerance: Relative gap at which a search may end.
        interference: By how much tasks slow one another when they share a reservation.

    Raises:
        DataError: A profile's cadence is not one of a week.
        PlanError: Nothing was found in time, or there is no solver.
    """
    profiles = latest_profiles(profiles)
    by_input = counted_by_input(profiles, clusters)
    known = placeable(profiles, clusters)
    usable = [cluster for cluster in clusters if cluster.name not in unavailable]
    groups = multiplex(
        known,
        clusters=usable,
        every_workload=objective.every_workload,
        interference=interference,
    )

    def plan_groups(chosen: Sequence[WorkloadGroup], seconds: float) -> PlacementPlan:
        made = plan_placement(
            chosen,
            clusters,
            objective,
            now=now,
            unavailable=unavailable,
            egress=egress,
            time_limit_s=seconds,
            gap_tolerance=gap_tolerance,
        )
        return replace(made, explanation=(*made.explanation, *by_input))

    grouped = plan_groups(groups, time_limit_s / 2)
    if not grouped.unplaced or len(known) == len(groups) or len(known) > _MOST_TASKS_ALONE:
        return grouped
    try:
        alone = plan_groups([make_group([profile]) for profile in known], time_limit_s / 2)
    except PlanError:
        # The grouped plan is good; only the comparison is missing.
        return grouped
    if not _beats(alone, grouped):
        return grouped
    return replace(alone, explanation=(*alone.explanation, _what_grouping_costs(grouped, alone)))


def _beats(alone: PlacementPlan, grouped: PlacementPlan) -> bool:
    feasible = (p.status is not PlanStatus.INFEASIBLE for p in (alone, grouped))
    if (first := next(feasible)) != next(feasible):
        return first
    if alone.objective.maximize_sla or not first:
        return alone.sla_attainment > grouped.sla_attainment + MEANINGFUL_ATTAINMENT
    return alone.cost_usd_per_hour < grouped.cost_usd_per_hour * (1 - _MEANINGFUL_SAVING)


def _what_grouping_costs(grouped: PlacementPlan, alone: PlacementPlan) -> str:
    return (
        "Each task is placed on its own, because not everything has a place: in "
        f"{len(grouped.groups)} groups the plan would reach {grouped.sla_attainment:.2%} of the SLA "
        f"weight for {grouped.cost_usd_per_hour:.4g} USD an hour instead of "
        f"{alone.sla_attainment:.2%} for {alone.cost_usd_per_hour:.4g}."
    )
