"""The past of all series: what is normal, and what is set aside because it was not."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta

from aiops_provider.detection.baseline import Baseline
from aiops_provider.domain.alarm import Alarm, AlarmState
from aiops_provider.domain.kpi import KpiSample, SeriesKey


class Memory:
    """
    Baselines of all series.

    What an alarm holds is set aside, or a long incident would teach its own figures as normal. It
    is learned when the deviation has lasted for *adapt_after*, or when a person says that the
    alarm was false. How far an alarm went is remembered: what a series does again and again is no
    news.

    Args:
        adapt_after: A deviation that lasts so long is the new normal.
    """

    def __init__(self, adapt_after: timedelta) -> None:
        self._adapt_after = adapt_after
        self._baselines: dict[SeriesKey, Baseline] = defaultdict(Baseline)
        self._aside: dict[SeriesKey, list[tuple[datetime, float]]] = {}
        self._excursion: dict[SeriesKey, list[tuple[datetime, float]]] = {}

    def __contains__(self, series: SeriesKey) -> bool:
        return series in self._baselines

    def past(self, series: SeriesKey) -> Baseline:
        """The normal past of a series."""
        return self._baselines[series]

    def prime(
        self,
        history: Mapping[SeriesKey, Sequence[tuple[datetime, float]]],
        alarms: Iterable[Alarm] = (),
    ) -> None:
        """
        Take in the past of series.

        Args:
            history: Moments and values of each, oldest first.
            alarms: Alarms of that time.
        """
        spans: dict[SeriesKey, list[tuple[datetime, datetime]]] = defaultdict(list)
        for alarm in alarms:
            if alarm.state is not AlarmState.FALSE_POSITIVE:
                end = alarm.last_seen_at or alarm.observed_at
                spans[alarm.series].append((alarm.observed_at, end))
        for series, values in history.items():
            self._baselines[series]  # known from now on, even without any past
            for at, value in values:
                if any(start <= at <= end for start, end in spans.get(series, ())):
                    self._put_aside(series, at, value)
                else:
                    self._put(series, at, value)

    def learn(self, sample: KpiSample) -> None:
        """Take in a normal sample."""
        self._put(sample.series, sample.observed_at, sample.value)

    def set_aside(self, sample: KpiSample) -> None:
        """Take in a sample that an alarm holds."""
        self._put_aside(sample.series, sample.observed_at, sample.value)

    def accept(self, series: SeriesKey) -> None:
        """What was set aside is normal after all."""
        self._excursion.pop(series, None)
        self._baselines[series].extend(self._aside.pop(series, []))

    def _put(self, series: SeriesKey, at: datetime, value: float) -> None:
        over = self._excursion.pop(series, None)
        if over:
            values = [one[1] for one in over]
            self._baselines[series].add_excursion(over[0][0], min(values), max(values))
        self._baselines[series].add(at, value)
        self._adapt(series, at)

    def _put_aside(self, series: SeriesKey, at: datetime, value: float) -> None:
        for place in (self._aside, self._excursion):
            place.setdefault(series, []).append((at, value))
        self._adapt(series, at)

    def _adapt(self, series: SeriesKey, newest: datetime) -> None:
        aside = self._aside.get(series)
        if aside and newest - aside[0][0] >= self._adapt_after:
            old = [one for one in aside if newest - one[0] >= self._adapt_after]
            self._baselines[series].extend(old)
            self._aside[series] = aside[len(old) :]
