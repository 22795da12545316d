"""How a workload becomes a job, and whose credentials are used for it."""

import json
import os
import sys
from dataclasses import replace
from types import SimpleNamespace
from uuid import UUID, uuid4

import pytest
from airflow.executors.workloads import BundleInfo, ExecuteTask, TaskInstanceDTO

from aiops_provider.airflow.inner import job_start
from aiops_provider.airflow.inner.binding import Shipment, binding_of
from aiops_provider.airflow.inner.google_batch import GoogleBatchBinding
from aiops_provider.airflow.inner.last_words import LastWords
from aiops_provider.control.remote_jobs import RemoteJobLog
from aiops_provider.domain.cluster import Capacity, ClusterSpec, Pool
from aiops_provider.domain.execution import Outcome
from aiops_provider.domain.profile import ResourceRequest
from aiops_provider.domain.task import TaskKey, TaskRun
from aiops_provider.errors import ClusterUnreachableError, ConfigurationError

KEY = {"type": "service_account", "client_email": "a@b"}


def binding(**options) -> GoogleBatchBinding:
    machine = Capacity(cores=16, memory_gib=64)
    pools = (Pool(name="any", machine=machine, max_instances=1, price_usd_per_hour=1.0),)
    spec = ClusterSpec(
        name="batch",
        kind="google_batch",
        provider="google_cloud",
        region="europe-west4",
        pools=pools,
        options={"project": "p", "image": "i", **options},
    )
    return binding_of("google_batch")(spec)


def shipment(config=None, *, applied=True, epoch=2) -> Shipment:
    ti = TaskInstanceDTO(
        id=UUID(int=7),
        dag_version_id=uuid4(),
        task_id="train",
        dag_id="medical",
        run_id="r1",
        try_number=1,
        map_index=-1,
        pool_slots=1,
        queue="default",
        priority_weight=1,
        executor_config=config,
    )
    workload = ExecuteTask(
        ti=ti,
        dag_rel_path="medical.py",
        token="hush",
        bundle_info=BundleInfo(name="dags-folder"),
        log_path=None,
    )
    run = TaskRun(task=TaskKey("medical", "train"), run_id="r1", map_index=-1, try_number=1)
    route = SimpleNamespace(pool="any", team=None)
    placement = SimpleNamespace(run=run, cluster="batch", epoch=epoch, applied=applied, route=route)
    decision = SimpleNamespace(
        placement=placement, grant=ResourceRequest(cores=1.5, memory_gib=2.5)
    )
    return Shipment(workload=workload, decision=decision, environment={"AIOPS_TOKEN": "hush too"})


def test_a_placement_has_one_id_and_two_have_two():
    """So that sending twice is sending once, and ending the old job leaves the new one alone."""
    ids = {binding().prepare(shipment(epoch=epoch)).job.job_id for epoch in (2, 2, 3)}
    assert 2 == len(ids)
    first = binding().prepare(shipment(epoch=2)).job.job_id
    assert first == binding().external_id(UUID(int=7), 2, "another")
    assert first == binding().external_id(str(UUID(int=7)), 2, None)


def test_what_was_sent_without_a_placement_is_known_by_what_airflow_remembers():
    """Whether or not it was a task."""
    sent = shipment()
    unplaced = Shipment(workload=sent.workload, decision=None)
    first, second = (binding().prepare(unplaced).job.job_id for _ in range(2))
    assert first != second
    assert first == binding().external_id(UUID(int=7), 0, first)


def test_nothing_secret_is_in_what_may_be_seen():
    """Neither in the command nor in what is printed of a job."""
    job = binding().prepare(shipment()).job
    assert {"AIOPS_TOKEN", "AIOPS_WORKLOAD"} == job.secrets.keys()
    assert "hush" in job.secrets["AIOPS_WORKLOAD"]
    assert "hush" not in repr(job)
    assert "hush" not in str(job.command)


def test_the_command_hands_the_workload_over_and_takes_it_out_of_the_environment(
    monkeypatch,
):
    """What a task's author starts must not find it there."""
    sent = binding().prepare(shipment()).job
    became = []
    monkeypatch.setattr(os, "execv", lambda *call: became.append((call, dict(os.environ))))
    monkeypatch.setenv("AIOPS_WORKLOAD", sent.secrets["AIOPS_WORKLOAD"])
    assert ("python", "-m", job_start.__name__) == sent.command
    job_start.main()
    ((program, arguments), environment) = became[0]
    assert (program, sent.secrets["AIOPS_WORKLOAD"]) == (sys.executable, arguments[-1])
    assert "airflow.sdk.execution_time.execute_workload" in arguments
    assert "AIOPS_WORKLOAD" not in environment


def test_a_command_without_a_workload_says_so(monkeypatch):
    """Somebody tried it by hand."""
    monkeypatch.delenv("AIOPS_WORKLOAD", raising=False)
    with pytest.raises(SystemExit, match="AIOPS_WORKLOAD is not set"):
        job_start.main()


def test_labels_say_whose_job_it_is_and_what_it_costs_whom():
    """The latter only if the cluster wants it."""
    own = {
        "aiops_cluster": "batch",
        "aiops_ti_id": str(UUID(int=7)),
        "aiops_epoch": "2",
        "aiops_pool": "any",
    }
    cost = {
        "aiops-dag": "medical",
        "aiops-task": "train",
        "aiops-run": "r1",
        "aiops-cluster": "batch",
    }
    assert {**own, **cost} == binding().prepare(shipment()).job.labels
    assert own == binding(cost_labels=False).prepare(shipment()).job.labels


