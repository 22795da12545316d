"""
Makes a placement plan: problem, model, solver, and what people should know about the result.

Most SLA: first the largest SLA-weighted share that capacity and budget allow, then the cheapest
plan that places as much. Least cost: the cheapest plan at the SLA level. The plan carries its bound
and gap, and what one more core-hour of each cluster would be worth.
"""

from __future__ import annotations

import math
import time
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime

from aiops_provider.domain.cluster import ClusterSpec
from aiops_provider.domain.plan import (
    Assignment,
    Objective,
    PlacementPlan,
    PlanStatus,
    WorkloadGroup,
)
from aiops_provider.errors import PlanError
from aiops_provider.placement.binding import BindingSearch
from aiops_provider.placement.conflict import explain_infeasible
from aiops_provider.placement.cost import EgressPrices
from aiops_provider.placement.greedy import greedy_shares
from aiops_provider.placement.model import Goal, Question
from aiops_provider.placement.problem import PlacementProblem, make_problem
from aiops_provider.placement.remarks import remarks

# A solver is exact to about 1e-7; what is smaller is its noise and not a share.
_NOISE = 1e-7
_SAME_ATTAINMENT = 1e-6


@dataclass(slots=True, kw_only=True)
class _Outcome:
    shares: Sequence[float]
    bound: float
    feasible: bool = True
    solver: str = ""
    lines: list[str] = field(default_factory=list)


