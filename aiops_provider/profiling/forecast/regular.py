"""A past as it comes – gaps, clock changes, disorder – as a regular series without gaps."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

import numpy as np
from numpy.typing import NDArray

from aiops_provider.domain.units import SECONDS_PER_HOUR
from aiops_provider.errors import DataError

Values = NDArray[np.float64]

# With more missing than this the filled values would be most of the answer.
_MOST_MISSING = 0.5


@dataclass(frozen=True, slots=True, kw_only=True)
class RegularSeries:
    """
    Values at equal distances, none missing.

    Attributes:
        values: One value per step, no gaps.
        step_s: Seconds between two values.
        filled: Steps that were missing.
        observed: Steps that were not.
    """

    values: Values
    step_s: float
    filled: int
    observed: int


def regular_series(
    values: Sequence[float], *, times: Sequence[datetime] | None, step_s: float | None
) -> RegularSeries:
    """
    Put the values on a regular grid and fill what is missing.

    Times are read as the wall clock, since people's days follow it: at the end of summer time the
    hour that comes twice is averaged, at its start the hour that does not exist counts as missing.
    Times out of order are sorted, several values in a step averaged. A missing step (also NaN) gets
    the mean of the same step of the day before and after, else the line between its neighbours.

    Args:
        values: Demand per step.
        times: Their moments; ``None`` if they are regular already.
        step_s: Seconds per step; default: the median distance of *times*, else one hour.

    Raises:
        DataError: Nothing, too little or infinite values, or more than half missing.
    """
    raw = np.asarray(values, dtype=float)
    if raw.ndim != 1 or not len(raw):
        raise DataError("needs at least one value", field="values", value=list(raw.shape))
    if np.any(np.isinf(raw)):
        raise DataError("has an infinite value", field="values", mend="Leave it out or make it NaN")
    if step_s is not None and not step_s > 0:
        raise DataError("must be > 0", field="step_s", value=step_s)
    if times is None:
        step, grid = step_s or SECONDS_PER_HOUR, raw
    else:
        step, grid = _on_grid(raw, times, step_s)
    seen = np.flatnonzero(~np.isnan(grid))
    if not len(seen):
        raise DataError("has no value that is a number", field="values")
    grid = grid[seen[0] : seen[-1] + 1]
    missing = np.isnan(grid)
    if missing.mean() > _MOST_MISSING:
        raise DataError(
            f"{missing.sum()} of {len(grid)} steps of {step:g} s are missing",
            field="values",
            mend="Give a larger step_s or a denser past",
        )
    return RegularSeries(
        values=_filled(grid, missing, max(1, round(24 * SECONDS_PER_HOUR / step))),
        step_s=step,
        filled=int(missing.sum()),
        observed=int((~missing).sum()),
    )


def _on_grid(raw: Values, times: Sequence[datetime], step_s: float | None) -> tuple[float, Values]:
    if len(times) != len(raw):
        raise DataError(f"has {len(times)} entries for {len(raw)} values", field="times")
    start = datetime(1970, 1, 1)  # noqa: DTZ001 - wall clock on purpose
    seconds = np.array([(moment.replace(tzinfo=None) - start).total_seconds() for moment in times])
    order = np.argsort(seconds, kind="stable")
    seconds, raw = seconds[order], raw[order]
    distances = np.diff(np.unique(seconds))
    step = step_s or (float(np.median(distances)) if len(distances) else SECONDS_PER_HOUR)
    slots = np.floor((seconds - seconds[0]) / step + 0.5).astype(int)
    if slots[-1] + 1 > len(raw) / (1.0 - _MOST_MISSING) + 1:
        raise DataError(
            f"{len(raw)} values for {slots[-1] + 1} steps of {step:g} s: most are missing",
            field="times",
            mend="Give a larger step_s or a denser past",
        )
    known = ~np.isnan(raw)
    sums = np.bincount(slots[known], raw[known], minlength=slots[-1] + 1)
    counts = np.bincount(slots[known], minlength=slots[-1] + 1)
    return step, np.where(counts > 0, sums / np.maximum(counts, 1), np.nan)


def _filled(grid: Values, missing: NDArray[np.bool_], day: int) -> Values:
    if not missing.any():
        return grid
    steps = np.arange(len(grid))
    line = np.interp(steps, steps[~missing], grid[~missing])
    padded = np.pad(grid, day, constant_values=np.nan)
    before, after = padded[: len(grid)], padded[2 * day :]
    both = (before + after) / 2
    either = np.where(np.isnan(both), np.where(np.isnan(before), after, before), both)
    fill = np.where(np.isnan(either), line, either)
    return np.where(missing, fill, grid)
