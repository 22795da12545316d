"""Counting executions."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import fisher_exact

from aiops_provider.detection.contingency import Observations, fisher_greater


@given(*[st.integers(0, 40)] * 4)
def test_it_agrees_with_scipy(a, b, c, d):
    """Fisher's exact test, one-sided."""
    expected = fisher_exact([[a, b], [c, d]], alternative="greater").pvalue if a + b + c + d else 1

    assert expected == pytest.approx(fisher_greater(a, b, c, d), rel=1e-6, abs=1e-12)


def rows(task, kpis, **place):
    return [{"task": task, "kpi": kpi, **place} for kpi in kpis]


def test_thirty_kpis_of_one_execution_are_one_witness():
    """The number of KPIs does not make evidence."""
    kpis = [f"k{n}" for n in range(30)]
    observations = Observations(rows("a", kpis, cluster="x"), rows("b", kpis, cluster="y"))
    evidence = observations.measure(observations.having("cluster", "x"))

    assert (1.0, 1.0) == (evidence.alarmed_with, evidence.healthy_without)
    assert 0.5 == evidence.p_value


def test_a_fault_of_one_kpi_shows_at_the_cluster():
    """An execution is abnormal when any of its KPIs is: 1 of 10 KPIs, on all 8 tasks of a cluster."""
    kpis = [f"k{n}" for n in range(10)]
    bad = [row for task in range(8) for row in rows(str(task), kpis[:1], cluster="x")]
    good = [row for task in range(8) for row in rows(str(task), kpis[1:], cluster="x")]
    good += [row for task in range(8, 16) for row in rows(str(task), kpis, cluster="y")]
    observations = Observations(bad, good)
    evidence = observations.measure(observations.having("cluster", "x"))

    assert evidence.p_value < 1e-3
    assert (1.0, 1.0) == (evidence.support, evidence.precision)


def test_a_fault_of_one_feature_does_not_hide_that_of_a_cluster():
    """One of 30 features broken everywhere leaves a broken cluster visible."""
    features = [f"f{n}" for n in range(30)]

    def at(task, cluster, wanted):
        return [{"task": task, "feature": f, "cluster": cluster} for f in wanted]

    bad = [row for task in range(9) for row in at(str(task), "x", features)]
    bad += [row for task in range(9, 18) for row in at(str(task), "y", features[:1])]
    good = [row for task in range(9, 18) for row in at(str(task), "y", features[1:])]
    observations = Observations(bad, good)

    assert observations.measure(observations.having("cluster", "x")).p_value < 1e-3
    assert observations.measure(observations.having("feature", "f0")).p_value < 1e-3


def test_a_value_that_nothing_has_is_nobody():
    """An unknown attribute or value covers no row."""
    observations = Observations([{"task": "a"}], [{"task": "b"}])

    assert not observations.having("task", "c").any()
    assert not observations.having("colour", "red").any()
