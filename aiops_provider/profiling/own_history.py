"""
What the task's own runs say: quantiles weighted by age and fitted to the size of the input.

The strongest predictor there is once a task has run; it knows nothing of other tasks.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from aiops_provider.domain.execution import ExecutionRecord, Outcome
from aiops_provider.domain.profile import Quantity, Source
from aiops_provider.domain.task import TaskKey, TaskRun
from aiops_provider.domain.workload import TaskDescription, input_size
from aiops_provider.profiling.estimate import Estimate
from aiops_provider.profiling.evidence import (
    Reading,
    cores_readings,
    duration_readings,
    memory_readings,
    recent_kills,
)
from aiops_provider.profiling.input_size import SizeEffect, size_effect
from aiops_provider.profiling.level_change import runs_since_change
from aiops_provider.profiling.quantiles import (
    BOUNDED_LOG_SCALE,
    DEFAULT_LOG_SCALE,
    LEVELS,
    SMALLEST,
    Observation,
    above_records,
    effective_count,
    few_run_quantiles,
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

    No record tells of a change of the task's code or image. Where a figure goes over to another level
    (``level_change``), its runs before that count as one run together, which widens its interval.

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
        runs = [r for r in history if r.outcome.is_task_evidence and r.ended_at <= now]
        runs = sorted(runs, key=run_order)[-_MOST_RUNS:]
        if len(runs) < self._minimum_runs or not runs:
            return None
        weights = self._weights(runs)
        scope = _Scope(weights, _sizes(description, runs), now)
        memory = memory_readings(runs)
        effect = scope.effect(memory, IDLE_MEMORY_GIB)
        kills = recent_kills(runs, lambda run, bound: bound * scope.factor(effect, run))
        bounded = description is not None and description.requested_memory_gib is not None
        scale = BOUNDED_LOG_SCALE if bounded else DEFAULT_LOG_SCALE
        peak = scope.quantity(memory, what="peak memory", effect=effect, scale=scale)
        return Estimate(
            memory_gib=scope.with_records(peak, memory, effect, scale) if peak else None,
            cores=scope.quantity(cores_readings(runs), what="cores"),
            duration_s=_duration(scope, runs),
            io_mib_per_s=scope.quantity(_io_readings(runs), what="disk traffic"),
            own_runs=effective_count(list(weights.values())),
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


@dataclass(frozen=True, slots=True)
class _Sizes:
    """Size of the input to come and of each run, both in GiB or both in rows."""

    wanted: float | None
    of: Callable[[ExecutionRecord], float | None]


def _sizes(description: TaskDescription | None, runs: Sequence[ExecutionRecord]) -> _Sizes:
    gib, rows = input_size(description)
    if gib and any(r.input_gib for r in runs):
        return _Sizes(gib, lambda r: r.input_gib)
    if rows and any(r.input_rows for r in runs):
        return _Sizes(float(rows), lambda r: r.input_rows)
    return _Sizes(None, lambda _: None)


@dataclass(frozen=True, slots=True)
class _Scope:
    """What is the same for all figures: how much each run counts, and the input to come."""

    weights: Mapping[TaskRun, float]
    sizes: _Sizes
    now: datetime

    def effect(self, readings: Sequence[Reading], idle: float) -> SizeEffect | None:
        if not self.sizes.wanted:
            return None
        points = [
            (size, r.value)
            for r in readings
            if not r.censored and (size := self.sizes.of(r.record))
        ]
        return size_effect(points, constant_if_unknown=idle)

    def factor(self, effect: SizeEffect | None, record: ExecutionRecord) -> float:
        if effect is None or not self.sizes.wanted:
            return 1.0
        return effect.factor(seen=self.sizes.of(record), wanted=self.sizes.wanted)

    def quantity(
        self,
        readings: Sequence[Reading],
        *,
        what: str,
        effect: SizeEffect | None = None,
        scale: float = DEFAULT_LOG_SCALE,
    ) -> Quantity | None:
        if not readings:
            return None
        factors = [self.factor(effect, r.record) for r in readings]
        weights = [self.weights[r.record.run] for r in readings]
        since = _changed(readings, factors)
        if since:
            # Together one run: not forgotten, in case that the old level comes back.
            before = max(1.0, math.fsum(weights[:-since]))
            weights = [w / before for w in weights[:-since]] + weights[-since:]
        observations = [
            Observation(r.value * f, w, r.censored, r.beyond * f)
            for r, f, w in zip(readings, factors, weights, strict=True)
        ]
        p50, p80, p95 = few_run_quantiles(observations, default_scale=scale)
        bend = effect.bend(self.sizes.wanted) if effect and self.sizes.wanted else 1.0
        return Quantity(
            p50=p50,
            p80=p80 * bend,
            p95=p95 * bend,
            source=Source.OWN_HISTORY,
            sample_count=len(readings),
            reason=self._reason(what, readings, factors[-1], since),
        )

    def with_records(
        self,
        quantity: Quantity,
        readings: Sequence[Reading],
        effect: SizeEffect | None,
        scale: float,
    ) -> Quantity:
        """The quantity of these readings, widened while the runs keep breaking their record."""
        exact = [r.value * self.factor(effect, r.record) for r in readings if not r.censored]
        if len(exact) < 2:
            return quantity
        p80, p95 = above_records(exact, levels=LEVELS[1:], default_scale=scale)
        if p95 <= quantity.p95:
            return quantity
        return replace(
            quantity,
            p80=max(quantity.p80, p80),
            p95=p95,
            reason=f"{quantity.reason}; its runs keep needing more than those before",
        )

    def _reason(
        self, what: str, readings: Sequence[Reading], growth: float, since: int | None
    ) -> str:
        count = len(readings)
        newest = age_in_words(self.now - readings[-1].record.ended_at)
        parts = [f"{what} of {count} own run{'s' if count != 1 else ''}, newest {newest} ago"]
        if abs(growth - 1) >= 0.005:
            word = "growth" if growth > 1 else "shrinkage"
            parts.append(f"{100 * (growth - 1):+.0f} % for input {word}")
        if since:
            runs = "run" if since == 1 else f"{since} runs"
            parts.append(f"its level changed with the last {runs}, those before count as one")
        kills = sum(r.record.outcome is Outcome.OUT_OF_MEMORY for r in readings)
        if kills:
            parts.append(f"{kills} of them killed for memory, which tells only a lower bound")
        return "; ".join(parts)


def _changed(readings: Sequence[Reading], factors: Sequence[float]) -> int | None:
    """
    How many of the newest readings belong to a new level; ``None`` without a change.

    A lower bound counts as a value: above all that was seen it tells of a change as well.
    """
    return runs_since_change([r.value * f for r, f in zip(readings, factors, strict=True)])


def _duration(scope: _Scope, runs: Sequence[ExecutionRecord]) -> Quantity | None:
    readings = duration_readings(runs)
    effect = scope.effect(readings, IDLE_DURATION_S)
    return scope.quantity(readings, what="duration", effect=effect)


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


def age_in_words(age: timedelta) -> str:
    """
    An age as people say it.

    >>> age_in_words(timedelta(minutes=130))
    '2 h'
    """
    seconds = max(0.0, age / timedelta(seconds=1))
    for unit, length in (("d", 86400.0), ("h", 3600.0), ("min", 60.0)):
        if seconds >= 2 * length or (unit == "min" and seconds >= length):
            return f"{seconds / length:.0f} {unit}"
    return f"{seconds:.0f} s"
