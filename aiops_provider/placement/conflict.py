"""
Why no plan reaches the SLA level, in the user's terms, and what would be the cheapest way out.

The limits that a user can move are the SLA level, the budget, the cap on emissions, the capacity of each cluster, and the
pins, allowed regions or providers, spread and anti-affinity of each group. Of these an irreducible set is found that
cannot hold together: drop any one of them and there is a plan. It is found on the relaxation, where
groups may be split at will; if even that is impossible, so is every plan. Only where groups are kept
apart, which the relaxation hardly knows, whole programs are solved.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace

from aiops_provider.domain.cluster import WHOLE_CLUSTER, Pool
from aiops_provider.domain.plan import Objective
from aiops_provider.placement.binding import BindingSearch
from aiops_provider.placement.eligibility import refusals_in_words
from aiops_provider.placement.figures import emissions
from aiops_provider.placement.model import Goal, Question
from aiops_provider.placement.problem import PlacementProblem
from aiops_provider.placement.separation_words import separation_of_group
from aiops_provider.placement.shortfall import Shortfall, fewest_in_conflict, fewest_to_mend
from aiops_provider.placement.solver import Solution

_LISTED = 5


@dataclass(frozen=True, slots=True)
class _Limits:
    """The limits that are still in force while one after another is dropped."""

    budget: bool
    carbon: bool
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
    others = frozenset(group.name for group in problem.groups) - conflict.groups
    # Beside the limits that were found, with every other one dropped.
    beside = rewrite(others)
    short = fewest_in_conflict(beside, objective.sla, conflict.groups)
    words = [*_words(problem, objective, conflict), *_words_of_short(beside, short)]
    lines = [
        f"No plan places {_percent(objective.sla)} of the SLA-weighted demand; "
        f"these limits conflict: {'; '.join(words)}."
    ]
    lines += _ways_out(problem, objective, attainable, conflict, rewrite=rewrite, deadline=deadline)
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
        carbon=objective.max_carbon_kg_per_hour is not None,
        clusters=frozenset(limited),
        groups=frozenset(ruled),
    )
    trials: list[Callable[[_Limits], _Limits]] = [
        # All at once first: mostly they are no part of it, and one question settles that.
        _without_groups(frozenset(ruled)),
        *(_without_groups(frozenset({name})) for name in sorted(ruled)),
        *(_without_cluster(name) for name in sorted(limited)),
        lambda kept: replace(kept, budget=False),
        lambda kept: replace(kept, carbon=False),
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
    return lambda kept: replace(kept, groups=kept.groups - names)


def _without_cluster(name: str) -> Callable[[_Limits], _Limits]:
    return lambda kept: replace(kept, clusters=kept.clusters - {name})


def _is_infeasible(
    problem: PlacementProblem, objective: Objective, kept: _Limits, deadline: float
) -> bool:
    if problem.placeable < objective.sla - 1e-9:
        return True
    question = Question(
        goal=Goal.COST,
        budget_usd_per_hour=objective.budget_usd_per_hour if kept.budget else None,
        max_carbon_kg_per_hour=objective.max_carbon_kg_per_hour if kept.carbon else None,
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
    if conflict.carbon:
        words.append(f"objective.max_carbon_kg_per_hour = {objective.max_carbon_kg_per_hour:g}")
    if conflict.clusters:
        words.append(f"the capacity of {', '.join(sorted(conflict.clusters))}")
    for name in sorted(conflict.groups):
        separated = list(separation_of_group(problem, name))
        if separated:
            words.append(f"that {name} {' and '.join(separated)}")
        if problem.refusals[name] or not separated:
            words.append(_where(problem, name))
    return words


def _where(problem: PlacementProblem, name: str) -> str:
    return f"where {name} can run ({refusals_in_words(problem.refusals[name])})"


def _words_of_short(problem: PlacementProblem, short: Sequence[Shortfall]) -> Iterator[str]:
    """The groups that no machine holds, or that keep too little of their promises at best."""
    for each in short[:_LISTED]:
        if each.homeless:
            yield _where(problem, each.name)
        else:
            yield f"that {each.name} keeps its promises {each.best:.3%} of the time at best"
    if len(short) > _LISTED:
        yield f"the same of {len(short) - _LISTED} more groups"


def _ways_out(
    problem: PlacementProblem,
    objective: Objective,
    attainable: float,
    conflict: _Limits,
    *,
    rewrite: Callable[[frozenset[str]], PlacementProblem],
    deadline: float,
) -> Sequence[str]:
    lines = []
    if _floor(attainable) > 0:
        lines.append(
            f"Way out: lower objective.sla to {_floor(attainable):g}, "
            "which the plan shown here reaches within all limits."
        )
    lines += _higher_limits(problem, objective, conflict, deadline)
    lines += _least_machines(problem, objective, deadline)
    lines += _other_places(problem, objective, conflict, rewrite, deadline)
    return lines


def _other_places(
    problem: PlacementProblem,
    objective: Objective,
    conflict: _Limits,
    rewrite: Callable[[frozenset[str]], PlacementProblem],
    deadline: float,
) -> Iterator[str]:
    """Whose rules to loosen, and for whom no machine is large or steady enough."""
    everybody = rewrite(frozenset(group.name for group in problem.groups))
    out_of_reach = fewest_to_mend(everybody, objective.sla)
    homeless = [each.name for each in out_of_reach if each.homeless]
    unsteady = [each.name for each in out_of_reach if not each.homeless]
    mends = [f"add a machine that holds {_named(homeless)}, or ask for less"] if homeless else []
    if unsteady:
        mends.append(f"add a cluster where {_named(unsteady)} can keep more of the promises")
    if mends:
        yield f"Way out: {'; and '.join(mends)}."
        return
    freed = _fewest_freed(problem, objective, conflict, rewrite, deadline)
    if freed:
        nearer = ", nearer to one another" if problem.separation.concerned() else ""
        yield (
            f"Way out: let {_named(sorted(freed))} run elsewhere{nearer}, or add a cluster that "
            f"{'they' if len(freed) > 1 else 'it'} may use and that is large enough."
        )


def _fewest_freed(
    problem: PlacementProblem,
    objective: Objective,
    conflict: _Limits,
    rewrite: Callable[[frozenset[str]], PlacementProblem],
    deadline: float,
) -> frozenset[str]:
    """
    Groups without whose rules there is a plan within all other limits; no smaller part of them will do.

    The conflict names one contradiction of perhaps many, so to free its groups may not be enough.
    Empty if rules are not all that is in the way.
    """
    everything = _Limits(
        budget=objective.budget_usd_per_hour is not None,
        carbon=objective.max_carbon_kg_per_hour is not None,
        clusters=frozenset(limit.cluster for limit in problem.limits),
        groups=frozenset(),
    )

    def suffices(names: frozenset[str]) -> bool:
        freed = rewrite(names)
        clusters = frozenset(limit.cluster for limit in freed.limits)
        kept = replace(everything, clusters=everything.clusters | clusters)
        return not _is_infeasible(freed, objective, kept, deadline)

    separated = problem.separation.concerned()
    ruled = {
        group.name: group.sla_weight
        for number, group in enumerate(problem.groups)
        if problem.refusals[group.name] or number in separated
    }
    if not conflict.groups or not suffices(conflict.groups):
        if not ruled or not suffices(frozenset(ruled)):
            return frozenset()
        freed = frozenset(ruled)
    else:
        freed = conflict.groups
    # The lightest keep their rules first, so that few are left.
    for name in sorted(freed, key=lambda name: (ruled.get(name, 0.0), name)):
        if len(freed) > 1 and time.perf_counter() < deadline and suffices(freed - {name}):
            freed -= {name}
    return freed


def _higher_limits(
    problem: PlacementProblem, objective: Objective, conflict: _Limits, deadline: float
) -> Iterator[str]:
    """A higher budget or a higher cap on emissions; both only where neither alone suffices."""
    if problem.placeable < objective.sla - 1e-9 or not (conflict.budget or conflict.carbon):
        return
    budget, cap = objective.budget_usd_per_hour, objective.max_carbon_kg_per_hour

    def least(goal: Goal, most_usd: float | None, most_kg: float | None) -> float | None:
        question = Question(
            goal=goal,
            budget_usd_per_hour=most_usd,
            max_carbon_kg_per_hour=most_kg,
            attainment=objective.sla,
        )
        left_s = deadline - time.perf_counter()
        found = BindingSearch(problem).ask(question, time_limit_s=left_s, gap_tolerance=0.001)
        return None if found.values is None else _ceil(found.objective)

    alone = []
    if conflict.budget and (usd := least(Goal.COST, None, cap)) is not None:
        alone.append(_raised("objective.budget_usd_per_hour", budget, usd))
    if conflict.carbon and (kg := least(Goal.CARBON, budget, None)) is not None:
        alone.append(_raised("objective.max_carbon_kg_per_hour", cap, kg))
    if alone or budget is None or cap is None:
        yield from (f"Way out: raise {each}." for each in alone)
        return
    usd = least(Goal.COST, None, None)
    kg = None if usd is None else least(Goal.CARBON, usd, None)
    if usd is not None and kg is not None:
        both = [
            _raised("objective.budget_usd_per_hour", budget, usd),
            _raised("objective.max_carbon_kg_per_hour", cap, kg),
        ]
        yield f"Way out: raise {' and '.join(both)}."


def _raised(name: str, present: float | None, needed: float) -> str:
    return f"{name} from {present or 0.0:g} to {needed:g}"


def _least_machines(
    problem: PlacementProblem, objective: Objective, deadline: float
) -> Sequence[str]:
    if problem.placeable < objective.sla - 1e-9 or not problem.limits:
        return []
    question = Question(
        goal=Goal.RELAXATION,
        budget_usd_per_hour=objective.budget_usd_per_hour,
        max_carbon_kg_per_hour=objective.max_carbon_kg_per_hour,
        attainment=objective.sla,
    )

    def asked(question: Question) -> Solution:
        left_s = deadline - time.perf_counter()
        return BindingSearch(problem).ask(question, time_limit_s=left_s, gap_tolerance=0.001)

    found, cap = asked(question), objective.max_carbon_kg_per_hour
    if found.values is None and cap is not None:
        # No number of machines keeps the emissions low enough.
        found = asked(replace(question, max_carbon_kg_per_hour=None))
    if found.values is None:
        return []
    pools = {(c.name, p.name): p for c in problem.clusters for p in c.pools}
    changes = []
    for key, machines in found.more_machines.items():
        if machines > 1e-6:
            changes.append(_more_of(key, pools[key], machines))
    if not changes:
        return []
    if found.more_budget > 1e-6:
        more = (objective.budget_usd_per_hour or 0.0) + found.more_budget
        changes.append(f"objective.budget_usd_per_hour to {_ceil(more):g}")
    if cap is not None and (kg := emissions(problem, found.values)) > cap * (1 + 1e-6):
        changes.append(f"objective.max_carbon_kg_per_hour to {_ceil(kg):g}")
    return [f"Way out: raise {' and '.join(changes)} (the cheapest machines that suffice)."]


def _more_of(key: tuple[str, str], pool: Pool, machines: float) -> str:
    """In the setting that there is: a cluster given as one capacity has no number of machines."""
    cluster, name = key
    if name == WHOLE_CLUSTER and pool.instance_type is None and pool.max_instances == 1:
        factor = 1 + math.ceil(machines * 100 - 1e-4) / 100
        cores, gib = pool.machine.cores * factor, pool.machine.memory_gib * factor
        return f"the capacity of {cluster} to {cores:g} cores and {gib:g} GiB"
    missing = math.ceil(machines - 1e-6)
    present = pool.max_instances
    return f"max_instances of {cluster}/{name} from {present} to {present + missing}"


def _named(names: Sequence[str]) -> str:
    more = len(names) - _LISTED
    told = ", ".join(names[:_LISTED])
    return f"{told} and {more} more" if more > 0 else told


def _percent(share: float) -> str:
    return f"{share * 100:g} %"


def _floor(share: float) -> float:
    return math.floor(share * 1e4) / 1e4


def _ceil(usd: float) -> float:
    return math.ceil(usd * 1e4 - 1e-6) / 1e4
