"""What the scheduler hears of a local pool that is sent its next work ahead, and when."""

import sys
from types import SimpleNamespace
from uuid import uuid4

import pytest
from airflow.executors import workloads
from airflow.executors.workloads import BundleInfo, TaskInstanceDTO

from aiops_provider.airflow.inner import local, workload
from aiops_provider.airflow.inner.cluster import Ended, Started
from aiops_provider.airflow.inner.local import LocalCluster
from aiops_provider.control.decide import TaskRequest
from aiops_provider.control.installation import Installation
from aiops_provider.control.layer import Layer
from aiops_provider.control.pools import JobState, JobUpdate
from aiops_provider.domain.execution import Usage
from aiops_provider.domain.task import TaskKey, TaskRun
from aiops_provider.settings.schema import Settings

AT_ONCE = 4
CALLBACK = SimpleNamespace(key="callback", model_dump_json=lambda: "{}")


class PretendedClient:
    """Takes jobs, and tells of them what it is told to tell."""

    def __init__(self) -> None:
        self.updates: list[JobUpdate] = []
        self.jobs: list = []

    def submit(self, job) -> None:
        """Take it."""
        self.jobs.append(job)

    def poll(self):
        updates, self.updates = self.updates, []
        return updates

    def tell(self, state: JobState, *job_ids: int, started_at: float | None = None) -> None:
        usage = Usage(peak_memory_gib=0.1, cpu_seconds=1, duration_s=1) if state.final else None
        self.updates += [
            JobUpdate(job_id=f"{one}", state=state, started_at=started_at, usage=usage)
            for one in job_ids
        ]


@pytest.fixture
def client(monkeypatch):
    client = PretendedClient()
    monkeypatch.setattr(local, "open_job_client", lambda *_, **__: client)
    return client


@pytest.fixture
def send(client, tmp_path):
    """Sends tasks to a cluster that is sent ahead."""
    settings = Settings()
    layer = Layer(Installation.without_store(settings), ingest_url=None)
    cluster = LocalCluster(
        settings.cluster_specs[0],
        scratch=tmp_path,
        reopen_s=1,
        probe_timeout_s=1,
        most_at_once=AT_ONCE,
    )

    def send(indices: range) -> LocalCluster:
        for index in indices:
            run = TaskRun(TaskKey("medical", "train"), "r1", map_index=index)
            cluster.submit(a_task(index), layer.decide(TaskRequest(run=run)), {})
        return cluster

    return send


def a_task(index: int) -> workloads.ExecuteTask:
    ti = TaskInstanceDTO(
        id=uuid4(),
        dag_version_id=uuid4(),
        task_id="train",
        dag_id="medical",
        run_id="r1",
        try_number=1,
        map_index=index,
        pool_slots=1,
        queue="default",
        priority_weight=7,
    )
    return workloads.ExecuteTask(
        ti=ti,
        dag_rel_path="medical.py",
        token="t",
        bundle_info=BundleInfo(name="dags-folder"),
        log_path=None,
    )


@pytest.fixture
def cluster(send):
    """With one task more than may run at a time."""
    return send(range(AT_ONCE + 1))


def test_ends_are_told_as_they_happen(cluster, client):
    """What has not started waits in the pool, from where it can be taken back."""
    client.tell(JobState.RUNNING, 1, 2)
    client.tell(JobState.OUT_OF_MEMORY, 1)
    (ended,) = cluster.poll()
    assert (Ended, 0, False) == (type(ended), ended.key.map_index, ended.clean)
    assert [] == cluster.poll()
    assert [2, 3, 4] == [key.map_index for key in cluster.waiting()]


def test_ends_are_told_together_while_enough_waits(send, client, monkeypatch):
    """The scheduler would take a turn for each; it does nothing for the pool before that needs more."""
    now = 1000.0
    monkeypatch.setattr(local, "time", SimpleNamespace(monotonic=lambda: now))
    cluster = send(range(2 * AT_ONCE + 1))
    client.tell(JobState.RUNNING, *range(1, AT_ONCE + 1))
    client.tell(JobState.FAILED, 2)
    assert [] == cluster.poll()
    now += 0.4
    client.tell(JobState.SUCCEEDED, 1)
    assert [] == cluster.poll()
    now += 0.2
    assert [1, 0] == [ended.key.map_index for ended in cluster.poll()]
    client.tell(JobState.FAILED, 3)
    assert [] == cluster.poll()
    client.tell(JobState.RUNNING, AT_ONCE + 1)
    assert [2] == [ended.key.map_index for ended in cluster.poll()]
    client.tell(JobState.FAILED, 4)
    assert [3] == [ended.key.map_index for ended in cluster.poll()]


