"""A cluster whose own metrics are in alarm names itself."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from aiops_provider.detection.evidence import Row
from aiops_provider.detection.fold import fold_alarms
from aiops_provider.domain.alarm import CauseKind
from aiops_provider.domain.kpi import SeriesKey

NOW = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)
PROVIDERS = {"a": "aws", "b": "aws", "c": "azure"}


def own(cluster, kpi="nodes_not_ready", *, bad=False, times=3, value=5.0, fault_when="high"):
    labels = {"cluster": cluster, "kind": "kubernetes"}
    labels |= {"fault_when": fault_when} if fault_when else {}
    return Row(
        series=SeriesKey(kpi, tuple(sorted(labels.items()))),
        observed_at=NOW,
        attributes={**labels, "provider": PROVIDERS[cluster], "kpi": kpi},
        value=value if bad else 0.0,
        expected=0.0,
        alarm=f"{kpi}/{cluster}" if bad else None,
        times=times,
    )


def task(name, cluster, *, bad=False):
    labels = {"dag": "d", "task": name}
    return Row(
        series=SeriesKey("rows", tuple(sorted(labels.items()))),
        observed_at=NOW,
        attributes={**labels, "cluster": cluster, "provider": PROVIDERS[cluster], "kpi": "rows"},
        value=1.0,
        expected=100.0,
        alarm=f"rows/{name}" if bad else None,
    )


def folded(rows):
    alarmed, healthy = ([r for r in rows if bool(r.alarm) is bad] for bad in (True, False))
    return fold_alarms(alarmed, healthy, hold_after_clusters=3)


def test_one_metric_that_stays_bad_is_enough():
    """Without any task, and whatever the others tell."""
    (fold,) = folded([own("a", bad=True), own("b"), own("c")])
    best = fold.root_cause.best

    assert ({"cluster": "a"}, CauseKind.CLUSTER) == (best.cause, best.kind)
    assert best.p_value < 0.001
    assert best.confidence > 0.8


@pytest.mark.parametrize(
    "rows",
    [
        [own("a", bad=True, times=1)],
        [own("a", bad=True, fault_when=None)],
        [own("a", "x", bad=True, fault_when=None), own("a", "y", bad=True, fault_when=None)],
        [own("a", bad=True, value=-5.0)],
        [own("a", "ready", bad=True, fault_when="low")],
    ],
    ids=["seen once", "load", "two of load", "to the good", "to the good side of low"],
)
def test_what_means_no_fault_or_may_be_chance_is_none(rows):
    """No super-alarm, so no response."""
    assert [] == folded([*rows, own("b"), own("c")])


def test_two_metrics_at_once_need_not_stay():
    """Chance seldom brings two together on one cluster."""
    (fold,) = folded([own("a", k, bad=True, times=1) for k in "xy"] + [own("b", k) for k in "xy"])
    assert {"cluster": "a"} == fold.root_cause.best.cause


def test_tasks_that_end_well_there_speak_against():
    """A node is lost and nobody cares: told, but not sure enough to act on."""
    rows = [own("a", bad=True), own("b"), *(task(f"t{n}", "a") for n in range(9))]
    (fold,) = folded(rows)
    best = fold.root_cause.best

    assert best.confidence < 0.3
    assert "9 executions there were healthy meanwhile." == best.counter_evidence


def test_tasks_and_metrics_of_one_cluster_are_one_super_alarm():
    """With what shows its load beside them."""
    rows = [task(f"t{n}", "a", bad=True) for n in range(8)]
    rows += [task(f"u{n}", cluster) for n in range(8) for cluster in "bc"]
    load = own("a", "busy", bad=True, fault_when=None)
    (fold,) = folded([*rows, own("a", bad=True), load, own("b"), own("c")])

    assert {"cluster": "a"} == fold.root_cause.best.cause
    assert 10 == len(fold.rows)


def test_a_wider_cause_takes_in_its_clusters():
    """All tasks of a provider are bad, and one of its clusters says so itself."""
    rows = [task(f"t{n}{c}", c, bad=True) for n in range(8) for c in "ab"]
    rows += [task(f"u{n}", "c") for n in range(16)]
    (fold,) = folded([*rows, own("a", bad=True), own("b"), own("c")])

    assert {"provider": "aws"} == fold.root_cause.best.cause
    assert "nodes_not_ready/a" in fold.alarms


def test_two_ailing_clusters_are_two_super_alarms():
    """Each has its own quarantine."""
    found = folded([own("a", bad=True), own("c", bad=True), own("b")])
    assert [{"cluster": "a"}, {"cluster": "c"}] == [one.root_cause.best.cause for one in found]


def test_silence_of_fault_metrics_is_no_fault():
    """Of what is not heard nobody knows that it is bad."""
    silent = [own("a", "silence_s", bad=True, times=9), own("b"), own("c")]
    assert [] == folded(silent)
