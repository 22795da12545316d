"""What is spoiled downstream is told with the task upstream that spoils it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from aiops_provider.detection.chance import Chance
from aiops_provider.detection.evidence import Row
from aiops_provider.detection.fold import fold_alarms
from aiops_provider.detection.lineage import Lineage, told_upstream
from aiops_provider.domain.alarm import CauseKind
from aiops_provider.domain.kpi import SeriesKey
from aiops_provider.domain.task import TaskKey

NOW = datetime(2026, 11, 2, 14, tzinfo=UTC)
CHAIN = ("extract", "load", "report")
KPIS = ("rows", "nulls", "duration")


def key(name, dag="sales"):
    return TaskKey(dag, name)


def row(task, *, bad, kpi="rows", minutes=0, dag="sales", cluster="a"):
    labels = {"dag": dag, "task": task}
    return Row(
        series=SeriesKey(kpi, tuple(sorted(labels.items()))),
        observed_at=NOW + timedelta(minutes=minutes),
        attributes={**labels, "cluster": cluster, "run_id": f"{dag} 1", "kpi": kpi},
        value=1.0,
        expected=100.0,
        alarm=f"{kpi} {dag} {task} {cluster}" if bad else None,
    )


def chain(*bad, **more):
    """The tasks of a DAG one after the other, three KPIs each."""
    return [
        row(task, bad=task in bad, kpi=kpi, minutes=5 * place, **more)
        for place, task in enumerate(CHAIN)
        for kpi in KPIS
    ]


def others(cluster="a"):
    """Another DAG that is well."""
    return [
        row(f"t{n}", bad=False, kpi=k, dag="e", cluster=cluster) for n in range(9) for k in KPIS
    ]


EDGES = [(key("extract"), key("load")), (key("load"), key("report"))]


def told(rows, edges=EDGES):
    alarmed = [one for one in rows if one.alarm]
    healthy = [one for one in rows if not one.alarm]
    folds = fold_alarms(alarmed, healthy, hold_after_clusters=3)
    return told_upstream(folds, alarmed, healthy, Lineage(edges), chance=Chance())


def causes(folds):
    return [dict(one.root_cause.best.cause) for one in folds]


def test_the_upstream_task_is_the_cause_and_its_downstream_is_named():
    """One group, which says what uses the data; no more sure than the evidence is."""
    rows = [*chain("extract", "load", "report"), *others()]
    (one,) = told(rows)
    best = one.root_cause.best
    assert {"dag": "sales", "task": "extract"} == dict(best.cause)
    assert (key("load"), key("report")) == best.downstream
    assert CauseKind.TASK is best.kind
    assert 0.0 < best.confidence < 1.0
    assert "sales/load, sales/report downstream" in best.next_check
    assert 9 == len(one.rows)
    # Without lineage the upstream task is not told from the others.
    assert {"dag": "sales", "task": "extract"} not in causes(told(rows, edges=()))


def test_a_trouble_that_begins_downstream_is_not_put_upstream():
    """The first task is well: the second one is at fault."""
    (one,) = told([*chain("load", "report"), *others()])
    assert {"dag": "sales", "task": "load"} == dict(one.root_cause.best.cause)
    assert (key("report"),) == one.root_cause.best.downstream


def test_what_is_beyond_a_healthy_task_is_not_spoiled_through_it():
    """The task in between made what it should."""
    assert not any(
        one.root_cause.best.downstream for one in told([*chain("extract", "report"), *others()])
    )


def test_what_was_in_alarm_before_was_not_spoiled():
    """The downstream task broke first."""
    rows = [
        *(row("extract", bad=True, kpi=kpi, minutes=9) for kpi in KPIS),
        *(row("load", bad=True, kpi=kpi, minutes=0) for kpi in KPIS),
        *others(),
    ]
    assert not any(one.root_cause.best.downstream for one in told(rows))


def test_a_cluster_at_fault_is_not_hidden_by_lineage():
    """All tasks on it are in alarm, those of another DAG too, and others are well elsewhere."""
    rows = [
        *chain("extract", "load", "report", cluster="a"),
        *(row(f"t{n}", bad=True, kpi=k, dag="e", cluster="a") for n in range(6) for k in KPIS),
        *others(cluster="b"),
    ]
    assert {"cluster": "a"} in causes(told(rows))
    assert not any(one.root_cause.best.downstream for one in told(rows))


def test_two_false_alarms_of_a_chain_are_no_group():
    """One KPI of each of two tasks, of many: chance brings that together."""
    rows = [one for one in [*chain(), *others()] if one.series.name != "nulls"]
    rows += [
        row(task, bad=task != "report", kpi="nulls", minutes=5 * n) for n, task in enumerate(CHAIN)
    ]
    rows += [row(task, bad=False, kpi=f"k{n}") for task in CHAIN for n in range(60)]
    assert [] == told(rows)


def test_a_circle_has_no_beginning():
    """And the search ends."""
    edges = [(key("extract"), key("load")), (key("load"), key("extract"))]
    assert {key("load")} == Lineage(edges).reached(key("extract"))
    rows = [row(task, bad=True, kpi=k) for task in ("extract", "load") for k in KPIS]
    assert not any(one.root_cause.best.downstream for one in told([*rows, *others()], edges))


def test_no_lineage_changes_nothing():
    """The very same groups."""
    rows = [*chain("extract", "load"), *others()]
    alarmed, healthy = [r for r in rows if r.alarm], [r for r in rows if not r.alarm]
    folds = fold_alarms(alarmed, healthy, hold_after_clusters=3)
    assert folds == told_upstream(folds, alarmed, healthy, Lineage(), chance=Chance())
