"""Shapes that a series has shown before, and those that it has not."""

from __future__ import annotations

import numpy as np
import pytest

from aiops_provider.detection.streaming.novelty import WindowNovelty

HOUR = 3600.0
WINDOW = 12


def told(values, step_s=HOUR):
    """What each sample of a series is told."""
    novelty = WindowNovelty(WINDOW)
    return np.array(
        [novelty.advance(place * step_s, float(value)) for place, value in enumerate(values)]
    )


@pytest.fixture
def days():
    """Thirty days of a wave with a little noise, a sample an hour."""
    hours = np.arange(30 * 24)
    return np.sin(hours * 2 * np.pi / 24) + 0.05 * np.random.default_rng(2).normal(size=len(hours))


def test_what_was_seen_before_is_as_usual(days):
    """About one once its shapes are known, and nothing said at first."""
    found = told(days)
    assert [0.0] * (2 * WINDOW) == found[: 2 * WINDOW].tolist()
    assert np.median(found[240:]) == pytest.approx(1.0, abs=0.3)
    assert found[240:].max() < 4.0


def test_a_night_that_comes_at_noon_is_new(days):
    """Though each of its values is usual."""
    days[480:492] = days[492:504]
    found = told(days)
    assert 480 <= int(np.argmax(found[240:])) + 240 < 504
    assert found[480:504].max() > 2.0 * found[240:480].max()


def test_a_stretch_does_not_excuse_itself(days):
    """A level that stays is new for as long as a window, for shapes are learned late."""
    days[480:] += 20.0
    found = told(days)
    assert (found[481:492] > 5.0).all()


def test_the_unit_and_the_zero_of_the_values_do_not_matter(days):
    """Bytes or gigabytes: the distance is told as a multiple of the usual one."""
    assert told(days) == pytest.approx(told(1e9 * days + 5e9), rel=1e-4, abs=1e-6)


def test_dense_samples_are_told_by_the_hours_they_fill(days):
    """Twelve samples an hour, and a gap, are windows of hours all the same."""
    dense = told(np.repeat(days, 12), step_s=HOUR / 12)
    assert np.corrcoef(dense[11::12][240:], told(days)[240:])[0, 1] > 0.95


def test_a_series_at_rest_is_never_new():
    """No distance is usual then, and nothing can be compared with nothing."""
    assert told(np.full(500, 7.0)) == pytest.approx(np.zeros(500))


def test_memory_is_constant(days):
    """Two kilobytes for twelve hours, however long the series."""
    novelty = WindowNovelty(WINDOW)
    before = novelty.nbytes
    for place, value in enumerate(days):
        novelty.advance(place * HOUR, float(value))
    assert before == novelty.nbytes <= 2048
