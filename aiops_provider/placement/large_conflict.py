"""
Why no plan of a large problem reaches the SLA level, and ways out.

As :mod:`aiops_provider.placement.conflict`, with bounds in place of solved programs: limits conflict
when even a bound on what can be placed within them stays below the level. A limit is dropped when
the others still conflict without it; one of which that is not proven stays. So the set named is
always a conflict, and irreducible as far as the bounds tell.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass, replace

from aiops_provider.domain.plan import Objective
from aiops_provider.placement.decomposition import Placed, decompose
from aiops_provider.placement.eligibility import refusals_in_words
from aiops_provider.placement.limit_prices import Target
from aiops_provider.placement.problem_columns import ProblemColumns
from aiops_provider.placement.search import caps_of
from aiops_provider.placement.shortfall import Shortfall, heaviest

_LISTED = 5
_REACHED = 1e-6
_HALVINGS = 5
_LARGEST_FACTOR = 16.0
_GAP = 0.001


@dataclass(frozen=True, slots=True)
class _Kept:
    """Limits in force: budget, emissions, capacities of clusters, and whether groups' rules count."""

    budget: bool
    carbon: bool
    clusters: frozenset[str]
    rules: bool


def explain_large(
    columns: ProblemColumns,
    objective: Objective,
    *,
    attainable: float,
    rewrite: Callable[[Collection[str]], ProblemColumns],
    time_limit_s: float,
) -> tuple[str, ...]:
    """
    Name the limits that conflict and ways out of it.

    Args:
        columns: Of a problem that no plan solves at the objective's SLA level.
        objective: Least cost at an SLA level.
        attainable: Share that a plan within all limits places.
        rewrite: The problem with the pins, regions, providers, spread and anti-affinity of these
            groups ignored.
        time_limit_s: For all questions; with less time the set may be larger than needed.
    """
    questions = _Questions(columns, objective, rewrite, time.perf_counter() + time_limit_s)
    kept = questions.irreducible()
    words = [f"objective.sla = {objective.sla:g}"]
    if kept.budget:
        words.append(f"objective.budget_usd_per_hour = {objective.budget_usd_per_hour:g}")
    if kept.carbon:
        words.append(f"objective.max_carbon_kg_per_hour = {objective.max_carbon_kg_per_hour:g}")
    if kept.clusters:
        words.append(f"the capacity of {', '.join(sorted(kept.clusters))}")
    out_of_reach = columns.placeable < objective.sla - _REACHED
    if out_of_reach:
        words += _words_of_short(questions.without_rules(kept), objective.sla)
    elif kept.rules:
        separated = "" if columns.separation.is_empty else ", spread, anti-affinity"
        words.append(
            f"where groups may run (their pins, regions, providers{separated} and machine sizes)"
        )
    return (
        f"No plan places {objective.sla * 100:g} % of the SLA-weighted demand; these limits "
        f"conflict: {'; '.join(words)}.",
        f"Way out: lower objective.sla to {math.floor(attainable * 1e4) / 1e4:g}, "
        "which the plan shown here reaches within all limits.",
        *questions.ways_out(kept),
    )


