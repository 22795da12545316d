"""The benchmark of calibration finds p-values that are right, and those that are not."""

import argparse
from pathlib import Path

import numpy as np
import pytest

from benchmarks.command import Options
from benchmarks.detection import calibration
from benchmarks.detection.labelled_series import LabelledSeries
from benchmarks.detection.quiet_series import quiet_values

OPTIONS = Options(data=Path(), seed=0, extra=argparse.Namespace())


def fit(p_values):
    below = [np.searchsorted(np.sort(one), calibration._GRID, side="right") for one in p_values]
    return calibration._fit(below, [len(one) for one in p_values], OPTIONS)


@pytest.mark.parametrize(("power", "too_small"), [(1.0, False), (2.0, True), (0.5, False)])
def test_p_values_that_are_too_small_show(power, too_small):
    """Squares of uniform ones are too small, roots are merely careful."""
    rng = np.random.default_rng(4)
    row = fit(rng.random((40, 1_000)) ** power)
    assert (row["low at 0.01"] > 1.0) is too_small
    assert (row["excess low"] > 0.05) is too_small


def test_careful_p_values_are_not_uniform_either():
    rng = np.random.default_rng(5)
    largest = fit(np.sqrt(rng.random((40, 1_000))))["KS"].split()[0]
    assert 0.25 == pytest.approx(float(largest), abs=0.01)


def test_stretches_are_counted_where_they_begin():
    low = np.array([True, True, False, True, False, False, True])
    assert 3 == calibration._times_begun(low)


def test_signals_come_as_often_in_bursts():
    """Eight times as many in every eighth hour, none in the others."""
    rng = np.random.default_rng(6)
    steady = calibration._signals(rng, 0.01, bursts=False, hours=800, series=100)
    bursts = calibration._signals(rng, 0.01, bursts=True, hours=800, series=100)
    assert bursts.sum() == pytest.approx(steady.sum(), rel=0.2)
    assert not bursts[np.arange(800) % 8 != 0].any()


def test_labelled_samples_are_no_noise_of_quiet_series():
    """The only excursion is labelled."""
    values = np.full(200, 50.0)
    values[100:110] = 500.0
    real = LabelledSeries(
        name="real", times=300.0 * np.arange(200), values=values, windows=((100, 109),)
    )
    made = quiet_values([real], 5, 300, np.random.default_rng(7))
    assert np.ptp(made, axis=1) == pytest.approx(np.zeros(5))


def test_the_procedure_keeps_its_bound_where_p_values_are_right(monkeypatch):
    monkeypatch.setattr(calibration, "_PROCEDURE_HOURS", 300)
    counted = calibration._procedure(np.random.default_rng(8), 0.1, bursts=False)
    shares = counted.false / np.maximum(counted.told, 1.0)
    assert 0.03 < shares.mean() < 0.055
    assert counted.told.sum() - counted.false.sum() > 0.8 * counted.signals
