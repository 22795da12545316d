"""What other tasks needed reaches whoever judges one that has not run."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from aiops_provider.control import lessons
from aiops_provider.control.decide import Decider
from aiops_provider.control.decision import TaskRequest
from aiops_provider.control.installation import Installation
from aiops_provider.control.layer import Layer
from aiops_provider.control.learn import remember_description
from aiops_provider.control.lessons import LessonReader
from aiops_provider.control.route_task import route_task
from aiops_provider.domain.execution import ExecutionRecord, Outcome, Usage
from aiops_provider.domain.profile import Source
from aiops_provider.domain.task import TaskKey, TaskRun
from aiops_provider.domain.workload import Dataset, Etl, Generic
from aiops_provider.settings.schema import Settings
from aiops_provider.store import Store

NOW = datetime(2026, 1, 5, 12, tzinfo=UTC)
OTHERS = [TaskKey("claims", f"align_reads_of_{n}") for n in range(6)]
NEW = TaskKey("claims", "align_reads_of_7")


def record(task: TaskKey, hours_ago: float = 1.0, *, peak: float = 5.0) -> ExecutionRecord:
    ended = NOW - timedelta(hours=hours_ago)
    return ExecutionRecord(
        run=TaskRun(task, f"{hours_ago:g} h ago"),
        cluster="local",
        provider="on_premises",
        region="here",
        started_at=ended - timedelta(seconds=300),
        ended_at=ended,
        outcome=Outcome.SUCCESS,
        usage=Usage(peak_memory_gib=peak, cpu_seconds=250, duration_s=300),
    )


@pytest.fixture
def installation(tmp_path):
    clusters = [{"name": "local", "kind": "local", "capacity": {"cores": 8, "memory_gib": 64}}]
    settings = Settings.model_validate({"mode": "enforce", "clusters": clusters})
    store = Store.open(f"sqlite:///{tmp_path / 'aiops.db'}")
    store.upgrade()
    yield Installation(settings=settings, store=store, clusters=settings.cluster_specs)
    store.close()


def placed(decider: Decider, task: TaskKey, **said):
    return decider.decide(TaskRequest(run=TaskRun(task, "now"), **said)).profile


def test_each_try_is_read_once_and_the_oldest_of_many_not_at_all(installation, monkeypatch):
    """Page by page, then what has come since, every half minute."""
    monkeypatch.setattr(lessons, "_MOST", 5)
    monkeypatch.setattr(lessons, "_PAGE", 2)
    for age in range(8, 0, -1):
        installation.store.record_executions([record(OTHERS[0], age)])
    reader = LessonReader(installation.store)
    read = []
    while reader.due(NOW):
        read += reader.read(NOW)
    assert ["5 h ago", "4 h ago", "3 h ago", "2 h ago", "1 h ago"] == [
        one.run.run_id for one, _ in read
    ]
    assert not reader.due(NOW + timedelta(seconds=29))
    installation.store.record_executions([record(OTHERS[1], 0.5)])
    later = NOW + timedelta(seconds=30)
    assert reader.due(later)
    assert [OTHERS[1]] == [one.run.task for one, _ in reader.read(later)]


def test_what_was_said_of_their_tasks_comes_with_them(installation):
    """The requested memory, of which a task like them will use as much."""
    said = Generic(requested_memory_gib=20)
    remember_description(installation, OTHERS[0], said)
    installation.store.record_executions([record(OTHERS[0]), record(OTHERS[1])])
    assert [said, None] == [told for _, told in LessonReader(installation.store).read(NOW)]


def test_a_host_places_a_new_task_by_those_that_are_like_it(installation):
    """Not by the prior of any task, which it still gets while nothing like it has run."""
    layer = Layer(installation, ingest_url=None)
    assert Source.PRIOR is placed(layer.decider, NEW).memory_gib.source
    installation.store.record_executions([record(task) for task in OTHERS])
    layer.refresher.refresh()
    profile = placed(layer.decider, NEW)
    assert Source.SIMILAR_TASKS is profile.memory_gib.source
    assert set(profile.neighbours) <= set(OTHERS)
    assert 4 < profile.memory_gib.p50 < 6
    described = placed(layer.decider, NEW, description=Etl(source=Dataset(volume_gib=1)))
    assert described.neighbours
    assert Source.PRIOR is placed(layer.decider, TaskKey("other", "send_mail")).memory_gib.source


def test_a_new_task_that_is_asked_about_or_planned_is_judged_by_those_too(installation):
    """``aiops route``, and the profile that is stored before its first run."""
    installation.store.record_executions([record(task) for task in OTHERS])
    assert route_task(installation, NEW, NOW).route.request.memory_gib > 4
    remember_description(installation, NEW, Etl(source=Dataset(volume_gib=1)))
    assert installation.store.profile(NEW).neighbours


def test_a_host_does_not_read_the_past_for_each_new_task(installation, monkeypatch):
    """A DAG brings described tasks by the hundred; what others needed has been read by then."""
    installation.store.record_executions([record(task) for task in OTHERS])
    layer = Layer(installation, ingest_url=None)
    layer.refresher.refresh()
    looks = []
    read = installation.store.executions_after
    monkeypatch.setattr(
        installation.store, "executions_after", lambda *page: looks.append(page) or read(*page)
    )
    new = [TaskKey("claims", f"align_reads_of_{n}") for n in range(10, 15)]
    for task in new:
        placed(layer.decider, task)
        layer.refresher.described(task, Etl(source=Dataset(volume_gib=1)))
    layer.refresher.refresh()
    assert all(installation.store.profile(task).neighbours for task in new)
    assert not looks
