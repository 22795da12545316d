"""What the runs of a task say about its needs, each outcome read for what it proves."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import timedelta

from aiops_provider.domain.execution import ExecutionRecord, Outcome
from aiops_provider.profiling.quantiles import SMALLEST

# The two steps of Kubernetes' Vertical Pod Autoscaler after a container was killed for memory
# (recommender flags oom-bump-up-ratio and oom-min-bump-up-bytes). It takes the larger; we take
# both, for a second kill costs a whole run and 100 MiB too much costs next to nothing.
_KILL_FACTOR = 1.2
_LARGEST_KILL_FACTOR = 2.0
_KILL_STEP_GIB = 100 / 1024
# So many good runs must follow before a kill is only one observation among others.
_RUNS_TO_OUTLIVE_A_KILL = 10
# A run that kept its cores this busy might have used more of them.
_SATURATED = 0.95


@dataclass(frozen=True, slots=True)
class Reading:
    """
    What one run says about one figure.

    Attributes:
        record: The run.
        value: The figure, > 0.
        censored: The true figure is larger.
        beyond: What to take for it when nothing larger was seen.
    """

    record: ExecutionRecord
    value: float
    censored: bool = False
    beyond: float = 0.0


def size_after_kill(killed_at_gib: float, killed_first_gib: float) -> float:
    """
    Memory to ask for after a run was killed for it.

    1.2 times as much plus 100 MiB. When the last step was not enough either, the next one multiplies
    by as much as all steps so far together, at most by two, as is usual where nothing is known: a row
    of kills says that the need was underestimated by a factor, not by a margin.

    Args:
        killed_at_gib: What the last run was killed at.
        killed_first_gib: What the first run of the row was killed at, <= killed_at_gib.

    >>> round(size_after_kill(1.0, 1.0), 3)
    1.298
    """
    factor = min(_LARGEST_KILL_FACTOR, max(_KILL_FACTOR, killed_at_gib / killed_first_gib))
    return killed_at_gib * factor + _KILL_STEP_GIB


def memory_readings(records: Sequence[ExecutionRecord]) -> list[Reading]:
    """
    Peak memory: exact when the run ended well, else only a lower bound.

    A run killed for memory needed more than it was allowed, a failed one at least what it had used
    until then. A lost cluster or a kill by the user says nothing.
    """
    readings = []
    for record in records:
        peak = record.usage.peak_memory_gib if record.usage else 0.0
        if record.outcome is Outcome.OUT_OF_MEMORY:
            bound = killed_at_gib(record)
            if bound:
                readings.append(Reading(record, bound, True, size_after_kill(bound, bound)))
        elif peak > 0 and record.outcome.is_task_evidence:
            failed = record.outcome is not Outcome.SUCCESS
            readings.append(Reading(record, max(peak, SMALLEST), failed, max(peak, SMALLEST)))
    return readings


def killed_at_gib(record: ExecutionRecord) -> float:
    """Memory that was not enough for a run killed for it; 0 when nobody knows."""
    allowed = record.request.memory_gib if record.request else 0.0
    peak = record.usage.peak_memory_gib if record.usage else 0.0
    return max(allowed, peak)


def duration_readings(records: Sequence[ExecutionRecord]) -> list[Reading]:
    """Wall time: exact when the run ended well, a lower bound when it failed or was killed."""
    readings = []
    for record in records:
        if not record.outcome.is_task_evidence:
            continue
        spent = (record.ended_at - record.started_at) / timedelta(seconds=1)
        seconds = max(record.usage.duration_s if record.usage else spent, SMALLEST)
        failed = record.outcome is not Outcome.SUCCESS
        readings.append(Reading(record, seconds, failed, seconds))
    return readings


def cores_readings(records: Sequence[ExecutionRecord]) -> list[Reading]:
    """
    Mean cores in use; a lower bound where the run kept all its cores busy.

    Runs that failed count only when none ended well: what comes last may be the hungriest.
    """
    measured = [
        r
        for r in records
        # No process lives without processor time: zero is "not measured".
        if r.usage is not None and r.usage.cpu_seconds > 0 and r.outcome.is_task_evidence
    ]
    good = [r for r in measured if r.outcome is Outcome.SUCCESS]
    readings = []
    for record in good or measured:
        cores = max(record.usage.mean_cores if record.usage else 0.0, SMALLEST)
        granted = record.request.cores if record.request else float("inf")
        readings.append(Reading(record, cores, cores >= _SATURATED * granted, cores))
    return readings


@dataclass(frozen=True, slots=True)
class Kills:
    """
    Kills for memory that not enough good runs have followed yet.

    Attributes:
        at_gib: Largest memory that was not enough; 0 if none.
        first_gib: Smallest memory that was not enough.
        count: How many.
    """

    at_gib: float = 0.0
    first_gib: float = 0.0
    count: int = 0


def recent_kills(
    records: Sequence[ExecutionRecord], scaled: Callable[[ExecutionRecord, float], float]
) -> Kills:
    """
    Find the kills that the next request must heed.

    Args:
        records: Oldest first.
        scaled: Turns the bound of a run into that of the run to come, by input size.
    """
    bounds: list[float] = []
    good_since = 0
    for record in reversed(records):
        good_since += record.outcome is Outcome.SUCCESS
        if good_since >= _RUNS_TO_OUTLIVE_A_KILL:
            break
        if record.outcome is Outcome.OUT_OF_MEMORY and killed_at_gib(record):
            bounds.append(scaled(record, killed_at_gib(record)))
    return Kills(max(bounds), min(bounds), len(bounds)) if bounds else Kills()