class _Questions:
    """What if some limits did not count."""

    def __init__(
        self,
        columns: ProblemColumns,
        objective: Objective,
        rewrite: Callable[[Collection[str]], ProblemColumns],
        deadline: float,
    ) -> None:
        self._columns, self._objective, self._deadline = columns, objective, deadline
        self._rewrite = rewrite
        self._freed: ProblemColumns | None = None

    def irreducible(self) -> _Kept:
        """Deletion filter; everything of one sort at once before one by one."""
        names = frozenset(cluster.name for cluster in self._columns.clusters)
        kept = _Kept(
            budget=self._objective.budget_usd_per_hour is not None,
            carbon=self._objective.max_carbon_kg_per_hour is not None,
            clusters=names,
            rules=True,
        )
        trials: list[Callable[[_Kept], _Kept]] = [
            lambda kept: replace(kept, rules=False),
            lambda kept: replace(kept, clusters=frozenset()),
            *(_without(name) for name in sorted(names)),
            lambda kept: replace(kept, budget=False),
            lambda kept: replace(kept, carbon=False),
        ]
        for drop in trials:
            fewer = drop(kept)
            if fewer != kept and self._left_s() > 0 and self._conflict(fewer):
                kept = fewer
        return kept

    def without_rules(self, kept: _Kept) -> ProblemColumns:
        """The problem as given, or with rules ignored where they are no part of the conflict."""
        return self._freed if not kept.rules and self._freed is not None else self._columns

    def ways_out(self, kept: _Kept) -> list[str]:
        """A budget that suffices, a cap on emissions that does, or more machines."""
        objective, lines = self._objective, []
        if self._columns.placeable < objective.sla - _REACHED:
            return [
                "Way out: let groups run elsewhere, or add clusters that they may use and that keep "
                "their promises more often."
            ]
        if kept.budget and self._left_s() > 0:
            cap = objective.max_carbon_kg_per_hour
            target = Target(level=objective.sla, max_carbon_kg_per_hour=cap)
            found = self._decompose(self._columns, target)
            if self._placed(self._columns, found) >= objective.sla - _REACHED:
                usd = float((self._columns.cost[found.groups, found.pools] * found.shares).sum())
                lines.append(
                    "Way out: raise objective.budget_usd_per_hour from "
                    f"{objective.budget_usd_per_hour:g} to {math.ceil(usd * 1e4) / 1e4:g}."
                )
        if kept.carbon and self._left_s() > 0:
            swapped = _carbon_for_cost(self._columns)
            # Their spend is what the cap of the swapped problem is of.
            budget = objective.budget_usd_per_hour
            target = Target(level=objective.sla, max_carbon_kg_per_hour=budget)
            found = self._decompose(swapped, target)
            if self._placed(swapped, found) >= objective.sla - _REACHED:
                kg = float((swapped.cost[found.groups, found.pools] * found.shares).sum())
                lines.append(
                    "Way out: raise objective.max_carbon_kg_per_hour from "
                    f"{objective.max_carbon_kg_per_hour:g} to {math.ceil(kg * 1e4) / 1e4:g}."
                )
        if kept.clusters:
            factor = self._factor(kept.clusters)
            if factor is not None:
                lines.append(
                    f"Way out: raise max_instances of every pool of {', '.join(sorted(kept.clusters))}"
                    f" to {factor:.3g} times as many, rounded up."
                )
        return lines

    def _factor(self, clusters: frozenset[str]) -> float | None:
        """The least common factor, to a few halvings, that was seen to suffice."""
        low, high, enough = 1.0, _LARGEST_FACTOR, None
        for trial in range(_HALVINGS + 1):
            factor = high if not trial else math.sqrt(low * high)
            if self._left_s() <= 0:
                break
            columns = _scaled(self._columns, clusters, factor)
            target = Target(**caps_of(self._objective))
            found = self._decompose(columns, target)
            if self._placed(columns, found) >= self._objective.sla - _REACHED:
                enough, high = factor, factor
            elif not trial:
                break
            else:
                low = factor
        return enough

    def _conflict(self, kept: _Kept) -> bool:
        columns = self._columns
        if not kept.rules:
            if self._freed is None:
                self._freed = self._rewrite([group.name for group in columns.groups])
            columns = self._freed
        if columns.placeable < self._objective.sla - _REACHED:
            return True
        unlimited = frozenset(cluster.name for cluster in columns.clusters) - kept.clusters
        budget = self._objective.budget_usd_per_hour if kept.budget else None
        cap = self._objective.max_carbon_kg_per_hour if kept.carbon else None
        target = Target(budget_usd_per_hour=budget, max_carbon_kg_per_hour=cap)
        found = self._decompose(_scaled(columns, unlimited, math.inf), target)
        return found.bound < self._objective.sla - _REACHED

    def _decompose(self, columns: ProblemColumns, target: Target) -> Placed:
        return decompose(columns, target, lambda share: self._left_s() * share, _GAP)

    def _placed(self, columns: ProblemColumns, found: Placed) -> float:
        whole = float(columns.weight.sum())
        kept = columns.weight[found.groups] * columns.kept[found.groups, found.pools]
        return float((kept * found.shares).sum()) / whole

    def _left_s(self) -> float:
        return max(0.0, self._deadline - time.perf_counter())


def _words_of_short(columns: ProblemColumns, sla: float) -> Iterator[str]:
    """The heaviest of the groups that lose something wherever they run, as many as it takes."""
    import numpy as np

    best = np.where(np.isfinite(columns.cost), columns.kept, -np.inf).max(axis=1, initial=-np.inf)
    losses = sorted(
        (
            Shortfall(
                name=group.name,
                lost=group.sla_weight * (1.0 - max(0.0, float(most))),
                best=max(0.0, float(most)),
                homeless=most < 0,
            )
            for group, most in zip(columns.groups, best, strict=True)
            if most < 1.0
        ),
        key=lambda each: (-each.lost, each.name),
    )
    groups = {group.name: group for group in columns.groups}
    allowed = (1.0 - sla + _REACHED) * float(columns.weight.sum())
    short = list(heaviest(losses, 0.0, allowed))
    for each in short[:_LISTED]:
        if each.homeless:
            why = refusals_in_words(columns.refusals(groups[each.name]))
            yield f"where {each.name} can run ({why})"
        else:
            yield f"that {each.name} keeps its promises {each.best:.3%} of the time at best"
    if len(short) > _LISTED:
        yield f"the same of {len(short) - _LISTED} more groups"


def _carbon_for_cost(columns: ProblemColumns) -> ProblemColumns:
    """The same with emissions in place of the spend, and the other way round."""
    import numpy as np

    if columns.carbon is None:
        raise ValueError("the columns have no emissions")
    possible = np.isfinite(columns.cost)
    return replace(
        columns,
        cost=np.where(possible, columns.carbon, np.inf),
        carbon=np.where(possible, columns.cost, 0.0),
    )


def _without(name: str) -> Callable[[_Kept], _Kept]:
    return lambda kept: replace(kept, clusters=kept.clusters - {name})


def _scaled(columns: ProblemColumns, clusters: frozenset[str], factor: float) -> ProblemColumns:
    """With so many times the capacity in these clusters."""
    capacity = columns.capacity.copy()
    for number, (cluster, _) in enumerate(columns.pools):
        if cluster.name in clusters:
            rows = sorted(set(columns.limit_of[:, :, number].ravel().tolist()))
            capacity[rows] *= factor
    return replace(columns, capacity=capacity)
