"""
The search for a plan under one objective, with what is proven about it.

Each step starts from the best plan known so far and keeps it where the solver finds nothing better
in its time, so there is always a plan to return.
"""

from __future__ import annotations

import math
import time
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import TypedDict

from aiops_provider.domain.plan import Objective
from aiops_provider.errors import PlanError
from aiops_provider.placement.binding import BindingSearch
from aiops_provider.placement.figures import (
    NOISE,
    SAME_ATTAINMENT,
    attained,
    relative_gap,
    spend,
)
from aiops_provider.placement.greedy import greedy_shares
from aiops_provider.placement.model import Goal, Question

_Shares = Sequence[float]


class Caps(TypedDict):
    """What a plan may spend and emit."""

    budget_usd_per_hour: float | None
    max_carbon_kg_per_hour: float | None


class Clock:
    """
    How much of a time limit is left.

    Args:
        limit_s: In seconds, from now.
    """

    def __init__(self, limit_s: float) -> None:
        self._started = time.perf_counter()
        self._limit_s = limit_s

    @property
    def elapsed_s(self) -> float:
        """Since the start."""
        return time.perf_counter() - self._started

    def left(self, share: float = 1.0) -> float:
        """A share of what is left, in seconds."""
        return max(0.0, self._limit_s - self.elapsed_s) * share


@dataclass(slots=True, kw_only=True)
class Outcome:
    """
    What a search came to.

    Attributes:
        shares: Of each option.
        bound: No plan is better; infinite if the SLA level cannot be reached.
        feasible: Whether the shares keep the SLA level.
        solver: Which one.
        lines: What is to be said about it.
    """

    shares: _Shares
    bound: float
    feasible: bool = True
    solver: str = ""
    lines: list[str] = field(default_factory=list)


def most_sla(search: BindingSearch, objective: Objective, clock: Clock, gap: float) -> Outcome:
    """
    The largest SLA-weighted share within capacity, budget and emissions, and of such plans a cheap one.

    Args:
        search: Of the problem.
        objective: Its budget and its cap on emissions count.
        clock: For all steps together.
        gap: Relative gap that is good enough.

    Raises:
        PlanError: If there is no solver.
    """
    problem, caps = search.problem, caps_of(objective)
    ceiling = problem.placeable
    if not problem.options:
        return Outcome(shares=(), bound=ceiling)
    question = Question(goal=Goal.UNPLACED, **caps)
    relaxation = search.ask(question, time_limit_s=clock.left(0.3), relaxed=True)
    bound = min(ceiling, -relaxation.bound)
    best: _Shares = greedy_shares(problem, **caps)
    if attained(problem, best) < ceiling - SAME_ATTAINMENT:
        found = search.ask(
            question,
            time_limit_s=clock.left(0.6),
            # Where all can be placed, almost all is not good enough.
            gap_tolerance=NOISE if bound >= ceiling - SAME_ATTAINMENT else gap,
            start=best,
        )
        bound = min(bound, -found.bound)
        candidates = [best] if found.values is None else [best, found.values]
        best = max(candidates, key=lambda shares: attained(problem, shares))
    best, line = _cheapest(search, caps, best, clock, gap)
    return Outcome(shares=best, bound=bound, solver=relaxation.solver, lines=[line])


def least_cost(search: BindingSearch, objective: Objective, clock: Clock, gap: float) -> Outcome:
    """
    The cheapest plan at the objective's SLA level.

    Args:
        search: Of the problem.
        objective: Its level, its budget and its cap on emissions count.
        clock: For all steps together.
        gap: Relative gap that is good enough.

    Returns:
        With ``feasible`` false the plan that places most, for there is none at that level.

    Raises:
        PlanError: Neither a plan nor a proof that there is none was found in time.
    """
    problem, level = search.problem, objective.sla
    caps = caps_of(objective)
    if not problem.weight:
        return Outcome(shares=(), bound=0.0)
    if problem.placeable >= level - NOISE:
        question = Question(
            goal=Goal.COST,
            **caps,
            # A level of all that can be placed must not fail by a rounding error.
            attainment=min(level, problem.placeable) - NOISE,
        )
        relaxation = search.ask(question, time_limit_s=clock.left(0.3), relaxed=True)
        found = relaxation
        if not relaxation.infeasible:
            rule = greedy_shares(problem, **caps, attainment=level)
            found = search.ask(
                question, time_limit_s=clock.left(0.8), gap_tolerance=gap, start=rule
            )
        if not found.infeasible:
            bound = max(relaxation.bound, found.bound, 0.0)
            best = _at_level(search, objective, found.values, clock)
            return Outcome(shares=best, bound=bound, solver=found.solver)
    nearest = most_sla(search, objective, clock, gap)
    return Outcome(shares=nearest.shares, bound=math.inf, feasible=False, solver=nearest.solver)


