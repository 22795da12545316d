"""How wrong a predictor has been."""

from __future__ import annotations

import math

import pytest

from aiops_provider.domain.execution import Outcome
from aiops_provider.domain.profile import Quantity, Source
from aiops_provider.domain.workload import Generic, input_size
from aiops_provider.profiling.calibration import Calibration
from aiops_provider.profiling.estimate import Estimate
from aiops_provider.profiling.quantiles import log_spread


class Proportional:
    """Says that memory is the input's size, give or take a factor of two."""

    name = "proportional"
    asked: list[tuple[float | None, tuple]]

    def __init__(self):
        self.asked = []

    def predict(self, task, description, history, *, now):
        gib, _ = input_size(description)
        self.asked.append((gib, tuple(history)))
        guess = gib or 1.0
        memory = Quantity(p50=guess, p80=1.5 * guess, p95=2 * guess, source=Source.PRIOR)
        return Estimate(memory_gib=memory)


@pytest.fixture
def calibrate(task, now):
    def make(*runs, description=None):
        return Calibration(
            Proportional(), task=task, description=description, history=runs, now=now
        )

    return make


def test_errors_are_measured_at_the_sizes_that_were_run(calibrate, run):
    """A run on 2 GiB that used 4 was underestimated by a factor of two, whatever comes next."""
    calibration = calibrate(
        run(2, peak=4.0, gib=2.0), run(1, peak=3.0, gib=3.0), description=Generic(input_gib=99.0)
    )
    assert calibration.errors("memory_gib") == pytest.approx((math.log(2), 0.0))


def test_only_good_and_measured_runs_count(calibrate, run):
    """A killed run's peak is no actual figure."""
    calibration = calibrate(run(2, peak=4.0, outcome=Outcome.OUT_OF_MEMORY), run(1, peak=None))
    assert calibration.errors("memory_gib") == ()
    assert calibration.errors("cores") == ()


def test_the_newest_eight_runs_count(calibrate, run):
    """Older errors are forgotten."""
    assert len(calibrate(*[run(30 - n) for n in range(20)]).errors("memory_gib")) == 8


def test_the_predictor_is_not_shown_the_runs(task, now, run):
    """It would otherwise know the answer; each size is asked for once, and the unknown one."""
    predictor = Proportional()
    runs = [run(n, gib=1.0) for n in (3, 2, 1)]
    Calibration(predictor, task=task, description=Generic(input_gib=5), history=runs, now=now)
    assert predictor.asked == [(1.0, ()), (None, ())]


def test_the_claim_is_that_of_the_interval(calibrate, run):
    """Without runs, the interval at hand; with runs, the interval at their sizes."""
    wide = Quantity(p50=1.0, p80=5.0, p95=9.0, source=Source.PRIOR)
    assert calibrate().claimed("memory_gib", wide) == log_spread(wide)
    assert calibrate(run()).claimed("memory_gib", wide) == pytest.approx(
        math.log(2) / 1.6449, rel=1e-3
    )
