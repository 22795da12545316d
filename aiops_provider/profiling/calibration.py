"""How wrong a predictor is about a task, measured on the runs that the task has had."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from datetime import datetime

from aiops_provider.domain.execution import ExecutionRecord, Outcome
from aiops_provider.domain.profile import Quantity
from aiops_provider.domain.task import TaskKey
from aiops_provider.domain.workload import TaskDescription, input_size
from aiops_provider.profiling.described import with_input_size, without_input_size
from aiops_provider.profiling.estimate import Estimate, Predictor
from aiops_provider.profiling.evidence import (
    Reading,
    cores_readings,
    duration_readings,
    memory_readings,
)
from aiops_provider.profiling.quantiles import SMALLEST, log_spread

# The newest runs tell how wrong it is at present; more of them only cost time.
_NEWEST_RUNS = 8
_READINGS = {
    "memory_gib": memory_readings,
    "cores": cores_readings,
    "duration_s": duration_readings,
}


class Calibration:
    """
    Errors of a predictor, had it been asked before each of the newest good runs.

    It is asked again with the size that the run's input had, and without any history of the task.
    Nothing here depends on the size of the input to come, so that a larger input never makes a
    predictor count less: where a description names a size, runs of unknown size tell nothing.

    Args:
        predictor: Which one; what it raises is not caught here.
        task: The task.
        description: What is said about the task now.
        history: Its runs, oldest first.
        now: The present moment.
    """

    def __init__(
        self,
        predictor: Predictor,
        *,
        task: TaskKey,
        description: TaskDescription | None,
        history: Sequence[ExecutionRecord],
        now: datetime,
    ) -> None:
        sized = any(input_size(description))
        good = [
            r
            for r in history
            if r.outcome is Outcome.SUCCESS and (r.input_gib or r.input_rows or not sized)
        ][-_NEWEST_RUNS:]

        def ask(asked: TaskDescription | None) -> Estimate | None:
            return predictor.predict(task, asked, (), now=now)

        self._answers: Mapping[tuple[float | None, int | None], Estimate | None] = {
            size: ask(with_input_size(description, *size))
            for size in {(r.input_gib, r.input_rows) for r in good}
        }
        self._readings = {figure: read(good) for figure, read in _READINGS.items()} if good else {}
        # Without runs there is nothing to be weighed against.
        self._unsized = ask(without_input_size(description)) if history else None

    def errors(self, figure: str) -> tuple[float, ...]:
        """``ln(actual / predicted p50)`` of each run in which the figure was measured."""
        return tuple(
            math.log(reading.value / max(answer.p50, SMALLEST))
            for reading in self._readings.get(figure, ())
            if (answer := self._answer(figure, reading)) is not None
        )

    def claimed(self, figure: str, otherwise: Quantity) -> float:
        """Error that the predictor claims by its interval, at the sizes that were run."""
        spreads = [
            log_spread(answer)
            for reading in self._readings.get(figure, ())
            if (answer := self._answer(figure, reading)) is not None
        ]
        if spreads:
            return math.fsum(spreads) / len(spreads)
        unsized: Quantity | None = getattr(self._unsized, figure, None)
        return log_spread(unsized or otherwise)

    def _answer(self, figure: str, reading: Reading) -> Quantity | None:
        record = reading.record
        estimate = self._answers.get((record.input_gib, record.input_rows))
        answer: Quantity | None = getattr(estimate, figure, None)
        return answer
