"""
What a series was like in comparable moments: same time of day, week, month or year, or lately.

Location and scale are robust: an outlier among the past values moves neither. The scale has a
floor, so that a series which never changed does not alarm on rounding.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from aiops_provider.detection.baseline import Floats
from aiops_provider.detection.local_clock import LocalClock

HOUR_S = 3_600.0
DAY_S = 24 * HOUR_S
WEEK_S = 7 * DAY_S
YEAR_S = 365.2425 * DAY_S
_SHORTEST_MONTH_S = 28 * DAY_S

# "The same time" is up to half an hour earlier or later, "the same season" up to three days.
TOLERANCE_S = HOUR_S / 2
SEASON_S = 3 * DAY_S

# A season counts once it was seen this often; two could be chance.
MINIMUM_SEASONS = 3
# Values of one season (such as the twelve of an hour) resemble each other: each season adds no
# more than so many to the number of values that the p-value is sized by.
_PER_SEASON = 2
# "Lately": enough for a median, few enough to follow a level that has changed for good.
RECENT = 256

_NORMAL_MAD = 1.4826  # median absolute deviation -> standard deviation of a normal distribution
NORMAL_QUARTILE = 0.6745  # upper quartile of a standard normal distribution
_NORMAL_MEAN_DEVIATION = 1.2533  # mean absolute deviation -> standard deviation
# Half a percent of the level is not worth an alarm by itself.
RELATIVE_FLOOR = 0.005


@dataclass(frozen=True, slots=True, kw_only=True)
class Reference:
    """
    Comparable past values, summed up.

    Attributes:
        name: What they have in common, for people.
        location: Their median.
        scale_below: Robust standard deviation below the median, > 0.
        scale_above: The same above; a skewed series has a longer side.
        count: Number of values, not more than their seasons can vouch for.
    """

    name: str
    location: float
    scale_below: float
    scale_above: float
    count: int

    @property
    def freedom(self) -> float:
        """Degrees of freedom of the Student-t distribution that deviations follow."""
        return degrees_of_freedom(self.count)

    def deviation(self, value: float) -> float:
        """Distance from the median in robust standard deviations, signed."""
        scale = self.scale_above if value > self.location else self.scale_below
        # The median itself is uncertain: its variance is π/2 that of a mean.
        return (value - self.location) / (scale * math.sqrt(1.0 + math.pi / 2 / self.count))

    def width(self, p_value: float = 1e-3) -> float:
        """Width of the interval that holds all but this share, in the KPI's unit."""
        reach = _reach(self.freedom, p_value)
        return (
            reach * (self.scale_below + self.scale_above) * math.sqrt(1 + math.pi / 2 / self.count)
        )


@lru_cache(maxsize=256)
def _reach(freedom: float, p_value: float) -> float:
    """Deviation that so small a share passes, to either side."""
    from scipy import special

    return -float(special.stdtrit(freedom, p_value / 2))


def references(
    times: Floats, values: Floats, at: float, *, minimum: int, clock: LocalClock | None = None
) -> Iterator[Reference]:
    """
    All references that have enough values.

    Args:
        times: Moments of the past values in seconds, ascending.
        values: The past values.
        at: Moment of the sample in seconds.
        minimum: Values that a reference must have.
        clock: What counts as the same time; default: UTC, without holidays.
    """
    if len(values) < minimum:
        return
    yield summarise("lately", values[-RECENT:], len(values[-RECENT:]))
    if clock is not None:
        times, values, at = _on_the_wall(clock, times, values, at)
        if clock.is_holiday(at):
            rest = clock.rest_days(times[0] - TOLERANCE_S, at - DAY_S)
            found = _same_time_of(
                "at this time of holidays and Sundays", rest, times, values, at, minimum=minimum
            )
            if found is not None:
                yield found
    for name, period_s in (("at this time of day", DAY_S), ("at this time of the week", WEEK_S)):
        near = _near(times, _periods_back(times, at, period_s, TOLERANCE_S), TOLERANCE_S)
        back = at - times[near]
        seasons = np.round(back / period_s)
        close = (np.abs(back - seasons * period_s) <= TOLERANCE_S) & (seasons >= 1)
        found = _season(name, values[near], seasons, close, minimum=minimum, least=MINIMUM_SEASONS)
        if found is not None:
            yield found
    found = _same_day_of_month(times, values, at, minimum=minimum)
    if found is not None:
        yield found
    if at - times[0] < YEAR_S - SEASON_S:
        return
    near = _near(times, _periods_back(times, at, YEAR_S, SEASON_S), SEASON_S)
    back = at - times[near]
    years, days = np.round(back / YEAR_S), np.round(back / DAY_S)
    close = (np.abs(back - years * YEAR_S) <= SEASON_S) & (years >= 1)
    close &= np.abs(back - days * DAY_S) <= TOLERANCE_S
    found = _season("at this time of the year", values[near], days, close, minimum=minimum, least=1)
    if found is not None:
        yield found


