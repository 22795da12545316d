from __future__ import annotations

import logging
import math

import pytest

from aiops_provider.telemetry.training import batches as batches_module
from aiops_provider.telemetry.training.batches import NON_FINITE, BatchReporter


@pytest.fixture
def told(monkeypatch):
    found = []
    monkeypatch.setattr(
        batches_module, "report", lambda name, value, **labels: found.append((name, value, labels))
    )
    return found


def test_the_server_gets_a_batch_as_a_series_of_its_own(reported):
    """Each batch can be compared with the same batch of earlier trainings."""
    reporter = BatchReporter(model="xgboost")
    reporter.add(0, {"precision": 0.5})
    reporter.add(1, {"precision": 0.75})
    assert [
        (s["name"], s["value"], s["dimensions"]["batch"], s["dimensions"]["model"])
        for s in reported()
    ] == [("batch_precision", 0.5, "0", "xgboost"), ("batch_precision", 0.75, "1", "xgboost")]


def test_a_hundred_thousand_batches_are_a_few_hundred_samples(told):
    """What is sent is bounded by the logarithm of the length."""
    reporter = BatchReporter()
    for number in range(100_000):
        reporter.add(number, {"loss": 1.0})
    assert len(told) <= 64 + 11 * 32
    assert [labels["batch"] for _, _, labels in told[:70]] == [*range(64), 64, 66, 68, 70, 72, 74]


def test_which_batches_are_told_does_not_depend_on_the_length(told):
    """Otherwise a batch would not find its like in an earlier training."""
    for length in (100, 1000):
        reporter = BatchReporter()
        for number in range(length):
            reporter.add(number, {"loss": 1.0})
    numbers = [labels["batch"] for _, _, labels in told]
    short = numbers.index(0, 1)
    assert numbers[short : 2 * short] == numbers[:short]


def test_what_is_left_out_is_in_the_mean_of_what_is_told(told):
    """A spike between two batches that are told is not lost."""
    reporter = BatchReporter()
    for number in range(129):
        reporter.add(number, {"loss": 9.0 if number == 127 else 1.0})
    assert told[-1][:2] == ("batch_loss", 5.0)


def test_a_diverged_training_does_not_fall_silent(told):
    """NaN is no value of a KPI; that there is one is."""
    reporter = BatchReporter()
    reporter.add(0, {"loss": math.nan, "precision": 0.5})
    assert [(name, value) for name, value, _ in told] == [
        ("batch_precision", 0.5),
        (NON_FINITE, 1),
    ]


def test_metrics_have_the_names_that_the_default_rules_know(told):
    """Each library calls the loss by another name."""
    BatchReporter().add(0, {"binary_logloss": 0.5}, data="validation")
    assert told == [("batch_loss", 0.5, {"data": "validation", "batch": 0})]


def test_nothing_is_stopped_unless_asked():
    """However bad the metrics are."""
    assert not BatchReporter().add(0, {"loss": math.inf})
    stops = BatchReporter(stop_when=lambda number, metrics: metrics["loss"] > 5)
    assert not stops.add(0, {"loss": 5.0})
    assert stops.add(1, {"loss": 6.0})


def test_a_condition_that_fails_stops_nothing(caplog):
    """The training goes on, and is not asked about again."""
    reporter = BatchReporter(stop_when=lambda number, metrics: metrics["absent"] > 5)
    with caplog.at_level(logging.ERROR):
        assert not reporter.add(0, {"loss": 5.0})
        assert not reporter.add(1, {"loss": 5.0})
    assert caplog.text.count("stop_when failed") == 1
