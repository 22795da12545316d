"""Drift: by chance excluded, and large enough to matter."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from aiops_provider.detection.drift.categorical import categorical_drift
from aiops_provider.detection.drift.multivariate import multivariate_drift
from aiops_provider.detection.drift.numeric import numeric_drift, sketch_drift
from aiops_provider.detection.drift.sketch import RELATIVE_ERROR, Sketch, value_of


@pytest.fixture
def rng():
    return np.random.default_rng(17)


@pytest.mark.parametrize("rows", [50, 300, 2_000])
def test_stable_features_drift_no_more_often_than_the_level(rng, rows):
    """At any number of rows; 400 comparisons at 5 %, the bound is three deviations above."""
    stable = [
        numeric_drift(
            rng.gamma(2.0, size=rows), rng.gamma(2.0, size=rows), level=0.05, least_effect=0.0
        )
        for _ in range(400)
    ]
    assert sum(one.drifted for one in stable) / 400 <= 0.05 + 3 * np.sqrt(0.05 * 0.95 / 400)


def test_a_certain_but_tiny_drift_does_not_matter(rng):
    """A hundred thousand rows make a hundredth of a deviation significant, not important."""
    found = numeric_drift(rng.normal(size=200_000), rng.normal(0.02, size=200_000))
    assert found.p_value < 0.01
    assert not found.drifted


@pytest.mark.parametrize(
    "moved",
    [lambda v: v + 0.5, lambda v: 2.0 * v, lambda v: np.where(np.arange(len(v)) % 4, v, 6.0)],
    ids=["location", "scale", "a quarter at one value"],
)
def test_changes_that_matter_are_told(rng, moved):
    """Location, spread and shape."""
    assert numeric_drift(rng.normal(size=2_000), moved(rng.normal(size=2_000))).drifted


def test_the_effect_is_the_distance_in_standard_deviations(rng):
    """A shift by half a deviation has effect one half."""
    found = numeric_drift(rng.normal(10.0, 4.0, 20_000), rng.normal(12.0, 4.0, 20_000))
    assert pytest.approx(0.5, rel=0.05) == found.effect


def test_sketches_say_what_samples_say(rng):
    """Nothing but their counts is shipped."""
    before, now = rng.lognormal(3.0, 1.0, 20_000), rng.lognormal(3.4, 1.0, 20_000)
    whole, summed = numeric_drift(before, now), sketch_drift(Sketch.of(before), Sketch.of(now))
    assert whole.drifted
    assert summed.drifted
    assert pytest.approx(whole.effect, rel=0.1) == summed.effect
    assert len(Sketch.of(before).counts) < 1_000


@given(st.lists(st.floats(-1e12, 1e12), max_size=60), st.integers(0, 60))
def test_the_sketch_of_the_whole_is_the_sum_of_the_sketches_of_its_parts(values, cut):
    """Partitions may be summarised anywhere, and merged in any order."""
    column = np.array(values, dtype=np.float64)
    parts = Sketch.of(column[:cut]), Sketch.of(column[cut:])
    assert Sketch.of(column) == parts[0] + parts[1] == parts[1] + parts[0]


@given(st.floats(1e-6, 1e12), st.sampled_from([-1.0, 1.0]))
def test_a_bin_tells_its_values_within_a_percent(magnitude, sign):
    """Whatever the magnitude."""
    (number,) = Sketch.of(np.array([sign * magnitude])).counts
    assert abs(value_of(number) / (sign * magnitude) - 1.0) <= 1.001 * RELATIVE_ERROR


def test_missing_and_no_values_are_no_drift():
    """NaN and infinities are counted, not compared; without rows there is nothing to tell."""
    holes = np.array([np.nan, np.inf, 1.0])
    assert 2 == Sketch.of(holes).missing
    assert not numeric_drift(holes, np.array([np.nan])).drifted
    assert not numeric_drift(np.ones(100), np.ones(100)).drifted
    assert not categorical_drift({}, {"a": 3}).drifted


def test_a_new_value_in_many_rows_is_categorical_drift():
    """What was never seen before is seen now."""
    found = categorical_drift({"card": 900, "cash": 100}, {"card": 800, "cash": 100, "crypto": 100})
    assert found.drifted
    assert pytest.approx(0.1) == found.effect


def test_stable_categories_drift_no_more_often_than_the_level(rng):
    """With rare values among them."""
    shares = [0.5, 0.3, 0.15, 0.03, 0.01, 0.01]
    told = 0
    for _ in range(400):
        tables = [
            dict(zip("abcdef", map(int, rng.multinomial(300, shares)), strict=True)) for _ in "ab"
        ]
        told += categorical_drift(*tables, level=0.05, least_effect=0.0).drifted
    assert told / 400 <= 0.05 + 3 * np.sqrt(0.05 * 0.95 / 400)


def test_features_that_move_apart_drift_together_only(rng):
    """Each is as before; their correlation turned round."""
    before = rng.multivariate_normal([0, 0], [[1, 0.9], [0.9, 1]], size=2_000)
    now = rng.multivariate_normal([0, 0], [[1, -0.9], [-0.9, 1]], size=2_000)
    assert not any(numeric_drift(before[:, i], now[:, i]).drifted for i in range(2))
    assert multivariate_drift(before, now).drifted
    assert not multivariate_drift(before, before[::-1]).drifted
