"""
The clock that people live by: a time zone and public holidays.

Series that follow people are alike at the same time of the local day, not of the UTC day: after a change
of summer time what comes at nine comes an hour off in UTC. On a public holiday people do as on others, or
as on Sundays.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from functools import lru_cache
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import numpy as np

from aiops_provider.detection.baseline import Floats
from aiops_provider.detection.rhythm import HOUR_S, HOURS_OF_WEEK, utc_hour_of_week

IsHoliday = Callable[[date], bool]

_DAY_S = 86_400.0
_EPOCH = date(1970, 1, 1)
_SUNDAY = 6


class ClockError(ValueError):
    """A time zone or a calendar of holidays cannot be used; the message says why."""


class LocalClock:
    """
    Tells local time; without arguments that of UTC, without holidays.

    Args:
        zone: Name of a time zone such as ``Europe/Oslo``; empty: UTC.
        holidays: Country as in ISO 3166 such as ``NO``, or one of its parts such as ``DE-BY``; empty: none.

    Raises:
        ClockError: No such zone or country, or the library that knows holidays is not there.

    >>> clock = LocalClock("Europe/Oslo")
    >>> moment = datetime(2026, 10, 25, 0, 30, tzinfo=UTC).timestamp()
    >>> (clock.local(moment) - moment) / 3600.0
    2.0
    """

    def __init__(self, zone: str = "", holidays: str = "") -> None:
        self.names = (zone, holidays)
        self._zone = None if zone in {"", "UTC"} else _zone_of(zone)
        self._is_holiday = _holidays_of(holidays) if holidays else None
        self._hours: dict[int, int] = {}

    def local(self, moment_s: float) -> float:
        """What the clock on the wall shows, in seconds, as if it were that of UTC."""
        if self._zone is None:
            return moment_s
        year = _year_of(moment_s)
        starts, offsets = _offsets(self._zone, year)
        return moment_s + offsets[int(np.searchsorted(starts, moment_s, side="right")) - 1]

    def local_times(self, moments: Floats) -> Floats:
        """
        The same of many.

        Args:
            moments: Seconds since 1970, ascending.

        Returns:
            Local seconds of each; they go back by an hour where summer time ends.
        """
        if self._zone is None or not len(moments):
            return moments
        shown = moments.copy()
        for year in range(_year_of(float(moments[0])), _year_of(float(moments[-1])) + 1):
            starts, offsets = _offsets(self._zone, year)
            ends = [*starts[1:], _new_year(year + 1)]
            for begin, end, offset in zip(starts, ends, offsets, strict=True):
                first, last = np.searchsorted(moments, (begin, end), side="left")
                shown[first:last] += offset
        return shown

    def is_holiday(self, local_s: float) -> bool:
        """Whether that local moment is on a holiday."""
        return self._is_holiday is not None and self._is_holiday(_date_of(local_s))

    def rest_days(self, first: float, last: float) -> Floats:
        """Numbers since 1970 of the holidays and Sundays between two local moments, ascending."""
        days = range(int(first // _DAY_S), int(last // _DAY_S) + 1)
        return np.array([day for day in days if self._rests(day)], dtype=np.float64)

    def hour_of_week(self, number: int) -> int:
        """Which hour of the local week an hour since 1970 is; one of a holiday is one of a Sunday."""
        if self._zone is None and self._is_holiday is None:
            return utc_hour_of_week(number)
        known = self._hours.get(number)
        if known is None:
            if len(self._hours) > _KEPT_HOURS:
                self._hours.clear()
            local = self.local((number + 0.5) * HOUR_S)
            known = utc_hour_of_week(int(local // HOUR_S))
            if self.is_holiday(local):
                known = HOURS_OF_WEEK - 24 + known % 24
            self._hours[number] = known
        return known

    @lru_cache(maxsize=4_096)  # noqa: B019 - one clock an installation, and it lives as long as that
    def _rests(self, day: int) -> bool:
        when = _EPOCH + timedelta(days=day)
        return when.weekday() == _SUNDAY or (
            self._is_holiday is not None and self._is_holiday(when)
        )


_KEPT_HOURS = 20_000


@lru_cache(maxsize=512)
def _offsets(zone: ZoneInfo, year: int) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """
    Offsets to UTC of one year, by the moments from which on they hold; to the second.

    A zone changes its offset at most once within half a day, so that bisection finds each change.
    """
    starts, offsets = [_new_year(year)], [_offset(zone, _new_year(year))]
    begin = starts[0]
    while begin < _new_year(year + 1):
        end = min(begin + _DAY_S / 2, _new_year(year + 1))
        after = _offset(zone, end)
        if after != offsets[-1]:
            low, high = begin, end
            while high - low > 1.0:
                middle = float((low + high) // 2)
                if _offset(zone, middle) == offsets[-1]:
                    low = middle
                else:
                    high = middle
            starts.append(high)
            offsets.append(after)
        begin = end
    return tuple(starts), tuple(offsets)


def _offset(zone: ZoneInfo, moment_s: float) -> float:
    offset = datetime.fromtimestamp(moment_s, zone).utcoffset()
    assert offset is not None  # noqa: S101 - zones of this kind know theirs
    return offset.total_seconds()


@lru_cache(maxsize=512)
def _new_year(year: int) -> float:
    return datetime(year, 1, 1, tzinfo=UTC).timestamp()


def _year_of(moment_s: float) -> int:
    return datetime.fromtimestamp(moment_s, UTC).year


def _date_of(local_s: float) -> date:
    return _EPOCH + timedelta(days=int(local_s // _DAY_S))


def _zone_of(name: str) -> ZoneInfo:
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:
        raise ClockError(
            f"{name!r} is no time zone known here; write one such as Europe/Oslo "
            "(on a system without zone data: pip install tzdata)"
        ) from error


def _holidays_of(code: str) -> IsHoliday:
    try:
        import holidays
    except ModuleNotFoundError as error:
        raise ClockError(
            "public holidays need the package holidays: pip install 'aiops-provider[holidays]'"
        ) from error
    country, _, part = code.partition("-")
    try:
        calendar = holidays.country_holidays(country, subdiv=part or None)
    except NotImplementedError as error:
        raise ClockError(
            f"{code!r} is no country whose holidays are known; write one such as NO, or DE-BY for a "
            "part of one"
        ) from error
    return lambda day: day in calendar