def test_while_observing_nothing_is_asked_for():
    """A task gets what it would have got without us."""
    job = binding().prepare(shipment({"priority": "9", "aiops": {}}, applied=False)).job
    assert (None, None, {"priority": "9"}) == (job.request, job.pool, job.own)


@pytest.mark.parametrize(
    "extra",
    [
        {"keyfile_dict": json.dumps(KEY)},
        {"keyfile_dict": KEY},
        {"extra__google_cloud_platform__keyfile_dict": json.dumps(KEY)},
    ],
)
def test_the_key_of_a_connection_is_used(monkeypatch, extra):
    """In each form that Airflow's own provider has written."""
    connection = {"conn_type": "google_cloud_platform", "extra": extra}
    monkeypatch.setenv("AIRFLOW_CONN_GOOGLE_PROD", json.dumps(connection))
    assert KEY == binding(connection="google_prod").secret()


def test_the_key_file_of_a_connection_is_read(monkeypatch, tmp_path):
    """Or said to be unreadable, without its content."""
    file = tmp_path / "key.json"
    connection = {"conn_type": "google_cloud_platform", "extra": {"key_path": str(file)}}
    monkeypatch.setenv("AIRFLOW_CONN_GOOGLE_PROD", json.dumps(connection))
    with pytest.raises(ConfigurationError, match="FileNotFoundError"):
        binding(connection="google_prod").secret()
    file.write_text(json.dumps(KEY))
    assert KEY == binding(connection="google_prod").secret()


def test_a_connection_without_a_key_is_no_access(monkeypatch):
    """Rather than that of whoever runs the scheduler."""
    monkeypatch.setenv("AIRFLOW_CONN_GOOGLE_PROD", "google-cloud-platform://")
    with pytest.raises(ConfigurationError, match="connection google_prod: has no credentials"):
        binding(connection="google_prod").secret()
    assert None is binding().secret()


def test_a_probe_without_credentials_says_so(monkeypatch):
    """Nothing can be sent, and the reason is told where the cluster's health is."""
    monkeypatch.setenv("AIRFLOW_CONN_GOOGLE_PROD", "google-cloud-platform://")
    with pytest.raises(ClusterUnreachableError, match="google_prod: has no credentials"):
        binding(connection="google_prod").probe(1.0)()


def test_how_it_ended_is_as_the_client_judged():
    """And unknown of what failed before there was a job."""
    words = LastWords("w", outcome=Outcome.CLUSTER_LOST, begun=True)
    assert Outcome.CLUSTER_LOST is binding().outcome(words)
    assert Outcome.KILLED is binding().outcome("no such project")


def test_the_log_of_a_job(monkeypatch):
    """Where it is from, its text, or why there is none."""
    asked = []

    class Client:
        def log(self, job_id, *, lines):
            asked.append((job_id, lines))
            if job_id == "gone":
                raise ClusterUnreachableError("timed out")
            return RemoteJobLog(sources=("job x",), lines=("one", "two"))

        def close(self):
            asked.append("closed")

    monkeypatch.setattr(
        "aiops_provider.airflow.inner.job_binding.open_remote_jobs", lambda *_, **__: Client()
    )
    made = binding(log_lines=7)
    found = made.task_log(SimpleNamespace(external_executor_id="aiops-1"))
    assert (["batch: job x"], ["one\ntwo"]) == found
    assert [("aiops-1", 7), "closed"] == asked
    sources, text = made.task_log(SimpleNamespace(external_executor_id="gone"))
    assert ("batch: the job's log cannot be read: timed out", []) == (sources[0], text)
    sources, text = made.task_log(SimpleNamespace(external_executor_id=None))
    assert ("batch: no job was sent for this try yet", []) == (sources[0], text)


@pytest.mark.parametrize(
    ("connection", "secret"),
    [
        (
            {"login": "airflow", "password": "hush", "extra": {"tenantId": "t"}},
            {"tenant_id": "t", "client_id": "airflow", "client_secret": "hush"},
        ),
        (
            {"login": "airflow", "password": "hush", "extra": {"extra__azure__tenantId": "t"}},
            {"tenant_id": "t", "client_id": "airflow", "client_secret": "hush"},
        ),
        ({"login": "ml", "password": "a2V5"}, {"name": "ml", "key": "a2V5"}),
    ],
)
def test_a_connection_to_azure_has_a_client_secret_or_a_key(monkeypatch, connection, secret):
    """Which of them shows in the tenant."""
    monkeypatch.setenv("AIRFLOW_CONN_AZURE_ML", json.dumps({"conn_type": "azure", **connection}))
    spec = replace(binding().spec, kind="azure_batch", options={"connection": "azure_ml"})
    assert secret == binding_of("azure_batch")(spec).secret()


def test_a_connection_to_azure_without_a_password_is_no_access(monkeypatch):
    """Rather than that of whoever runs the scheduler."""
    monkeypatch.setenv("AIRFLOW_CONN_AZURE_ML", json.dumps({"conn_type": "azure", "login": "a"}))
    spec = replace(binding().spec, kind="azure_batch", options={"connection": "azure_ml"})
    with pytest.raises(ConfigurationError, match="connection azure_ml: has no credentials"):
        binding_of("azure_batch")(spec).secret()
