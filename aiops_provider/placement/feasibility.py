"""
Judges a plan: does it keep every promise, counted anew from groups, clusters and shares?

It shares no code with the model that made the plan, so that an error there is not repeated here.
Sums are exact (fractions, not floats); a limit counts as kept when it is exceeded by no more than
one part in a million, which is what solvers guarantee.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from fractions import Fraction
from itertools import permutations

from aiops_provider.domain.cluster import ClusterSpec, Pool
from aiops_provider.domain.plan import PlacementPlan
from aiops_provider.placement.feasibility_figures import false_costs, false_promises
from aiops_provider.placement.feasibility_separation import broken_separation
from aiops_provider.placement.interference import Interference
from aiops_provider.placement.violation import TOLERANCE, PlacedShare, Violation, placed_shares

__all__ = ["Violation", "check_plan"]


def check_plan(
    plan: PlacementPlan,
    clusters: Sequence[ClusterSpec],
    unavailable: Collection[str] = frozenset(),
    *,
    egress: Mapping[str, Mapping[str, float]] | None = None,
    interference: Interference | None = None,
) -> tuple[Violation, ...]:
    """
    Find every promise that a plan breaks.

    Args:
        plan: As made, or as stored.
        clusters: As they are now.
        unavailable: Names of clusters that must not be used.
        egress: USD per GiB by region of the data, then region of the cluster, where known.
        interference: By how much tasks slow one another, and how much is bearable.

    Returns:
        Violations in a stable order; empty if the plan is sound.
    """
    placed = placed_shares(plan, clusters)
    found = [
        *_unknown(plan, clusters),
        *_shares(plan),
        *_places(placed, unavailable),
        *_splits(placed),
        *broken_separation(plan, placed),
        *_capacity(placed),
        *_slowed(plan, interference),
        *false_costs(plan, placed, egress or {}),
        *false_promises(plan, placed),
    ]
    return tuple(found)


def _unknown(plan: PlacementPlan, clusters: Sequence[ClusterSpec]) -> Iterator[Violation]:
    names = Counter(group.name for group in plan.groups)
    for name, count in sorted(names.items()):
        if count > 1:
            yield Violation(
                kind="duplicate",
                subject=name,
                limit=1,
                value=count,
                sentence=f"{count} groups are named {name}.",
            )
    pools = {(cluster.name, pool.name) for cluster in clusters for pool in cluster.pools}
    for given in plan.assignments:
        if given.group not in names:
            yield Violation(
                kind="unknown",
                subject=given.group,
                limit=None,
                value=given.group,
                sentence=f"The plan places {given.group}, which is none of its groups.",
            )
        if (given.cluster, given.pool) not in pools:
            yield Violation(
                kind="unknown",
                subject=f"{given.cluster}/{given.pool}",
                limit=None,
                value=given.group,
                sentence=f"{given.group} is on {given.cluster}/{given.pool}, which does not exist.",
            )


def _shares(plan: PlacementPlan) -> Iterator[Violation]:
    places = Counter((given.group, given.cluster, given.pool) for given in plan.assignments)
    for (name, cluster, pool), count in sorted(places.items()):
        if count > 1:
            yield Violation(
                kind="duplicate",
                subject=name,
                limit=1,
                value=count,
                sentence=f"{name} is assigned to {cluster}/{pool} {count} times.",
            )
    total: dict[str, Fraction] = defaultdict(Fraction)
    for given in plan.assignments:
        total[given.group] += Fraction(given.share)
        if not 0 < given.share <= 1:
            yield Violation(
                kind="share",
                subject=given.group,
                limit="(0, 1]",
                value=given.share,
                sentence=f"A share of {given.group} is {given.share}, which is not in (0, 1].",
            )
    for group in plan.groups:
        if total[group.name] > 1 + TOLERANCE:
            yield Violation(
                kind="share",
                subject=group.name,
                limit=1.0,
                value=float(total[group.name]),
                sentence=f"{group.name} is placed more than once: {float(total[group.name]):g}.",
            )
        left = 1 - total[group.name]
        stated = plan.unplaced.get(group.name, 0.0)
        if abs(left - Fraction(stated)) > 10 * TOLERANCE and left > 0:
            yield Violation(
                kind="unplaced",
                subject=group.name,
                limit=float(left),
                value=stated,
                sentence=f"{float(left):.4%} of {group.name} has no place, the plan says {stated:.4%}.",
            )


def _places(placed: Sequence[PlacedShare], unavailable: Collection[str]) -> Iterator[Violation]:
    for line in placed:
        group, cluster = line.group, line.cluster
        if cluster.name in unavailable:
            yield _misplaced(line, "unavailable", "available clusters", cluster.name)
        if group.pinned_cluster is not None:
            if group.pinned_cluster != cluster.name:
                yield _misplaced(line, "pin", group.pinned_cluster, cluster.name)
        else:
            if group.allowed_regions and cluster.region not in group.allowed_regions:
                yield _misplaced(line, "region", group.allowed_regions, cluster.region)
            if group.allowed_providers and cluster.provider not in group.allowed_providers:
                yield _misplaced(line, "provider", group.allowed_providers, cluster.provider)
        yield from _machine(line)


def _misplaced(line: PlacedShare, kind: str, limit: object, value: object) -> Violation:
    return Violation(
        kind=kind,
        subject=line.group.name,
        limit=limit,
        value=value,
        sentence=f"{line.group.name} is on {line.where}; {kind}: {value}, allowed: {limit}.",
    )


def _machine(line: PlacedShare) -> Iterator[Violation]:
    need, machine = line.group.request, line.pool.machine
    wanted = [("cores", need.cores, machine.cores)]
    wanted.append(("memory_gib", need.memory_gib, machine.memory_gib))
    if need.accelerators:
        wanted.append(
            (
                need.accelerator or "accelerators",
                need.accelerators,
                line.offered,
            )
        )
    for resource, value, limit in wanted:
        if value > limit:
            yield Violation(
                kind="machine",
                subject=line.group.name,
                limit=limit,
                value=value,
                sentence=f"One run of {line.group.name} needs {value:g} {resource}; "
                f"a machine of {line.where} has {limit:g}.",
            )


def _splits(placed: Sequence[PlacedShare]) -> Iterator[Violation]:
    by_group: dict[str, list[PlacedShare]] = defaultdict(list)
    for line in placed:
        by_group[line.group.name].append(line)
    for name, lines in sorted(by_group.items()):
        for line in lines:
            # Whoever is spread is split on purpose.
            if len(lines) > 1 and line.group.spread is None and _machines_at_peak(line) <= 1:
                yield Violation(
                    kind="split",
                    subject=name,
                    limit=1,
                    value=len(lines),
                    sentence=f"{name} is split over {len(lines)} pools, though one machine of "
                    f"{line.where} holds all of it.",
                )


def _machines_at_peak(line: PlacedShare) -> Fraction:
    machine, need = line.pool.machine, line.group.request
    peaks = [
        Fraction(max(line.group.cores_by_slot)) / Fraction(machine.cores),
        Fraction(max(line.group.memory_gib_by_slot)) / Fraction(machine.memory_gib),
    ]
    if need.accelerators and line.offered:
        peaks.append(Fraction(max(line.group.accelerators_by_slot)) / Fraction(line.offered))
    return max(peaks)


def _capacity(placed: Sequence[PlacedShare]) -> Iterator[Violation]:
    by_pool: dict[str, list[PlacedShare]] = defaultdict(list)
    for line in placed:
        by_pool[line.where].append(line)
    for where, lines in sorted(by_pool.items()):
        pool = lines[0].pool
        for resource, per_machine, demands in _resources(pool, lines):
            limit = Fraction(per_machine) * pool.max_instances
            used, slot = _busiest(demands)
            if used > limit * (1 + TOLERANCE):
                yield Violation(
                    kind="capacity",
                    subject=where,
                    limit=float(limit),
                    value=float(used),
                    sentence=f"{where} has {float(limit):g} {resource}; the plan needs "
                    f"{float(used):g} in hour {slot} of the week.",
                )


def _slowed(plan: PlacementPlan, interference: Interference | None) -> Iterator[Violation]:
    """Members of one group that slow one another more than is bearable, each as measured."""
    if interference is None:
        return
    for group in plan.groups:
        if Fraction(group.slowdown) > Fraction(interference.most) * (1 + TOLERANCE):
            yield Violation(
                kind="interference",
                subject=group.name,
                limit=interference.most,
                value=group.slowdown,
                sentence=f"A member of {group.name} takes {group.slowdown:.3g} times as long beside "
                f"the others; {interference.most:g} times is bearable.",
            )
        rare = {
            task
            for task in group.tasks
            if Fraction(group.met_beyond.get(str(task), 1.0))
            <= Fraction(interference.most_meetings) * (1 + TOLERANCE)
        }
        for task, beside in permutations(group.tasks, 2):
            measured = interference.slowdown(task, beside, group.request.accelerator)
            if measured > interference.most and not (interference.most_meetings and task in rare):
                yield Violation(
                    kind="interference",
                    subject=group.name,
                    limit=interference.most,
                    value=measured,
                    sentence=f"{task} takes {measured:.3g} times as long beside {beside}, with which "
                    f"it shares a group; {interference.most:g} times is bearable.",
                )


_Demands = list[tuple[Fraction, tuple[float, ...]]]


def _resources(pool: Pool, lines: Iterable[PlacedShare]) -> Iterator[tuple[str, float, _Demands]]:
    demands: dict[str, _Demands] = defaultdict(list)
    for line in lines:
        share, need = Fraction(line.given.share), line.group.request
        demands["cores"].append((share, line.group.cores_by_slot))
        demands["memory_gib"].append((share, line.group.memory_gib_by_slot))
        if need.accelerators:
            demands[line.accelerator].append((share, line.group.accelerators_by_slot))
    machine = {
        "cores": pool.machine.cores,
        "memory_gib": pool.machine.memory_gib,
        **pool.machine.accelerators,
    }
    for resource, series in demands.items():
        yield resource, machine.get(resource, 0), series


def _busiest(demands: _Demands) -> tuple[Fraction, int]:
    steady = sum(
        (share * Fraction(series[0]) for share, series in demands if len(series) == 1), Fraction(0)
    )
    varying = [(share, series) for share, series in demands if len(series) > 1]
    slots = max((len(series) for _, series in varying), default=1)
    totals = (
        (sum((share * Fraction(series[slot]) for share, series in varying), steady), slot)
        for slot in range(slots)
    )
    return max(totals, key=lambda pair: (pair[0], -pair[1]))
