"""Each act must notice when what it promises does not happen; that it happens, the demo shows."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace

import pytest

from aiops_provider.cli.demo.acts import incident, lost_cluster, observe, placed
from aiops_provider.cli.demo.airflow_api import TaskInstance
from aiops_provider.cli.demo.narrator import Narrator
from aiops_provider.cli.demo.partitions import PARTITIONS, deliver
from aiops_provider.cli.demo.scene import Run, Scene, expect
from aiops_provider.domain.alarm import (
    CauseKind,
    Hypothesis,
    Response,
    ResponseAction,
    RootCause,
    Severity,
    SuperAlarm,
)
from aiops_provider.domain.execution import ExecutionRecord, Outcome, Usage
from aiops_provider.domain.plan import Mode, Placement, Route, RouteCode, RouteReason
from aiops_provider.domain.profile import ResourceRequest
from aiops_provider.domain.task import TaskKey, TaskRun

NOW = datetime(2026, 1, 5, 12, tzinfo=UTC)


def task_run(name="serve", *, index=-1, try_number=1, run_id="r", dag="medical"):
    return TaskRun(TaskKey(dag, name), run_id, index, try_number)


def placement(run, cluster="onprem", *, mode=Mode.ENFORCE, memory_gib=1.0):
    route = Route(
        task=run.task,
        cluster=cluster,
        pool="p",
        request=ResourceRequest(cores=1, memory_gib=memory_gib),
        reason=RouteReason(code=RouteCode.CHEAPEST, sentence="it is the cheapest"),
    )
    return Placement(
        run=run,
        epoch=1,
        route=route,
        mode=mode,
        applied=mode is Mode.ENFORCE,
        cluster=cluster,
        placed_at=NOW,
    )


def record(run, cluster="onprem", *, outcome=Outcome.SUCCESS):
    return ExecutionRecord(
        run=run,
        cluster=cluster,
        provider="aws",
        region="r",
        started_at=NOW,
        ended_at=NOW + timedelta(seconds=5),
        outcome=outcome,
        usage=Usage(peak_memory_gib=0.1, cpu_seconds=1.0, duration_s=5.0),
    )


class FakeStore:
    """Holds what a scene reads."""

    def __init__(self):
        self.kept_placements, self.kept_records, self.told, self.kept_profiles = [], [], [], []

    def placements(self, *, run_id, limit):
        return [one for one in self.kept_placements if one.run.run_id == run_id]

    def executions(self, *, since):
        return self.kept_records

    def super_alarms(self, *, open_only):
        return self.told

    def profiles(self):
        return self.kept_profiles


@pytest.fixture
def store():
    return FakeStore()


@pytest.fixture
def scene(store, tmp_path, monkeypatch):
    monkeypatch.setattr("aiops_provider.cli.demo.scene._SETTLE_S", 0.0)
    monkeypatch.setenv("AIOPS_DEMO_DATA", str(tmp_path))
    installation = SimpleNamespace(
        require_store=lambda: store,
        settings=SimpleNamespace(fallback=SimpleNamespace(name="onprem")),
        clusters=[
            SimpleNamespace(name="onprem", provider="on_premises"),
            SimpleNamespace(name="aws-1", provider="aws"),
            SimpleNamespace(name="aws-2", provider="aws"),
        ],
    )
    results = {"r": "forest", "other": "forest"}
    stage = SimpleNamespace(
        check=lambda: None, api=SimpleNamespace(xcom=lambda _dag, run, _task: results[run])
    )
    return Scene(
        stage=stage,
        installation=installation,
        layer=None,
        narrator=Narrator(stderr=True),
        data=tmp_path,
        hospitals=None,
    )


def run_of(*names, state="success", run_id="r"):
    instances = tuple(
        TaskInstance(
            task_id=name,
            map_index=-1,
            state="success",
            try_number=1,
            duration_s=1.0,
            started_at=NOW,
        )
        for name in names
    )
    return Run(dag_id="medical", run_id=run_id, state=state, instances=instances, began_at=NOW)


def unmet(expectations):
    return [one.what for one in expectations if not one.met]


def test_observing_is_met_when_nothing_was_changed(scene, store):
    """Routes are recorded and not followed; everything ran on the fallback cluster."""
    store.kept_placements = [placement(task_run(), mode=Mode.OBSERVE)]
    store.kept_records = [record(task_run())]
    assert unmet(observe.perform(scene, run_of("serve"))) == []


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({"state": "failed"}, "the DAG run"),
        ({"placements": []}, "tasks that ran have a recorded route"),
        ({"placements": [placement(task_run())]}, "routes that were followed"),
        (
            {"records": [record(task_run(), "aws-1")]},
            "every task ran where it would have run without us",
        ),
    ],
)
def test_observing_notices_what_was_changed(scene, store, change, expected):
    """Each promise is checked by itself."""
    store.kept_placements = change.get("placements", [placement(task_run(), mode=Mode.OBSERVE)])
    store.kept_records = change.get("records", [record(task_run())])
    run = run_of("serve", state=change.get("state", "success"))
    assert unmet(observe.perform(scene, run)) == [expected]


def test_a_task_without_route_reason_or_measurement_is_noticed(scene, store):
    """Every task must be placed, explained and measured, and run where it was sent."""
    run = run_of("serve", "train")
    store.kept_placements = [placement(task_run("serve"))]
    astray = record(task_run("serve"), "aws-1")
    store.kept_records = [replace(astray, usage=None), record(task_run("train"))]
    found = [*placed._every_task_is_placed(scene, run), *placed._every_task_is_measured(scene, run)]
    assert [(one.met, one.observed) for one in found] == [
        (False, "1"),
        (False, "2"),
        (False, "1 of 2"),
    ]


def test_another_result_with_the_layer_is_noticed(scene):
    """Placing must not change what comes out."""
    same = placed._same_result(scene, run_of("compare", run_id="other"), run_of("compare"))
    assert unmet(same) == []
    scene.stage.api.xcom = lambda _dag, run, _task: run
    other = placed._same_result(scene, run_of("compare", run_id="other"), run_of("compare"))
    assert len(unmet(other)) == 1


def test_a_second_run_that_asks_for_the_same_has_learned_nothing(scene):
    """The request must change, and be the one of the learned profile."""
    before = [placement(task_run(), memory_gib=1.0)]
    learned = {
        TaskKey("medical", "serve"): SimpleNamespace(
            request=ResourceRequest(cores=1, memory_gib=0.5)
        )
    }
    stubborn = placed._requests_come_from_history(before, before, learned)
    assert len(unmet(stubborn)) == 2
    after = [placement(task_run(), memory_gib=0.5)]
    assert unmet(placed._requests_come_from_history(before, after, learned)) == []


def test_a_lost_or_repeated_delivery_is_noticed(scene, tmp_path):
    """Every partition exactly once, by the ledger of side effects."""
    for partition in PARTITIONS:
        deliver("good", partition, {})
        if partition != PARTITIONS[0]:
            deliver("lossy", partition, {})
        deliver("double", partition, {})
    deliver("double", PARTITIONS[0], {})
    seen = {
        run: next(lost_cluster._delivered_once(scene, run)) for run in ("good", "lossy", "double")
    }
    assert [(seen[run].met, seen[run].observed) for run in seen] == [
        (True, "(0, 25, 0)"),
        (False, "(1, 24, 0)"),
        (False, "(0, 24, 1)"),
    ]


@pytest.mark.parametrize(
    ("again", "met"),
    [(record(task_run("check", index=3, try_number=2), "onprem"), True), (None, False)],
)
def test_a_task_that_is_not_run_elsewhere_is_noticed(scene, store, again, met):
    """What was lost with its cluster must have succeeded on another one."""
    lost = record(task_run("check", index=3), "aws-1", outcome=Outcome.CLUSTER_LOST)
    store.kept_records = [lost, *([again] if again else [])]
    found = list(lost_cluster._ran_elsewhere(scene, run_of("check"), "aws-1"))
    assert [one.met for one in found] == [True, met]


def test_a_kill_that_hit_nothing_is_noticed(scene, store):
    """The act would prove nothing."""
    store.kept_records = [record(task_run("check", index=3))]
    found = list(lost_cluster._ran_elsewhere(scene, run_of("check"), "aws-1"))
    assert not found[0].met


def super_alarm(*, alarms=300, cause=None, kind=CauseKind.CLUSTER, clusters=("aws-1", "aws-2")):
    best = Hypothesis(
        cause=cause or {"provider": "aws"},
        kind=kind,
        support=1.0,
        precision=1.0,
        lift=2.0,
        p_value=0.001,
        confidence=0.9,
    )
    response = Response(
        id="r",
        super_alarm="s",
        action=ResponseAction.QUARANTINE,
        reason="because",
        starts_at=NOW,
        expires_at=NOW,
        clusters=clusters,
    )
    return SuperAlarm(
        id="s",
        summary="much",
        opened_at=NOW,
        severity=Severity.CRITICAL,
        alarms=tuple(str(number) for number in range(alarms)),
        representative="0",
        root_cause=RootCause(hypotheses=(best,)),
        updated_at=NOW,
        response=response,
    )


@pytest.mark.parametrize(
    ("told", "expected"),
    [
        (super_alarm(), []),
        (super_alarm(alarms=10), ["alarms in it"]),
        (super_alarm(cause={"cluster": "aws-1"}), ["its root cause"]),
        (super_alarm(kind=CauseKind.TASK), ["what is at fault"]),
        (super_alarm(clusters=("aws-1",)), ["clusters in quarantine"]),
        (super_alarm(clusters=("aws-1", "aws-2", "onprem")), ["clusters in quarantine"]),
    ],
)
def test_a_wrong_root_cause_or_response_is_noticed(told, expected):
    """Hundreds of alarms, the provider, its two clusters: nothing less and nothing more."""
    affected = frozenset({"aws-1", "aws-2"})
    assert unmet(incident._cause_is_the_provider(told, affected)) == expected


@pytest.mark.parametrize(("tries", "extra", "count"), [(5, 0, 0), (4, 0, 2), (5, 3, 1)])
def test_tries_beyond_the_dag_s_own_retries_are_noticed(scene, store, tries, extra, count):
    """retries=4 are five tries; a fail-over of ours would be a further placement."""
    runs = [task_run("broken", dag="failing", try_number=number) for number in range(1, tries + 1)]
    store.kept_placements = [placement(run) for run in runs]
    store.kept_placements += [replace(placement(runs[0]), epoch=2 + more) for more in range(extra)]
    found = incident._not_failed_over_for_ever(scene, run_of("broken"))
    assert len(unmet(found)) == count


def test_an_expectation_without_a_verdict_compares():
    """Equal is met."""
    assert expect("w", expected=1, observed=1).met
    assert not expect("w", expected=1, observed=2).met
    assert expect("w", expected="1 or more", observed=2, met=True).observed == "2"