def _on_the_wall(
    clock: LocalClock, times: Floats, values: Floats, at: float
) -> tuple[Floats, Floats, float]:
    """Moments as the local clock shows them; an hour that comes twice is laid upon itself."""
    shown, now = clock.local_times(times), clock.local(at)
    if shown is not times and bool(np.any(shown[1:] < shown[:-1])):
        order = np.argsort(shown, kind="stable")
        shown, values = shown[order], values[order]
    return shown, values, now


def _same_time_of(
    name: str, days: Floats, times: Floats, values: Floats, at: float, *, minimum: int
) -> Reference | None:
    """The same time of certain days, given by their numbers since 1970, ascending."""
    middle = days * DAY_S + at % DAY_S
    near = _near(times, middle, TOLERANCE_S)
    if len(near) < minimum:
        return None
    # The nearest of these days: they are a day apart at least.
    place = np.clip(np.searchsorted(middle, times[near] - DAY_S / 2), 0, len(middle) - 1)
    close = np.abs(times[near] - middle[place]) <= TOLERANCE_S
    return _season(
        name,
        values[near],
        place.astype(np.float64),
        close,
        minimum=minimum,
        least=MINIMUM_SEASONS,
    )


def _same_day_of_month(
    times: Floats, values: Floats, at: float, *, minimum: int
) -> Reference | None:
    if at - times[0] < MINIMUM_SEASONS * _SHORTEST_MONTH_S - TOLERANCE_S:
        return None
    middle = _months_back(at, times[0] - TOLERANCE_S)
    near = _near(times, middle, TOLERANCE_S)
    if len(near) < minimum:
        return None
    # The nearest month; months are weeks apart, so that a moment is near one of them only.
    months = np.clip(np.searchsorted(middle, times[near] - DAY_S), 0, len(middle) - 1)
    close = np.abs(times[near] - middle[months]) <= TOLERANCE_S
    return _season(
        "on this day of the month",
        values[near],
        months.astype(np.float64),
        close,
        minimum=minimum,
        least=MINIMUM_SEASONS,
    )


def _months_back(at: float, since: float) -> Floats:
    """The same day of earlier months at the same time of day, oldest first."""
    day = math.floor(at / DAY_S)
    days = _days_of_months(day, math.ceil((at - since) / _SHORTEST_MONTH_S))
    middle = days * DAY_S + at % DAY_S
    return np.asarray(middle[middle >= since], dtype=np.float64)


@lru_cache(maxsize=256)  # all series that are observed on a day ask for the same few
def _days_of_months(number: int, count: int) -> Floats:
    """
    The same day of the month in so many earlier months, as days since 1970, oldest first.

    The last day of a month is compared with last days, since that is when books are closed; a day that
    an earlier month lacks (the 30th of February) with that month's last.
    """
    day = np.datetime64(number, "D")
    month = day.astype("datetime64[M]")
    is_last = (day + 1).astype("datetime64[M]") != month
    months = month - np.arange(count, 0, -1)
    first = months.astype("datetime64[D]")
    last = (months + 1).astype("datetime64[D]") - 1
    wanted = last if is_last else np.minimum(first + (day - month.astype("datetime64[D]")), last)
    found: Floats = wanted.astype(np.int64).astype(np.float64)
    found.flags.writeable = False
    return found


