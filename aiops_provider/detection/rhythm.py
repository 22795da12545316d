"""In which hours of the week a series reports, and how much of a silence falls into those."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

HOUR_S = 3_600.0
HOURS_OF_WEEK = 168

HourOfWeek = Callable[[int], int]
"""From the number of an hour since 1970 to the hour of the week, 0 to 167."""

# So many weeks are remembered; nights and weekends are told from chance after two.
_MEMORY = 8
_SETTLED = 2
# A gap that spans more hours than the memory says nothing about a week.
_LONGEST = _MEMORY * HOURS_OF_WEEK


def utc_hour_of_week(number: int) -> int:
    """
    Monday from midnight to one, UTC, is 0.

    >>> utc_hour_of_week(0)  # 1970 began on a Thursday
    72
    """
    return (number + 72) % HOURS_OF_WEEK


class Rhythm:
    """
    Samples of one series by hour of the week, as means over its last eight weeks.

    Counted in *busy time*, which runs as fast as samples usually come in that hour of the week, a
    silence at night lasts no longer than the night usually lets one expect (time rescaling: Brown et
    al., Neural Computation 2002). Busy time runs as fast as the clock on the mean over the week.

    Args:
        hour_of_week: Which hour of the week an hour since 1970 is.
    """

    __slots__ = ("_begun", "_count", "_hour", "_hour_of_week", "_mean", "_rates")

    def __init__(self, hour_of_week: HourOfWeek = utc_hour_of_week) -> None:
        self._hour_of_week = hour_of_week
        self._rates = np.zeros(HOURS_OF_WEEK, dtype=np.float32)
        self._mean = 0.0
        self._begun: int | None = None
        self._hour = 0
        self._count = 0

    def add(self, moment_s: float, *, usual: bool = True) -> None:
        """
        Take in a sample, newer than those before.

        Args:
            moment_s: Seconds since 1970.
            usual: Whether the silence before it counts; that of an outage does not.
        """
        hour = int(moment_s // HOUR_S)
        if self._begun is None:
            self._begun = self._hour = hour
        if hour > self._hour:
            self._close(hour if usual else self._hour + 1)
            self._hour, self._count = hour, 0
        self._count += 1

    def settled(self, moment_s: float) -> bool:
        """Whether enough weeks were seen by then."""
        if self._begun is None or self._mean <= 0.0:
            return False
        return moment_s / HOUR_S - self._begun >= _SETTLED * HOURS_OF_WEEK

    def busy_time(self, begin_s: float, end_s: float) -> float:
        """Length of a time in seconds, counted as fast as samples usually come then."""
        if self._mean <= 0.0 or end_s <= begin_s:
            return max(end_s - begin_s, 0.0)
        first, last = int(begin_s // HOUR_S), int(end_s // HOUR_S)
        if first == last:
            return (end_s - begin_s) * self._speed(first)
        whole = min(last - first - 1, HOURS_OF_WEEK)
        inside = sum(self._speed(hour) for hour in range(first + 1, first + 1 + whole)) * HOUR_S
        # Beyond a week every hour of it was there as often as any other.
        beyond = (last - first - 1 - whole) * HOUR_S
        head = ((first + 1) * HOUR_S - begin_s) * self._speed(first)
        tail = (end_s - last * HOUR_S) * self._speed(last)
        return head + inside + beyond + tail

    def after(self, begin_s: float, busy_s: float) -> float:
        """The moment by which so much busy time has passed since *begin*; at most eight weeks later."""
        if self._mean <= 0.0:
            return begin_s + busy_s
        left, moment = busy_s, begin_s
        first = int(begin_s // HOUR_S)
        for hour in range(first, first + _LONGEST):
            end = (hour + 1) * HOUR_S
            speed = self._speed(hour)
            if (end - moment) * speed >= left and speed > 0.0:
                return moment + left / speed
            left -= (end - moment) * speed
            moment = end
        return moment

    def _speed(self, hour: int) -> float:
        return float(self._rates[self._hour_of_week(hour)]) / self._mean

    def _close(self, until: int) -> None:
        """Count the hours from the current one up to *until*, which saw no further sample."""
        assert self._begun is not None  # noqa: S101 - a sample was added
        for hour in range(max(self._hour, until - _LONGEST), until):
            weeks = min((hour - self._begun) // HOURS_OF_WEEK + 1, _MEMORY)
            place = self._hour_of_week(hour)
            count = self._count if hour == self._hour else 0
            self._rates[place] += (count - self._rates[place]) / weeks
        self._mean = float(self._rates.mean())
