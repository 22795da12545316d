"""
Which series have stopped to report?

That no data come is a signal of its own: no value that deviates will ever tell it. How long each
series usually lets one wait is learned from its own gaps (:mod:`.gaps`), by hour of the week where it
has a rhythm (:mod:`.rhythm`). A silence counts only while this watch was there to hear.
"""

from __future__ import annotations

import heapq
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

import numpy as np

from aiops_provider.detection.attributes import OCCASION, SILENCE, SILENT_KPI
from aiops_provider.detection.gaps import Gaps
from aiops_provider.detection.rhythm import HourOfWeek, Rhythm, utc_hour_of_week
from aiops_provider.detection.verdict import ALARM_P, Verdict
from aiops_provider.domain.kpi import KpiSample, SeriesKey

WEIGHT = 0.1
"""Share of the errors that silences may make, of those that values may; p-values are raised by it."""

# A series that is late by this share of chance is neither healthy nor silent for sure.
_LATE_P = 0.1
# A silence that was looked at is looked at again when it has grown by this factor.
_GROWTH = 1.1
# Samples that took longer to arrive than all but this share are the exception.
_DELAYED = 0.001
_DELAYS_NEEDED = 100.0
# Of a series that is met with its past so many of the newest gaps are learned.
_LEARNED = 5_000
# Whether a young series can be judged by now is asked this often at most.
_UNJUDGED_S = 60.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Silent:
    """
    A series that is overdue.

    Attributes:
        sample: Of the KPI ``silence_s``, its value the silence in seconds.
        verdict: How odd it is.
    """

    sample: KpiSample
    verdict: Verdict


@dataclass(slots=True)
class _Heard:
    """What is known of one series; times in seconds since 1970."""

    first: float
    newest: float
    rhythm: Rhythm
    gaps: Gaps = field(default_factory=Gaps)
    busy_gaps: Gaps = field(default_factory=Gaps)
    context: Mapping[str, str] = field(default_factory=dict)
    excused: float = -math.inf  # a silence counts from here on
    told: float = -math.inf  # looked at, and not looked at again before it has grown
    accepted: bool = False  # the present silence is normal, as a person said

    def add(self, moment: float, *, usual: bool) -> None:
        if usual:
            self.gaps.add(moment - self.newest)
            if self.rhythm.settled(self.newest):
                self.busy_gaps.add(self.rhythm.busy_time(self.newest, moment))
        self.rhythm.add(moment, usual=usual)
        self.newest, self.accepted, self.told = moment, False, -math.inf

    def extend(self, moments: np.ndarray, usual: np.ndarray) -> None:
        """The same of many at once; *usual* says of each moment whether the gap before counts."""
        gaps = np.diff(moments, prepend=self.newest)
        self.gaps.extend(gaps[usual & (gaps > 0.0)])
        for moment, counts in zip(moments.tolist(), usual.tolist(), strict=True):
            if moment <= self.newest:
                continue
            if counts and self.rhythm.settled(self.newest):
                self.busy_gaps.add(self.rhythm.busy_time(self.newest, moment))
            self.rhythm.add(moment, usual=counts)
            self.newest = moment

    def rhythmic(self, minimum: int) -> bool:
        return self.busy_gaps.total >= minimum

    def p_value(self, begin: float, end: float, minimum: int) -> float:
        if self.rhythmic(minimum):
            return self.busy_gaps.p_value(self.rhythm.busy_time(begin, end))
        return self.gaps.p_value(end - begin)

    def odd_from(self, begin: float, p_value: float, minimum: int) -> float:
        """The moment at which the silence since *begin* has that p-value."""
        if self.rhythmic(minimum):
            return self.rhythm.after(begin, self.busy_gaps.reach(p_value))
        return begin + self.gaps.reach(p_value)


