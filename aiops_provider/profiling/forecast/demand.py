"""The forecast of a demand series: one call, whatever the past looks like."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

import numpy as np
from numpy.typing import NDArray

from aiops_provider.errors import DataError
from aiops_provider.profiling.forecast.external import DemandForecaster
from aiops_provider.profiling.forecast.intervals import conformal_offsets
from aiops_provider.profiling.forecast.regular import RegularSeries, regular_series
from aiops_provider.profiling.forecast.seasonal import smoothed_level
from aiops_provider.profiling.forecast.seasons import detect_seasons
from aiops_provider.profiling.forecast.selection import Combined, combine

Values = NDArray[np.float64]

# The two intervals asked for, 80 and 95 %, and what capacity is sized by.
LEVELS = (0.025, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95, 0.975)
# Older values say nothing that ten weeks do not, and the answer must come within 50 ms.
_MOST_STEPS = 2000
_LEAST_CYCLES_KEPT = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class DemandForecast:
    """
    Demand of the steps after the last observed one.

    Attributes:
        quantiles: Level to values, shape (horizon,), rising with the level.
        step_s: Seconds per step.
        seasons: Lengths in steps.
        method: What made it: ``constant``, ``level``, or the forecasters with their shares.
        sample_count: Observed steps behind it.
        reason: One sentence.
    """

    quantiles: dict[float, Values]
    step_s: float
    seasons: tuple[int, ...]
    method: str
    sample_count: int
    reason: str

    @property
    def p10(self) -> Values:
        """Lower end of the 80 % interval."""
        return self.quantiles[0.1]

    @property
    def p50(self) -> Values:
        """The forecast itself."""
        return self.quantiles[0.5]

    @property
    def p80(self) -> Values:
        """Exceeded in one step of five."""
        return self.quantiles[0.8]

    @property
    def p90(self) -> Values:
        """Upper end of the 80 % interval."""
        return self.quantiles[0.9]

    @property
    def p95(self) -> Values:
        """Exceeded in one step of twenty."""
        return self.quantiles[0.95]


def forecast_demand(
    values: Sequence[float],
    horizon: int,
    *,
    times: Sequence[datetime] | None = None,
    step_s: float | None = None,
    seasons: Sequence[int] | None = None,
    others: Sequence[DemandForecaster] = (),
) -> DemandForecast:
    """
    Forecast a demand series with 80 % and 95 % intervals.

    Seasonal naive, theta, decomposition and ridge regressions on lags are compared on past origins
    and combined by their errors there; the intervals come from the errors of the combination. A
    constant past is forecast as that constant, one without seasons or with too few cycles as its
    smoothed level. No quantile is negative if nothing in the past was.

    Args:
        values: Past demand per step, oldest first; NaN where missing.
        horizon: Steps to forecast, >= 1.
        times: Moments of the values, any order; see :func:`regular_series`.
        step_s: Seconds per step; default: from *times*, else one hour.
        seasons: Lengths of the seasons in steps; default: detected.
        others: Forecasters that take part beside our own where there are seasons.

    Raises:
        DataError: The past is empty, infinite, or mostly missing, or the horizon below one.

    >>> forecast_demand([3.0] * 48, 2).p95
    array([3., 3.])
    """
    if horizon < 1:
        raise DataError("must be >= 1", field="horizon", value=horizon)
    series = regular_series(values, times=times, step_s=step_s)
    past = series.values
    if np.ptp(past) <= 1e-12 * max(1.0, float(np.abs(past).max())):
        return _constant(series, horizon)
    periods = _seasons(past, series.step_s, seasons)
    if periods:
        kept = max(_MOST_STEPS, _LEAST_CYCLES_KEPT * periods[-1] + 8 * horizon)
        past = past[-kept:]
        combined = _combined(past, horizon, periods, others)
        while combined is None and len(periods) > 1:
            periods = periods[:-1]
            combined = _combined(past, horizon, periods, others)
        if combined is not None:
            return _seasonal(series, combined, periods)
    return _level(series, horizon)


def _combined(
    past: Values, horizon: int, periods: tuple[int, ...], others: Sequence[DemandForecaster]
) -> Combined | None:
    """
    The combination, compared over the whole horizon or, in a short past, over its first cycle.

    Three weeks are too short to try a week ahead twice, but not to know one Sunday from the last.
    """
    combined = combine(past, horizon, periods, others=others)
    if combined is None and periods[0] < horizon:
        return combine(past, horizon, periods, compared=periods[0], others=others)
    return combined


def _seasons(past: Values, step_s: float, given: Sequence[int] | None) -> tuple[int, ...]:
    if given is None:
        return detect_seasons(past, step_s)
    for season in given:
        if season < 2:
            raise DataError("a season has at least 2 steps", field="seasons", value=season)
    return tuple(sorted({season for season in given if 2 * season <= len(past)}))


def _seasonal(
    series: RegularSeries, combined: Combined, periods: tuple[int, ...]
) -> DemandForecast:
    offsets = conformal_offsets(combined.errors, np.array(LEVELS))
    compared = offsets.shape[1]
    offsets = offsets[:, np.arange(len(combined.forecast)) % compared]
    named = " + ".join(f"{share:.0%} {name}" for name, share in combined.weights)
    refused = f"; left out: {', '.join(combined.refused)}" if combined.refused else ""
    if compared < len(combined.forecast):
        refused += f"; errors of {compared} steps ahead stand for all"
    cycles = " and ".join(str(period) for period in periods)
    return DemandForecast(
        quantiles=_quantiles(combined.forecast, offsets, series.values),
        step_s=series.step_s,
        seasons=periods,
        method=named,
        sample_count=series.observed,
        reason=f"cycles of {cycles} steps, {len(combined.errors)} past origins compared"
        f"{refused}{_filled(series)}",
    )


def _constant(series: RegularSeries, horizon: int) -> DemandForecast:
    flat = np.full(horizon, series.values[-1])
    return DemandForecast(
        quantiles={level: flat.copy() for level in LEVELS},
        step_s=series.step_s,
        seasons=(),
        method="constant",
        sample_count=series.observed,
        reason=f"all {series.observed} observed values are the same{_filled(series)}",
    )


def _level(series: RegularSeries, horizon: int) -> DemandForecast:
    """The smoothed level, with the changes over as many steps as errors."""
    past = series.values[-_MOST_STEPS:]
    level, factor = smoothed_level(past)
    spread = past[len(past) // 2 :] if len(past) > 8 else past
    one_step = float(np.abs(np.diff(past)).mean())
    # Variance of simple smoothing h steps ahead: 1 + (h - 1) a^2 (Hyndman and others 2008, 6.1).
    growth = np.sqrt(1.0 + np.arange(horizon) * factor**2)
    scale = np.minimum(one_step * growth, max(float(np.ptp(spread)), one_step))
    from scipy.stats import norm

    offsets = np.asarray(norm.ppf(LEVELS))[:, None] * 1.25 * scale[None, :]
    return DemandForecast(
        quantiles=_quantiles(np.full(horizon, level), offsets, series.values),
        step_s=series.step_s,
        seasons=(),
        method="level",
        sample_count=series.observed,
        reason=f"no season shows in {series.observed} observed values{_filled(series)}",
    )


def _quantiles(forecast: Values, offsets: Values, past: Values) -> dict[float, Values]:
    values = np.maximum.accumulate(forecast[None, :] + offsets, axis=0)
    if past.min() >= 0:
        values = np.maximum(values, 0.0)
    return {level: values[index] for index, level in enumerate(LEVELS)}


def _filled(series: RegularSeries) -> str:
    return f"; {series.filled} missing steps filled" if series.filled else ""
