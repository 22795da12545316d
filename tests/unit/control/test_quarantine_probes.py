"""A quarantine ends when its clusters have shown that they work."""

from __future__ import annotations

import threading
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from aiops_provider.control import quarantine_probes
from aiops_provider.control.installation import Installation
from aiops_provider.control.out_of_use import clusters_out_of_use
from aiops_provider.control.quarantine_probes import QuarantineProbes
from aiops_provider.domain.alarm import Response, ResponseAction
from aiops_provider.domain.cluster import ClusterHealth, HealthState
from aiops_provider.errors import DataError
from aiops_provider.settings.schema import Settings
from aiops_provider.store import Store

NOW = datetime(2026, 3, 2, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)
DUE = NOW + HOUR - timedelta(minutes=4)
CLUSTERS = [
    {"name": name, "kind": "local", "capacity": {"cores": 4, "memory_gib": 8}} for name in "abc"
]
QUARANTINE = Response(
    id="r1",
    super_alarm="s1",
    action=ResponseAction.QUARANTINE,
    reason="bad data.",
    clusters=("a", "b"),
    starts_at=NOW,
    expires_at=NOW + HOUR,
)


@pytest.fixture
def installation(sqlite_template, tmp_path):
    file = tmp_path / "aiops.db"
    file.write_bytes(sqlite_template.read_bytes())
    settings = Settings.model_validate({"mode": "enforce", "clusters": CLUSTERS})
    with closing(Store.open(f"sqlite:///{file}")) as store:
        store.save_response(QUARANTINE)
        yield Installation(settings=settings, store=store, clusters=settings.cluster_specs)


class Task:
    """What runs on a cluster, with what it says there; notes each run."""

    def __init__(self, **says: str) -> None:
        self.says, self.runs = says, []
        self.ended = threading.Semaphore(0)

    def __call__(self, name: str, now: datetime) -> str:
        self.runs.append(name)
        try:
            return self.says[name]
        finally:
            self.ended.release()


def conclude(probes: QuarantineProbes, task: Task, runs: int, at: datetime = DUE) -> None:
    """Start the tasks, wait for them, and decide by what they said."""
    probes.step(at)
    for _ in range(runs):
        assert task.ended.acquire(timeout=30)
    for thread in threading.enumerate():
        if thread.name.startswith("probe of"):
            thread.join(30)
    probes.step(at)


def the_one(store: Store) -> Response:
    (only,) = store.responses()
    return only


def test_what_works_is_used_again_at_the_end(installation):
    """One task on each, not before the end is near, and never a second one."""
    task, store = Task(a="", b=""), installation.require_store()
    probes = QuarantineProbes(installation, task)
    probes.step(NOW + HOUR / 2)
    assert [] == task.runs

    conclude(probes, task, 2)
    probes.step(DUE + timedelta(minutes=1))
    assert (["a", "b"], QUARANTINE) == (sorted(task.runs), the_one(store))
    assert {} == clusters_out_of_use(store, NOW + HOUR).quarantined


def test_what_fails_stays_away_and_the_others_come_back(installation):
    """For an hour more, then two; the reason tells it once."""
    task, store = Task(a="", b="place: wrong queue"), installation.require_store()
    probes = QuarantineProbes(installation, task)
    conclude(probes, task, 2)

    kept = the_one(store)
    assert (("b",), NOW + 2 * HOUR, 1) == (kept.clusters, kept.expires_at, kept.renewals)
    assert kept.reason.startswith("bad data. Probed before its end: b: place: wrong queue")
    conclude(probes, task, 1, at=DUE + HOUR)
    again = the_one(store)
    assert (NOW + 4 * HOUR, 2) == (again.expires_at, again.renewals)
    assert 1 == again.reason.count("wrong queue")
    assert {"b"} == set(clusters_out_of_use(store, NOW + 3 * HOUR).quarantined)


def test_renewals_are_bounded(installation):
    """Eight times the usual length at most."""
    store, task = installation.require_store(), Task(a="x", b="x")
    store.save_response(replace(QUARANTINE, renewals=9))
    conclude(QuarantineProbes(installation, task), task, 2)
    assert NOW + 9 * HOUR == the_one(store).expires_at


def test_a_cluster_that_does_not_answer_gets_no_task(installation):
    """Its own probe says enough; of the other it cannot say, so the task decides."""
    store, task = installation.require_store(), Task(b="")
    for name, state in [("a", HealthState.UNREACHABLE), ("b", HealthState.UNKNOWN)]:
        store.record_health([ClusterHealth(cluster=name, state=state, observed_at=NOW)])
    conclude(QuarantineProbes(installation, task), task, 1)
    assert (["b"], ("a",)) == (task.runs, the_one(store).clusters)
    assert "a: it does not answer" in the_one(store).reason


def test_the_last_cluster_comes_back_whatever_its_probe_says(installation):
    """With the third one away there would be none."""
    store, task = installation.require_store(), Task(a="x", b="x")
    store.set_check("cluster_check/c", {"checked_at": "noon", "run_id": "r", "problem": "bad"})
    conclude(QuarantineProbes(installation, task), task, 2)
    assert QUARANTINE == the_one(store)


def test_a_task_that_does_not_end_counts_as_failed(installation):
    """It is waited for until the last moment, without holding up the cycle."""
    store, go = installation.require_store(), threading.Event()

    def hangs(name: str, now: datetime) -> str:
        go.wait(30)
        return ""

    probes = QuarantineProbes(installation, hangs)
    try:
        probes.step(DUE)
        assert QUARANTINE == the_one(store)
        probes.step(NOW + HOUR - timedelta(seconds=1))
        assert "its task has not ended in time" in the_one(store).reason
    finally:
        go.set()


def test_a_probe_that_raises_has_shown_nothing(installation):
    """It is logged, and the clusters stay away."""
    store, task = installation.require_store(), Task()
    conclude(QuarantineProbes(installation, task), task, 2)
    assert "its probe failed (KeyError)" in the_one(store).reason


def test_what_was_released_or_is_only_recorded_is_not_tried(installation):
    """A person has decided, or nothing is kept away."""
    store, task = installation.require_store(), Task()
    store.release_response("r1", NOW)
    store.save_response(replace(QUARANTINE, id="r2", dry_run=True))
    QuarantineProbes(installation, task).step(DUE)
    assert [] == task.runs


def test_without_a_check_task_health_decides_alone(installation, monkeypatch):
    """No Airflow here, or no DAG for it there."""
    monkeypatch.setattr(quarantine_probes, "find_spec", lambda name: None)
    assert "" == quarantine_probes._by_check_task("a", NOW)

    def absent(name: str, now: datetime, *, timeout_s: float) -> None:
        raise DataError("is not in any bundle", field="DAG")

    monkeypatch.setattr(quarantine_probes, "find_spec", lambda name: object())
    monkeypatch.setattr(quarantine_probes, "try_cluster", absent)
    assert "" == quarantine_probes._by_check_task("a", NOW)