def _periods_back(times: Floats, at: float, period_s: float, reach_s: float) -> Floats:
    """Moments whole periods back, oldest first, as far as the series goes."""
    seasons = np.arange(math.ceil((at - times[0] + reach_s) / period_s), 0, -1)
    return np.asarray(at - seasons * period_s, dtype=np.float64)


def _near(times: Floats, middle: Floats, reach_s: float) -> NDArray[np.intp]:
    """
    Places of all moments that may be near one of *middle*, oldest first, and few others.

    Found by bisection, so that the cost grows with the number of seasons rather than of values. A
    second is added on either side: what is close is for the exact comparison to say.
    """
    first = np.searchsorted(times, middle - reach_s - 1.0, side="left")
    lengths = np.searchsorted(times, middle + reach_s + 1.0, side="right") - first
    # Runs of consecutive places, laid end to end.
    shift = np.repeat(first - (np.cumsum(lengths) - lengths), lengths)
    places: NDArray[np.intp] = np.arange(len(shift)) + shift
    return places


def _season(
    name: str, values: Floats, seasons: Floats, close: np.ndarray, *, minimum: int, least: int
) -> Reference | None:
    chosen = values[close]
    if len(chosen) < minimum:
        return None
    # Times ascend, so that the values of one season are side by side.
    distinct = 1 + int(np.count_nonzero(np.diff(seasons[close])))
    if distinct < least:
        return None
    return summarise(name, chosen, min(len(chosen), _PER_SEASON * distinct))


def summarise(name: str, values: Floats, count: int) -> Reference:
    """
    Median, and a robust scale for either side.

    The scale of a side is the largest of 1.4826 · MAD and the distance to the quartile of that side
    over 0.6745. Where both are zero – more than half of the values are equal – the mean absolute
    deviation stands in; where that is zero too, the floor: half a percent of the level, and half a
    unit if all values are whole numbers.

    >>> summarise("", np.array([5.0] * 9), 9).scale_above
    0.5
    """
    ordered = np.sort(values)
    location = float(_middle(ordered))
    spread = _NORMAL_MAD * float(_middle(np.sort(np.abs(ordered - location))))
    half = (len(ordered) + 1) // 2
    below = (location - float(_middle(ordered[:half]))) / NORMAL_QUARTILE
    above = (float(_middle(ordered[-half:])) - location) / NORMAL_QUARTILE
    if max(spread, below, above) == 0.0:
        spread = _NORMAL_MEAN_DEVIATION * float(np.mean(np.abs(ordered - location)))
    floor = max(RELATIVE_FLOOR * abs(location), 1e-9)
    if bool(np.all(ordered == np.floor(ordered))):
        floor = max(floor, 0.5)
    return Reference(
        name=name,
        location=location,
        scale_below=max(spread, below, floor),
        scale_above=max(spread, above, floor),
        count=count,
    )


def degrees_of_freedom(count: int) -> float:
    """
    Degrees of freedom of the Student-t distribution that (x - median) / scale follows.

    Half the count, less a half, is what simulation gives for medians and MADs of normal values
    (n = 8: 4; 14: 6.5; 20: 9.5). Eight is the most: real series have heavier tails than normal ones,
    log-normal noise of 30 % has those of t with 7 to 8.

    >>> degrees_of_freedom(14), degrees_of_freedom(500)
    (6.5, 8.0)
    """
    return min(max(count / 2 - 0.5, 1.0), 8.0)


def _middle(ordered: Floats) -> float:
    half = len(ordered) // 2
    if len(ordered) % 2:
        return float(ordered[half])
    return float(ordered[half - 1] + ordered[half]) / 2
