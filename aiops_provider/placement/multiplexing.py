"""
Groups workloads of like need whose peaks do not coincide.

A group holds one shared reservation: it needs the peak of its members' sum, which is well below the
sum of their peaks. Members agree in everything that decides where they may run, so that a group can
go wherever each of its members could have gone. The result does not depend on the order of the
profiles.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Callable, Iterable, Sequence

from aiops_provider.domain.cluster import ClusterSpec
from aiops_provider.domain.plan import WorkloadGroup
from aiops_provider.domain.profile import Quantity, ResourceRequest, WorkloadProfile
from aiops_provider.domain.promise import Promise
from aiops_provider.domain.separation import AntiAffinityRule
from aiops_provider.domain.task import TaskKey
from aiops_provider.placement.demand import (
    Series,
    asked_for,
    classes_of_runs,
    largest_of,
    largest_request,
    scaled,
    starts_by_hour,
    stored_gib,
    summed,
)
from aiops_provider.placement.interference import (
    Interference,
    multiplied,
    worst_while_running,
)
from aiops_provider.placement.joining import Draft, Measured, join
from aiops_provider.placement.promises import accelerator_of, is_spot, promise_against
from aiops_provider.placement.separation import partners

# Workloads of one group are placed or left out together, so their SLA weight per machine may differ
# by this factor at most: else a small important one would wait for a large unimportant one.
IMPORTANCE_STEP = 4.0


def multiplex(
    profiles: Iterable[WorkloadProfile],
    *,
    clusters: Sequence[ClusterSpec] = (),
    largest_peak: float | None = None,
    every_workload: bool = False,
    interference: Interference | None = None,
) -> tuple[WorkloadGroup, ...]:
    """
    Group workloads that can share a reservation.

    Best fit over the workloads from the largest peak down: each joins the group of its kind whose
    peak it raises least, or opens a new one. Steady workloads stay alone, there is nothing to gain.
    A group grows no larger than its largest member or one machine: beyond that it would only tie
    together what can be placed apart at no loss.

    Args:
        profiles: One per task; of several for one task the latest is taken.
        clusters: Workloads are of one kind only if the same pools can hold them, so that a small
            one is not bound to the machines that a large one needs. Empty: sizes do not matter.
        largest_peak: Reserve as little as possible in groups of up to this peak, in machines where
            clusters are known, else in accelerators or cores, whatever a group then ties together:
            a workload joins wherever it raises the peak least, then moves and exchanges lower
            the sum of peaks; SLA weights do not matter.
            ``None``: the limits above.
        every_workload: A pool counts as able to hold a workload only where that keeps its own
            promise, so that nobody loses a place to the stricter promise of another.
        interference: By how much workloads slow one another. Those that do so more than is bearable
            share no group unless they hardly meet, and all others count with the time that they take
            beside each other; with it no moves and exchanges follow.

    Returns:
        Groups in order of their names; every task is in exactly one.

    Raises:
        DataError: If a profile has a cadence that is not one of a week.
    """
    known, by_kind = latest_profiles(profiles), dict[tuple[object, ...], list[Draft]]()
    measured, apart = [_measure(profile, clusters) for profile in known], partners(known)
    for workload in sorted(measured, key=lambda w: (-w.peak, w.profile.task)):
        kind = _kind(workload.profile, clusters, every_workload=every_workload)
        kind = (*kind, apart.get(workload.profile.task, ()))
        if largest_peak is None:
            kind = (*kind, _importance(workload))
        join(workload, by_kind.setdefault(kind, []), largest_peak, interference)
    if largest_peak is not None and interference is None:
        by_kind = {kind: _regrouped(drafts, largest_peak) for kind, drafts in by_kind.items()}
    groups = [
        make_group([member.profile for member in draft.members], interference)
        for drafts in by_kind.values()
        for draft in drafts
    ]
    return tuple(sorted(groups, key=lambda group: group.name))


def make_group(
    profiles: Sequence[WorkloadProfile], interference: Interference | None = None
) -> WorkloadGroup:
    """
    The group of exactly these workloads, whether or not that is wise.

    Args:
        profiles: At least one; all with the same limits on where they may run.
        interference: By how much they slow one another, which raises what they need and how long they
            take.
    """
    members = sorted(profiles, key=lambda profile: profile.task)
    first = members[0]
    classes = [classes_of_runs(profile) for profile in members]
    runs = [summed([each.runs for each in own]) for own in classes]

    def needed(amount: Callable[[ResourceRequest], float]) -> list[Series]:
        return [
            scaled(asked_for(own, amount), profile.instances)
            for own, profile in zip(classes, members, strict=True)
        ]

    cores = needed(lambda request: request.cores)
    memory = needed(lambda request: request.memory_gib)
    accelerators = needed(lambda request: request.accelerators)
    apart = [max(series) for series in cores]
    slowed = [1.0] * len(members)
    if interference is not None:
        usual = interference.factors(members, runs, with_rare=False)
        slowed = list(map(worst_while_running, runs, usual))
        factors = interference.factors(members, runs)
        cores, memory, accelerators = (
            list(map(multiplied, series, factors)) for series in (cores, memory, accelerators)
        )
    total_cores = summed(cores)
    return WorkloadGroup(
        name=_name(members),
        tasks=tuple(profile.task for profile in members),
        request=largest_of([largest_request(profile) for profile in members], "members"),
        cores_by_slot=total_cores,
        memory_gib_by_slot=summed(memory),
        accelerators_by_slot=summed(accelerators),
        peak_of_sum_cores=max(total_cores),
        sum_of_peaks_cores=math.fsum(apart),
        sla_weight=math.fsum(profile.sla_weight for profile in members),
        sla_attainment=max(profile.sla_attainment for profile in members),
        allowed_regions=tuple(sorted(set(first.allowed_regions))),
        allowed_providers=tuple(sorted(set(first.allowed_providers))),
        data_region=first.data_region,
        pinned_cluster=first.pinned_cluster,
        data_gib_per_hour=math.fsum(_data_gib_per_hour(profile) for profile in members),
        promises=tuple(
            _promise(profile, slowdown)
            for profile, slowdown in zip(members, slowed, strict=True)
            if _promises(profile)
        ),
        spread=first.spread,
        anti_affinity=_apart(members),
        storage_gib=_storage_gib(members),
        slowdown=max(slowed),
        met_beyond={} if interference is None else interference.met_beyond(members),
    )


def latest_profiles(profiles: Iterable[WorkloadProfile]) -> list[WorkloadProfile]:
    """Of several profiles of one task the latest, in order of the tasks."""
    by_task: dict[TaskKey, WorkloadProfile] = {}
    for profile in profiles:
        known = by_task.get(profile.task)
        newer = known is None or (profile.predicted_at, repr(profile)) > (
            known.predicted_at,
            repr(known),
        )
        if newer:
            by_task[profile.task] = profile
    return [by_task[task] for task in sorted(by_task)]


def _kind(
    profile: WorkloadProfile, clusters: Sequence[ClusterSpec], *, every_workload: bool
) -> tuple[object, ...]:
    request = largest_request(profile)
    alone = make_group([profile]) if every_workload else None
    holding = sorted(
        (cluster.name, pool.name)
        for cluster in clusters
        for pool in cluster.feasible_pools(request)
        if alone is None
        or promise_against(alone, accelerator_of(alone, pool), cluster, spot=is_spot(pool)) is None
    )
    return (
        request.accelerators > 0,
        request.accelerator or "",
        tuple(sorted(set(profile.allowed_regions))),
        tuple(sorted(set(profile.allowed_providers))),
        profile.data_region or "",
        profile.pinned_cluster or "",
        tuple(sorted(set(profile.user_regions))),
        profile.spread,
        tuple(holding),
    )


def _importance(workload: Measured) -> int | None:
    """Class of SLA weight per peak need; a workload that needs nothing is in a class of its own."""
    if workload.peak <= 0:
        return None
    return math.floor(math.log(workload.profile.sla_weight / workload.peak, IMPORTANCE_STEP))


def _measure(profile: WorkloadProfile, clusters: Sequence[ClusterSpec]) -> Measured:
    request = largest_request(profile)
    pools = [pool for cluster in clusters for pool in cluster.feasible_pools(request)]
    classes = classes_of_runs(profile)
    if pools:
        largest = min(pools, key=lambda pool: pool.machine_share(request))
        load, limit = asked_for(classes, largest.machine_share), 1.0
    else:
        load = asked_for(classes, lambda each: float(each.accelerators or each.cores))
        limit = 0.0
    runs = summed([each.runs for each in classes])
    return Measured(profile, runs, scaled(load, profile.instances), limit)


def _regrouped(drafts: list[Draft], largest_peak: float) -> list[Draft]:
    from aiops_provider.placement.regrouping import regroup

    workloads = [member for draft in drafts for member in draft.members]
    found = regroup(
        [workload.weekly for workload in workloads],
        [number for number, draft in enumerate(drafts) for _ in draft.members],
        [max(draft.peak, largest_peak) for draft in drafts],
    )
    regrouped = [Draft() for _ in drafts]
    for workload, number in zip(workloads, found, strict=True):
        draft = regrouped[number]
        draft.add(workload, draft.sum_with(workload))
    return [draft for draft in regrouped if draft.members]


def _data_gib_per_hour(profile: WorkloadProfile) -> float:
    if profile.data_region is None or not profile.input_gib:
        return 0.0
    starts = starts_by_hour(profile)
    return profile.input_gib * math.fsum(starts) / len(starts)


def _apart(members: Sequence[WorkloadProfile]) -> tuple[AntiAffinityRule, ...]:
    """What the members say themselves; what others say about them is for whoever knows these."""
    rules = {rule for profile in members for rule in profile.anti_affinity}
    return tuple(sorted(rules, key=lambda rule: (rule.domain, rule.strictness, rule.tasks)))


def _storage_gib(members: Sequence[WorkloadProfile]) -> dict[str, float]:
    each = [stored_gib(profile) for profile in members]
    classes = sorted({name for stored in each for name in stored})
    return {name: math.fsum(stored.get(name, 0.0) for stored in each) for name in classes}


def _promises(profile: WorkloadProfile) -> bool:
    return profile.deadline_s is not None or profile.latency_objective_ms is not None


def _promise(profile: WorkloadProfile, slowdown: float) -> Promise:
    """What was promised about a member that takes so many times as long as alone, at the worst."""
    answers = profile.latency_ms
    return Promise(
        weight=profile.sla_weight,
        attainment=profile.sla_attainment,
        deadline_s=profile.deadline_s,
        duration_s=_quantiles(profile.duration_s, slowdown),
        pace=dict(profile.accelerator_pace),
        latency_objective_ms=profile.latency_objective_ms,
        latency_ms=None if answers is None else _quantiles(answers, slowdown),
        user_regions=profile.user_regions,
        samples=profile.duration_s.sample_count,
        checkpoint_s=profile.checkpoint_interval_s,
    )


def _quantiles(figure: Quantity, slowdown: float) -> tuple[float, float, float]:
    return figure.p50 * slowdown, figure.p80 * slowdown, figure.p95 * slowdown


def _name(members: Sequence[WorkloadProfile]) -> str:
    """The task's own name, or the first one's with a digest of all, stable for the same members."""
    first = str(members[0].task)
    if len(members) == 1:
        return first
    digest = hashlib.sha256("\n".join(str(member.task) for member in members).encode())
    return f"{first}+{len(members) - 1}-{digest.hexdigest()[:8]}"
