"""Which seasons a demand series has: a day, a week, or what its autocorrelation shows."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from aiops_provider.domain.units import SECONDS_PER_HOUR

Values = NDArray[np.float64]

_DAY_S = 24 * SECONDS_PER_HOUR
_WEEK_S = 7 * _DAY_S
# A season is believed after this many of its cycles.
_CYCLES = 2
# Share of the variance around the level that the mean cycle must explain beyond chance.
_EXPLAINED = 0.08


def detect_seasons(values: Values, step_s: float) -> tuple[int, ...]:
    """
    Lengths of the seasons in steps, shortest first; empty when there is none.

    The day and the week of the calendar are tested first: a cycle counts if its mean shape explains
    more of the variance than its degrees of freedom do by chance. Without one of them the strongest
    peak of the autocorrelation stands in.

    Args:
        values: Regular series, no gaps, shape (steps,).
        step_s: Seconds between two values, > 0.
    """
    found: list[int] = []
    rest = values - _moving_level(values, min(len(values), max(2, round(_WEEK_S / step_s))))
    for period_s in (_DAY_S, _WEEK_S):
        period = round(period_s / step_s)
        if period < 2 or abs(period * step_s - period_s) > 0.01 * period_s:
            continue
        if len(values) < _CYCLES * period:
            continue
        if _explained(rest, period) > _EXPLAINED:
            found.append(period)
            rest = rest - np.resize(_mean_cycle(rest, period), len(rest))
    if found:
        return tuple(found)
    peak = _autocorrelation_peak(values)
    return (peak,) if peak else ()


def _moving_level(values: Values, window: int) -> Values:
    padded = np.pad(values, (window // 2, window - 1 - window // 2), mode="edge")
    sums = np.concatenate(([0.0], np.cumsum(padded)))
    level: Values = (sums[window:] - sums[:-window]) / window
    return level


def _mean_cycle(values: Values, period: int) -> Values:
    cycles = len(values) // period
    mean: Values = values[: cycles * period].reshape(cycles, period).mean(axis=0)
    return mean


def _explained(values: Values, period: int) -> float:
    """Adjusted share of the variance that the mean cycle explains."""
    cycles = len(values) // period
    table = values[: cycles * period].reshape(cycles, period)
    total = float(((table - table.mean()) ** 2).mean())
    if total <= 0:
        return 0.0
    within = float(((table - table.mean(axis=0)) ** 2).mean()) * cycles / (cycles - 1)
    return 1.0 - within / total


def _autocorrelation_peak(values: Values) -> int | None:
    """The lag of the highest local peak of the autocorrelation, if it is a strong one."""
    longest = len(values) // (_CYCLES + 1)
    if longest < 3:
        return None
    steps = np.arange(len(values), dtype=float)
    slope, offset = np.polyfit(steps, values, 1)
    rest = values - (slope * steps + offset)
    spectrum = np.fft.rfft(rest, 2 * len(rest))
    correlation = np.fft.irfft(np.abs(spectrum) ** 2)[: longest + 2]
    if correlation[0] <= 0:
        return None
    correlation = correlation / correlation[0]
    inner = correlation[1:-1]
    peaks = np.flatnonzero((inner > correlation[:-2]) & (inner >= correlation[2:])) + 1
    peaks = peaks[peaks >= 2]
    if not len(peaks):
        return None
    best = int(peaks[np.argmax(correlation[peaks])])
    return best if correlation[best] > max(0.3, 3.0 / np.sqrt(len(values))) else None
