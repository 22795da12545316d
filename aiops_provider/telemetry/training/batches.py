"""
Metrics of batches, thinned so that a long training sends no more than a short one can.

The first 64 batches are all told, then every second, from the 128th every fourth, and so on: 32 for each
doubling, about 500 in a million. Which ones are told depends on their number alone, so that every
training tells the same ones and each batch finds its like in earlier trainings. What is told is the
mean since the batch told before.
"""

from __future__ import annotations

import logging
import math
from collections.abc import Callable, Mapping

from aiops_provider.telemetry.report import report

log = logging.getLogger(__name__)

StopWhen = Callable[[int, Mapping[str, float]], bool]
"""Takes the number of a batch and its metrics; whether the training should end there."""

NON_FINITE = "non_finite_batches"

_ALL_BELOW = 64
# Under their usual names the default rules know which way is bad.
_USUAL_NAMES = {
    "logloss": "loss",
    "mlogloss": "loss",
    "binary_logloss": "loss",
    "multi_logloss": "loss",
    "l1": "mae",
    "acc": "accuracy",
}


class BatchReporter:
    """
    Reports ``batch_<metric>`` with the batch's number as a dimension.

    Args:
        stop_when: Asked after each batch; without it nothing is ever stopped.
        **dimensions: What tells this training from others of the task, such as ``model="xgboost"``.

    A metric that is no finite number is left out of the means and counted in the KPI
    ``non_finite_batches`` instead: a diverged training would otherwise fall silent.
    """

    def __init__(self, *, stop_when: StopWhen | None = None, **dimensions: object) -> None:
        self._stop_when = stop_when
        self._dimensions = dimensions
        self._sums: dict[tuple[str, str], tuple[float, int]] = {}
        self._non_finite = 0

    def due(self, number: int) -> bool:
        """Whether this batch is one that is told; for whom metrics are costly to ask for."""
        return number % _stride(number) == 0

    def add(self, number: int, metrics: Mapping[str, float], *, data: str = "training") -> bool:
        """
        Take the metrics of a batch.

        Args:
            number: Counts the batches of the training from 0.
            metrics: By the library's name of the metric.
            data: Of which data, as a dimension.

        Returns:
            Whether *stop_when* asks for an end.
        """
        for name, value in metrics.items():
            self._note((data, name), float(value))
        if self.due(number):
            self._tell(number)
        return self._asked_to_stop(number, metrics)

    def _asked_to_stop(self, number: int, metrics: Mapping[str, float]) -> bool:
        if self._stop_when is None:
            return False
        try:
            return bool(self._stop_when(number, metrics))
        except Exception:
            # An end that nobody asked for is worse than a condition that does not work.
            log.exception("stop_when failed at batch %d: the training goes on", number)
            self._stop_when = None
            return False

    def _note(self, key: tuple[str, str], value: float) -> None:
        if not math.isfinite(value):
            self._non_finite += 1
            return
        total, count = self._sums.get(key, (0.0, 0))
        self._sums[key] = total + value, count + 1

    def _tell(self, number: int) -> None:
        for (data, name), (total, count) in self._sums.items():
            labels = {**self._dimensions, "data": data, "batch": number}
            report(f"batch_{_USUAL_NAMES.get(name, name)}", total / count, **labels)
        self._sums.clear()
        if self._non_finite:
            report(NON_FINITE, self._non_finite, **{**self._dimensions, "batch": number})
            self._non_finite = 0


def _stride(number: int) -> int:
    """
    Distance of the batches that are told, around this one.

    >>> [_stride(number) for number in (0, 63, 64, 127, 128, 1_000_000)]
    [1, 1, 2, 2, 4, 16384]
    """
    return 1 if number < _ALL_BELOW else 1 << (number.bit_length() - _ALL_BELOW.bit_length() + 1)
