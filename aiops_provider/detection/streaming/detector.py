"""The streaming detector for single samples, as the judge asks for them."""

from __future__ import annotations

from datetime import datetime

import numpy as np

from aiops_provider.detection.baseline import Baseline
from aiops_provider.detection.local_clock import LocalClock
from aiops_provider.detection.streaming.bank import StreamBank
from aiops_provider.detection.verdict import Verdict
from aiops_provider.domain.kpi import KpiSample, SeriesKey

# Past values that a series is met with: enough to warm up and to settle the tails.
_REPLAYED = 1_000
_FIRST_ROOM = 16


class StreamingDetector:
    """
    Judges dense series (a sample every few minutes) by level, change, restlessness and daily shape.

    Unlike the stateless detectors it remembers, so each sample must be shown once. A series that is
    met for the first time is brought up to date from the newest thousand values of its past, in
    about a tenth of a second. A sample that is not newer than the last one is not judged. A sample
    costs about 0.2 ms by itself; a :class:`StreamBank` fed in batches is forty times as fast.

    Args:
        clock: Whose days are compared; default: those of UTC.
    """

    name = "streaming"

    def __init__(self, clock: LocalClock | None = None) -> None:
        self._clock = clock or LocalClock()
        self._bank = StreamBank(_FIRST_ROOM)
        self._rows: dict[SeriesKey, int] = {}
        self._newest: dict[SeriesKey, datetime] = {}

    def score(self, sample: KpiSample, history: Baseline) -> Verdict | None:
        """The verdict, or ``None`` during the first 150 samples and for late ones."""
        series, at = sample.series, sample.observed_at
        row = self._rows.get(series)
        if row is None:
            row = self._meet(series, at, history)
        if series in self._newest and at <= self._newest[series]:
            return None
        self._newest[series] = at
        p_value = self._feed(row, at.timestamp(), sample.value)
        if np.isnan(p_value):
            return None
        usual = _usual(history, at)
        return Verdict(
            p_value=p_value,
            expected=usual,
            reason=f"{sample.value:.6g}, where {usual:.6g} is usual lately, and level, change, "
            "restlessness or daily shape are as rarely so",
            detector=self.name,
        )

    def _meet(self, series: SeriesKey, at: datetime, history: Baseline) -> int:
        row = len(self._rows)
        if row >= len(self._bank):
            self._bank.grow(2 * len(self._bank))
        self._rows[series] = row
        times, values = history.before(at)
        for moment, value in zip(times[-_REPLAYED:], values[-_REPLAYED:], strict=True):
            self._feed(row, float(moment), float(value))
        return row

    def _feed(self, row: int, moment: float, value: float) -> float:
        local = np.array([self._clock.local(moment)])
        return float(self._bank.score(np.array([row]), local, np.array([value]))[0])


def _usual(history: Baseline, at: datetime) -> float:
    values = history.before(at)[1][-24:]
    return float(np.median(values)) if len(values) else 0.0
