"""Forecasters that regress on seasonal lags, by ridge: one step at a time, and all steps at once."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Values = NDArray[np.float64]

_RIDGE = 1e-3
# Rows beyond these add time, not accuracy.
_MOST_ROWS = 4000


def lag_recursion(values: Values, horizon: int, periods: tuple[int, ...]) -> Values:
    """
    Ridge regression on recent and seasonal lags, fed with its own forecasts.

    Lags are the last steps and those around one to three cycles of each season. Too short a series
    for its lags raises ``ValueError``; the caller leaves the forecaster out.
    """
    lags = _lags(periods, len(values))
    longest = int(lags[-1])
    centre, scale = float(values.mean()), float(values.std()) or 1.0
    work = (values - centre) / scale
    first = max(longest, len(work) - _MOST_ROWS)
    rows = np.arange(first, len(work))
    if len(rows) < 2 * len(lags):
        raise ValueError(f"{len(rows)} rows are too few for {len(lags)} lags")
    design = work[rows[:, None] - lags[None, :]]
    weights = _solve(design, work[rows])
    extended = np.concatenate((work, np.zeros(horizon)))
    for step in range(len(work), len(extended)):
        extended[step] = extended[step - lags] @ weights
    forecast: Values = extended[len(work) :] * scale + centre
    return forecast


def lag_direct(values: Values, horizon: int, periods: tuple[int, ...]) -> Values:
    """
    Ridge regression of each step ahead on the cycles before it, relative to the level then.

    One model for all steps ahead: the same phase one and two cycles ago and the same phase one and
    two long cycles ago, each less the level of its time, and how far the newest values lie from
    their cycle. It cannot explode, for it is never fed with its own forecasts.
    """
    short, long = periods[0], periods[-1]
    cycles_ahead = -(-horizon // short)
    longest = max(long, cycles_ahead * short) + long + short
    origins = np.arange(longest, len(values) - horizon + 1)
    if len(origins) < 2 * short or len(origins) < 16:
        raise ValueError(f"{len(origins)} origins are too few")
    stride = max(1, len(origins) * horizon // _MOST_ROWS)
    # A stride that shares no factor with the cycle meets every phase.
    while stride > 1 and short % stride == 0:
        stride += 1
    origins = origins[::-1][::stride]
    ahead = np.arange(horizon)
    origin, step = (part.ravel() for part in np.meshgrid(origins, ahead, indexing="ij"))
    sums = np.concatenate(([0.0], np.cumsum(values)))
    design, level = _design(values, sums, origin, step, (short, long))
    weights = _solve(design, values[origin + step] - level)
    newest = np.full(horizon, len(values))
    design, level = _design(values, sums, newest, ahead, (short, long))
    forecast: Values = level + design @ weights
    return forecast


def _design(
    values: Values,
    sums: Values,
    origin: NDArray[np.int64],
    step: NDArray[np.int64],
    periods: tuple[int, int],
) -> tuple[Values, Values]:
    short, long = periods

    def level_at(moment: NDArray[np.int64]) -> Values:
        mean: Values = (sums[moment] - sums[moment - short]) / short
        return mean

    level = level_at(origin)
    back = (step // short + 1) * short
    back_long = (step // long + 1) * long
    newest = values[origin - 1] - values[origin - 1 - short]
    before = origin - back_long
    columns = [
        values[origin + step - back] - level,
        values[origin + step - back - short] - level_at(origin - short),
        values[origin + step - back_long] - level_at(before),
        values[origin + step - back_long] - level,
        level - level_at(origin - short),
        newest,
        newest * 0.7**step,
        newest * 0.9**step,
    ]
    return np.stack(columns, axis=1), level


def _lags(periods: tuple[int, ...], steps: int) -> NDArray[np.int64]:
    short = periods[0]
    lags = set(range(1, min(short, 24) + 3))
    for period in periods:
        for cycle in (1, 2, 3):
            lags |= {cycle * period + around for around in (-1, 0, 1)}
    longest = min(max(2 * period for period in periods) + 1, steps // 2)
    return np.array(sorted(lag for lag in lags if 1 <= lag <= longest))


def _solve(design: Values, target: Values) -> Values:
    gram = design.T @ design
    penalty = _RIDGE * float(np.trace(gram)) / len(gram) + 1e-12
    weights = np.linalg.solve(gram + penalty * np.eye(len(gram)), design.T @ target)
    return np.asarray(weights, dtype=np.float64)
