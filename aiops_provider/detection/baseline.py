"""The past of one series: moments and values in order of time, the newest kept."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from datetime import datetime

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

# At one sample an hour 200 days, at one in five minutes 17 days; 160 KB a series at most.
LIMIT = 5_000
_FIRST_SIZE = 64
_EXCURSIONS = 200


class Baseline:
    """
    Normal values of one series, ordered by time.

    Late samples are put where they belong; a sample that is there already is not counted twice.

    Args:
        limit: The newest so many are kept, at most twice as many.

    >>> from datetime import UTC, datetime, timedelta
    >>> start = datetime(2026, 1, 1, tzinfo=UTC)
    >>> baseline = Baseline()
    >>> baseline.extend((start + timedelta(hours=hour), float(hour)) for hour in (0, 2, 1, 1))
    >>> baseline.before(start + timedelta(hours=2))[1]
    array([0., 1.])
    """

    __slots__ = ("_excursions", "_limit", "_size", "_times", "_values")

    def __init__(self, limit: int = LIMIT) -> None:
        self._limit = limit
        self._size = 0
        self._times = np.empty(_FIRST_SIZE)
        self._values = np.empty(_FIRST_SIZE)
        self._excursions: deque[tuple[float, float, float]] = deque(maxlen=_EXCURSIONS)

    def __len__(self) -> int:
        return self._size

    def add(self, at: datetime, value: float) -> bool:
        """Put a value in its place; False if it was there already."""
        self._make_room()
        moment, size = at.timestamp(), self._size
        place = size
        if size and moment <= self._times[size - 1]:
            first = int(np.searchsorted(self._times[:size], moment, side="left"))
            place = int(np.searchsorted(self._times[:size], moment, side="right"))
            if value in self._values[first:place]:
                return False
        for column, item in ((self._times, moment), (self._values, value)):
            column[place + 1 : size + 1] = column[place:size]
            column[place] = item
        self._size += 1
        return True

    def extend(self, values: Iterable[tuple[datetime, float]]) -> None:
        """Add many."""
        for at, value in values:
            self.add(at, value)

    def add_excursion(self, at: datetime, low: float, high: float) -> None:
        """Remember an alarm that is over by its extremes; its values are not normal."""
        self._excursions.append((at.timestamp(), low, high))

    def excursions_before(self, at: datetime) -> list[tuple[float, float, float]]:
        """Begin (seconds since 1970), lowest and highest value of the alarms that are over."""
        moment = at.timestamp()
        return [one for one in self._excursions if one[0] < moment]

    def before(self, at: datetime) -> tuple[Floats, Floats]:
        """Moments (seconds since 1970) and values strictly before that moment, oldest first."""
        end = int(np.searchsorted(self._times[: self._size], at.timestamp(), side="left"))
        return self._times[:end], self._values[:end]

    def _make_room(self) -> None:
        if self._size < len(self._times):
            return
        # Drop the older half of what is kept beyond the limit at once, so that this is rare.
        kept = min(self._size, self._limit)
        start = self._size - kept
        columns = []
        for column in (self._times, self._values):
            bigger = np.empty(2 * kept)
            bigger[:kept] = column[start : self._size]
            columns.append(bigger)
        self._times, self._values = columns
        self._size = kept
