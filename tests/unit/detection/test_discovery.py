"""The false-discovery rate."""

from __future__ import annotations

from datetime import timedelta

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from aiops_provider.detection.discovery import Discoveries, benjamini_hochberg


@given(st.lists(st.floats(0, 1), max_size=50))
def test_the_threshold_agrees_with_the_definition(p_values):
    """Exactly the p-values up to the largest k with p(k) <= rate k / m count."""
    ordered = sorted(p_values)
    counting = [k for k, p in enumerate(ordered, 1) if p <= 0.1 * k / len(ordered)]

    assert (ordered[counting[-1] - 1] if counting else -1.0) == benjamini_hochberg(p_values, 0.1)


def test_the_share_of_false_discoveries_is_kept():
    """With 50 real deviations among 1,000 series at most 5 % of what is found is false."""
    generator = np.random.default_rng(1)
    shares = []
    for _ in range(200):
        p_values = generator.uniform(size=1_000)
        p_values[:50] *= 1e-5
        found = p_values <= benjamini_hochberg(p_values.tolist(), 0.05)
        shares.append(found[50:].sum() / max(found.sum(), 1))

    assert np.mean(shares) < 0.055


def test_samples_of_one_period_face_one_test(start):
    """What arrives a few at a time is judged with what arrived just before."""
    together = Discoveries(0.05, timedelta(minutes=1))
    piecemeal = Discoveries(0.05, timedelta(minutes=1))
    samples = [(start + timedelta(seconds=n / 100), p) for n, p in enumerate([0.5] * 99 + [1e-3])]

    for one in samples[:-1]:
        piecemeal.threshold([one])
    assert together.threshold(samples) == piecemeal.threshold(samples[-1:]) == -1.0


def test_an_earlier_period_is_forgotten(start):
    """A minute later the old samples do not count."""
    discoveries = Discoveries(0.05, timedelta(minutes=1))
    discoveries.threshold([(start, 0.5)] * 99)

    assert 1e-3 == discoveries.threshold([(start + timedelta(minutes=2), 1e-3)])


@pytest.mark.parametrize("empty", [[], [1.0]])
def test_nothing_is_discovered_where_nothing_is(start, empty):
    """No samples, or only p = 1: no threshold."""
    assert -1.0 == Discoveries(0.05, timedelta(minutes=1)).threshold([(start, p) for p in empty])


def test_what_chance_alone_brings_is_told(start):
    """Of a few samples the least p-value decides, of many the rate: about one alarm in twenty periods."""
    few = Discoveries(0.05, timedelta(minutes=1))
    few.threshold([(start, 0.5)] * 10)
    assert pytest.approx(10 * 1e-4) == few.by_chance(10, 1e-4)
    many = Discoveries(0.05, timedelta(minutes=1))
    many.threshold([(start, 0.5)] * 100_000)
    assert pytest.approx(0.05) == many.by_chance(100_000, 1e-4)