class Silences:
    """
    Hears of every sample, and says who is overdue.

    A series is judged after *minimum* gaps and *settle* since its first sample. What an alarm holds is
    not learned as a usual gap. A series that missed *missed* samples and was not heard of for *give_up*
    has ended, which is no alarm any more.

    Args:
        minimum: Gaps that a series must have shown.
        settle: Time that it must have reported for.
        missed: Missed samples after which it has ended.
        give_up: Time that must have passed as well.
        hour_of_week: Of the local clock.
    """

    def __init__(
        self,
        *,
        minimum: int,
        settle: timedelta,
        missed: int,
        give_up: timedelta,
        hour_of_week: HourOfWeek = utc_hour_of_week,
    ) -> None:
        self._minimum, self._missed = minimum, missed
        self._settle, self._give_up = settle.total_seconds(), give_up.total_seconds()
        self._hour_of_week = hour_of_week
        self._heard: dict[SeriesKey, _Heard] = {}
        self._alarmed: dict[SeriesKey, float] = {}  # since when the silence is told
        self._returned: set[SeriesKey] = set()
        self._resumed = -math.inf
        self._delays, self._arrivals, self._allowed = Gaps(), list[float](), 0.0
        # One entry a series, never later than its silence can be odd.
        self._looks: list[tuple[float, SeriesKey]] = []

    def __contains__(self, series: SeriesKey) -> bool:
        return series in self._heard

    def arrived(self, sample: KpiSample, *, live: bool = True) -> None:
        """
        Take in a sample; one that is older than the newest of its series says nothing new.

        Args:
            sample: As reported.
            live: Whether it was on its way until now, which shows how long samples take.
        """
        series, moment = sample.series, sample.observed_at.timestamp()
        if live:
            self._arrivals.append(moment)
        heard = self._heard.get(series)
        if heard is None:
            heard = self._meet(series, moment)
        elif moment > heard.newest:
            # A silence that was told, excused or not heard is no gap that one would wait for again.
            told = series in self._alarmed or heard.newest < max(heard.excused, self._resumed)
            heard.add(moment, usual=heard.accepted or not told)
        if moment >= heard.newest:
            heard.context = sample.context
        if series in self._alarmed:
            self._returned.add(series)

    def prime(
        self,
        series: SeriesKey,
        moments: Sequence[datetime],
        outages: Sequence[tuple[datetime, datetime]] = (),
    ) -> None:
        """
        Take in the past of a series that was not heard of yet.

        Args:
            series: Which.
            moments: Of its samples, oldest first.
            outages: Times of the alarms that said that it was silent.
        """
        if series in self._heard or not moments:
            return
        times = np.array([at.timestamp() for at in moments[-_LEARNED:]])
        heard = self._meet(series, float(times[0]))
        usual = np.ones(len(times), dtype=bool)
        for begin, end in outages:
            ended = np.searchsorted(times, end.timestamp(), side="left")
            usual[np.searchsorted(times, begin.timestamp(), side="left") : ended + 1] = False
        heard.extend(times[1:], usual[1:])

    def resume(self, now: datetime) -> None:
        """Nobody listened until now: silences count from here on."""
        self._resumed = now.timestamp()
        self._arrivals.clear()

    def told(self, series: SeriesKey, since: datetime) -> None:
        """An alarm holds the silence of a series."""
        self._alarmed.setdefault(series, since.timestamp())

    def excuse(self, series: SeriesKey, now: datetime) -> None:
        """A rule says that the silence is normal: it counts from now on."""
        if series in self._heard:
            self._heard[series].excused = now.timestamp()
        self._alarmed.pop(series, None)

    def accept(self, series: SeriesKey) -> None:
        """A person says that the silence was no fault: its length is learned when it ends."""
        if series in self._heard:
            self._heard[series].accepted = True

    def over(self, now: datetime) -> Iterator[tuple[SeriesKey, str]]:
        """Series whose silence need not be told any more, since the last call, and why."""
        moment = now.timestamp()
        for series in self._returned:
            self._alarmed.pop(series, None)
            if series in self._heard:
                # The same alarm must not be raised twice, whenever the samples were made.
                self._heard[series].excused = moment
            yield series, ""
        self._returned.clear()
        for series in [one for one in self._alarmed if self._has_ended(one, moment)]:
            del self._alarmed[series]
            self._heard.pop(series, None)
            yield series, "not reported any more: taken as ended"

    def overdue(self, now: datetime) -> list[Silent]:
        """Series whose silence became odd, or has grown by a tenth since it was last among these."""
        moment = now.timestamp()
        self._learn_delays(moment)
        found: list[Silent] = []
        while self._looks and self._looks[0][0] <= moment:
            series = heapq.heappop(self._looks)[1]
            heard = self._heard.get(series)
            if heard is None:
                continue
            if series not in self._alarmed and self._has_ended(series, moment):
                del self._heard[series]
                continue
            look_at = self._look_at(heard, moment)
            if look_at <= moment:
                found.append(self._silent(series, heard, moment))
                begin = self._begin(heard)
                heard.told = look_at = moment + (_GROWTH - 1.0) * max(moment - begin, 1.0)
            heapq.heappush(self._looks, (look_at, series))
        return found

    def next_look(self, before: datetime) -> datetime | None:
        """The moment before that one at which a silence can be odd first; ``None`` if there is none."""
        limit = before.timestamp()
        while self._looks and self._looks[0][0] < limit:
            planned, series = self._looks[0]
            heard = self._heard.get(series)
            if heard is None:
                heapq.heappop(self._looks)
                continue
            if series not in self._alarmed and self._has_ended(series, planned):
                heapq.heappop(self._looks)
                del self._heard[series]
                continue
            look_at = self._look_at(heard, planned)
            if look_at <= planned:
                # A moment knows microseconds only, and must not come before the plan.
                return datetime.fromtimestamp(planned, UTC) + timedelta(microseconds=1)
            heapq.heapreplace(self._looks, (look_at, series))
        return None

    def late(self, now: datetime) -> set[SeriesKey]:
        """Series that should have reported by now, be it odd or not yet."""
        moment = now.timestamp() - self._allowed_delay()
        return {
            series
            for series, heard in self._heard.items()
            if self._is_judged(heard)
            and heard.p_value(self._begin(heard), moment, self._minimum) <= _LATE_P
        }

    def _meet(self, series: SeriesKey, first: float) -> _Heard:
        heard = self._heard[series] = _Heard(first, first, Rhythm(self._hour_of_week))
        heard.rhythm.add(first)
        heapq.heappush(self._looks, (first, series))
        return heard

    def _begin(self, heard: _Heard) -> float:
        return max(heard.newest, heard.excused, self._resumed)

    def _is_judged(self, heard: _Heard) -> bool:
        return heard.gaps.total >= self._minimum and heard.newest - heard.first >= self._settle

    def _look_at(self, heard: _Heard, moment: float) -> float:
        """When the silence can be odd at the earliest, or when to see whether the series is judged."""
        later = moment + max(self._settle / 8.0, _UNJUDGED_S)
        if not self._is_judged(heard):
            return later
        odd = heard.odd_from(self._begin(heard), ALARM_P * WEIGHT, self._minimum)
        # Meanwhile the series may have shown a rhythm, which lets one wait less.
        return min(max(odd + self._allowed_delay(), heard.told), later)

    def _has_ended(self, series: SeriesKey, moment: float) -> bool:
        heard = self._heard.get(series)
        if heard is None:
            return moment - self._alarmed[series] > self._give_up
        usual = heard.gaps.reach(0.5) if heard.gaps.total else 0.0
        return moment - self._begin(heard) > max(self._give_up, self._missed * usual)

    def _silent(self, series: SeriesKey, heard: _Heard, moment: float) -> Silent:
        begin, allowed = self._begin(heard), self._allowed_delay()
        silence = moment - heard.newest
        due = heard.odd_from(begin, _LATE_P, self._minimum)
        usual = max(due - begin, 0.0)
        p_value = min(heard.p_value(begin, moment - allowed, self._minimum) / WEIGHT, 1.0)
        at = moment if series in self._alarmed else min(max(due, begin), moment)
        context = {name: one for name, one in heard.context.items() if name not in OCCASION}
        return Silent(
            sample=KpiSample(
                name=SILENCE,
                observed_at=datetime.fromtimestamp(at, UTC),
                value=silence,
                dimensions={**dict(series.dimensions), SILENT_KPI: series.name},
                context=context,
            ),
            verdict=Verdict(
                p_value=p_value,
                expected=usual,
                reason=f"not reported for {_duration(silence)}, where it comes within "
                f"{_duration(usual)} at this time",
                detector="silence",
                effect=silence / usual if usual else 0.0,
            ),
        )

    def _learn_delays(self, moment: float) -> None:
        if self._arrivals:
            self._delays.extend(np.maximum(moment - np.array(self._arrivals), 1.0))
            self._allowed = self._delays.quantile(_DELAYED)
            self._arrivals.clear()

    def _allowed_delay(self) -> float:
        """How long a sample may take to arrive, by what is usual here."""
        return self._allowed if self._delays.total >= _DELAYS_NEEDED else 0.0


def silence_of(series: SeriesKey) -> SeriesKey:
    """The series that alarms about the silence of another belong to."""
    return SeriesKey(SILENCE, tuple(sorted((*series.dimensions, (SILENT_KPI, series.name)))))


def silent_series(silence: SeriesKey) -> SeriesKey | None:
    """The series whose silence an alarm is about; ``None`` if it is about something else."""
    if silence.name != SILENCE:
        return None
    told = dict(silence.dimensions)
    name = told.pop(SILENT_KPI, None)
    return SeriesKey(name, tuple(sorted(told.items()))) if name is not None else None


def _duration(seconds: float) -> str:
    """
    A duration in two figures.

    >>> _duration(42.0), _duration(5_400.0), _duration(200_000.0)
    ('42 s', '1.5 h', '2.3 d')
    """
    for unit, length in (("d", 86_400.0), ("h", 3_600.0), ("min", 60.0)):
        if seconds >= length:
            return f"{seconds / length:.2g} {unit}"
    return f"{seconds:.2g} s"
