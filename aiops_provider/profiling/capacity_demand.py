"""Past demand, read by the wall clock of a time zone and per slot, and its forecast for a week."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import numpy as np
from numpy.typing import NDArray

from aiops_provider.domain.units import HOURS_PER_WEEK, SECONDS_PER_HOUR
from aiops_provider.errors import DataError
from aiops_provider.profiling.forecast import DemandForecast, DemandForecaster, forecast_demand

Values = NDArray[np.float64]

WEEK_S = HOURS_PER_WEEK * SECONDS_PER_HOUR
# Of the samples within a slot: their mean hides the peaks within the hour, their largest is one
# sample's accident.
_WITHIN_SLOT = 0.9
_EPOCH = datetime(2024, 1, 1)  # noqa: DTZ001 – a Monday on the wall clock, whatever the zone


@dataclass(frozen=True, slots=True, kw_only=True)
class WeekOfDemand:
    """
    Demand expected in each slot of a week that starts on Monday 00:00 of the wall clock.

    Attributes:
        quantiles: Level to demand per slot, shape (slots,).
        slot_s: Seconds per slot.
        timezone: IANA name of the wall clock.
        forecast: What it was made from.
        begins: Slot of the week of the first forecast step.
    """

    quantiles: dict[float, Values]
    slot_s: float
    timezone: str
    forecast: DemandForecast
    begins: int

    def at(self, quantile: float) -> Values:
        """Demand that is exceeded with probability ``1 - quantile``, along the line between levels."""
        levels = sorted(self.quantiles)
        table = np.stack([self.quantiles[level] for level in levels])
        upper = min(int(np.searchsorted(levels, quantile)), len(levels) - 1)
        lower = max(upper - 1, 0)
        width = levels[upper] - levels[lower]
        share = min(max((quantile - levels[lower]) / width, 0.0), 1.0) if width else 0.0
        mixed: Values = (1.0 - share) * table[lower] + share * table[upper]
        return mixed


def week_of_demand(
    values: Sequence[float],
    times: Sequence[datetime],
    *,
    slot_s: float = SECONDS_PER_HOUR,
    timezone: str = "UTC",
    others: Sequence[DemandForecaster] = (),
) -> WeekOfDemand:
    """
    Forecast the demand of the week that follows the last value.

    Times are read as the wall clock of *timezone*, as people's days follow it: the hour that comes
    twice at the end of summer time counts as one slot, the one that does not exist as missing. Order
    does not matter; gaps are filled as :func:`regular_series` says. Several values within a slot
    count by their 0.9 quantile; a value that covers several slots counts for each.

    Args:
        values: Past demand, >= 0; NaN where missing.
        times: Their moments, with a time zone.
        slot_s: Seconds per slot: whole minutes that divide a day.
        timezone: IANA name, such as ``Europe/Berlin``.
        others: Forecasters that take part beside our own.

    Raises:
        DataError: Names the field, the value and the mend.
    """
    _check_slot(slot_s)
    slots, levels = _per_slot(values, times, slot_s, zone_of(timezone))
    walls = [_EPOCH + timedelta(seconds=float(slot) * slot_s) for slot in slots]
    count = round(WEEK_S / slot_s)
    forecast = forecast_demand(levels.tolist(), count, times=walls, step_s=slot_s, others=others)
    begins = int((int(slots[-1]) + 1) % count)
    return WeekOfDemand(
        quantiles={level: np.roll(v, begins) for level, v in forecast.quantiles.items()},
        slot_s=slot_s,
        timezone=timezone,
        forecast=forecast,
        begins=begins,
    )


def zone_of(timezone: str) -> ZoneInfo:
    """
    The time zone of that name.

    Raises:
        DataError: There is none.
    """
    try:
        return ZoneInfo(timezone)
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:
        raise DataError(
            "is no time zone that this machine knows",
            field="timezone",
            value=timezone,
            mend="Name one of the IANA database, such as Europe/Berlin; minimal images need the "
            "package tzdata",
        ) from error


def minute_of_week(moment: datetime, zone: ZoneInfo) -> int:
    """
    Minutes since Monday 00:00 on the wall clock of a zone.

    Raises:
        DataError: The moment has no time zone.
    """
    if moment.tzinfo is None:
        raise DataError("needs a time zone", field="moment", value=moment.isoformat())
    wall = moment.astimezone(zone)
    return wall.weekday() * 24 * 60 + wall.hour * 60 + wall.minute


def _check_slot(slot_s: float) -> None:
    minutes = slot_s / 60.0
    if not (slot_s >= 60.0 and minutes == int(minutes) and (24 * 60) % int(minutes) == 0):
        raise DataError(
            "must be whole minutes that divide a day",
            field="slot_s",
            value=slot_s,
            mend="3600, 1800, 900 and 300 are usual",
        )


def _per_slot(
    values: Sequence[float], times: Sequence[datetime], slot_s: float, zone: ZoneInfo
) -> tuple[NDArray[np.int64], Values]:
    """Slots with a value, rising, counted from a Monday; and their level."""
    raw = np.asarray(values, dtype=float)
    if len(times) != len(raw):
        raise DataError(f"has {len(times)} entries for {len(raw)} values", field="times")
    if not len(raw):
        raise DataError("needs at least one value", field="values")
    bad = np.flatnonzero(np.isinf(raw) | (raw < 0))
    if len(bad):
        raise DataError(
            "must be >= 0 and finite", field=f"values[{bad[0]}]", value=float(raw[bad[0]])
        )
    naive = next((t for t in times if t.tzinfo is None), None)
    if naive is not None:
        raise DataError("needs a time zone", field="times", value=naive.isoformat())
    walls = [moment.astimezone(zone).replace(tzinfo=None) for moment in times]
    slots = np.array([(wall - _EPOCH) // timedelta(seconds=slot_s) for wall in walls])
    known = ~np.isnan(raw)
    if not known.any():
        raise DataError("has no value that is a number", field="values")
    # Sorted by slot and within it by value, so that all quantiles are found at once.
    order = np.lexsort((raw[known], slots[known]))
    slots, raw = slots[known][order], raw[known][order]
    starts = np.flatnonzero(np.diff(slots, prepend=slots[0] - 1))
    spots = starts + _WITHIN_SLOT * (np.diff(starts, append=len(raw)) - 1)
    levels = np.interp(spots, np.arange(len(raw)), raw)
    return _held(slots[starts].astype(np.int64), levels)


def _held(slots: NDArray[np.int64], levels: Values) -> tuple[NDArray[np.int64], Values]:
    """A demand sampled less often than once a slot holds until its next usual sample."""
    if len(slots) < 3:
        return slots, levels
    usual = int(np.median(np.diff(slots)))
    if usual == 1:
        return slots, levels
    spread = slots[:, None] + np.arange(usual)[None, :]
    free = np.diff(slots, append=slots[-1] + usual)
    kept = np.arange(usual)[None, :] < free[:, None]
    return spread[kept], np.repeat(levels[:, None], usual, axis=1)[kept]
