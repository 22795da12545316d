"""
Makes a placement plan: problem, search, and what people should know about the result.

Most SLA: first the largest SLA-weighted share that capacity and budget allow, then the cheapest
plan that places as much. Least cost: the cheapest plan at the SLA level. The plan carries its bound
and gap, and what one more core-hour of each cluster would be worth.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import TypedDict

from aiops_provider.domain.cluster import ClusterSpec
from aiops_provider.domain.plan import Objective, PlacementPlan, PlanStatus, WorkloadGroup
from aiops_provider.errors import PlanError
from aiops_provider.placement.binding import BindingSearch
from aiops_provider.placement.conflict import explain_infeasible
from aiops_provider.placement.cost import EgressPrices
from aiops_provider.placement.figures import (
    SAME_ATTAINMENT,
    assignments,
    attained,
    relative_gap,
    spend,
    unplaced_shares,
    without_noise,
)
from aiops_provider.placement.improvement import MEANINGFUL_ATTAINMENT
from aiops_provider.placement.large_conflict import explain_large
from aiops_provider.placement.large_search import search_large
from aiops_provider.placement.problem import PlacementProblem, make_problem
from aiops_provider.placement.problem_columns import ProblemColumns, make_columns
from aiops_provider.placement.remarks import remarks
from aiops_provider.placement.search import Clock, Outcome, least_cost, most_sla, shadow_prices
from aiops_provider.placement.separation import without_preferences
from aiops_provider.placement.separation_words import preferences_given_up, separation_kept

# A program with more options than this is decomposed: with 500 groups and 20 pools both HiGHS and
# CBC were seen to hit a limit of 25 s on one program.
MOST_OPTIONS_AT_ONCE = 10_000


class _Rules(TypedDict):
    """What both ways to write a problem down are told."""

    unavailable: Collection[str]
    egress: EgressPrices | None
    every_workload: bool
    carbon_usd_per_kg: float


def plan_placement(
    groups: Iterable[WorkloadGroup],
    clusters: Iterable[ClusterSpec],
    objective: Objective,
    *,
    now: datetime,
    unavailable: Collection[str] = frozenset(),
    egress: EgressPrices | None = None,
    time_limit_s: float = 25.0,
    gap_tolerance: float = 0.005,
) -> PlacementPlan:
    """
    Assign groups to pools.

    What groups only prefer is kept as long as everything has a place, or the SLA level is reached;
    else a plan without it is made too, and taken if it reaches more of the SLA.

    Args:
        groups: What is to be placed, with unique names.
        clusters: Where.
        objective: What for.
        now: Time stamp of the plan.
        unavailable: Names of clusters that must not be used.
        egress: USD per GiB by region of the data, then region of the cluster, where known.
        time_limit_s: For all solving; the best plan found by then is returned with its gap.
        gap_tolerance: Relative gap at which the search may end.

    Returns:
        A plan. Its status is infeasible only when cost is minimised and the SLA level cannot be
        reached; then the explanation names the conflict and the assignments are the nearest plan.

    Raises:
        PlanError: If nothing was found in time, or there is no solver, or there is a cap on emissions and
            a pool that nobody asked for them.
    """
    wanted, places = tuple(groups), tuple(clusters)
    if objective.max_carbon_kg_per_hour is not None:
        _check_emissions_known(places)

    def place(chosen: tuple[WorkloadGroup, ...], clock: Clock) -> PlacementPlan:
        return _place(
            chosen,
            places,
            objective,
            now=now,
            unavailable=unavailable,
            egress=egress,
            clock=clock,
            gap_tolerance=gap_tolerance,
        )

    bound = without_preferences(wanted)
    if bound == wanted:
        return place(wanted, Clock(time_limit_s))
    clock = Clock(time_limit_s)
    try:
        first: PlacementPlan | None = place(wanted, Clock(time_limit_s / 2))
    except PlanError:
        first = None  # not found in time, which a plan without preferences may be
    good = first is not None and first.status is not PlanStatus.INFEASIBLE
    if first is not None and good and not (objective.maximize_sla and first.unplaced):
        return first
    second = place(bound, Clock(clock.left()))
    if first is not None:
        gained = second.sla_attainment - first.sla_attainment
        reached = not good and second.status is not PlanStatus.INFEASIBLE
        if gained <= MEANINGFUL_ATTAINMENT and not reached:
            return first
    told = (*second.explanation, *preferences_given_up(second, wanted, places))
    return replace(
        second, groups=tuple(sorted(wanted, key=lambda group: group.name)), explanation=told
    )


def _place(
    groups: Sequence[WorkloadGroup],
    clusters: Sequence[ClusterSpec],
    objective: Objective,
    *,
    now: datetime,
    unavailable: Collection[str],
    egress: EgressPrices | None,
    clock: Clock,
    gap_tolerance: float,
) -> PlacementPlan:
    """One plan, with every rule of its groups kept."""
    inputs = (groups, clusters)
    rules: _Rules = {
        "unavailable": unavailable,
        "egress": egress,
        "every_workload": objective.every_workload,
        "carbon_usd_per_kg": objective.carbon_usd_per_kg,
    }
    capped = objective.max_carbon_kg_per_hour is not None
    columns = _columns_if_large(*inputs, rules, with_carbon=capped)
    if columns is not None:
        large = search_large(columns, objective, clock, gap_tolerance)
        if not large.outcome.feasible:

            def rewrite_columns(freed: Collection[str]) -> ProblemColumns:
                return make_columns(*inputs, **rules, freed=freed, with_carbon=capped)

            large.outcome.lines += explain_large(
                columns,
                objective,
                attainable=attained(large.problem, large.outcome.shares),
                rewrite=rewrite_columns,
                time_limit_s=clock.left(),
            )
        return _plan(
            large.problem,
            objective,
            large.outcome,
            worth=large.worth,
            gap_tolerance=gap_tolerance,
            solve_s=clock.elapsed_s,
            now=now,
        )
    problem = make_problem(*inputs, **rules)
    search = BindingSearch(problem)
    find = most_sla if objective.maximize_sla else least_cost
    outcome = find(search, objective, clock, gap_tolerance)
    if not outcome.feasible:

        def rewrite(freed: Collection[str]) -> PlacementProblem:
            return make_problem(*inputs, **rules, freed=freed)

        outcome.lines += explain_infeasible(
            problem,
            objective,
            attainable=attained(problem, outcome.shares),
            rewrite=rewrite,
            time_limit_s=clock.left(),
        )
    worth = shadow_prices(search, objective, outcome.shares, clock)
    return _plan(
        problem,
        objective,
        outcome,
        worth=worth,
        gap_tolerance=gap_tolerance,
        solve_s=clock.elapsed_s,
        now=now,
    )


def _check_emissions_known(clusters: Sequence[ClusterSpec]) -> None:
    for cluster in clusters:
        for pool in cluster.pools:
            if pool.carbon is None:
                raise PlanError(
                    f"objective.max_carbon_kg_per_hour: what {cluster.name}/{pool.name} emits is "
                    "missing; set the pool's carbon."
                )


def _columns_if_large(
    groups: Sequence[WorkloadGroup],
    clusters: Sequence[ClusterSpec],
    rules: _Rules,
    *,
    with_carbon: bool,
) -> ProblemColumns | None:
    pools = sum(len(cluster.pools) for cluster in clusters)
    if len(groups) * pools <= MOST_OPTIONS_AT_ONCE:
        return None
    columns = make_columns(groups, clusters, **rules, with_carbon=with_carbon)
    return columns if columns.options > MOST_OPTIONS_AT_ONCE else None


def _plan(
    problem: PlacementProblem,
    objective: Objective,
    outcome: Outcome,
    *,
    worth: Mapping[str, float],
    gap_tolerance: float,
    solve_s: float,
    now: datetime,
) -> PlacementPlan:
    shares = without_noise(problem, outcome.shares)
    attainment, cost = attained(problem, shares), spend(problem, shares)
    value = attainment if objective.maximize_sla else cost
    gap = relative_gap(value, outcome.bound)
    unplaced = unplaced_shares(problem, shares)
    return PlacementPlan(
        groups=problem.groups,
        assignments=assignments(problem, shares),
        objective=objective,
        objective_value=value,
        bound=outcome.bound if math.isfinite(outcome.bound) else value,
        gap=gap,
        status=_status(outcome, gap, gap_tolerance),
        cost_usd_per_hour=cost,
        sla_attainment=attainment,
        created_at=now,
        shadow_prices=worth,
        unplaced=unplaced,
        solver=outcome.solver,
        solve_s=solve_s,
        explanation=(
            *outcome.lines,
            *remarks(problem, objective, shares, unplaced, feasible=outcome.feasible),
            *separation_kept(problem, shares),
        ),
    )


def _status(outcome: Outcome, gap: float, tolerance: float) -> PlanStatus:
    if not outcome.feasible:
        return PlanStatus.INFEASIBLE
    # The bound and the value are each exact to the solver's own tolerance only.
    good_enough = gap <= tolerance + SAME_ATTAINMENT
    return PlanStatus.OPTIMAL if good_enough else PlanStatus.FEASIBLE