class _Clock:
    def __init__(self, limit_s: float) -> None:
        self._started = time.perf_counter()
        self._limit_s = limit_s

    @property
    def elapsed_s(self) -> float:
        return time.perf_counter() - self._started

    def left(self, share: float = 1.0) -> float:
        return max(0.0, self._limit_s - self.elapsed_s) * share


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
        PlanError: If nothing was found in time, or there is no solver.
    """
    clock = _Clock(time_limit_s)
    inputs = (tuple(groups), tuple(clusters))
    problem = make_problem(*inputs, unavailable=unavailable, egress=egress)
    search = BindingSearch(problem)
    if objective.maximize_sla:
        outcome = _most_sla(search, objective, clock, gap_tolerance)
    else:
        outcome = _least_cost(search, objective, clock, gap_tolerance)
    if not outcome.feasible:

        def rewrite(freed: Collection[str]) -> PlacementProblem:
            return make_problem(*inputs, unavailable=unavailable, egress=egress, freed=freed)

        outcome.lines += explain_infeasible(
            problem,
            objective,
            attainable=_attainment(problem, outcome.shares),
            rewrite=rewrite,
            time_limit_s=clock.left(),
        )
    prices = _shadow_prices(search, objective, outcome.shares, clock)
    return _plan(problem, objective, outcome, prices, clock.elapsed_s, gap_tolerance, now)


def _most_sla(search: BindingSearch, objective: Objective, clock: _Clock, gap: float) -> _Outcome:
    problem = search.problem
    budget = objective.budget_usd_per_hour
    ceiling = problem.placeable
    if not problem.options:
        return _Outcome(shares=(), bound=ceiling)
    question = Question(goal=Goal.UNPLACED, budget_usd_per_hour=budget)
    relaxation = search.ask(question, time_limit_s=clock.left(0.3), relaxed=True)
    bound = min(ceiling, -relaxation.bound)
    best: Sequence[float] = greedy_shares(problem, budget_usd_per_hour=budget)
    everything_fits = bound >= ceiling - _SAME_ATTAINMENT
    if _attainment(problem, best) < ceiling - _SAME_ATTAINMENT:
        found = search.ask(
            question,
            time_limit_s=clock.left(0.6),
            gap_tolerance=_NOISE if everything_fits else gap,
            start=best,
        )
        bound = min(bound, -found.bound)
        best = _better_placed(problem, best, found.values)
    best, lines = _cheapest(search, budget, best, clock, gap)
    return _Outcome(shares=best, bound=bound, solver=relaxation.solver, lines=lines)


def _cheapest(
    search: BindingSearch, budget: float | None, placed: Sequence[float], clock: _Clock, gap: float
) -> tuple[Sequence[float], list[str]]:
    """Of the plans that place as much, a cheap one, and how cheap in words."""
    problem = search.problem
    attainment = _attainment(problem, placed)
    complete = attainment >= problem.placeable - _SAME_ATTAINMENT
    question = Question(
        goal=Goal.COST,
        budget_usd_per_hour=budget,
        attainment=None if complete else max(0.0, attainment - _NOISE),
        complete=complete,
    )
    # Fitting the shares alone is quick and mostly saves the greater part.
    fitted = search.ask(
        replace(question, modes_of=tuple(placed)), time_limit_s=clock.left(0.3)
    )
    start = fitted.values or placed
    searched = search.ask(
        question, time_limit_s=clock.left(0.8), gap_tolerance=gap, start=start
    )
    plans = [placed, *(s.values for s in (fitted, searched) if s.values is not None)]
    best = min(plans, key=lambda shares: _cost(problem, shares))
    return best, _cost_line(_cost(problem, best), searched.bound)


def _least_cost(
    search: BindingSearch, objective: Objective, clock: _Clock, gap: float
) -> _Outcome:
    problem = search.problem
    budget, level = objective.budget_usd_per_hour, objective.sla
    if not problem.weight:
        return _Outcome(shares=(), bound=0.0)
    if problem.placeable >= level - _NOISE:
        # An SLA level of all that can be placed must not fail by a rounding error.
        question = Question(
            goal=Goal.COST,
            budget_usd_per_hour=budget,
            attainment=min(level, problem.placeable) - _NOISE,
        )
        relaxation = search.ask(question, time_limit_s=clock.left(0.3), relaxed=True)
        found = relaxation
        if not relaxation.infeasible:
            rule = greedy_shares(problem, budget_usd_per_hour=budget, attainment=level)
            found = search.ask(
                question, time_limit_s=clock.left(0.8), gap_tolerance=gap, start=rule
            )
        if not found.infeasible:
            bound = max(relaxation.bound, found.bound, 0.0)
            best = _cheaper(search, objective, found.values, clock)
            return _Outcome(shares=best, bound=bound, solver=found.solver)
    nearest = _most_sla(search, objective, clock, gap)
    return _Outcome(
        shares=nearest.shares, bound=math.inf, feasible=False, solver=nearest.solver
    )


def _cheaper(
    search: BindingSearch,
    objective: Objective,
    found: Sequence[float] | None,
    clock: _Clock,
) -> Sequence[float]:
    """The cheapest plan at the SLA level that the solver or the rule of thumb found."""
    problem, budget = search.problem, objective.budget_usd_per_hour
    rule = greedy_shares(problem, budget_usd_per_hour=budget, attainment=objective.sla)
    plans = [rule] if found is None else [rule, found]
    plans = [p for p in plans if _attainment(problem, p) >= objective.sla - _SAME_ATTAINMENT]
    if not plans:
        # Reaching the level at all comes before its price.
        question = Question(goal=Goal.UNPLACED, budget_usd_per_hour=budget)
        most = search.ask(question, time_limit_s=clock.left(), gap_tolerance=_NOISE)
        if most.values is None or -most.objective < objective.sla - _SAME_ATTAINMENT:
            raise PlanError(
                "No plan at the SLA level was found within the time limit, nor proof that there is "
                "none; raise planning.time_limit_s."
            )
        plans = [most.values]
    return min(plans, key=lambda shares: _cost(problem, shares))


def _better_placed(
    problem: PlacementProblem, one: Sequence[float], other: Sequence[float] | None
) -> Sequence[float]:
    if other is None:
        return one
    return max(one, other, key=lambda shares: _attainment(problem, shares))


def _shadow_prices(
    search: BindingSearch, objective: Objective, shares: Sequence[float], clock: _Clock
) -> dict[str, float]:
    """
    USD that one more core, with the memory and accelerators that come with it, is worth per hour.

    From the relaxation of the cheapest plan at the SLA that is reached; the best pool of a cluster
    counts. What more SLA would be worth is not part of it.
    """
    problem = search.problem
    prices = {cluster.name: 0.0 for cluster in problem.clusters}
    if not problem.limits:
        return prices
    question = Question(
        goal=Goal.COST,
        budget_usd_per_hour=objective.budget_usd_per_hour,
        attainment=max(0.0, _attainment(problem, shares) - _SAME_ATTAINMENT),
    )
    relaxation = search.ask(question, time_limit_s=max(1.0, clock.left()), relaxed=True)
    cores = {(c.name, p.name): p.machine.cores for c in problem.clusters for p in c.pools}
    for (cluster, pool), worth in relaxation.worth.items():
        prices[cluster] = max(prices[cluster], worth / cores[cluster, pool])
    return prices


def _plan(
    problem: PlacementProblem,
    objective: Objective,
    outcome: _Outcome,
    prices: Mapping[str, float],
    solve_s: float,
    gap_tolerance: float,
    now: datetime,
) -> PlacementPlan:
    shares = _without_noise(problem, outcome.shares)
    attainment, cost = _attainment(problem, shares), _cost(problem, shares)
    value = attainment if objective.maximize_sla else cost
    gap = _gap(value, outcome.bound)
    unplaced = _unplaced(problem, shares)
    return PlacementPlan(
        groups=problem.groups,
        assignments=_assignments(problem, shares),
        objective=objective,
        objective_value=value,
        bound=outcome.bound if math.isfinite(outcome.bound) else value,
        gap=gap,
        status=_status(outcome, gap, gap_tolerance),
        cost_usd_per_hour=cost,
        sla_attainment=attainment,
        created_at=now,
        shadow_prices=prices,
        unplaced=unplaced,
        solver=outcome.solver,
        solve_s=solve_s,
        explanation=(*outcome.lines, *remarks(problem, objective, shares, unplaced)),
    )


def _assignments(problem: PlacementProblem, shares: Sequence[float]) -> tuple[Assignment, ...]:
    return tuple(
        Assignment(
            group=problem.groups[option.group].name,
            cluster=option.cluster.name,
            pool=option.pool.name,
            share=share,
            cost_usd_per_hour=option.cost_usd_per_hour * share,
        )
        for option, share in zip(problem.options, shares, strict=True)
        if share > 0
    )


def _without_noise(problem: PlacementProblem, shares: Sequence[float]) -> tuple[float, ...]:
    clean = [min(1.0, share) if share > _NOISE else 0.0 for share in shares]
    for own in problem.options_of:
        total = math.fsum(clean[i] for i in own)
        if abs(total - 1.0) <= 5 * _NOISE:
            for i in own:
                clean[i] /= total
    return tuple(clean)


def _unplaced(problem: PlacementProblem, shares: Sequence[float]) -> dict[str, float]:
    missing = {
        group.name: 1.0 - math.fsum(shares[i] for i in own)
        for group, own in zip(problem.groups, problem.options_of, strict=True)
    }
    return {name: share for name, share in missing.items() if share > _SAME_ATTAINMENT}


def _attainment(problem: PlacementProblem, shares: Sequence[float]) -> float:
    if not problem.weight:
        return 1.0
    placed = (
        problem.groups[option.group].sla_weight * share
        for option, share in zip(problem.options, shares, strict=True)
    )
    return min(1.0, math.fsum(placed) / problem.weight)


def _cost(problem: PlacementProblem, shares: Sequence[float]) -> float:
    return math.fsum(
        option.cost_usd_per_hour * share
        for option, share in zip(problem.options, shares, strict=True)
    )


def _gap(value: float, bound: float) -> float:
    if not math.isfinite(bound):
        return 1.0
    scale = max(abs(value), abs(bound))
    return abs(value - bound) / scale if scale > 1e-12 else 0.0


def _status(outcome: _Outcome, gap: float, tolerance: float) -> PlanStatus:
    if not outcome.feasible:
        return PlanStatus.INFEASIBLE
    # The bound and the value are each exact to the solver's own tolerance only.
    good_enough = gap <= tolerance + _SAME_ATTAINMENT
    return PlanStatus.OPTIMAL if good_enough else PlanStatus.FEASIBLE


def _cost_line(cost: float, bound: float) -> list[str]:
    gap = _gap(cost, bound)
    if gap <= 1e-4:
        return ["No plan that places as much is cheaper."]
    if not math.isfinite(bound):
        return ["How much cheaper a plan that places as much could be is not known."]
    return [f"A plan that places as much may be up to {gap:.2%} cheaper."]
