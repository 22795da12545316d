"""Forecasts of demand: what they get right, and what they do with a past that is not as it should be."""

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import numpy as np
import pytest

from aiops_provider.errors import DataError
from aiops_provider.profiling.forecast import forecast_demand
from aiops_provider.profiling.forecast.intervals import conformal_offsets
from aiops_provider.profiling.forecast.seasons import detect_seasons
from aiops_provider.profiling.forecast.selection import combine

HOURS = np.arange(24 * 28)
DAILY = 100 + 50 * np.sin(2 * np.pi * HOURS / 24)
WEEKEND = np.where(HOURS // 24 % 7 >= 5, 0.4, 1.0)


def noisy(values: np.ndarray, scale: float = 5.0) -> np.ndarray:
    return np.maximum(values + np.random.default_rng(3).normal(0, scale, len(values)), 0.0)


def test_a_day_and_a_week_are_found() -> None:
    """Both calendar seasons show where the weekend differs, the day alone where it does not."""
    assert detect_seasons(noisy(DAILY), 3600.0) == (24,)
    assert detect_seasons(noisy(DAILY * WEEKEND), 3600.0) == (24, 168)


def test_noise_has_no_season() -> None:
    """White noise is not taken for a cycle."""
    assert detect_seasons(np.random.default_rng(0).normal(size=600), 3600.0) == ()


def test_a_season_of_no_calendar_is_found_by_autocorrelation() -> None:
    """A cycle of ten hours is found too."""
    assert detect_seasons(noisy(100 + 50 * np.sin(2 * np.pi * HOURS / 10)), 3600.0) == (10,)


def test_the_weekend_is_forecast_as_a_weekend() -> None:
    """The week after four weeks is met within the noise, better than the day before repeated."""
    past = noisy(DAILY * WEEKEND)
    forecast = forecast_demand(past[: 24 * 26].tolist(), 48)
    actual = (DAILY * WEEKEND)[24 * 26 :]
    naive = np.resize(past[24 * 25 : 24 * 26], 48)
    assert np.abs(forecast.p50 - actual).mean() < 5.0
    assert np.abs(forecast.p50 - actual).mean() < 0.3 * np.abs(naive - actual).mean()


def test_intervals_cover_what_they_promise() -> None:
    """Of 40 noisy series with a known law, the 80 % interval holds 72 to 88 % of the values."""
    rng = np.random.default_rng(11)
    inside = []
    for _ in range(40):
        values = DAILY[: 24 * 15] + rng.normal(0, 10, 24 * 15)
        forecast = forecast_demand(values[: 24 * 14].tolist(), 24)
        actual = values[24 * 14 :]
        inside.append(np.mean((actual >= forecast.p10) & (actual <= forecast.p90)))
    assert 0.72 <= np.mean(inside) <= 0.88


def test_quantiles_rise_and_are_not_negative() -> None:
    """Levels are ordered, and demand that was never negative is not forecast to be."""
    forecast = forecast_demand(noisy(DAILY - 60, 20.0).tolist(), 24)
    stacked = np.stack(list(forecast.quantiles.values()))
    assert np.all(np.diff(stacked, axis=0) >= 0)
    assert stacked.min() >= 0.0


def test_a_constant_past_stays_constant() -> None:
    """All quantiles are the constant, zero included."""
    for constant in (0.0, 7.0):
        forecast = forecast_demand([constant] * 100, 3)
        assert forecast.method == "constant"
        assert all(np.all(q == constant) for q in forecast.quantiles.values())


@pytest.mark.parametrize("count", [1, 2, 3, 5, 30])
def test_a_short_past_is_forecast_as_its_level(count: int) -> None:
    """Too few values for a season give finite quantiles around the level."""
    forecast = forecast_demand(noisy(np.full(count, 50.0)).tolist(), 5)
    assert forecast.method in {"level", "constant"}
    assert np.all(np.isfinite(forecast.p95))
    assert 30.0 < forecast.p50[0] < 70.0


@pytest.mark.parametrize(
    ("values", "horizon", "field"),
    [
        ([], 1, "values"),
        ([float("nan")] * 5, 1, "values"),
        ([1.0, float("inf")], 1, "values"),
        ([1.0, *[float("nan")] * 8, 2.0], 1, "values"),
        ([1.0], 0, "horizon"),
    ],
)
def test_what_cannot_be_forecast_is_refused(values: list[float], horizon: int, field: str) -> None:
    """Empty, unknown, infinite and mostly missing pasts name the field that is to be mended."""
    with pytest.raises(DataError, match=field):
        forecast_demand(values, horizon)


def test_gaps_are_filled_from_the_days_beside_them() -> None:
    """A missing day changes the forecast little, and the reason tells of it."""
    past = noisy(DAILY)
    gappy = past.copy()
    gappy[24 * 10 : 24 * 11] = np.nan
    whole, filled = forecast_demand(past.tolist(), 24), forecast_demand(gappy.tolist(), 24)
    assert np.allclose(whole.p50, filled.p50, atol=6.0)
    assert "24 missing steps filled" in filled.reason


def test_times_out_of_order_are_sorted() -> None:
    """The order in which moments arrive does not matter."""
    start = datetime(2026, 3, 2, tzinfo=UTC)
    times = [start + timedelta(hours=int(h)) for h in HOURS]
    past = noisy(DAILY)
    mixed = np.random.default_rng(1).permutation(len(past))
    expected = forecast_demand(past.tolist(), 24, times=times)
    shuffled = forecast_demand(past[mixed].tolist(), 24, times=[times[i] for i in mixed])
    assert np.allclose(expected.p50, shuffled.p50)


def test_the_day_follows_the_clock_over_a_change_of_it() -> None:
    """After the clocks went forward the peak stays at the same wall-clock hour; one hour is filled."""
    berlin = ZoneInfo("Europe/Berlin")
    start = datetime(2026, 3, 9, tzinfo=UTC)
    times = [(start + timedelta(hours=n)).astimezone(berlin) for n in range(24 * 28)]
    values = [100.0 if moment.hour == 9 else 10.0 for moment in times]
    forecast = forecast_demand(values, 24, times=times)
    first = (times[-1].hour + 1) % 24
    assert (9 - first) % 24 == int(np.argmax(forecast.p50))
    assert "1 missing steps filled" in forecast.reason


def test_times_of_another_length_are_refused() -> None:
    """Each value needs its moment."""
    with pytest.raises(DataError, match="times"):
        forecast_demand([1.0, 2.0], 1, times=[datetime(2026, 1, 1, tzinfo=UTC)])


def test_a_forecaster_that_raises_or_explodes_is_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither takes the answer down; both are named."""
    from aiops_provider.profiling.forecast import selection

    def raises(*_: object, **__: object) -> np.ndarray:
        raise ArithmeticError

    def explodes(values: np.ndarray, horizon: int, **_: object) -> np.ndarray:
        return np.full(horizon, 1e12)

    monkeypatch.setattr(selection, "decomposition", raises)
    monkeypatch.setattr(selection, "lag_recursion", explodes)
    combined = combine(noisy(DAILY), 24, (24,))
    assert combined is not None
    assert {"decomposition", "lag recursion"} <= set(combined.refused)
    assert np.all(np.abs(combined.forecast - DAILY[:24]) < 30)


def test_offsets_grow_with_the_level_and_with_the_error() -> None:
    """The median is not moved, the ends are, further where past errors were larger."""
    errors = np.random.default_rng(0).normal(size=(8, 48)) * np.linspace(1, 4, 48)
    offsets = conformal_offsets(errors, np.array([0.1, 0.5, 0.9, 0.975]))
    assert np.all(offsets[1] == 0)
    assert np.all(offsets[0] == -offsets[2])
    assert np.all(offsets[3] > offsets[2])
    assert offsets[2, -1] > 2 * offsets[2, 0]
