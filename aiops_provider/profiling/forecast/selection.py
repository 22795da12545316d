"""Forecasters compared on rolling origins, and combined by the error they made there."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
from numpy.typing import NDArray

from aiops_provider.profiling.forecast.external import DemandForecaster, guarded
from aiops_provider.profiling.forecast.regression import lag_direct, lag_recursion
from aiops_provider.profiling.forecast.seasonal import decomposition, seasonal_naive, theta

log = logging.getLogger(__name__)

Values = NDArray[np.float64]
Forecaster = Callable[[Values, int], Values]

# Fewer origins say little about the intervals, more cost time.
_MOST_ORIGINS = 8
# A forecaster this much worse than the guard at any origin is exploding, not unlucky.
_EXPLODES = 5.0
# A forecast this many ranges of the past away from it is no forecast.
_RANGES = 2.0
# Weights fall with this power of the error: between the mean (0) and the best alone (infinite).
_SHARPNESS = 4.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Combined:
    """
    A forecast made of several.

    Attributes:
        forecast: Shape (horizon,).
        errors: Actual minus combined forecast at past origins, shape (origins, compared steps).
        weights: Share of each forecaster that takes part, largest first.
        refused: Forecasters that raised or exploded.
    """

    forecast: Values
    errors: Values
    weights: tuple[tuple[str, float], ...]
    refused: tuple[str, ...]


def candidates(
    periods: tuple[int, ...], *, positive: bool, others: Sequence[DemandForecaster] = ()
) -> dict[str, Forecaster]:
    """The forecasters for these seasons; the first is the guard, the seasonal naive one."""
    found: dict[str, Forecaster] = {}
    for period in periods:
        found[f"seasonal naive {period}"] = partial(seasonal_naive, period=period)
    for period in periods:
        found[f"theta {period}"] = partial(theta, period=period)
    found["decomposition"] = partial(decomposition, periods=periods)
    found["lag recursion"] = partial(lag_recursion, periods=periods)
    found["direct lags"] = partial(lag_direct, periods=periods)
    if positive:
        found["log lag recursion"] = _in_logs(found["lag recursion"])
        found["log direct lags"] = _in_logs(found["direct lags"])
    for other in others:
        found[other.name if other.name not in found else f"other {other.name}"] = guarded(
            other, periods
        )
    return found


def _in_logs(forecaster: Forecaster) -> Forecaster:
    def forecast(values: Values, horizon: int) -> Values:
        # What overflows becomes infinite, and is refused as leaving the range of the past.
        with np.errstate(over="ignore"):
            grown: Values = np.exp(forecaster(np.log(values), horizon))
        return grown

    return forecast


def combine(
    values: Values,
    horizon: int,
    periods: tuple[int, ...],
    *,
    compared: int | None = None,
    others: Sequence[DemandForecaster] = (),
) -> Combined | None:
    """
    Forecast with every forecaster, weighted by its errors at past origins.

    The weight is ``error ** -4`` of the mean absolute error, newer origins counting more; those
    beyond 1.5 times the best are left out (weights after Bates and Granger 1969).

    Args:
        values: Regular series, no gaps, shape (steps,).
        horizon: Steps to forecast.
        periods: Seasons in steps, shortest first.
        compared: Steps over which they are compared; default: the whole horizon.
        others: Forecasters that take part beside our own.

    Returns:
        ``None`` if the series is too short for two origins.
    """
    ahead = compared or horizon
    origins = _origins(len(values), ahead, periods)
    if len(origins) < 2:
        return None
    named = candidates(periods, positive=bool(values.min() > 0), others=others)
    actual: Values = np.stack([values[o : o + ahead] for o in origins])
    past: dict[str, Values] = {}
    final: dict[str, Values] = {}
    refused: list[str] = []
    for name, forecaster in named.items():
        try:
            final[name] = _sane(forecaster(values, horizon), values)
            past[name] = np.stack(
                [_sane(forecaster(values[:o], ahead), values[:o]) for o in origins]
            )
        except (ValueError, ArithmeticError, np.linalg.LinAlgError) as error:
            # A forecaster that cannot do this series is left out, never takes the answer down.
            log.debug("Forecaster %s is left out: %s", name, error)
            final.pop(name, None)
            refused.append(name)
    absolute = {name: np.abs(actual - p).mean(axis=1) for name, p in past.items()}
    guard = absolute[next(iter(named))]
    floor = 1e-9 * (float(np.abs(values).mean()) + 1e-9)
    for name in [
        n for n, e in absolute.items() if np.any(e > _EXPLODES * (guard + guard.mean()) + floor)
    ]:
        refused.append(name)
        absolute.pop(name)
    recency = np.asarray(0.85 ** np.arange(len(origins))[::-1], dtype=np.float64)
    weights = _weights(
        {n: float(np.average(e, weights=recency)) + floor for n, e in absolute.items()}
    )
    mix = sum(share * final[name] for name, share in weights)
    errors: Values = actual - _leave_one_out(past, absolute, recency, floor)
    return Combined(
        forecast=np.asarray(mix), errors=errors, weights=weights, refused=tuple(refused)
    )


def _leave_one_out(
    past: dict[str, Values], absolute: dict[str, Values], recency: Values, floor: float
) -> Values:
    """The combination at each origin with weights from the others: honest errors for intervals."""
    rows = []
    for left_out in range(len(recency)):
        kept = np.arange(len(recency)) != left_out
        means = {
            name: float(np.average(e[kept], weights=recency[kept])) + floor
            for name, e in absolute.items()
        }
        rows.append(sum(share * past[name][left_out] for name, share in _weights(means)))
    return np.stack([np.asarray(row) for row in rows])


def _weights(errors: dict[str, float]) -> tuple[tuple[str, float], ...]:
    best = min(errors.values())
    raw = {n: (best / e) ** _SHARPNESS for n, e in errors.items() if e <= 1.5 * best}
    total = sum(raw.values())
    return tuple(
        sorted(((name, share / total) for name, share in raw.items()), key=lambda item: -item[1])
    )


def _sane(forecast: Values, values: Values) -> Values:
    low, high = float(values.min()), float(values.max())
    reach = _RANGES * (high - low)
    if (
        not np.all(np.isfinite(forecast))
        or forecast.min() < low - reach
        or forecast.max() > high + reach
    ):
        raise ValueError("the forecast leaves the range of the past")
    return forecast


def _origins(steps: int, horizon: int, periods: tuple[int, ...]) -> Sequence[int]:
    """Past origins, oldest first, the last one horizon before the end."""
    least = 2 * periods[-1] + 2
    stride = max(1, horizon // 2)
    last = steps - horizon
    return [
        origin
        for origin in range(last - (_MOST_ORIGINS - 1) * stride, last + 1, stride)
        if origin >= least
    ]
