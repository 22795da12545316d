"""What people should know about a plan beside its figures, in sentences."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence

from aiops_provider.domain.plan import Objective, WorkloadGroup
from aiops_provider.placement.cost import (
    carbon_usd_per_hour,
    mean_and_peak_machines,
    planning_price,
    storage_usd_per_hour,
)
from aiops_provider.placement.eligibility import refusals_in_words
from aiops_provider.placement.figures import emissions
from aiops_provider.placement.problem import PlacementProblem
from aiops_provider.placement.promises import accelerator_of, is_spot, promise_against

_LISTED = 5
_WORTH_TELLING = 0.0005


def remarks(
    problem: PlacementProblem,
    objective: Objective,
    shares: Sequence[float],
    unplaced: Mapping[str, float],
    *,
    feasible: bool = True,
) -> tuple[str, ...]:
    """
    Sentences about grouping, unknown prices, egress, storage, carbon, deadlines and what found no place.

    Args:
        problem: What was planned.
        objective: What for.
        shares: Share of each option.
        unplaced: Share of each group that found no place.
        feasible: Whether the SLA level is kept.
    """
    lines = [*_grouping(problem.groups), *_unknown_prices(problem, shares)]
    lines += _unknown_egress(problem, shares)
    lines += _storage(problem, shares)
    lines += _carbon(problem, shares, objective)
    lines += _broken_promises(problem, shares)
    lines += _beyond_observation(problem, objective, shares)
    chosen = feasible and not objective.maximize_sla
    lines += _homeless(problem, objective, unplaced, chosen=chosen)
    return tuple(lines)


def _grouping(groups: Sequence[WorkloadGroup]) -> Iterator[str]:
    together = math.fsum(group.peak_of_sum_cores for group in groups)
    apart = math.fsum(group.sum_of_peaks_cores for group in groups)
    shared = sum(1 for group in groups if len(group.tasks) > 1)
    if shared and apart > 0:
        yield (
            f"{sum(len(group.tasks) for group in groups)} tasks in {len(groups)} groups; peaks that "
            f"do not coincide save {1 - together / apart:.0%} of {apart:.3g} cores."
        )
    slowed = [group for group in groups if group.slowdown > 1.0]
    if slowed:
        worst = max(slowed, key=lambda group: (group.slowdown, group.name))
        yield (
            f"Members of {len(slowed)} groups slow one another, most of all in {worst.name}: a run "
            f"takes up to {worst.slowdown:.3g} times as long. Need and durations count that."
        )
    rare = [(share, name) for group in groups for name, share in group.met_beyond.items()]
    if rare:
        share, name = max(rare)
        yield (
            f"Runs of {len(rare)} tasks may meet one that slows them more than is bearable, most of all "
            f"{name}: {share:.2%} of its runs. Need counts that, the durations of promises do not."
        )


def _unknown_prices(problem: PlacementProblem, shares: Sequence[float]) -> Iterator[str]:
    pools = {
        (option.cluster.name, option.pool.name): option.pool
        for option, share in zip(problem.options, shares, strict=True)
        if share > 0 and option.pool.price_usd_per_hour is None
    }
    for (cluster, name), pool in sorted(pools.items()):
        yield (
            f"The price of {cluster}/{name} is unknown; it is planned as if one machine cost "
            f"{planning_price(pool):g} USD an hour, which is more than any like it. "
            "Set price_usd_per_hour to make the cost true."
        )


def _unknown_egress(problem: PlacementProblem, shares: Sequence[float]) -> Iterator[str]:
    moves = {
        (problem.groups[option.group].data_region, option.cluster.region)
        for option, share in zip(problem.options, shares, strict=True)
        if share > 0 and option.far
    }
    for source, target in sorted(moves, key=str):
        yield (
            f"Data moves from {source} to {target} at a price that is not known; "
            "it is not in the cost."
        )


def _storage(problem: PlacementProblem, shares: Sequence[float]) -> Iterator[str]:
    """What of the cost is storage, and which of it has no price where it lies."""
    usd = 0.0
    unpriced: dict[tuple[str, bool], tuple[float, set[str]]] = {}
    for option, share in zip(problem.options, shares, strict=True):
        group, cluster = problem.groups[option.group], option.cluster
        if share <= 0:
            continue
        usd += storage_usd_per_hour(group, cluster) * share
        for name, gib in group.storage_gib.items():
            rate = cluster.storage.get(name)
            if rate is None or not rate.known:
                key = (name, rate is not None)
                held, where = unpriced.setdefault(key, (0.0, set()))
                unpriced[key] = (held + gib * share, where | {cluster.name})
    if usd > 0:
        yield f"Storage of what tasks write and hold is {usd:.4g} USD an hour of the cost."
    for (name, stood_in), (gib, places) in sorted(unpriced.items()):
        counted = "counts as dear as anywhere it is known" if stood_in else "is not in the cost"
        yield (
            f"The price of {name} storage at {', '.join(sorted(places))} is unknown; {gib:.3g} GiB "
            f"there {counted}. Set storage_usd_per_gib_month to make the cost true."
        )


def _carbon(
    problem: PlacementProblem, shares: Sequence[float], objective: Objective
) -> Iterator[str]:
    """What the price and the cap on emissions come to, and whose emissions are not known."""
    usd_per_kg, most = objective.carbon_usd_per_kg, objective.max_carbon_kg_per_hour
    if usd_per_kg <= 0 and most is None:
        return
    usd = 0.0
    unknown: set[str] = set()
    for option, share in zip(problem.options, shares, strict=True):
        if share > 0 and option.pool.carbon is not None:
            machines, _ = mean_and_peak_machines(problem.groups[option.group], option.pool)
            usd += machines * share * carbon_usd_per_hour(option.pool, usd_per_kg)
            if not option.pool.carbon.known:
                unknown.add(f"{option.cluster.name}/{option.pool.name}")
    if usd > 0:
        yield f"The price put on CO2e, {usd_per_kg:g} USD a kg, is {usd:.4g} USD an hour of the cost."
    if most is not None:
        emitted = emissions(problem, shares)
        yield f"The machines emit {emitted:.4g} kg of CO2e an hour of the {most:g} that they may."
    if unknown:
        yield (
            f"What {', '.join(sorted(unknown))} emits is not known and counts as the most that is known; "
            "set carbon_g_per_kwh of the cluster and watts of the pool."
        )


def _broken_promises(problem: PlacementProblem, shares: Sequence[float]) -> Iterator[str]:
    """Where a member keeps its promise less often than it says, the most weight first."""
    found = []
    for option, share in zip(problem.options, shares, strict=True):
        group = problem.groups[option.group]
        reason = (
            promise_against(
                group,
                accelerator_of(group, option.pool),
                option.cluster,
                spot=is_spot(option.pool),
            )
            if share > 0 and option.kept < 1.0
            else None
        )
        if reason is not None:
            where = f"{group.name} is on {option.cluster.name}/{option.pool.name}"
            lost = group.sla_weight * share * (1.0 - option.kept)
            found.append((-lost, f"{where}: {reason}."))
    for _, sentence in sorted(found)[:_LISTED]:
        yield sentence
    if len(found) > _LISTED:
        yield f"{len(found) - _LISTED} more groups keep a promise less often than they should."


def _beyond_observation(
    problem: PlacementProblem, objective: Objective, shares: Sequence[float]
) -> Iterator[str]:
    """
    Say so where the level asked for is more than so many observations can show.

    Of n observations without a failure no more than 1 - 3/n can be concluded (the rule of three:
    Hanley and Lippman-Hand, If nothing goes wrong, is everything all right?, JAMA 1983).
    """
    if objective.maximize_sla:
        return
    runs, probes = math.inf, math.inf
    for option, share in zip(problem.options, shares, strict=True):
        if share > 0:
            promises = problem.groups[option.group].promises
            runs = min(runs, *(promise.samples for promise in promises), math.inf)
            known = option.cluster.availability
            if known is not None and known.observations:  # else somebody said so
                probes = min(probes, known.observations)
    for count, what in (
        (runs, "finished runs of a task"),
        (probes, "minutes of a cluster's probes"),
    ):
        if math.isfinite(count) and objective.sla > 1.0 - 3.0 / max(count, 1.0):
            few = f"as few as {count:g} {what} are" if count else f"no {what} are"
            yield f"objective.sla = {objective.sla:g} is modelled, not measured: {few} behind it."


def _homeless(
    problem: PlacementProblem,
    objective: Objective,
    unplaced: Mapping[str, float],
    *,
    chosen: bool,
) -> Iterator[str]:
    own = {g.name: bool(o) for g, o in zip(problem.groups, problem.options_of, strict=True)}
    listed = {name: share for name, share in unplaced.items() if share >= _WORTH_TELLING}
    for name, share in list(listed.items())[:_LISTED]:
        if own[name]:
            yield f"{share:.1%} of {name} has no place {_left_out(objective, chosen=chosen)}."
        else:
            yield f"{name} has no place: {refusals_in_words(problem.refusals[name])}."
    if len(listed) > _LISTED:
        yield f"{len(listed) - _LISTED} more groups are not wholly placed."


def _left_out(objective: Objective, *, chosen: bool) -> str:
    if chosen:
        return f"because it is cheapest to leave out, and {objective.sla:.6g} of the SLA is enough"
    limits = ["capacity"]
    if objective.budget_usd_per_hour is not None:
        limits.append("budget")
    if objective.max_carbon_kg_per_hour is not None:
        limits.append("the cap on emissions")
    return f"within {' and '.join(limits)}"
