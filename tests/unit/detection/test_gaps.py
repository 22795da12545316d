"""How odd is a wait?"""

from __future__ import annotations

import numpy as np
import pytest

from aiops_provider.detection.gaps import Gaps


def arrivals(kind: str, rng: np.random.Generator, count: int) -> np.ndarray:
    """Gaps of a kind of series, in seconds."""
    match kind:
        case "regular":
            return 300.0 * np.abs(1.0 + 0.02 * rng.normal(size=count))
        case "one in fifty lost":
            return 300.0 * (1.0 + 0.01 * rng.normal(size=count)) * rng.geometric(0.98, size=count)
        case "Poisson":
            return rng.exponential(300.0, size=count)
        case "log-normal":
            return rng.lognormal(5.0, 1.5, size=count)
        case "Pareto":
            return 100.0 * (1.0 + rng.pareto(1.5, size=count))
        case _:
            return rng.choice([5.0, 86_400.0], p=[0.95, 0.05], size=count)  # bursts once a day


KINDS = ("regular", "one in fifty lost", "Poisson", "log-normal", "Pareto", "bursts")


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("p_value", [1e-2, 1e-3])
def test_p_values_are_not_too_small_when_all_is_well(kind, p_value):
    """Of 80,000 gaps after the first hundred at most so large a share is as odd, and a quarter more."""
    rng = np.random.default_rng(3)
    odd = judged = 0
    for _ in range(40):
        gaps = arrivals(kind, rng, 2_100)
        known = Gaps()
        known.extend(gaps[:100])
        for gap in gaps[100:]:
            odd += known.p_value(float(gap)) <= p_value
            known.add(float(gap))
            judged += 1
    assert odd / judged <= 1.25 * p_value


@pytest.mark.parametrize("known", [8, 30, 100, 1_000])
def test_a_series_like_clockwork_is_missed_soon(known):
    """After a thousand samples the third missed one is odd, after eight the eighth."""
    gaps = Gaps()
    gaps.extend(np.full(known, 300.0))

    assert 2 * 300.0 < gaps.reach(1e-5) < (9 if known < 30 else 5 if known < 100 else 3.6) * 300.0
    assert 1.0 == gaps.p_value(200.0)


@pytest.mark.parametrize("kind", KINDS)
def test_reach_is_the_inverse_of_the_p_value(kind):
    """What has a p-value reaches as far as the gap of that p-value."""
    gaps = Gaps()
    gaps.extend(arrivals(kind, np.random.default_rng(1), 500))

    for p_value in (1e-2, 1e-4, 1e-6):
        reach = gaps.reach(p_value)
        assert gaps.p_value(reach * 1.001) <= p_value * 1.001
        assert p_value * 0.999 <= gaps.p_value(reach * 0.999) or reach == 0.0


def test_one_by_one_or_all_at_once_is_the_same():
    """A process that starts anew knows what the other knew."""
    values = arrivals("log-normal", np.random.default_rng(5), 400)
    single, many = Gaps(), Gaps()
    for value in values:
        single.add(float(value))
    many.extend(values)

    assert single.total == many.total
    for gap in (10.0, 1_000.0, 1e5):
        assert single.p_value(gap) == pytest.approx(many.p_value(gap), rel=0.15)


def test_memory_is_constant_and_habits_change():
    """Of a million gaps as much is kept as of two thousand, and what is long ago is forgotten."""
    gaps = Gaps()
    gaps.extend(np.full(100_000, 10.0))
    for _ in range(9_000):
        gaps.add(300.0)

    assert gaps.total <= 2_000
    assert gaps.p_value(290.0) > 0.5


def test_nothing_known_is_nothing_odd():
    """Without any gap no wait is odd; what is no gap is none."""
    gaps = Gaps()
    gaps.extend(np.array([0.0, -5.0]))

    assert (0.0, 1.0, float("inf")) == (gaps.total, gaps.p_value(1e9), gaps.reach(1e-5))
