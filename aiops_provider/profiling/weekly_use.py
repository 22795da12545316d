"""
The use of a task over the week to come, forecast from its past where that is long enough.

An endpoint's use is its requests, those of other tasks the starts of their runs. Hours are those of
UTC: a task that follows another clock moves by an hour twice a year, and the forecast moves after it.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from datetime import datetime, timedelta
from functools import lru_cache
from typing import TYPE_CHECKING

from aiops_provider.domain.execution import ExecutionRecord
from aiops_provider.domain.profile import REQUESTS, Source, WeeklyUse
from aiops_provider.domain.task import TaskKey
from aiops_provider.domain.units import HOURS_PER_WEEK, SECONDS_PER_HOUR, hour_of_week
from aiops_provider.domain.workload import Serving, TaskDescription
from aiops_provider.errors import DataError
from aiops_provider.profiling.starts import ordinary_starts

if TYPE_CHECKING:  # schedulers import this; numpy loads with the first forecast
    import numpy as np
    from numpy.typing import NDArray

    Values = NDArray[np.float64]

log = logging.getLogger(__name__)

# Levels by hours from the first one to come, hours observed, reason, source.
_Found = tuple[tuple["Values", "Values", "Values"], int, str, Source]

_HOUR = timedelta(hours=1)
# A forecast is compared with what was seen in the last quarter: of two days that is half a day.
_FEWEST_HOURS_OF_DEMAND = 48
# A cadence that was said is believed for two weeks, as in ``starts``; else a week of runs must do, for
# of frequent tasks no more than the newest runs are kept.
_FEWEST_HOURS_OF_STARTS = HOURS_PER_WEEK
_FEWEST_HOURS_AGAINST_CADENCE = 2 * HOURS_PER_WEEK
_FEWEST_STARTS = 20
# What bounds the time: a profile must come within 50 ms, and two forecasts of so many hours take some 25.
_MOST_HOURS = 5 * HOURS_PER_WEEK


def weekly_use(
    task: TaskKey,
    description: TaskDescription,
    history: Sequence[ExecutionRecord],
    *,
    now: datetime,
) -> WeeklyUse | None:
    """
    Forecast the use of a task over a week.

    The five newest weeks count at most. A forecast of starts stands only where, in the newest quarter
    of the past and made from what lies before, its squared error is below that of the mean by hour;
    else the mean stands, with the quantiles of the same hours.

    Args:
        task: For the log.
        description: A serving task's ``past_demand_per_s`` ends with the hour before *now*.
        history: Finished runs, in any order.
        now: The present moment.

    Returns:
        ``None`` where the past is too short or cannot be used.
    """
    try:
        if isinstance(description, Serving) and description.past_demand_per_s:
            found = _of_demand(description.past_demand_per_s[-_MOST_HOURS:])
            return _use(found, now.replace(minute=0, second=0, microsecond=0), REQUESTS)
        starts = ordinary_starts(history)
        said = description.cadence is not None
        least = _FEWEST_HOURS_AGAINST_CADENCE if said else _FEWEST_HOURS_OF_STARTS
        if len(starts) < _FEWEST_STARTS or starts[-1] - starts[0] < least * _HOUR:
            return None
        import numpy as np

        first = starts[0].replace(minute=0, second=0, microsecond=0)
        hours = [(moment - first) // _HOUR for moment in starts]
        counts = tuple(np.bincount(hours)[-_MOST_HOURS:].astype(float).tolist())
        return _use(_of_starts(counts), first + (hours[-1] + 1) * _HOUR, "starts")
    except DataError as error:
        # What was said or seen of the past must not keep a task from its profile.
        log.warning("The use of %s over a week is not forecast: %s", task, error)
        return None


@lru_cache(maxsize=256)
def _of_demand(rates: tuple[float, ...]) -> _Found | None:
    if len(rates) < _FEWEST_HOURS_OF_DEMAND:
        return None
    import numpy as np

    return _forecast(np.array(rates))


@lru_cache(maxsize=256)
def _of_starts(counts: tuple[float, ...]) -> _Found | None:
    import numpy as np

    past = np.array(counts)
    tried = len(past) // 4
    before, seen = past[:-tried], past[-tried:]
    if np.ptp(past) > 0:
        forecast = _forecast(before, tried)[0][0]
        if _squared(forecast, seen) >= _squared(_mean_by_hour(before, tried), seen):
            return _seen(past, tried)
    return _forecast(past)


def _seen(past: Values, tried: int) -> _Found:
    """What was seen in the same hours, for the week to come."""
    import numpy as np

    cycle = _cycle(past)
    spots = np.arange(len(past)) % cycle
    mean = _mean_by_hour(past, cycle)
    order = (len(past) + np.arange(cycle)) % cycle
    same = [past[spots == spot] for spot in order]
    levels = (
        mean,
        *(np.maximum(mean, [np.quantile(one, level) for one in same]) for level in (0.8, 0.95)),
    )
    p50, p80, p95 = (np.resize(level, HOURS_PER_WEEK) for level in levels)
    reason = f"mean of the same hours; in the newest {tried} hours no forecast was better"
    return (p50, p80, p95), len(past), reason, Source.OWN_HISTORY


def _forecast(past: Values, hours: int = HOURS_PER_WEEK) -> _Found:
    from aiops_provider.profiling.forecast import forecast_demand

    found = forecast_demand(past.tolist(), hours, step_s=SECONDS_PER_HOUR)
    levels = (found.p50, found.p80, found.p95)
    return levels, found.sample_count, f"{found.method}; {found.reason}", Source.FORECAST


def _mean_by_hour(past: Values, hours: int) -> Values:
    """The mean of the same hour of the week, of the day before two weeks are over."""
    import numpy as np

    cycle = _cycle(past)
    spots = np.arange(len(past) + hours) % cycle
    sums = np.bincount(spots[: len(past)], past, minlength=cycle)
    means = sums / np.bincount(spots[: len(past)], minlength=cycle)
    return np.asarray(means[spots[len(past) :]])


def _cycle(past: Values) -> int:
    return HOURS_PER_WEEK if len(past) >= 2 * HOURS_PER_WEEK else 24


def _squared(forecast: Values, seen: Values) -> float:
    import numpy as np

    return float(np.square(forecast - seen).mean())


def _use(found: _Found | None, begins: datetime, unit: str) -> WeeklyUse | None:
    import numpy as np

    if found is None:
        return None
    levels, observed, reason, source = found
    # Three digits: more would be noise, in every profile that is stored.
    p50, p80, p95 = (
        tuple(float(f"{value:.3g}") for value in np.roll(level, hour_of_week(begins)))
        for level in levels
    )
    return WeeklyUse(
        unit=unit,
        p50=p50,
        p80=p80,
        p95=p95,
        source=source,
        sample_count=observed,
        reason=reason,
    )
