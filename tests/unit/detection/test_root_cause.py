"""Ranked hypotheses."""

from __future__ import annotations

import pytest

from aiops_provider.detection.root_cause import rank_root_causes
from aiops_provider.domain.alarm import CauseKind

PLACES = {"a": "aws", "b": "aws", "c": "azure", "d": "on_premises"}


def runs(*, per_cluster=6, clusters="abcd", tasks=6):
    return [
        {
            "dag": "d",
            "task": f"t{n % tasks}",
            "partition": f"{cluster}{n}",
            "cluster": cluster,
            "provider": PLACES[cluster],
            "run_id": "r",
        }
        for cluster in clusters
        for n in range(per_cluster)
    ]


def ranked(observations, bad):
    alarmed = [row for row in observations if bad(row)]
    return rank_root_causes(alarmed, [row for row in observations if not bad(row)])


@pytest.mark.parametrize(
    ("bad", "cause", "kind"),
    [
        (lambda row: row["provider"] == "aws", {"provider": "aws"}, CauseKind.CLUSTER),
        (lambda row: row["cluster"] == "a", {"cluster": "a"}, CauseKind.CLUSTER),
        (lambda row: row["task"] == "t2", {"task": "t2"}, CauseKind.TASK),
    ],
)
def test_the_value_that_tells_alarmed_from_healthy_is_named(bad, cause, kind):
    """Provider, cluster or task: whichever explains all and no more."""
    best = ranked(runs(), bad).best

    assert (cause, kind) == (best.cause, best.kind)
    assert best.p_value < 0.05
    assert (1.0, 1.0) == (best.support, best.precision)


def test_both_clusters_of_a_provider_refine_it():
    """The provider explains both clusters; each alone explains half and is its child."""
    found = {
        tuple(h.cause.items()): h
        for h in ranked(runs(), lambda r: r["provider"] == "aws").hypotheses
    }
    child = found[("cluster", "a"),]

    assert (1, {"provider": "aws"}, 0.5) == (child.depth, child.parent, child.support)
    assert "lack it" in child.counter_evidence


def test_a_cluster_that_is_all_of_its_provider_cannot_be_told_apart():
    """Where nothing ran on the provider's other cluster both are named, the cluster first."""
    best = ranked(runs(clusters="acd", per_cluster=8), lambda row: row["cluster"] == "a").best

    assert {"cluster": "a"} == best.cause
    assert "provider aws" in best.counter_evidence
    assert "provider aws" in best.next_check
    assert best.confidence > 0.8  # either way it is the cluster that has to be avoided


def test_a_task_that_only_ran_on_one_cluster_halves_the_confidence():
    """Task or cluster: the evidence cannot say, and so does the confidence."""
    observations = [{"task": "t", "cluster": "a", "partition": str(n)} for n in range(8)] + [
        {"task": f"u{n}", "cluster": "c", "partition": str(n)} for n in range(8)
    ]
    best = ranked(observations, lambda row: row["cluster"] == "a").best

    assert best.confidence < 0.55
    assert "Separate the two" in best.next_check


def test_a_conjunction_is_found_where_neither_value_explains():
    """iOS devices with version 3.2: neither all iOS devices nor all of version 3.2."""
    observations = [
        {"os": os, "version": version, "device": f"{os}{version}{n}"}
        for os in ("ios", "android", "web")
        for version in ("3.1", "3.2", "3.3")
        for n in range(7)
    ]
    bad = lambda row: row["os"] == "ios" and row["version"] == "3.2"  # noqa: E731
    best = ranked(observations, bad).best

    assert {"os": "ios", "version": "3.2"} == best.cause
    assert best.parent in ({"os": "ios"}, {"version": "3.2"}, None)


def test_without_healthy_observations_the_cause_is_unknown():
    """There is nothing to compare with, and that is said."""
    best = ranked(runs(), lambda row: True).best

    assert ({}, CauseKind.UNKNOWN) == (best.cause, best.kind)
    assert "nothing to compare" in best.counter_evidence


def test_scattered_alarms_have_no_cause():
    """Alarms that share nothing blame nothing."""
    scattered = {("a", "t0"), ("b", "t3"), ("c", "t5")}
    best = ranked(runs(), lambda row: (row["cluster"], row["task"]) in scattered).best

    assert {} == best.cause


def test_one_execution_is_no_proof():
    """A task that ran once cannot be blamed."""
    assert {} == ranked(runs(tasks=24), lambda row: row["partition"] == "a0").best.cause


def test_an_occasion_is_no_cause():
    """Run, try and KPI say when and what was seen, not what is at fault."""
    observations = [
        {"run_id": run, "kpi": kpi, "task": f"t{n}", "try_number": run}
        for run, kpi in (("1", "rows"), ("2", "precision"))
        for n in range(9)
    ]

    assert {} == ranked(observations, lambda row: row["run_id"] == "1").best.cause


def test_hypotheses_are_few_and_sorted():
    """At most eight (and "unknown"), the best first, with numbers in range."""
    hypotheses = ranked(runs(), lambda row: row["cluster"] in "ac").hypotheses

    assert len(hypotheses) <= 9
    for one in hypotheses:
        assert 0.0 <= one.confidence <= 1.0
        assert 0.0 <= one.support <= 1.0
        assert 0.0 <= one.p_value <= 1.0
        assert one.next_check


def test_a_dimension_of_many_values_is_bounded():
    """A label with a value per observation neither wins nor takes long."""
    observations = [{**row, "request": str(n)} for n, row in enumerate(runs(per_cluster=300))]
    best = ranked(observations, lambda row: row["provider"] == "aws").best

    assert {"provider": "aws"} == best.cause
