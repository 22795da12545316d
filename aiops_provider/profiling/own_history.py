"""
What the task's own runs say: quantiles weighted by age and fitted to the size of the input.

The strongest predictor there is once a task has run; it knows nothing of other tasks.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from datetime import datetime

from aiops_provider.domain.execution import ExecutionRecord, Outcome
from aiops_provider.domain.task import TaskKey, TaskRun
from aiops_provider.domain.workload import TaskDescription
from aiops_provider.profiling.estimate import Estimate
from aiops_provider.profiling.evidence import (
    Reading,
    cores_readings,
    duration_readings,
    memory_readings,
    recent_kills,
)
from aiops_provider.profiling.own_figures import (
    InputSizes,
    OwnFigures,
    input_sizes,
    versions_of,
)
from aiops_provider.profiling.quantiles import (
    BOUNDED_LOG_SCALE,
    DEFAULT_LOG_SCALE,
    SMALLEST,
    effective_count,
)

# More runs than this change no quantile worth the time: the answer must come within a millisecond.
_MOST_RUNS = 64
# What no input needs: an idle interpreter, the start of a process.
IDLE_MEMORY_GIB = 0.1
IDLE_DURATION_S = 1.0


class OwnHistory:
    """
    Conditional quantiles of the task's own finished runs.

    A run's weight halves per half-life, counted back from the newest run: a task that has paused
    for a year is not forgotten. There is one half-life in days and one in runs; whichever forgets more
    counts. Lower bounds (failed runs, runs killed for memory) are weighed by
    Kaplan–Meier. See ``quantiles.few_run_quantiles`` for what few runs mean for the interval, and
    ``input_size.size_effect`` for how the input's size enters.

    Where records tell that the code or the image has changed, the runs before are weighed by how well
    those since agree with them (``code_change``). Where a figure goes over to another level without any
    such word (``level_change``), its runs before that count as one run together. Both widen its interval.

    Args:
        half_life_days: Age at which a run counts half, > 0.
        half_life_runs: Number of later runs after which a run counts half, > 0.
        minimum_runs: Fewer finished runs than this say nothing, >= 1.
    """

    name = "own_history"

    def __init__(
        self, *, half_life_days: float = 30.0, half_life_runs: float = 30.0, minimum_runs: int = 1
    ) -> None:
        if half_life_days <= 0 or half_life_runs <= 0 or minimum_runs < 1:
            raise ValueError(
                "half_life_days and half_life_runs must be > 0 and minimum_runs >= 1, got "
                f"{half_life_days}, {half_life_runs}, {minimum_runs}"
            )
        self._half_life_s = half_life_days * 86400.0
        self._half_life_runs = half_life_runs
        self._minimum_runs = minimum_runs

    def predict(
        self,
        task: TaskKey,  # noqa: ARG002 – the history is this task's
        description: TaskDescription | None,
        history: Sequence[ExecutionRecord],
        *,
        now: datetime,
    ) -> Estimate | None:
        """Quantiles of memory, cores, duration and disk traffic, as far as they were measured."""
        bounded = description is not None and description.requested_memory_gib is not None
        return self.estimate(
            history, lambda runs: input_sizes(description, runs), bounded=bounded, now=now
        )

    def estimate(
        self,
        history: Sequence[ExecutionRecord],
        sizes_of: Callable[[Sequence[ExecutionRecord]], InputSizes],
        *,
        bounded: bool,
        now: datetime,
    ) -> Estimate | None:
        """
        As :meth:`predict`, for an input of any measure.

        Args:
            history: The task's runs, in any order.
            sizes_of: The size to come and that of each of the runs that count.
            bounded: Whether what people ask for bounds the answer, so that room costs little.
            now: The present moment.
        """
        runs = [r for r in history if r.outcome.is_task_evidence and r.ended_at <= now]
        runs = sorted(runs, key=run_order)[-_MOST_RUNS:]
        if len(runs) < self._minimum_runs or not runs:
            return None
        weights = self._weights(runs)
        scope = OwnFigures(weights, versions_of(runs), sizes_of(runs), now)
        memory = scope.figure("peak memory", memory_readings(runs), idle=IDLE_MEMORY_GIB)
        duration = scope.figure("duration", duration_readings(runs), idle=IDLE_DURATION_S)
        # A kill says nothing about code that needs something else.
        heeded = [r for r in runs if scope.versions[r.run] not in memory.doubted]
        kills = recent_kills(heeded, lambda run, bound: bound * scope.factor(memory.effect, run))
        scale = BOUNDED_LOG_SCALE if bounded else DEFAULT_LOG_SCALE
        peak = scope.quantity(memory, scale=scale)
        return Estimate(
            memory_gib=scope.with_records(peak, memory, scale) if peak else None,
            cores=scope.quantity(scope.figure("cores", cores_readings(runs))),
            duration_s=scope.quantity(duration),
            io_mib_per_s=scope.quantity(scope.figure("disk traffic", _io_readings(runs))),
            own_runs=(memory if memory.readings else duration).worth
            or effective_count(list(weights.values())),
            killed_at_gib=kills.at_gib,
            killed_first_gib=kills.first_gib,
        ).within_limits()

    def _weights(self, runs: Sequence[ExecutionRecord]) -> dict[TaskRun, float]:
        newest = runs[-1].ended_at.timestamp()
        weights = {}
        for later, run in enumerate(reversed(runs)):
            in_time = (newest - run.ended_at.timestamp()) / self._half_life_s
            in_runs = later / self._half_life_runs
            # A weight of zero would be no run at all.
            weights[run.run] = max(1e-6, math.pow(0.5, max(in_time, in_runs)))
        return weights


def run_order(record: ExecutionRecord) -> tuple[datetime, str, int, int]:
    """Sort key of runs: by end, then by name, so that the order they were learned in is nothing."""
    run = record.run
    return record.ended_at, run.run_id, run.map_index, run.try_number


def _io_readings(records: Sequence[ExecutionRecord]) -> list[Reading]:
    readings = []
    for record in records:
        usage = record.usage
        if usage is None or usage.duration_s <= 0 or record.outcome is not Outcome.SUCCESS:
            continue
        if usage.io_read_gib is None and usage.io_write_gib is None:
            continue
        moved_mib = ((usage.io_read_gib or 0.0) + (usage.io_write_gib or 0.0)) * 1024
        readings.append(Reading(record, max(moved_mib / usage.duration_s, SMALLEST)))
    return readings
