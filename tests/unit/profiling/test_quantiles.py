"""Quantiles of few, ageing and censored observations."""

from __future__ import annotations

import math

import pytest

from aiops_provider.domain.profile import Quantity, Source
from aiops_provider.profiling.quantiles import (
    Observation,
    effective_count,
    exceeded,
    few_run_quantiles,
    log_spread,
    quantile_at,
    uncensored,
    z_exceeded_with,
    z_of,
)


def seen(*values: float) -> list[Observation]:
    return [Observation(value, 1.0) for value in values]


def test_old_runs_count_less():
    """One run of full weight beside one of a tenth tells little more than one run."""
    assert effective_count([1.0, 0.1]) == pytest.approx(1.198, abs=0.001)


def test_lower_bounds_are_shared_out_among_larger_values():
    """Efron's redistribution: the bound's weight goes to what lies above it, in proportion."""
    shared = uncensored(
        [
            Observation(1.0, 1.0),
            Observation(2.0, 1.0, censored=True, beyond=9.0),
            Observation(3.0, 1.0),
            Observation(4.0, 1.0),
        ]
    )
    assert shared == [(1.0, 1.0), (3.0, 1.5), (4.0, 1.5)]


def test_the_estimate_is_kaplan_and_meiers():
    """The remaining weights are the steps of the Kaplan–Meier curve of a textbook sample."""
    # Times 6, 6, 6, 6+, 7, 9+, 10, 10+, 11+, 13, 16 … of Freireich et al. (1963), shortened:
    # S(6) = 8/11, S(7) = 8/11 * 6/7, S(10) = S(7) * 4/5, S(13) = S(10) * 1/2.
    sample = [
        (6, 0),
        (6, 0),
        (6, 0),
        (6, 1),
        (7, 0),
        (9, 1),
        (10, 0),
        (10, 1),
        (11, 1),
        (13, 0),
        (16, 0),
    ]
    observations = [
        Observation(float(value), 1.0, censored=bool(censored), beyond=float(value))
        for value, censored in sample
    ]
    survived, curve = 11.0, {}
    for value, weight in uncensored(observations):
        survived -= weight
        curve[value] = survived / 11
    expected = {6: 8 / 11, 7: 8 / 11 * 6 / 7, 10: 8 / 11 * 6 / 7 * 4 / 5}
    expected |= {13: expected[10] / 2, 16: 0.0}
    assert curve == pytest.approx(expected)


def test_a_bound_above_everything_becomes_what_lies_beyond():
    """Nothing larger was ever seen: the step after a kill stands for the unknown need."""
    bounds = [
        Observation(1.0, 1.0),
        Observation(2.0, 1.0, censored=True, beyond=2.5),
        Observation(2.1, 1.0, censored=True, beyond=2.1),
    ]
    assert uncensored(bounds) == [(1.0, 1.0), (2.5, 2.0)]


def test_p95_of_few_runs_is_above_all_of_them():
    """Below nineteen runs no run is high enough; the stated rule puts the p95 above the highest."""
    for count in range(1, 19):
        values = [1.0 + place / 100 for place in range(count)]
        assert few_run_quantiles(seen(*values))[2] > max(values)


def test_p95_of_nineteen_runs_is_the_highest():
    """The n-th of n runs is exceeded by the next with probability 1 / (n + 1)."""
    values = [1.0 + place / 100 for place in range(19)]
    assert few_run_quantiles(seen(*values))[2] == pytest.approx(max(values))


def test_interval_narrows_with_every_equal_run():
    """The more often the same was seen, the less is added for what was not."""
    p95 = [few_run_quantiles(seen(*[1.0] * count))[2] for count in (1, 2, 4, 8, 16)]
    assert p95 == sorted(p95, reverse=True)
    assert len(set(p95)) == len(p95)


def test_many_runs_give_the_empirical_quantiles():
    """With a thousand runs the answer is what a histogram says."""
    values = [float(place) for place in range(1, 1001)]
    assert few_run_quantiles(seen(*values)) == pytest.approx((500, 800, 950), rel=0.01)


def test_wider_history_gives_wider_tail():
    """The tail beyond the highest run takes its scale from the runs."""
    narrow = few_run_quantiles(seen(0.98, 0.99, 1.0, 1.0))
    wide = few_run_quantiles(seen(0.2, 0.4, 1.0, 1.0))
    assert wide[2] > narrow[2]


def test_quantiles_are_read_back():
    """z_of undoes quantile_at wherever the quantity has spread."""
    quantity = Quantity(p50=1.0, p80=2.0, p95=3.0, source=Source.PRIOR)
    for z in (-1.0, 0.0, 0.5, 0.8416, 1.2, 1.6449, 2.5):
        assert z_of(quantity, quantile_at(quantity, z)) == pytest.approx(z)


def test_a_figure_without_spread_has_only_one_value():
    """Nothing is extrapolated from a certainty; values beside it are infinitely unlikely."""
    certain = Quantity(p50=2.0, p80=2.0, p95=2.0, source=Source.PINNED)
    assert quantile_at(certain, 3.0) == 2.0
    assert (z_of(certain, 2.1), z_of(certain, 1.9)) == (8.0, -8.0)
    assert exceeded(z_of(certain, 2.0)) <= 0.5
    assert log_spread(certain) == 0.0


def test_a_figure_of_zero_is_the_smallest_one():
    """Zero has no logarithm; a thousandth stands for it."""
    nothing = Quantity(p50=0.0, p80=0.0, p95=1.0, source=Source.PRIOR)
    assert math.isfinite(quantile_at(nothing, 2.0))
    assert log_spread(nothing) == pytest.approx(math.log(1000) / 1.6449, rel=1e-3)


def test_exceedance_is_inverted():
    """A probability of practically zero is the farthest quantile, not an error."""
    assert exceeded(z_exceeded_with(0.01)) == pytest.approx(0.01)
    assert z_exceeded_with(0.0) == 8.0
