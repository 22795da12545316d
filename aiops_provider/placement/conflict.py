"""
Why no plan reaches the SLA level, in the user's terms, and what would be the cheapest way out.

The limits that a user can move are the SLA level, the budget, the capacity of each cluster, and the
pins, allowed regions or providers, spread and anti-affinity of each group. Of these an irreducible set is found that
cannot hold together: drop any one of them and there is a plan. It is found on the relaxation, where
groups may be split at will; if even that is impossible, so is every plan. Only where groups are kept
apart, which the relaxation hardly knows, whole programs are solved.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from aiops_provider.domain.plan import Objective
from aiops_provider.placement.binding import BindingSearch
from aiops_provider.placement.model import Goal, Question
from aiops_provider.placement.problem import PlacementProblem
from aiops_provider.placement.separation_words import separation_of_group

_LISTED = 5


@dataclass(frozen=True, slots=True)
class _Limits:
    """The limits that are still in force while one after another is dropped."""

    budget: bool
    clusters: frozenset[str]
    groups: frozenset[str]


def explain_infeasible(
    problem: PlacementProblem,
    objective: Objective,
    *,
    attainable: float,
    rewrite: Callable[[frozenset[str]], PlacementProblem],
    time_limit_s: float,
) -> tuple[str, ...]:
    """
    Name the limits that conflict and the cheapest relaxations.

    Args:
        problem: Which no plan solves at the objective's SLA level.
        objective: Least cost at an SLA level.
        attainable: Share that a plan within all limits places.
        rewrite: The problem with the pins, regions, providers, spread and anti-affinity of these
            groups ignored.
        time_limit_s: For all the questions asked; with less time the set may be larger than needed.
    """
    deadline = time.perf_counter() + time_limit_s
    conflict = _irreducible(problem, objective, rewrite, deadline)
    lines = [
        f"No plan places {_percent(objective.sla)} of the SLA-weighted demand; "
        f"these limits conflict: {'; '.join(_words(problem, objective, conflict))}."
    ]
    lines += _ways_out(problem, objective, attainable, conflict, deadline)
    return tuple(lines)


def _irreducible(
    problem: PlacementProblem,
    objective: Objective,
    rewrite: Callable[[frozenset[str]], PlacementProblem],
    deadline: float,
) -> _Limits:
    """Deletion filter: a limit without which there still is no plan is no part of the conflict."""
    limited = {limit.cluster for limit in problem.limits}
    separated = problem.separation.concerned()
    ruled = {
        group.name
        for number, group in enumerate(problem.groups)
        if problem.refusals[group.name] or number in separated
    }
    kept = _Limits(
        budget=objective.budget_usd_per_hour is not None,
        clusters=frozenset(limited),
        groups=frozenset(ruled),
    )
    trials: list[Callable[[_Limits], _Limits]] = [
        # All at once first: mostly they are no part of it, and one question settles that.
        _without_groups(frozenset(ruled)),
        *(_without_groups(frozenset({name})) for name in sorted(ruled)),
        *(_without_cluster(name) for name in sorted(limited)),
        _without_budget,
    ]
    everything = frozenset(group.name for group in problem.groups)
    freed_problems: dict[frozenset[str], PlacementProblem] = {}
    for drop in trials:
        without = drop(kept)
        if without == kept or time.perf_counter() >= deadline:
            continue
        freed = everything - without.groups
        if freed not in freed_problems:
            freed_problems = {freed: rewrite(freed)}
        if _is_infeasible(freed_problems[freed], objective, without, deadline):
            kept = without
    return kept


def _without_groups(names: frozenset[str]) -> Callable[[_Limits], _Limits]:
    return lambda kept: _Limits(kept.budget, kept.clusters, kept.groups - names)


def _without_cluster(name: str) -> Callable[[_Limits], _Limits]:
    return lambda kept: _Limits(kept.budget, kept.clusters - {name}, kept.groups)


def _without_budget(kept: _Limits) -> _Limits:
    return _Limits(budget=False, clusters=kept.clusters, groups=kept.groups)


def _is_infeasible(
    problem: PlacementProblem, objective: Objective, kept: _Limits, deadline: float
) -> bool:
    if problem.placeable < objective.sla - 1e-9:
        return True
    question = Question(
        goal=Goal.COST,
        budget_usd_per_hour=objective.budget_usd_per_hour if kept.budget else None,
        attainment=objective.sla,
        unlimited=frozenset(cluster.name for cluster in problem.clusters) - kept.clusters,
    )
    left_s = deadline - time.perf_counter()
    relaxed = not problem.separation.pairs
    return BindingSearch(problem).ask(question, time_limit_s=left_s, relaxed=relaxed).infeasible


def _words(problem: PlacementProblem, objective: Objective, conflict: _Limits) -> list[str]:
    words = [f"objective.sla = {objective.sla:g}"]
    if conflict.budget:
        words.append(f"objective.budget_usd_per_hour = {objective.budget_usd_per_hour:g}")
    if conflict.clusters:
        words.append(f"the capacity of {', '.join(sorted(conflict.clusters))}")
    homeless = {
        group.name
        for group, own in zip(problem.groups, problem.options_of, strict=True)
        if not own and problem.placeable < objective.sla - 1e-9
    }
    for name in sorted(conflict.groups | homeless):
        reasons = problem.refusals[name]
        why = "; ".join(f"{cluster}: {reason}" for cluster, reason in sorted(reasons.items()))
        separated = list(separation_of_group(problem, name))
        if separated:
            words.append(f"that {name} {' and '.join(separated)}")
        if reasons or not separated:
            words.append(f"where {name} can run ({why or 'there is no cluster'})")
    return [*words, *_broken_promises(problem, objective)]


def _broken_promises(problem: PlacementProblem, objective: Objective) -> Iterator[str]:
    """The groups that keep too little of their promises even where they keep most."""
    if problem.placeable >= objective.sla - 1e-9:
        return
    missed = []
    for group, own in zip(problem.groups, problem.options_of, strict=True):
        best = max((problem.options[i].kept for i in own), default=1.0)
        if best < 1.0:
            missed.append((-group.sla_weight * (1.0 - best), group.name, best))
    for _, name, best in sorted(missed)[:_LISTED]:
        yield f"that {name} keeps its promises {best:.3%} of the time at best"
    if len(missed) > _LISTED:
        yield f"the same of {len(missed) - _LISTED} more groups"


def _ways_out(
    problem: PlacementProblem,
    objective: Objective,
    attainable: float,
    conflict: _Limits,
    deadline: float,
) -> Sequence[str]:
    lines = [
        f"Way out: lower objective.sla to {_floor(attainable):g}, "
        "which the plan shown here reaches within all limits."
    ]
    if conflict.budget:
        lines += _least_budget(problem, objective, deadline)
    lines += _least_machines(problem, objective, deadline)
    if conflict.groups:
        lines.append(
            "Way out: let "
            + ", ".join(sorted(conflict.groups))
            + " run elsewhere"
            + (", nearer to one another" if problem.separation.concerned() else "")
            + ", or add a cluster that it may use and that is large enough."
        )
    return lines


def _least_budget(
    problem: PlacementProblem, objective: Objective, deadline: float
) -> Sequence[str]:
    if problem.placeable < objective.sla - 1e-9:
        return []
    question = Question(goal=Goal.COST, attainment=objective.sla)
    left_s = deadline - time.perf_counter()
    found = BindingSearch(problem).ask(question, time_limit_s=left_s, gap_tolerance=0.001)
    if found.values is None:
        return []
    return [
        f"Way out: raise objective.budget_usd_per_hour from {objective.budget_usd_per_hour:g} "
        f"to {_ceil(found.objective):g}."
    ]


def _least_machines(
    problem: PlacementProblem, objective: Objective, deadline: float
) -> Sequence[str]:
    if problem.placeable < objective.sla - 1e-9 or not problem.limits:
        return []
    question = Question(
        goal=Goal.RELAXATION,
        budget_usd_per_hour=objective.budget_usd_per_hour,
        attainment=objective.sla,
    )
    left_s = deadline - time.perf_counter()
    found = BindingSearch(problem).ask(question, time_limit_s=left_s, gap_tolerance=0.001)
    if found.values is None:
        return []
    pools = {(c.name, p.name): p for c in problem.clusters for p in c.pools}
    changes = []
    for key, machines in found.more_machines.items():
        missing = math.ceil(machines - 1e-6)
        if missing > 0:
            present = pools[key].max_instances
            changes.append(
                f"max_instances of {key[0]}/{key[1]} from {present} to {present + missing}"
            )
    if not changes:
        return []
    if found.more_budget > 1e-6:
        more = (objective.budget_usd_per_hour or 0.0) + found.more_budget
        changes.append(f"objective.budget_usd_per_hour to {_ceil(more):g}")
    return [f"Way out: raise {' and '.join(changes)} (the cheapest machines that suffice)."]


def _percent(share: float) -> str:
    return f"{share * 100:g} %"


def _floor(share: float) -> float:
    return math.floor(share * 1e4) / 1e4


def _ceil(usd: float) -> float:
    return math.ceil(usd * 1e4 - 1e-6) / 1e4
