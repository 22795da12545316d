"""The robust seasonal z-score."""

from __future__ import annotations

import math
from datetime import timedelta

import numpy as np
import pytest

from aiops_provider.detection.baseline import Baseline
from aiops_provider.detection.seasonal import SeasonalDetector
from aiops_provider.detection.verdict import ALARM_P

DETECTOR = SeasonalDetector(minimum_history=8)


def daily(start, *, days=14, every_h=6.0, noise=0.03, level=1000.0):
    """A series that swings with the day."""
    generator = np.random.default_rng(7)
    baseline = Baseline()
    for step in range(1, int(days * 24 / every_h) + 1):
        at = start - timedelta(hours=every_h * step)
        swing = 1.0 + 0.4 * math.cos((at.hour - 14) / 24 * math.tau)
        baseline.add(at, level * swing * (1.0 + noise * generator.normal()))
    return baseline


def test_it_does_not_judge_without_history(sample, past):
    """During warm-up there is no verdict."""
    assert DETECTOR.score(sample(1e9), past([1.0] * 7)) is None
    assert DETECTOR.score(sample(1e9), past([1.0] * 8)) is not None


def test_a_night_value_at_noon_is_anomalous(sample, start):
    """What is usual at another time of day is not usual now."""
    history = daily(start)
    at_noon = DETECTOR.score(sample(600.0), history)
    at_night = DETECTOR.score(sample(600.0, hours=-12), history)

    assert at_noon.p_value < ALARM_P < 0.05 < at_night.p_value
    assert at_noon.expected == pytest.approx(1400.0, rel=0.05)


def test_a_peak_that_comes_every_day_is_normal(sample, start):
    """A value far from lately's is normal where it is usual for the time of day."""
    baseline = Baseline()
    for minute in range(15, 4 * 24 * 60, 15):
        at = start - timedelta(minutes=minute)
        baseline.add(at, 80.0 if at.hour == start.hour else 20.0 + (minute % 3) / 10)

    assert DETECTOR.score(sample(80.0), baseline).p_value > 0.05
    assert DETECTOR.score(sample(80.0, hours=-1), baseline).p_value < ALARM_P


def test_history_after_the_sample_changes_nothing(sample, start):
    """The verdict is causal."""
    history = daily(start)
    before = DETECTOR.score(sample(1234.0, hours=-30), history)
    history.extend((start - timedelta(hours=hour), 1e6) for hour in range(1, 29))

    assert before == DETECTOR.score(sample(1234.0, hours=-30), history)


def test_outliers_in_the_past_do_not_hide_new_ones(sample, past):
    """Median and MAD stand a fifth of wild values."""
    history = past([10.0, 11.0, 9.0, 10.5, 900.0] * 6)

    assert DETECTOR.score(sample(30.0), history).p_value < ALARM_P


def test_rounding_of_a_constant_series_is_no_anomaly(sample, past):
    """A constant series does not alarm on a last digit, but on a real change."""
    history = past([0.95] * 30)

    assert DETECTOR.score(sample(0.951), history).p_value > 0.5
    assert DETECTOR.score(sample(0.61), history).p_value < ALARM_P


def test_what_a_series_does_again_and_again_is_no_anomaly(sample, past, start):
    """Five excursions over more than a day, and the sixth is no news; in the other direction it is."""
    history = past([10.0, 10.2, 9.9, 10.1] * 50)
    assert DETECTOR.score(sample(50.0), history).p_value < ALARM_P

    for back in range(1, 6):
        history.add_excursion(start - timedelta(hours=12 * back), 50.0, 52.0)
    assert DETECTOR.score(sample(50.0), history).p_value > 1e-3
    assert DETECTOR.score(sample(-50.0), history).p_value < ALARM_P
    assert DETECTOR.score(sample(200.0), history).p_value < ALARM_P


def test_a_burst_of_excursions_within_hours_is_no_habit(sample, past, start):
    """An incident that flaps does not get used to itself."""
    history = past([10.0, 10.2, 9.9, 10.1] * 50)
    for back in range(1, 9):
        history.add_excursion(start - timedelta(hours=back), 50.0, 52.0)

    assert DETECTOR.score(sample(50.0), history).p_value < ALARM_P
