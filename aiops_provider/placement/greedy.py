"""
A plan by rule of thumb: the most important groups first, each where it is cheapest.

It is what the solver must beat, and what is left when the solver finds nothing in time.
"""

from __future__ import annotations

import math
from collections.abc import Iterator

from aiops_provider.placement.problem import PlacementProblem, at

_WORTH_PLACING = 1e-6


def greedy_shares(
    problem: PlacementProblem,
    *,
    budget_usd_per_hour: float | None = None,
    attainment: float = 1.0,
) -> tuple[float, ...]:
    """
    Share of each option; within capacity and budget, but not always up to the SLA level.

    Args:
        problem: In plain numbers.
        budget_usd_per_hour: Upper limit of the spend, or ``None``.
        attainment: Stop when this SLA-weighted share is placed.
    """
    room = _Room(problem, budget_usd_per_hour)
    shares = [0.0] * len(problem.options)
    missing = attainment * problem.weight
    for number in sorted(range(len(problem.groups)), key=lambda n: _rank(problem, n)):
        if missing <= 0:
            break
        weight = problem.groups[number].sla_weight
        for index, share in _choose(problem, room, number, min(1.0, missing / weight)):
            room.take(index, share)
            shares[index] += share
            missing -= share * problem.worth(problem.options[index])
    return tuple(shares)


class _Room:
    """What is left of every limit."""

    def __init__(self, problem: PlacementProblem, budget: float | None) -> None:
        self._costs = [option.cost_usd_per_hour for option in problem.options]
        self._money = math.inf if budget is None else budget
        self._left = [dict.fromkeys(limit.slots, limit.amount) for limit in problem.limits]
        self._limits_of: list[list[tuple[int, tuple[float, ...]]]] = [[] for _ in problem.options]
        for number, limit in enumerate(problem.limits):
            for index, series in limit.demand:
                self._limits_of[index].append((number, series))

    def share(self, index: int) -> float:
        """Largest share of the option's group that still fits there."""
        shares = [
            left / at(series, slot)
            for number, series in self._limits_of[index]
            for slot, left in self._left[number].items()
            if at(series, slot) > 0
        ]
        if self._costs[index] > 0:
            shares.append(self._money / self._costs[index])
        return max(0.0, min(shares, default=math.inf))

    def take(self, index: int, share: float) -> None:
        self._money -= share * self._costs[index]
        for number, series in self._limits_of[index]:
            left = self._left[number]
            for slot in left:
                left[slot] -= share * at(series, slot)


def _rank(problem: PlacementProblem, number: int) -> tuple[float, str]:
    """Weight per dollar, the best first; a free group goes first of all."""
    group = problem.groups[number]
    costs = [problem.options[i].cost_usd_per_hour for i in problem.options_of[number]]
    cheapest = min(costs, default=math.inf)
    return (cheapest / group.sla_weight, group.name)


def _choose(
    problem: PlacementProblem, room: _Room, number: int, wanted: float
) -> Iterator[tuple[int, float]]:
    """Places and shares; each must be taken before the next is asked for."""
    own = sorted(
        problem.options_of[number],
        key=lambda i: (problem.options[i].cost_usd_per_hour, problem.options[i].far, i),
    )
    fitting = {i: min(wanted, room.share(i)) for i in own}
    complete = [i for i in own if fitting[i] >= wanted]
    if complete:
        yield complete[0], wanted
        return
    # Nothing takes it all: either one pool that must have it alone, or several that may share it.
    several = [i for i in own if not problem.options[i].holds_whole]
    alone = max(
        (i for i in own if problem.options[i].holds_whole), key=lambda i: fitting[i], default=None
    )
    if alone is not None and fitting[alone] > sum(fitting[i] for i in several):
        if fitting[alone] > _WORTH_PLACING:
            yield alone, fitting[alone]
        return
    for i in several:
        share = min(wanted, room.share(i))
        if share > _WORTH_PLACING:
            yield i, share
            wanted -= share
