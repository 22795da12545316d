"""Whether the figures that a plan states about itself are true: cost, budget, SLA, bound."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from fractions import Fraction

from aiops_provider.domain.cluster import Purchase
from aiops_provider.domain.plan import PlacementPlan
from aiops_provider.domain.promise import Promise
from aiops_provider.placement.violation import TOLERANCE, PlacedShare, Violation

_HOURS_OF_A_MONTH = Fraction(365 * 24, 12)


def false_costs(
    plan: PlacementPlan,
    placed: Sequence[PlacedShare],
    egress: Mapping[str, Mapping[str, float]],
) -> Iterator[Violation]:
    """Costs that are not what shares and prices make, and spend or emissions above their limits."""
    for line in placed:
        yield from _stated_cost(line, egress, Fraction(plan.objective.carbon_usd_per_kg))
        yield from _stated_carbon(line)
    total = sum((Fraction(given.cost_usd_per_hour) for given in plan.assignments), Fraction(0))
    if abs(total - Fraction(plan.cost_usd_per_hour)) > TOLERANCE * max(Fraction(1), abs(total)):
        yield Violation(
            kind="cost",
            subject="plan",
            limit=float(total),
            value=plan.cost_usd_per_hour,
            sentence=f"The assignments cost {float(total):g} USD an hour, "
            f"the plan says {plan.cost_usd_per_hour:g}.",
        )
    budget = plan.objective.budget_usd_per_hour
    if budget is not None and total > Fraction(budget) * (1 + TOLERANCE):
        yield Violation(
            kind="budget",
            subject="plan",
            limit=budget,
            value=float(total),
            sentence=f"The plan costs {float(total):g} USD an hour; the budget is {budget:g}.",
        )
    yield from _too_much_carbon(plan.objective.max_carbon_kg_per_hour, placed)


def _too_much_carbon(most: float | None, placed: Sequence[PlacedShare]) -> Iterator[Violation]:
    """Emissions that are not known count as the most that is known, as they do in the choice."""
    if most is None:
        return
    emitted = Fraction(0)
    for line in placed:
        rate = line.pool.carbon
        if rate is None:
            yield Violation(
                kind="carbon",
                subject=line.group.name,
                limit=most,
                value=None,
                sentence=f"What {line.where} emits was never asked, but the plan has a cap on emissions.",
            )
        else:
            machines: Fraction = _mean_machines(line) * Fraction(line.given.share)
            emitted += machines * Fraction(rate.kg_per_hour)
    if emitted > Fraction(most) * (1 + TOLERANCE):
        yield Violation(
            kind="carbon",
            subject="plan",
            limit=most,
            value=float(emitted),
            sentence=f"The plan emits {float(emitted):g} kg of CO2e an hour; the cap is {most:g}.",
        )


def _stated_cost(
    line: PlacedShare, egress: Mapping[str, Mapping[str, float]], usd_per_kg: Fraction
) -> Iterator[Violation]:
    stated = Fraction(line.given.cost_usd_per_hour)
    machines: Fraction = _mean_machines(line) * Fraction(line.given.share)
    price = line.pool.price_usd_per_hour
    if price is None:
        if machines > 0 and stated <= 0:
            yield Violation(
                kind="cost",
                subject=line.group.name,
                limit="more than 0",
                value=float(stated),
                sentence=f"The price of {line.where} is unknown, but the plan counts it as nothing.",
            )
        return
    rate = line.pool.carbon
    emitted = machines * Fraction(rate.kg_per_hour) if rate is not None else Fraction(0)
    expected = machines * Fraction(price) + _stored(line) + _egress(line, egress)
    expected += emitted * usd_per_kg
    if abs(expected - stated) > TOLERANCE * max(Fraction(1, 1000), expected):
        yield Violation(
            kind="cost",
            subject=line.group.name,
            limit=float(expected),
            value=float(stated),
            sentence=f"{line.group.name} on {line.where} costs {float(expected):g} USD an hour, "
            f"the plan says {float(stated):g}.",
        )


def _stated_carbon(line: PlacedShare) -> Iterator[Violation]:
    rate, stated = line.pool.carbon, line.given.carbon_kg_per_hour
    if stated is None:
        return  # of a plan that was made before anybody knew
    known = rate is not None and rate.known
    emitted = Fraction(rate.kg_per_hour) if rate is not None else Fraction(0)
    expected = _mean_machines(line) * Fraction(line.given.share) * emitted
    if not known or abs(expected - Fraction(stated)) > TOLERANCE * max(Fraction(1, 1000), expected):
        yield Violation(
            kind="carbon",
            subject=line.group.name,
            limit=float(expected) if known else None,
            value=stated,
            sentence=f"{line.group.name} on {line.where} emits "
            f"{f'{float(expected):g}' if known else 'nobody knows how many'} kg of CO2e an hour, "
            f"the plan says {stated:g}.",
        )


def _mean_machines(line: PlacedShare) -> Fraction:
    group, machine = line.group, line.pool.machine
    series = [(group.cores_by_slot, Fraction(machine.cores))]
    series.append((group.memory_gib_by_slot, Fraction(machine.memory_gib)))
    if group.request.accelerators and line.offered:
        series.append((group.accelerators_by_slot, Fraction(line.offered)))
    slots = max(len(values) for values, _ in series)
    total = Fraction(0)
    for slot in range(slots):
        needed: list[Fraction] = [
            Fraction(values[slot % len(values)]) / offer for values, offer in series
        ]
        total += max(needed)
    return total / slots


def _egress(line: PlacedShare, egress: Mapping[str, Mapping[str, float]]) -> Fraction:
    source, target = line.group.data_region, line.cluster.region
    if source is None or source == target:
        return Fraction(0)
    price = egress.get(source, {}).get(target, 0.0)
    return Fraction(price) * Fraction(line.group.data_gib_per_hour) * Fraction(line.given.share)


def _stored(line: PlacedShare) -> Fraction:
    """What the share of the group leaves and holds in storage, at the prices of its cluster."""
    monthly = Fraction(0)
    for name, gib in line.group.storage_gib.items():
        if name in line.cluster.storage:
            monthly += Fraction(gib) * Fraction(line.cluster.storage[name].usd_per_gib_month)
    return monthly * Fraction(line.given.share) / _HOURS_OF_A_MONTH


def false_promises(plan: PlacementPlan, placed: Sequence[PlacedShare]) -> Iterator[Violation]:
    """An SLA that is not what is kept or not what was asked for, and an impossible bound."""
    weight = sum((Fraction(group.sla_weight) for group in plan.groups), Fraction(0))
    each = plan.objective.every_workload
    kept = sum(
        (Fraction(line.given.share) * _kept_weight(line, each) for line in placed), Fraction(0)
    )
    attained = kept / weight if weight else Fraction(1)
    if each:
        yield from _broken_promises(placed)
    if abs(attained - Fraction(plan.sla_attainment)) > 10 * TOLERANCE:
        yield Violation(
            kind="sla",
            subject="plan",
            limit=float(attained),
            value=plan.sla_attainment,
            sentence=f"The plan keeps {float(attained):.4%} of the SLA weight, "
            f"it says {plan.sla_attainment:.4%}.",
        )
    level = plan.objective.sla
    if not plan.objective.maximize_sla and attained < Fraction(level) - 10 * TOLERANCE:
        yield Violation(
            kind="sla",
            subject="plan",
            limit=level,
            value=float(attained),
            sentence=f"The plan keeps {float(attained):.4%} of the SLA weight; "
            f"{level:.4%} were asked for.",
        )
    yield from _bound(plan, attained)


def _kept_weight(line: PlacedShare, each: bool) -> Fraction:
    """SLA weight that keeps its promises there: member by member, then as long as it can be used."""
    whole = Fraction(line.group.sla_weight)
    if each:
        return whole
    unpromised = whole - sum((Fraction(p.weight) for p in line.group.promises), Fraction(0))
    kept = sum((Fraction(p.weight) * _kept(p, line) for p in line.group.promises), unpromised)
    return kept * _available(line)


def _broken_promises(placed: Sequence[PlacedShare]) -> Iterator[Violation]:
    for line in placed:
        asked = [(p.attainment, _kept(p, line) * _available(line)) for p in line.group.promises]
        asked.append((line.group.sla_attainment, _available(line)))
        for wanted, kept in asked:
            if kept < Fraction(wanted) - TOLERANCE:
                yield Violation(
                    kind="promise",
                    subject=line.group.name,
                    limit=wanted,
                    value=float(kept),
                    sentence=f"A promise of {line.group.name} is kept {float(kept):.4%} of the time "
                    f"on {line.where}; {wanted:.4%} were promised.",
                )


def _kept(promise: Promise, line: PlacedShare) -> Fraction:
    model = line.accelerator if line.group.request.accelerators else None
    spot = line.pool.purchase is Purchase.SPOT
    return Fraction(promise.kept(model, line.cluster.round_trip_ms, lost_once=spot))


def _available(line: PlacedShare) -> Fraction:
    known = line.cluster.availability
    return Fraction(1) if known is None else Fraction(known.share)


def _bound(plan: PlacementPlan, attained: Fraction) -> Iterator[Violation]:
    most = plan.objective.maximize_sla
    value = float(attained) if most else plan.cost_usd_per_hour
    better = value - plan.bound if most else plan.bound - value
    scale = max(1.0, abs(plan.bound))
    if better > 10 * float(TOLERANCE) * scale:
        yield Violation(
            kind="bound",
            subject="plan",
            limit=plan.bound,
            value=value,
            sentence=f"The plan is worth {value:g}, better than its proven bound {plan.bound:g}.",
        )
    if abs(value - plan.objective_value) > 10 * float(TOLERANCE) * scale:
        yield Violation(
            kind="bound",
            subject="plan",
            limit=value,
            value=plan.objective_value,
            sentence=f"The plan is worth {value:g}, it says {plan.objective_value:g}.",
        )
