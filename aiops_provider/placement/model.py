"""
The placement problem as a mixed-integer program in PuLP.

Variables: the share of each group on each of its options, in [0, 1]. A group whose peak one machine
of a pool can hold is either wholly on that pool or not at all (a binary choice); a group that needs
several machines anyway, or is spread over failure domains, may be split. Constraints: capacity of
every resource of every pool in every deciding slot, the budget, the cap on emissions, the SLA level, and that of a group
that is spread no domain holds more than its part. Whether one of two groups that are kept apart is
in a domain is a binary choice too. Demand is the expectation of each hour and machines of
a pool are one divisible amount, apart from the rule that one machine must hold one run: how runs
fall onto machines is left to the cluster.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from aiops_provider.placement.cost import planning_price
from aiops_provider.placement.problem import Limit, PlacementProblem
from aiops_provider.placement.separation import by_domain

# Breaks ties in favour of places near the data: far below any real saving.
FAR_USD_PER_HOUR = 1e-6


class Goal(StrEnum):
    """What the solver minimises."""

    UNPLACED = "unplaced"
    COST = "cost"
    CARBON = "carbon"
    RELAXATION = "relaxation"


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """
    What is asked of the solver.

    Attributes:
        goal: ``UNPLACED``: least SLA-weighted share without a place. ``COST``: least USD per hour.
            ``CARBON``: least kg of CO₂ equivalent per hour.
            ``RELAXATION``: cheapest machines and budget that are missing to reach *attainment*.
        budget_usd_per_hour: Upper limit of the spend, or ``None``.
        max_carbon_kg_per_hour: Upper limit of the emissions, or ``None``; never relaxed.
        attainment: Least SLA-weighted share that must be placed, or ``None``.
        complete: Every group that has an option must be placed wholly.
        unlimited: Clusters taken as unlimited, to ask what if.
        modes_of: Shares of a solution whose choice for each group – which pool holds it whole, or
            that it is split – is kept, so that nothing integer is left to decide.
    """

    goal: Goal
    budget_usd_per_hour: float | None = None
    max_carbon_kg_per_hour: float | None = None
    attainment: float | None = None
    complete: bool = False
    unlimited: Collection[str] = frozenset()
    modes_of: tuple[float, ...] | None = None


@dataclass(slots=True, kw_only=True)
class Model:
    """
    A PuLP problem and what its parts mean.

    Attributes:
        lp: The problem, always a minimisation.
        shares: Variables, one per option of the placement problem.
        capacity: Constraints with the limits they stand for; both sides are divided by its amount.
        more_machines: Variables by cluster and pool: machines that are missing.
        more_budget: Variable: USD per hour that are missing.
        start: Variables with values of a solution to begin the search with.
        constant_slack: How far the objective may lie above the true one, for tie breaking.
    """

    lp: Any
    shares: list[Any]
    capacity: list[tuple[Limit, Any]] = field(default_factory=list)
    more_machines: dict[tuple[str, str], Any] = field(default_factory=dict)
    more_budget: Any = None
    start: list[tuple[Any, float]] = field(default_factory=list)
    constant_slack: float = 0.0


def build_model(
    problem: PlacementProblem,
    question: Question,
    *,
    slots: Mapping[int, Collection[int]] | None = None,
    start: Sequence[float] | None = None,
) -> Model:
    """
    Write the program for one question.

    Args:
        problem: In plain numbers.
        question: What is minimised within which limits.
        slots: Slots of each limit, by its index, that are written down; default: all of them. With
            fewer, its solution may break the others, but its bound holds all the same.
        start: Shares to begin the search with.
    """
    import pulp

    lp = pulp.LpProblem("placement", pulp.LpMinimize)
    model = Model(
        lp=lp,
        shares=[lp.add_variable(f"x{i:07d}", 0.0, 1.0) for i in range(len(problem.options))],
    )
    elastic = question.goal is Goal.RELAXATION
    if elastic:
        _add_what_is_missing(problem, model)
    lp.setObjective(_objective(problem, model, question.goal))
    if question.modes_of is None:
        _add_whole_or_split(problem, model, start)
    else:
        _keep_modes(problem, model, question.modes_of)
    if question.complete:
        for number, own in enumerate(problem.options_of):
            if own:
                _add(model, f"all{number}", [(model.shares[i], 1.0) for i in own], ">=", 1.0)
    _add_spreads(problem, model)
    _add_distances(problem, model, start, kept=question.modes_of)
    _add_capacity(problem, model, unlimited=question.unlimited, slots=slots)
    if question.budget_usd_per_hour is not None:
        _add_budget(problem, model, question.budget_usd_per_hour, elastic=elastic)
    if question.max_carbon_kg_per_hour is not None:
        # In shares of the cap: a few grams would be within the solver's tolerance.
        most = question.max_carbon_kg_per_hour
        parts = [(share, kg / most) for share, kg in _emitted(problem, model)]
        _add(model, "carbon", parts, "<=", 1.0)
    if question.attainment is not None:
        level = question.attainment * problem.weight
        _add(model, "sla", _placed(problem, model), ">=", level)
    return model


def _objective(problem: PlacementProblem, model: Model, goal: Goal) -> Any:
    import pulp

    if goal is Goal.UNPLACED:
        terms = [(share, -weight / problem.weight) for share, weight in _placed(problem, model)]
        return pulp.LpAffineExpression(terms)
    if goal is Goal.CARBON:
        return pulp.LpAffineExpression(_emitted(problem, model))
    if goal is Goal.RELAXATION:
        prices = {(c.name, p.name): planning_price(p) for c in problem.clusters for p in c.pools}
        # A machine that costs nothing is still one more than there is.
        return pulp.LpAffineExpression(
            [(extra, max(prices[key], 1e-3)) for key, extra in model.more_machines.items()]
        )
    far = sum(1 for own in problem.options_of if any(problem.options[i].far for i in own))
    model.constant_slack = far * FAR_USD_PER_HOUR
    return pulp.LpAffineExpression(
        [
            (share, option.cost_usd_per_hour + (FAR_USD_PER_HOUR if option.far else 0.0))
            for share, option in zip(model.shares, problem.options, strict=True)
        ]
    )


def _placed(problem: PlacementProblem, model: Model) -> list[tuple[Any, float]]:
    return [
        (share, problem.worth(option))
        for share, option in zip(model.shares, problem.options, strict=True)
    ]


def _add_whole_or_split(
    problem: PlacementProblem, model: Model, start: Sequence[float] | None
) -> None:
    """Each group at most once; on a pool that holds it whole, on no other at the same time."""
    if start is not None:
        model.start += zip(model.shares, start, strict=True)
    for number, own in enumerate(problem.options_of):
        whole = [[i] for i in own if problem.options[i].holds_whole]
        several = [i for i in own if not problem.options[i].holds_whole]
        if len(own) < 2 or not whole:
            if own:
                _add(model, f"once{number}", [(model.shares[i], 1.0) for i in own], "<=", 1.0)
            continue
        modes = []
        for members in [*whole, several] if several else whole:
            mode = model.lp.add_variable(f"y{members[0]:07d}", 0, 1, "Integer")
            modes.append((mode, 1.0))
            terms = [(model.shares[i], 1.0) for i in members]
            _add(model, f"part{members[0]}", [*terms, (mode, -1.0)], "<=", 0.0)
            if start is not None:
                model.start.append((mode, 1.0 if any(start[i] > 0 for i in members) else 0.0))
        _add(model, f"mode{number}", modes, "<=", 1.0)


def _keep_modes(problem: PlacementProblem, model: Model, shares: Sequence[float]) -> None:
    for number, own in enumerate(problem.options_of):
        here = [i for i in own if problem.options[i].holds_whole and shares[i] > 0]
        kept = here or [i for i in own if not problem.options[i].holds_whole]
        for i in own:
            if i not in kept:
                model.shares[i].upBound = 0.0
        if own:
            _add(model, f"once{number}", [(model.shares[i], 1.0) for i in own], "<=", 1.0)


def _add_spreads(problem: PlacementProblem, model: Model) -> None:
    """No domain holds more than its part of what is placed of a group."""
    for number, rule in problem.separation.spreads.items():
        own = problem.options_of[number]
        clusters = [problem.options[i].cluster for i in own]
        for place, here in enumerate(by_domain(rule.domain, clusters, own).values()):
            part = 1.0 / rule.at_least
            terms = [(model.shares[i], (1.0 if i in here else 0.0) - part) for i in own]
            _add(model, f"spread{number}_{place}", terms, "<=", 0.0)


def _add_distances(
    problem: PlacementProblem,
    model: Model,
    start: Sequence[float] | None,
    *,
    kept: Sequence[float] | None,
) -> None:
    """Of two groups that are kept apart one at most is in a domain."""
    presences: dict[tuple[int, str, str], Any] = {}
    for pair, (one, other, domain) in enumerate(problem.separation.pairs):
        own, others = (
            by_domain(domain, [problem.options[i].cluster for i in indices], indices)
            for indices in (problem.options_of[one], problem.options_of[other])
        )
        for name in sorted(own.keys() & others.keys()):
            terms = []
            for number, here in ((one, own[name]), (other, others[name])):
                key = (number, domain.value, name)
                if key not in presences:
                    presences[key] = _presence(model, len(presences), here, start, kept=kept)
                terms.append((presences[key], 1.0))
            _add(model, f"apart{pair}_{presences[key].name}", terms, "<=", 1.0)


def _presence(
    model: Model,
    number: int,
    here: Sequence[int],
    start: Sequence[float] | None,
    *,
    kept: Sequence[float] | None,
) -> Any:
    """Variable: 1 if any of these options has a share."""
    if kept is not None:
        used = float(any(kept[i] > 0 for i in here))
        variable = model.lp.add_variable(f"z{number:07d}", used, used)
    else:
        variable = model.lp.add_variable(f"z{number:07d}", 0, 1, "Integer")
    if start is not None:
        model.start.append((variable, float(any(start[i] > 0 for i in here))))
    terms = [(model.shares[i], 1.0) for i in here]
    _add(model, f"in{number}", [*terms, (variable, -1.0)], "<=", 0.0)
    return variable


def _add_capacity(
    problem: PlacementProblem,
    model: Model,
    *,
    unlimited: Collection[str],
    slots: Mapping[int, Collection[int]] | None,
) -> None:
    for number, limit in enumerate(problem.limits):
        if limit.cluster in unlimited:
            continue
        extra = model.more_machines.get((limit.cluster, limit.pool))
        for slot in limit.slots if slots is None else sorted(slots.get(number, ())):
            terms = [(model.shares[i], amount / limit.amount) for i, amount in limit.terms(slot)]
            if extra is not None:
                terms.append((extra, -limit.per_machine / limit.amount))
            row = _add(model, f"capacity{number}_{slot}", terms, "<=", 1.0)
            model.capacity.append((limit, row))


def _add_budget(
    problem: PlacementProblem, model: Model, budget_usd_per_hour: float, *, elastic: bool
) -> None:
    spend = [
        (share, option.cost_usd_per_hour)
        for share, option in zip(model.shares, problem.options, strict=True)
    ]
    if elastic:
        model.more_budget = model.lp.add_variable("budget", 0.0)
        spend.append((model.more_budget, -1.0))
        model.lp.objective += model.more_budget
    _add(model, "budget", spend, "<=", budget_usd_per_hour)


def _emitted(problem: PlacementProblem, model: Model) -> list[tuple[Any, float]]:
    return [
        (share, option.carbon_kg_per_hour)
        for share, option in zip(model.shares, problem.options, strict=True)
    ]


def _add_what_is_missing(problem: PlacementProblem, model: Model) -> None:
    for number, key in enumerate(sorted({(limit.cluster, limit.pool) for limit in problem.limits})):
        model.more_machines[key] = model.lp.add_variable(f"machines{number:05d}", 0.0)


def _add(model: Model, name: str, terms: list[tuple[Any, float]], sense: str, limit: float) -> Any:
    import pulp

    senses = {"<=": pulp.LpConstraintLE, ">=": pulp.LpConstraintGE}
    constraint = pulp.LpConstraint(
        pulp.LpAffineExpression(terms), sense=senses[sense], name=name, rhs=limit
    )
    model.lp.addConstraint(constraint)
    return constraint
