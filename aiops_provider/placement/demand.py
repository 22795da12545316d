"""Expected demand of a workload by hour of the week, from its cadence and duration."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

from aiops_provider.domain.profile import (
    PRICED_STORAGE,
    REQUESTS,
    Quantity,
    ResourceRequest,
    WorkloadProfile,
)
from aiops_provider.domain.units import HOURS_PER_WEEK, SECONDS_PER_HOUR
from aiops_provider.errors import DataError

# Nothing is known about when such a task starts: once a day, at any hour alike. An hourly task is
# then underestimated and a weekly one overestimated until their first starts are seen.
DEFAULT_STARTS_PER_DAY = 1.0

Series = tuple[float, ...]
"""One entry per hour of the week, Monday 00 UTC first, or one that stands for all hours."""


# Less of a task's runs than this is what is left of rounding.
_NO_SHARE = 1e-6


@dataclass(frozen=True, slots=True)
class ClassOfRuns:
    """
    Runs of one task that need about the same.

    Attributes:
        share: Of the task's runs, in (0, 1]; those of all classes are 1 together.
        runs: Expected number in progress, by slot.
        request: What one of them asks for, in the mean.
    """

    share: float
    runs: Series
    request: ResourceRequest


def classes_of_runs(profile: WorkloadProfile) -> tuple[ClassOfRuns, ...]:
    """
    A task's runs by what they need: one class for each class of input that is known, one for the rest.

    Raises:
        DataError: If the profile's cadence has neither 168 entries nor none.
    """
    if profile.serving_runtime is not None and not profile.starts_by_hour_of_week:
        return (ClassOfRuns(1.0, _always_up(profile), profile.request),)
    starts = starts_by_hour(profile)
    shares = profile.by_input.shares if profile.by_input is not None else ()
    found = [
        ClassOfRuns(
            each.share,
            _in_progress(starts, each.share, each.duration_s),
            replace(each.request, cores=each.cores, memory_gib=each.memory_gib),
        )
        for each in shares
    ]
    rest = _other_runs(profile)
    if rest:
        runs = _in_progress(starts, rest, profile.duration_s)
        found.append(ClassOfRuns(rest, runs, profile.request))
    return tuple(found)


def largest_request(profile: WorkloadProfile) -> ResourceRequest:
    """What a machine must hold so that every run of a task has a place on it."""
    if profile.by_input is None:
        return profile.request
    requests = [each.request for each in profile.by_input.shares]
    if _other_runs(profile):
        requests.append(profile.request)
    return largest_of(requests, "classes of input")


def _other_runs(profile: WorkloadProfile) -> float:
    """Share of the runs on inputs of no class that is known."""
    if profile.by_input is None:
        return 1.0
    rest = 1.0 - math.fsum(each.share for each in profile.by_input.shares)
    return rest if rest > _NO_SHARE else 0.0


def largest_of(requests: Sequence[ResourceRequest], what: str) -> ResourceRequest:
    """
    The least that holds each of several requests for the same accelerator.

    Args:
        requests: At least one.
        what: They belong to, in the plural.
    """
    if len(requests) == 1:
        return requests[0]
    return ResourceRequest(
        cores=max(request.cores for request in requests),
        memory_gib=max(request.memory_gib for request in requests),
        accelerator=requests[0].accelerator,
        accelerators=max(request.accelerators for request in requests),
        accelerator_memory_gib=max(request.accelerator_memory_gib for request in requests),
        local_disk_gib=max(request.local_disk_gib for request in requests),
        reason=f"the largest of {len(requests)} {what}",
    )


def starts_by_hour(profile: WorkloadProfile) -> Series:
    """
    Expected starts by hour of the week; the stated default where the cadence is unknown.

    Raises:
        DataError: If the profile's cadence has neither 168 entries nor none.
    """
    starts = profile.starts_by_hour_of_week or (DEFAULT_STARTS_PER_DAY / 24.0,)
    if len(starts) not in (1, HOURS_PER_WEEK):
        raise DataError(
            f"{profile.task} has {len(starts)} entries",
            field="starts_by_hour_of_week",
            mend=f"Give {HOURS_PER_WEEK} (Monday 00 UTC first), or none if it is unknown.",
        )
    return starts


def concurrent_runs(profile: WorkloadProfile) -> Series:
    """
    Expected number of runs in progress by hour of the week: starts × duration, spread over hours.

    Starts are taken as uniform within their hour. The figure is an expectation: a task that runs
    six minutes a day is 0.004 runs in every hour, though while it runs it is one. Runs on inputs of
    different classes count with the durations of their classes.

    An endpoint whose starts nobody knows is up all the time: with as many of its instances, whole ones, as
    the hour's forecast requests need of what those of the busiest hour do.

    Returns:
        168 entries, or one if all hours are alike.

    Raises:
        DataError: If the profile's cadence has neither 168 entries nor none.
    """
    return summed([each.runs for each in classes_of_runs(profile)])


def asked_for(classes: Sequence[ClassOfRuns], amount: Callable[[ResourceRequest], float]) -> Series:
    """
    What all runs of a task ask for of something, by slot.

    Args:
        classes: Its runs.
        amount: Of that in a request.
    """
    return summed([scaled(each.runs, amount(each.request)) for each in classes])


def summed(all_series: Sequence[Series]) -> Series:
    """The sum of several series by slot; one entry if all are alike."""
    if len(all_series) == 1:
        return all_series[0]
    slots = max(len(series) for series in all_series)
    total = tuple(
        math.fsum(series[slot if len(series) > 1 else 0] for series in all_series)
        for slot in range(slots)
    )
    return total if len(set(total)) > 1 else total[:1]


def at(series: Sequence[float], slot: int) -> float:
    """Entry of a series of which one entry stands for all slots."""
    return series[slot] if len(series) > 1 else series[0]


def scaled(series: Series, factor: float) -> Series:
    """A multiple of a series."""
    return tuple(value * factor for value in series)


def _in_progress(starts: Series, share: float, duration_s: Quantity) -> Series:
    """Of a share of the starts."""
    if share < 1.0:
        starts = scaled(starts, share)
    hours = expected_duration_s(duration_s) / SECONDS_PER_HOUR
    if len(set(starts)) == 1:
        return (starts[0] * hours,)
    weeks, rest = divmod(hours, HOURS_PER_WEEK)
    # Whole weeks of a run fill every hour once.
    busy = [weeks * math.fsum(starts)] * HOURS_PER_WEEK
    occupied = _hours_occupied(rest)
    for hour, count in enumerate(starts):
        if count:
            for later, held in enumerate(occupied):
                busy[(hour + later) % HOURS_PER_WEEK] += count * held
    return tuple(busy)


def _always_up(profile: WorkloadProfile) -> Series:
    use = profile.use_by_hour_of_week
    busiest = max(use.p80) if use is not None and use.unit == REQUESTS else 0.0
    if use is None or busiest <= 0.0:
        return (1.0,)
    # Rounded first: the share of the busiest hour is 1 but for the last digit.
    wanted = [math.ceil(round(profile.instances * rate / busiest, 9)) for rate in use.p80]
    return tuple(max(1, instances) / profile.instances for instances in wanted)


def expected_duration_s(duration: Quantity) -> float:
    """Mean of a duration that is known by three quantiles, in seconds; see :func:`expected_value`."""
    return expected_value(duration)


def expected_left_s(duration: Quantity, done_s: float) -> float:
    """
    Work that is expected to be left of a run.

    Args:
        duration: Of whole runs, in seconds.
        done_s: Work that it has done already.

    Returns:
        Seconds. A run that has lasted longer than all before is expected to last as long again, as
        durations without a scale do (Harchol-Balter and Downey 1997).
    """
    if done_s < duration.p50:
        return max(expected_duration_s(duration) - done_s, 0.0)
    for upper in (duration.p80, duration.p95):
        if done_s < upper:
            return upper - done_s
    return done_s


def expected_value(figure: Quantity) -> float:
    """
    Mean of a figure that is known by three quantiles, in its own unit.

    Linear between the quantiles; the lower half counts as its upper end and the tail above p95 as
    its lower end, two errors that lean against each other.

    >>> from aiops_provider.domain.profile import Source
    >>> expected_value(Quantity(p50=10, p80=20, p95=40, source=Source.PRIOR))
    16.0
    """
    return (
        0.50 * figure.p50
        + 0.30 * (figure.p50 + figure.p80) / 2
        + 0.15 * (figure.p80 + figure.p95) / 2
        + 0.05 * figure.p95
    )


def stored_gib(profile: WorkloadProfile) -> dict[str, float]:
    """
    What a workload adds to storage, as a mean over the week, by class of storage.

    Of what it writes one copy is held, however often it is written anew. What it holds between its
    steps is there while a run is. What it reads is there whether it runs or not, mostly for many tasks:
    no plan saves or spends it, so it is not counted. Working sets in memory are the machine's own.

    Raises:
        DataError: If the profile's cadence has neither 168 entries nor none.
    """
    runs = concurrent_runs(profile)
    held = {"target": 1.0, "intermediate": math.fsum(runs) / len(runs)}
    found: dict[str, float] = {}
    for need in profile.storage:
        gib = expected_value(need.capacity_gib) * held.get(need.role, 0.0)
        if gib > 0 and need.storage_class in PRICED_STORAGE:
            found[need.storage_class] = found.get(need.storage_class, 0.0) + gib
    return found


def stored_gib_by_run(profile: WorkloadProfile) -> dict[str, float]:
    """
    The same for each hour that a run takes: over all runs of a week it adds up to as much.

    A task that starts never, as far as is known, counts as one of unknown cadence.

    Returns:
        GiB by class of storage.

    Raises:
        DataError: If the profile's cadence has neither 168 entries nor none.
    """
    stored = stored_gib(profile)
    if not stored:
        return stored
    runs = concurrent_runs(profile)
    running = math.fsum(runs) / len(runs)
    if running <= 0:
        hours = expected_duration_s(profile.duration_s) / SECONDS_PER_HOUR
        running = DEFAULT_STARTS_PER_DAY * hours / 24.0
    return {name: gib / running for name, gib in stored.items()} if running > 0 else {}


def _hours_occupied(hours: float) -> list[float]:
    """Expected share of each hour that a run holds, from the hour it starts in; sums to *hours*."""

    def before(edge: float) -> float:
        # Mean over start moments u in [0, 1) of max(0, edge - u).
        if edge <= 0:
            return 0.0
        return edge * edge / 2 if edge < 1 else edge - 0.5

    last = math.ceil(hours) + 1
    held = [before(k) - before(k - hours) for k in range(last + 1)]
    return [later - earlier for earlier, later in pairwise(held)]