def test_the_start_of_a_callback_is_told(cluster, client):
    """It may have waited for its turn, which its row in Airflow's database should not call running."""
    cluster.submit(CALLBACK, None, {})
    assert [] == cluster.poll()
    client.tell(JobState.RUNNING, AT_ONCE + 2)
    assert [Started(key=CALLBACK.key)] == cluster.poll()


def test_room_is_told_for_many_at_once(send, client):
    """First for as many again as run at a time; then not until half of those that wait have started."""
    cluster = send(range(0))
    assert 2 * AT_ONCE == cluster.room
    send(range(2 * AT_ONCE - 1))
    assert 0 == cluster.room
    client.tell(JobState.RUNNING, *range(1, AT_ONCE + 1))
    cluster.poll()
    assert (3, 0) == (len(cluster.waiting()), cluster.room)
    client.tell(JobState.SUCCEEDED, 1)
    client.tell(JobState.RUNNING, AT_ONCE + 1)
    cluster.poll()
    assert 2 == len(cluster.waiting())
    assert AT_ONCE + 5 - 6 == cluster.room  # five have started just now, six are here


def test_little_waits_where_tasks_are_long(send, client, monkeypatch):
    """What is urgent would wait for all of it; the shorter tasks are, the more may be sent ahead."""
    now = 1000.0
    monkeypatch.setattr(local, "time", SimpleNamespace(monotonic=lambda: now))
    cluster = send(range(2 * AT_ONCE))
    for turn in range(3):
        running = range(turn * AT_ONCE + 1, (turn + 1) * AT_ONCE + 1)
        client.tell(JobState.RUNNING, *running)
        client.tell(JobState.SUCCEEDED, *running)
        cluster.poll()
        send(range((turn + 2) * AT_ONCE, (turn + 3) * AT_ONCE))
        now += 1.0
    client.tell(JobState.RUNNING, *range(3 * AT_ONCE + 1, 4 * AT_ONCE + 1))
    cluster.poll()
    assert AT_ONCE == len(cluster.waiting())
    assert (
        3 * AT_ONCE == cluster.room
    )  # as many as started may wait: four rounds within eight seconds
    now += 3600.0
    assert 0 == cluster.room


def test_a_cluster_that_is_not_sent_ahead_tells_no_room(client, tmp_path):
    """Its capacity decides."""
    cluster = LocalCluster(
        Settings().cluster_specs[0], scratch=tmp_path, reopen_s=1, probe_timeout_s=1
    )
    assert cluster.room is None


def test_the_pool_knows_who_comes_first(cluster, client):
    """Callbacks before all tasks, tasks by the weight that Airflow gives them."""
    cluster.submit(CALLBACK, None, {})
    *tasks, callback = client.jobs
    assert {7} == {job.priority for job in tasks}
    assert callback.priority > 2**31


def test_the_time_in_the_pool_s_queue_is_no_time_of_the_task(cluster, client):
    """It began when its process did, whenever it was sent and whenever that is heard of."""
    client.tell(JobState.RUNNING, 1, started_at=1_700_000_000.0)
    client.tell(JobState.FAILED, 1)
    (ended,) = cluster.poll()
    assert 1_700_000_000.0 == ended.record.started_at.timestamp()
    assert ended.record.queued_at != ended.record.started_at


def test_what_every_task_needs_is_imported_ahead(monkeypatch):
    """Where one of these has moved in a new Airflow, each job would import it again, unseen."""
    imported: list[str] = []
    monkeypatch.setattr(workload, "import_module", imported.append)
    workload.prepare()
    assert imported == list(workload._AHEAD)
    monkeypatch.undo()
    workload.prepare()
    assert {"airflow.sdk.execution_time.supervisor", *imported} <= sys.modules.keys()
