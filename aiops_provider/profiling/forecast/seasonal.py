"""Forecasters that repeat the cycle: the seasonal naive guard, theta, and a decomposition."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.signal import lfilter

Values = NDArray[np.float64]

_SMOOTHINGS = (0.02, 0.05, 0.1, 0.2, 0.35, 0.5, 0.7, 0.9)


def seasonal_naive(values: Values, horizon: int, period: int) -> Values:
    """The last cycle again: ``f[h] = y[n + h - period * ceil(h / period)]``."""
    forecast: Values = np.resize(values[-period:], horizon)
    return forecast


def smoothed_level(values: Values) -> tuple[float, float]:
    """
    Last level of simple exponential smoothing and its factor, least squares over a grid.

    ``level[t] = a * y[t] + (1 - a) * level[t - 1]``.
    """
    best_error, best_level, best_factor = np.inf, float(values[-1]), 1.0
    for factor in _SMOOTHINGS:
        level, _ = lfilter(
            [factor], [1.0, factor - 1.0], values, zi=[(1.0 - factor) * values[:10].mean()]
        )
        error = float(np.mean((values[1:] - level[:-1]) ** 2))
        if error < best_error:
            best_error, best_level, best_factor = error, float(level[-1]), factor
    return best_level, best_factor


def theta(values: Values, horizon: int, period: int) -> Values:
    """
    The theta method on seasonally adjusted data.

    Smoothed level plus half the slope of the linear trend, times the mean cycle (Assimakopoulos and
    Nikolopoulos 2000, in the form of Hyndman and Billah 2003). The cycle is a ratio where all
    values are positive, else a difference.
    """
    ratio = bool(values.min() > 0)
    work = np.log(values) if ratio else values
    cycle = recent_cycle(work - _level(work, period), period, forgetting=0.9)
    adjusted = work - _backwards(cycle, len(work))
    last, factor = smoothed_level(adjusted)
    steps = np.arange(len(adjusted), dtype=float)
    centred = steps - steps.mean()
    slope = float(centred @ adjusted / (centred @ centred))
    drift = 0.5 * slope * (np.arange(horizon) + 1.0 / factor)
    forecast = np.asarray(last + drift + np.resize(cycle, horizon), dtype=np.float64)
    return np.exp(forecast) if ratio else forecast


def decomposition(values: Values, horizon: int, periods: tuple[int, ...]) -> Values:
    """
    Level, one cycle per season, and a remainder that fades.

    The cycles are fitted one after the other on what the shorter left (after MSTL, Bandara and
    others 2021, with exponentially weighted means for the LOESS), the remainder is an AR(1).
    """
    rest = values - _level(values, periods[0])
    forecast = np.zeros(horizon)
    fitted = np.zeros(len(values))
    for period in periods:
        cycle = recent_cycle(rest - fitted, period, forgetting=0.8)
        forecast += np.resize(cycle, horizon)
        fitted += _backwards(cycle, len(values))
    adjusted = values - fitted
    level = float(np.mean(adjusted[-periods[0] :]))
    remainder = adjusted[-4 * periods[0] :] - level
    energy = float(remainder[:-1] @ remainder[:-1])
    fading = float(np.clip(remainder[1:] @ remainder[:-1] / energy, 0.0, 0.98)) if energy else 0.0
    forecast += level + remainder[-1] * fading ** np.arange(1, horizon + 1)
    return forecast


def recent_cycle(values: Values, period: int, *, forgetting: float) -> Values:
    """Weighted mean cycle, aligned so that its first entry follows the last value."""
    cycles = len(values) // period
    table = values[len(values) - cycles * period :].reshape(cycles, period)
    weights = forgetting ** np.arange(cycles)[::-1]
    mean: Values = weights @ table / weights.sum()
    return mean


def _level(values: Values, period: int) -> Values:
    """Centred moving mean over one cycle; the first and last half cycle repeat the nearest mean."""
    if len(values) <= period:
        return np.full(len(values), values.mean())
    sums = np.concatenate(([0.0], np.cumsum(values)))
    means = (sums[period:] - sums[:-period]) / period
    before = period // 2
    return np.pad(means, (before, len(values) - len(means) - before), mode="edge")


def _backwards(cycle: Values, steps: int) -> Values:
    """The cycle repeated over the past, so that it ends where the forecast begins."""
    repeats = -(-steps // len(cycle))
    past: Values = np.tile(cycle, repeats)[-steps:]
    return past
