"""The sequential test inside one training run."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from aiops_provider.detection.sequential import SequentialTest, log_e_value
from aiops_provider.detection.verdict import ALARM_P


def p_values(sample, values, *, direction="down", run_id="r", test=None):
    """P-value of each batch; ``None`` before it is judged."""
    test = test or SequentialTest()
    told = [
        test.score(sample(value, "precision", hours=n / 60, run_id=run_id, batch=str(n)), direction)
        for n, value in enumerate(values)
    ]
    return [one.p_value if one else None for one in told]


def curve(batches=40, *, noise=0.01, seed=3):
    """A precision that is learned: from 0.6 towards 0.95."""
    generator = np.random.default_rng(seed)
    return [0.95 - 0.35 * math.exp(-n / 8) + noise * generator.normal() for n in range(batches)]


def test_a_break_is_told_at_the_batch_where_it_breaks(sample):
    """Precision falls from 0.95 to 0.61 at batch 30: told at batch 30."""
    values = [*curve()[:30], *[0.61] * 10]
    found = p_values(sample, values)

    assert min(p for p in found[:30] if p is not None) > ALARM_P
    assert found[30] < ALARM_P


def test_a_small_break_is_told_within_a_few_batches(sample):
    """Four standard deviations of noise are seen within ten batches."""
    values = curve(60)
    broken = [value - (0.04 if n >= 45 else 0.0) for n, value in enumerate(values)]

    assert min(p_values(sample, broken)[45:55]) < ALARM_P


def test_learning_is_no_break(sample):
    """A rising precision is not told, nor is a falling loss."""
    assert min(p for p in p_values(sample, curve()) if p is not None) > ALARM_P
    falling = [1.0 - value for value in curve()]
    assert min(p for p in p_values(sample, falling, direction="up") if p is not None) > ALARM_P


def test_runs_are_not_mixed(sample):
    """A new run starts from nothing: its low beginning is no break of the last run."""
    test = SequentialTest()
    p_values(sample, curve(), run_id="first", test=test)

    assert [None] * 5 == p_values(sample, curve()[:5], run_id="second", test=test)


def test_without_a_run_there_is_no_verdict(sample):
    """A KPI that says of no run cannot be followed through one."""
    assert SequentialTest().score(sample(0.1, "precision"), "down") is None


def test_a_batch_that_arrives_again_is_not_counted(sample):
    """Neither the same batch twice nor one that is late adds evidence."""
    test = SequentialTest()
    p_values(sample, curve()[:20], test=test)
    late = sample(0.1, "precision", hours=3 / 60, run_id="r", batch="3")

    assert test.score(late, "down") is None


@pytest.mark.parametrize("seed", range(4))
def test_false_alarms_are_as_rare_as_promised(sample, seed):
    """In 1,000 batches of steady noise none is told; one in 10,000 may be."""
    generator = np.random.default_rng(seed)
    values = 0.9 + 0.02 * generator.normal(size=1_000)

    assert min(p for p in p_values(sample, values) if p is not None) > ALARM_P


@given(st.floats(1e-12, 0.99))
def test_smaller_p_values_are_more_evidence(p_value):
    """The e-value falls with the p-value."""
    assert log_e_value(p_value) > log_e_value(min(1.0, p_value * 1.01))


def test_the_e_value_is_fair():
    """Its expectation over uniform p-values is at most 1: betting on nothing wins nothing."""
    edges = np.logspace(-60, 0, 20_001)
    p_values = np.exp((np.log(edges[1:]) + np.log(edges[:-1])) / 2)
    values = np.array([math.exp(log_e_value(p)) for p in p_values])

    assert 0.97 < float((values * np.diff(edges)).sum()) < 1.001
