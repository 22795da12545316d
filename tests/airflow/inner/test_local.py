"""What the scheduler hears of a local pool that is sent its next work ahead, and when."""

import sys
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


class PretendedClient:
    """Takes jobs, and tells of them what it is told to tell."""

    def __init__(self) -> None:
        self.updates: list[JobUpdate] = []

    def submit(self, job) -> None:
        """Take it."""

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
def cluster(client, tmp_path):
    """With twice as many tasks as may run at a time."""
    settings = Settings()
    layer = Layer(Installation.without_store(settings), ingest_url=None)
    cluster = LocalCluster(
        settings.cluster_specs[0],
        scratch=tmp_path,
        reopen_s=1,
        probe_timeout_s=1,
        most_at_once=AT_ONCE,
    )
    for index in range(2 * AT_ONCE):
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
            priority_weight=1,
        )
        run = TaskRun(TaskKey("medical", "train"), "r1", map_index=index)
        sent = workloads.ExecuteTask(
            ti=ti,
            dag_rel_path="medical.py",
            token="t",
            bundle_info=BundleInfo(name="dags-folder"),
            log_path=None,
        )
        cluster.submit(sent, layer.decide(TaskRequest(run=run)), {})
    return cluster


def test_starts_and_ends_are_told_as_they_happen(cluster, client):
    """What has not started waits in the pool, from where it can be taken back."""
    client.tell(JobState.RUNNING, 1, 2)
    client.tell(JobState.OUT_OF_MEMORY, 1)
    *started, ended = cluster.poll()
    assert [(Started, 0), (Started, 1)] == [(type(one), one.key.map_index) for one in started]
    assert (Ended, 0, False) == (type(ended), ended.key.map_index, ended.clean)
    assert [] == cluster.poll()
    assert [2, 3, 4, 5, 6, 7] == [key.map_index for key in cluster.waiting()]


def test_the_time_in_the_pool_s_queue_is_no_time_of_the_task(cluster, client):
    """It began when its process did, whenever it was sent and whenever that is heard of."""
    client.tell(JobState.RUNNING, 1, started_at=1_700_000_000.0)
    client.tell(JobState.FAILED, 1)
    (_, ended) = cluster.poll()
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
