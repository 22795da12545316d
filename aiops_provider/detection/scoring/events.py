"""
Event-F1 and false alarms per series-week: what a person on call gets out of a detector.

Detections of successive samples are one alarm. An alarm is right when it begins inside a labelled
anomaly, an anomaly is found when a detection lies in it, early enough if a delay is allowed only.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from aiops_provider.detection.scoring.windows import Flags, Window, runs_of

WEEK_S = 7 * 86_400.0


@dataclass(frozen=True, slots=True, kw_only=True)
class EventCounts:
    """
    Alarms and anomalies of one or several series.

    Attributes:
        events: Labelled anomalies.
        found: Those with a detection.
        alarms: Alarms raised.
        false_alarms: Those that begin outside every anomaly.
        series_weeks: Weeks watched, summed over series.
    """

    events: int = 0
    found: int = 0
    alarms: int = 0
    false_alarms: int = 0
    series_weeks: float = 0.0

    def __add__(self, other: EventCounts) -> EventCounts:
        return EventCounts(
            events=self.events + other.events,
            found=self.found + other.found,
            alarms=self.alarms + other.alarms,
            false_alarms=self.false_alarms + other.false_alarms,
            series_weeks=self.series_weeks + other.series_weeks,
        )

    @property
    def recall(self) -> float:
        """Share of the anomalies that were found; NaN without any."""
        return self.found / self.events if self.events else float("nan")

    @property
    def precision(self) -> float:
        """Share of the alarms that were right; NaN without any."""
        return (self.alarms - self.false_alarms) / self.alarms if self.alarms else float("nan")

    @property
    def f1(self) -> float:
        """
        Harmonic mean of precision and recall; 0 where nothing was found.

        >>> EventCounts(events=4, found=2, alarms=4, false_alarms=2).f1
        0.5
        """
        if not self.found:
            return 0.0 if self.events else float("nan")
        return 2.0 * self.precision * self.recall / (self.precision + self.recall)

    @property
    def false_alarms_per_series_week(self) -> float:
        """Expected false alarms in a week of one series; NaN if nothing was watched."""
        return self.false_alarms / self.series_weeks if self.series_weeks else float("nan")


def count_events(
    detected: Flags,
    windows: Sequence[Window],
    *,
    begin: int,
    cadence_s: float,
    delay: int | None = None,
) -> EventCounts:
    """
    Count alarms and anomalies of one series.

    Args:
        detected: One flag per sample.
        windows: Labelled anomalies; those that end before *begin* do not count.
        begin: First sample that counts.
        cadence_s: Seconds between two samples.
        delay: A detection later than so many samples after the begin of an anomaly comes too late
            to find it; default: any inside finds it.
    """
    counted = [window for window in windows if window[1] >= begin]
    places = np.flatnonzero(detected[begin:]) + begin
    found = sum(
        bool(np.any((places >= first) & (places <= _latest(first, last, delay))))
        for first, last in counted
    )
    alarms = [first + begin for first, _ in runs_of(detected[begin:])]
    right = sum(any(first <= alarm <= last for first, last in counted) for alarm in alarms)
    return EventCounts(
        events=len(counted),
        found=found,
        alarms=len(alarms),
        false_alarms=len(alarms) - right,
        series_weeks=(len(detected) - begin) * cadence_s / WEEK_S,
    )


def _latest(first: int, last: int, delay: int | None) -> int:
    return last if delay is None else min(last, first + delay)
