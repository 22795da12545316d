"""Expected demand of a workload by hour of the week, from its cadence and duration."""

from __future__ import annotations

import math
from itertools import pairwise

from aiops_provider.domain.profile import PRICED_STORAGE, Quantity, WorkloadProfile
from aiops_provider.domain.units import HOURS_PER_WEEK, SECONDS_PER_HOUR
from aiops_provider.errors import DataError

# Nothing is known about when such a task starts: once a day, at any hour alike. An hourly task is
# then underestimated and a weekly one overestimated until their first starts are seen.
DEFAULT_STARTS_PER_DAY = 1.0

Series = tuple[float, ...]
"""One entry per hour of the week, Monday 00 UTC first, or one that stands for all hours."""


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
    six minutes a day is 0.004 runs in every hour, though while it runs it is one.

    Returns:
        168 entries, or one if all hours are alike.

    Raises:
        DataError: If the profile's cadence has neither 168 entries nor none.
    """
    starts = starts_by_hour(profile)
    hours = expected_duration_s(profile.duration_s) / SECONDS_PER_HOUR
    if len(set(starts)) == 1:
        return (starts[0] * hours,)
    weeks, rest = divmod(hours, HOURS_PER_WEEK)
    # Whole weeks of a run fill every hour once.
    busy = [weeks * math.fsum(starts)] * HOURS_PER_WEEK
    occupied = _hours_occupied(rest)
    for hour, count in enumerate(starts):
        if count:
            for later, share in enumerate(occupied):
                busy[(hour + later) % HOURS_PER_WEEK] += count * share
    return tuple(busy)


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
