"""
A plan by rule of thumb: the most important groups first, each where it is cheapest.

It is what the solver must beat, and what is left when the solver finds nothing in time.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

from aiops_provider.domain.separation import FailureDomain
from aiops_provider.placement.demand import at
from aiops_provider.placement.problem import PlacementProblem
from aiops_provider.placement.separation import by_domain
from aiops_provider.placement.spreading import largest_spread

_WORTH_PLACING = 1e-6


def greedy_shares(
    problem: PlacementProblem,
    *,
    budget_usd_per_hour: float | None = None,
    max_carbon_kg_per_hour: float | None = None,
    attainment: float = 1.0,
) -> tuple[float, ...]:
    """
    Share of each option; within capacity, budget and emissions, but not always up to the SLA level.

    Args:
        problem: In plain numbers.
        budget_usd_per_hour: Upper limit of the spend, or ``None``.
        max_carbon_kg_per_hour: Upper limit of the emissions, or ``None``.
        attainment: Stop when this SLA-weighted share is placed.
    """
    room = _Room(problem, budget_usd_per_hour, max_carbon_kg_per_hour)
    taken = _Taken(problem)
    shares = [0.0] * len(problem.options)
    missing = attainment * problem.weight
    for number in sorted(range(len(problem.groups)), key=lambda n: _rank(problem, n)):
        if missing <= 0:
            break
        weight = problem.groups[number].sla_weight
        own, wanted = taken.free(number), min(1.0, missing / weight)
        choose = _spread if number in problem.separation.spreads else _choose
        for index, share in choose(problem, room, number, own, wanted):
            room.take(index, share)
            taken.take(index)
            shares[index] += share
            missing -= share * problem.worth(problem.options[index])
    return tuple(shares)


class _Account:
    """One amount that all options together take from; ``None``: there is no limit."""

    def __init__(self, amounts: Sequence[float], limit: float | None) -> None:
        self.amounts = amounts
        self.left = math.inf if limit is None else limit


class _Room:
    """What is left of every limit."""

    def __init__(
        self, problem: PlacementProblem, budget: float | None, most_carbon: float | None
    ) -> None:
        # Of the spend and of the emissions: what each option takes, and what may be taken.
        self._accounts = [
            _Account([option.cost_usd_per_hour for option in problem.options], budget),
            _Account([option.carbon_kg_per_hour for option in problem.options], most_carbon),
        ]
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
        shares += [
            account.left / account.amounts[index]
            for account in self._accounts
            if account.amounts[index] > 0
        ]
        return max(0.0, min(shares, default=math.inf))

    def affordable(self, shares: Sequence[tuple[int, float]]) -> float:
        """Part of these shares that can be paid for and emitted, 1 at most."""
        parts = [1.0]
        for account in self._accounts:
            amount = math.fsum(share * account.amounts[index] for index, share in shares)
            if amount > 0:
                parts.append(max(0.0, account.left) / amount)
        return min(parts)

    def take(self, index: int, share: float) -> None:
        for account in self._accounts:
            account.left -= share * account.amounts[index]
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


class _Taken:
    """Domains that groups are in from which others are kept apart."""

    def __init__(self, problem: PlacementProblem) -> None:
        self._problem = problem
        self._others: dict[int, list[tuple[int, FailureDomain]]] = {}
        for one, other, domain in problem.separation.pairs:
            self._others.setdefault(one, []).append((other, domain))
            self._others.setdefault(other, []).append((one, domain))
        self._closed: dict[int, set[tuple[FailureDomain, str]]] = {}

    def free(self, number: int) -> list[int]:
        """Options of a group that are left, the cheapest first."""
        options, closed = self._problem.options, self._closed.get(number, set())
        left = [
            i
            for i in self._problem.options_of[number]
            if not any(options[i].cluster.failure_domain(kind) == name for kind, name in closed)
        ]
        return sorted(left, key=lambda i: (options[i].cost_usd_per_hour, options[i].far, i))

    def take(self, index: int) -> None:
        option = self._problem.options[index]
        for other, domain in self._others.get(option.group, ()):
            name = option.cluster.failure_domain(domain)
            self._closed.setdefault(other, set()).add((domain, name))


def _spread(
    problem: PlacementProblem, room: _Room, number: int, own: list[int], wanted: float
) -> Iterator[tuple[int, float]]:
    """As much as domains can take in equal parts, the cheapest ones first."""
    rule = problem.separation.spreads[number]
    clusters = [problem.options[i].cluster for i in own]
    domains = [*by_domain(rule.domain, clusters, own).values()]
    fitting = [math.fsum(min(wanted, room.share(i)) for i in here) for here in domains]
    total = left = largest_spread(fitting, rule.at_least, wanted)
    chosen: list[tuple[int, float]] = []
    for here in domains:
        most = min(left, total / rule.at_least)
        for i in here:
            share = min(most, room.share(i))
            most, left = most - share, left - share
            chosen.append((i, share))
    # Each of them could be paid for; all together may be too dear.
    affordable = room.affordable(chosen)
    if affordable * total > _WORTH_PLACING:
        yield from ((i, share * affordable) for i, share in chosen if share > 0)


def _choose(
    problem: PlacementProblem, room: _Room, _number: int, own: list[int], wanted: float
) -> Iterator[tuple[int, float]]:
    """Places and shares; each must be taken before the next is asked for."""
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