def shadow_prices(
    search: BindingSearch, objective: Objective, shares: _Shares, clock: Clock
) -> dict[str, float]:
    """
    USD that one more core, with the memory and accelerators that come with it, is worth per hour.

    From the relaxation of the cheapest plan at the SLA that is reached; the best pool of a cluster
    counts. What more SLA would be worth is not part of it.

    Args:
        search: Of the problem.
        objective: Its budget and its cap on emissions count.
        shares: Of the plan.
        clock: At least a second is taken.

    Returns:
        By name of the cluster; 0 where nothing is scarce, or if time ran out.
    """
    problem = search.problem
    prices = {cluster.name: 0.0 for cluster in problem.clusters}
    if not problem.limits:
        return prices
    question = Question(
        goal=Goal.COST,
        **caps_of(objective),
        attainment=max(0.0, attained(problem, shares) - SAME_ATTAINMENT),
    )
    relaxation = search.ask(question, time_limit_s=max(1.0, clock.left()), relaxed=True)
    cores = {(c.name, p.name): p.machine.cores for c in problem.clusters for p in c.pools}
    for (cluster, pool), worth in relaxation.worth.items():
        prices[cluster] = max(prices[cluster], worth / cores[cluster, pool])
    return prices


def _cheapest(
    search: BindingSearch, caps: Caps, placed: _Shares, clock: Clock, gap: float
) -> tuple[_Shares, str]:
    """Of the plans that place as much, a cheap one, and how cheap in words."""
    problem = search.problem
    level = attained(problem, placed)
    # Where promises are kept alike everywhere, all that can be placed is a place for every group.
    complete = problem.alike and level >= problem.placeable - SAME_ATTAINMENT
    question = Question(
        goal=Goal.COST,
        **caps,
        attainment=None if complete else max(0.0, level - NOISE),
        complete=complete,
    )
    # Fitting the shares alone is quick and mostly saves the greater part.
    fitted = search.ask(replace(question, modes_of=tuple(placed)), time_limit_s=clock.left(0.3))
    start = fitted.values or placed
    searched = search.ask(question, time_limit_s=clock.left(0.8), gap_tolerance=gap, start=start)
    plans = [placed, *(s.values for s in (fitted, searched) if s.values is not None)]
    best = min(plans, key=lambda shares: spend(problem, shares))
    return best, how_cheap(spend(problem, best), searched.bound)


def _at_level(
    search: BindingSearch, objective: Objective, found: _Shares | None, clock: Clock
) -> _Shares:
    """The cheapest plan at the SLA level that the solver or the rule of thumb found."""
    problem, caps = search.problem, caps_of(objective)
    rule = greedy_shares(problem, **caps, attainment=objective.sla)
    plans = [rule] if found is None else [rule, found]
    plans = [p for p in plans if attained(problem, p) >= objective.sla - SAME_ATTAINMENT]
    if not plans:
        # Reaching the level at all comes before its price.
        question = Question(goal=Goal.UNPLACED, **caps)
        most = search.ask(question, time_limit_s=clock.left(), gap_tolerance=NOISE)
        if most.values is None or attained(problem, most.values) < objective.sla - SAME_ATTAINMENT:
            raise PlanError(
                "No plan at the SLA level was found within the time limit, nor proof that there is "
                "none; raise planning.time_limit_s."
            )
        plans = [most.values]
    return min(plans, key=lambda shares: spend(problem, shares))


def caps_of(objective: Objective) -> Caps:
    """The limits that all options share, as questions and targets name them."""
    return {
        "budget_usd_per_hour": objective.budget_usd_per_hour,
        "max_carbon_kg_per_hour": objective.max_carbon_kg_per_hour,
    }


def how_cheap(cost: float, bound: float) -> str:
    """How much cheaper a plan that places as much could be at most, in words."""
    gap = relative_gap(cost, bound)
    if gap <= 1e-4:
        return "No plan that places as much is cheaper."
    if not math.isfinite(bound):
        return "How much cheaper a plan that places as much could be is not known."
    return f"A plan that places as much may be up to {gap:.2%} cheaper."
