"""The executors of AWS Batch and ECS as clusters use them, over the real SDK's own stubs."""

from dataclasses import replace
from types import SimpleNamespace
from uuid import uuid4

import pytest

pytest.importorskip("airflow.providers.amazon", reason="the extra aws is not installed")

from airflow.executors.workloads import BundleInfo, ExecuteTask, TaskInstanceDTO
from airflow.utils.state import TaskInstanceState
from botocore.stub import ANY, Stubber

from aiops_provider.airflow.inner.aws_batch import AwsBatchBinding
from aiops_provider.airflow.inner.aws_ecs import AwsEcsBinding
from aiops_provider.airflow.inner.binding import Shipment
from aiops_provider.domain.cluster import Capacity, ClusterSpec, Pool
from aiops_provider.domain.execution import Outcome
from aiops_provider.domain.profile import ResourceRequest
from aiops_provider.domain.task import TaskKey, TaskRun
from aiops_provider.errors import ClusterUnreachableError

pytestmark = pytest.mark.filterwarnings("default")  # the provider's own deprecations

ARN = "arn:aws:ecs:sa-east-1:123456789012:task/etl/0123456789abcdef0123456789abcdef"
OPTIONS = {
    "aws_batch": {"job_queue": "etl", "job_definition": "airflow"},
    "aws_ecs": {"cluster": "etl", "task_definition": "airflow", "subnets": ["subnet-1"]},
}


def spec(kind: str) -> ClusterSpec:
    pool = Pool(
        name="default",
        machine=Capacity(cores=16, memory_gib=64),
        max_instances=1,
        price_usd_per_hour=1.0,
    )
    return ClusterSpec(
        name=f"{kind}-test",
        kind=kind,
        provider="aws",
        region="sa-east-1",
        pools=(pool,),
        options=OPTIONS[kind],
    )


@pytest.fixture(autouse=True)
def credentials(monkeypatch):
    """Of nobody; no request leaves this process."""
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "nobody")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "nothing")
    monkeypatch.setenv("AIRFLOW_CONN_AWS_DEFAULT", "aws://")


@pytest.fixture
def batch():
    binding = AwsBatchBinding(spec("aws_batch"))
    binding.configure()
    executor = binding.build()
    executor.IS_BOTO_CONNECTION_HEALTHY = True
    with Stubber(executor.batch) as stub:
        yield SimpleNamespace(binding=binding, executor=executor, stub=stub)
        stub.assert_no_pending_responses()


@pytest.fixture
def ecs():
    binding = AwsEcsBinding(spec("aws_ecs"))
    binding.configure()
    executor = binding.build()
    executor.IS_BOTO_CONNECTION_HEALTHY = True
    with Stubber(executor.ecs) as stub:
        yield SimpleNamespace(binding=binding, executor=executor, stub=stub)
        stub.assert_no_pending_responses()


def shipment(config=None, *, applied=True) -> Shipment:
    ti = TaskInstanceDTO(
        id=uuid4(),
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
        token="t",
        bundle_info=BundleInfo(name="dags-folder"),
        log_path=None,
    )
    decision = SimpleNamespace(
        placement=SimpleNamespace(epoch=1, applied=applied),
        grant=ResourceRequest(cores=1.5, memory_gib=2.5),
    )
    return Shipment(workload=workload, decision=decision, environment={"AIOPS_CLUSTER": "c"})


def send(site, sent: Shipment):
    workload = site.binding.prepare(sent)
    site.executor.queue_workload(workload, None)
    site.executor.heartbeat()
    return workload


def submitted(site, job_id="job-1", **expected) -> None:
    site.stub.add_response(
        "submit_job", {"jobId": job_id, "jobName": "airflow-task"}, {**BATCH_ALWAYS, **expected}
    )


BATCH_ALWAYS = {
    "jobName": "airflow-task",
    "jobQueue": "etl",
    "jobDefinition": "airflow",
    "containerOverrides": ANY,
}
ECS_ALWAYS = {
    "cluster": "etl",
    "taskDefinition": "airflow",
    "launchType": "FARGATE",
    "count": 1,
    "platformVersion": "LATEST",
    "networkConfiguration": ANY,
    "overrides": ANY,
}
DESCRIBED = {"jobName": "j", "jobQueue": "q", "startedAt": 1, "jobDefinition": "d"}


def ran(site) -> None:
    task = {"taskArn": ARN, "lastStatus": "PENDING", "desiredStatus": "RUNNING", "containers": []}
    site.stub.add_response("run_task", {"tasks": [task], "failures": []}, ECS_ALWAYS)


def test_a_batch_job_that_was_taken_is_known_by_its_id(batch):
    """By which another scheduler adopts it."""
    submitted(batch)
    workload = send(batch, shipment())
    event = batch.executor.get_event_buffer()[workload.ti.key]
    assert (TaskInstanceState.RUNNING, "job-1") == event


def test_a_submission_that_fails_is_told_at_once(batch):
    """Trying again, here or elsewhere, is the router's."""
    batch.stub.add_client_error("submit_job", "ClientException", "no such queue")
    workload = send(batch, shipment())
    state, info = batch.executor.get_event_buffer()[workload.ti.key]
    assert TaskInstanceState.FAILED == state
    assert "no such queue" in info


def test_a_revoked_batch_job_is_terminated(batch):
    """And nothing more is heard of it."""
    submitted(batch)
    workload = send(batch, shipment())
    batch.stub.add_response("terminate_job", {}, {"jobId": "job-1", "reason": ANY})
    batch.executor.revoke_task(ti=workload.ti)
    batch.executor.heartbeat()
    assert not batch.executor.running


def test_a_container_killed_for_memory_is_understood(batch):
    """By the container's own words, which the stock executor does not look at."""
    submitted(batch)
    workload = send(batch, shipment())
    batch.executor.get_event_buffer()
    job = {**DESCRIBED, "jobId": "job-1", "status": "FAILED", "statusReason": "Essential container"}
    container = {"exitCode": 137, "reason": "OutOfMemoryError: Container killed"}
    for said in (job, {**job, "container": container}):
        batch.stub.add_response("describe_jobs", {"jobs": [said]}, {"jobs": ["job-1"]})
    batch.executor.heartbeat()
    state, info = batch.executor.get_event_buffer()[workload.ti.key]
    assert TaskInstanceState.FAILED == state
    assert Outcome.OUT_OF_MEMORY is batch.binding.outcome(info)


def test_a_spot_machine_that_was_taken_back_is_no_want_of_memory(batch, ecs):
    """The container is killed with it, by 137 as for memory; the next try must not ask for more."""
    submitted(batch)
    job = send(batch, shipment())
    batch.executor.get_event_buffer()
    reason = "Host EC2 (instance i-0abc) terminated."
    failed = {**DESCRIBED, "jobId": "job-1", "status": "FAILED", "statusReason": reason}
    for said in (failed, {**failed, "container": {"exitCode": 137}}):
        batch.stub.add_response("describe_jobs", {"jobs": [said]}, {"jobs": ["job-1"]})
    batch.executor.heartbeat()
    _, info = batch.executor.get_event_buffer()[job.ti.key]
    assert f"{reason}; exit code 137" == info
    assert Outcome.CLUSTER_LOST is batch.binding.outcome(info)

    ran(ecs)
    task = send(ecs, shipment())
    ecs.executor.get_event_buffer()
    stopped = {
        "taskArn": ARN,
        "lastStatus": "STOPPED",
        "desiredStatus": "STOPPED",
        "startedAt": 1,
        "stopCode": "SpotInterruption",
        "stoppedReason": "Your Spot Task was interrupted.",
        "containers": [{"name": "airflow", "containerArn": f"{ARN}/c", "exitCode": 137}],
    }
    ecs.stub.add_response(
        "describe_tasks", {"tasks": [stopped], "failures": []}, {"tasks": [ARN], "cluster": "etl"}
    )
    ecs.executor.heartbeat()
    _, info = ecs.executor.get_event_buffer()[task.ti.key]
    assert Outcome.CLUSTER_LOST is ecs.binding.outcome(info)


def test_a_job_of_an_earlier_scheduler_is_adopted_and_never_submitted_again(batch):
    """An orphan is a plain copy of a task, and its failure is one."""
    ti = SimpleNamespace(
        **{**shipment().workload.ti.model_dump(), "external_executor_id": "job-1"},
        state="running",
        key=shipment().workload.ti.key,
    )
    ti.executor_config, ti.external_executor_id = None, "job-1"
    job = {**DESCRIBED, "jobId": "job-1", "status": "RUNNING"}
    batch.stub.add_response("describe_jobs", {"jobs": [job]}, {"jobs": ["job-1"]})
    assert [] == batch.executor.try_adopt_task_instances([ti])
    failed = {**job, "status": "FAILED", "statusReason": "Host EC2 terminated"}
    for _ in range(2):
        batch.stub.add_response("describe_jobs", {"jobs": [failed]}, {"jobs": ["job-1"]})
    batch.executor.heartbeat()
    state, info = batch.executor.get_event_buffer()[ti.key]
    assert (TaskInstanceState.FAILED, "Host EC2 terminated") == (state, info)


def test_while_observing_nothing_is_asked_for(batch):
    """A task gets what it would have got without us, and is told where it is."""
    own = {"containerOverrides": {"environment": [{"name": "A", "value": "b"}]}}
    sent = batch.binding.prepare(shipment({**own, "aiops": {}}, applied=False))
    environment = [{"name": "AIOPS_CLUSTER", "value": "c"}, {"name": "A", "value": "b"}]
    assert {"containerOverrides": {"environment": environment}} == sent.ti.executor_config


def test_what_a_task_is_told_does_not_travel_in_its_workload(batch, ecs):
    """Airflow writes workloads into the logs of containers, and a token is no word for a log."""
    for site in (batch, ecs):
        sent = site.binding.prepare(shipment())
        assert sent.ti.context_carrier is None
        assert "AIOPS_CLUSTER" not in sent.model_dump_json()
        assert "AIOPS_CLUSTER" in str(sent.ti.executor_config)


@pytest.mark.parametrize(
    ("queues", "why"),
    [
        ([], "there is no job queue etl"),
        ([{"state": "DISABLED", "status": "VALID"}], "is DISABLED, VALID"),
    ],
)
def test_a_job_queue_that_takes_nothing_is_unreachable(monkeypatch, batch, queues, why):
    """Although AWS answers."""
    always = {"jobQueueName": "etl", "jobQueueArn": "arn", "priority": 1}
    described = [
        {**always, "computeEnvironmentOrder": [{"order": 1, "computeEnvironment": "c"}], **queue}
        for queue in queues
    ]
    batch.stub.add_response("describe_job_queues", {"jobQueues": described}, {"jobQueues": ["etl"]})
    monkeypatch.setattr(
        "aiops_provider.airflow.inner.aws_batch.client", lambda *_, **__: batch.executor.batch
    )
    with pytest.raises(ClusterUnreachableError, match=why):
        batch.binding.probe(1.0)()


def test_an_ecs_task_that_was_taken_is_known_by_its_arn(ecs):
    """By which another scheduler adopts it."""
    ran(ecs)
    workload = send(ecs, shipment())
    event = ecs.executor.get_event_buffer()[workload.ti.key]
    assert (TaskInstanceState.RUNNING, ARN) == event


def test_a_revoked_ecs_task_is_stopped(ecs):
    """And nothing more is heard of it."""
    ran(ecs)
    workload = send(ecs, shipment())
    ecs.stub.add_response("stop_task", {}, {"cluster": "etl", "task": ARN, "reason": ANY})
    ecs.executor.revoke_task(ti=workload.ti)
    ecs.executor.heartbeat()
    assert not ecs.executor.running


def test_an_ecs_container_killed_for_memory_is_understood(ecs):
    """By what ECS says of the task and its containers."""
    ran(ecs)
    workload = send(ecs, shipment())
    ecs.executor.get_event_buffer()
    container = {
        "name": "airflow",
        "containerArn": f"{ARN}/c",
        "exitCode": 137,
        "reason": "OutOfMemoryError: Container killed",
    }
    task = {
        "taskArn": ARN,
        "lastStatus": "STOPPED",
        "desiredStatus": "STOPPED",
        "startedAt": 1,
        "stoppedReason": "Essential container in task exited",
        "containers": [container],
    }
    ecs.stub.add_response(
        "describe_tasks", {"tasks": [task], "failures": []}, {"tasks": [ARN], "cluster": "etl"}
    )
    ecs.executor.heartbeat()
    state, info = ecs.executor.get_event_buffer()[workload.ti.key]
    assert TaskInstanceState.FAILED == state
    assert Outcome.OUT_OF_MEMORY is ecs.binding.outcome(info)


def test_the_users_words_for_a_container_go_over_ours(ecs):
    """The command stays Airflow's."""
    said = {"name": "airflow", "memory": 6144, "command": ["rm"]}
    config = {"overrides": {"containerOverrides": [said], "memory": "6144"}}
    ran(ecs)
    requests = []
    ecs.executor.ecs.meta.events.register(
        "provide-client-params.ecs.RunTask", lambda params, **_: requests.append(params)
    )
    send(ecs, shipment(config))
    (overrides,) = [request["overrides"] for request in requests]
    (container,) = overrides["containerOverrides"]
    assert ("2048", "6144") == (overrides["cpu"], overrides["memory"])
    assert (2048, 6144) == (container["cpu"], container["memory"])
    assert ["python", "-m"] == container["command"][:2]


@pytest.mark.parametrize("kind", ["aws_batch", "aws_ecs"])
def test_a_task_is_tagged_for_the_bill_where_that_is_wanted(kind):
    """With the user's own tags beside ours; where it is not wanted, no right to tag is needed."""
    mine = {"tags": {"owner": "me"}} if kind == "aws_batch" else {"tags": [{"key": "owner", "value": "me"}]}  # fmt: skip
    for wanted in (True, False):
        known = replace(spec(kind), options={**OPTIONS[kind], "cost_tags": wanted})
        binding = {"aws_batch": AwsBatchBinding, "aws_ecs": AwsEcsBinding}[kind](known)
        sent = shipment(mine)
        sent.decision.placement.run = TaskRun(TaskKey("medical", "train"), "r1")
        sent.decision.placement.cluster = known.name
        sent.decision.placement.route = SimpleNamespace(team="science")
        config = binding.prepare(sent).ti.executor_config
        tags = config["tags"]
        said = tags if kind == "aws_batch" else {each["key"]: each["value"] for each in tags}
        assert "me" == said["owner"]
        assert ("science" if wanted else None) == said.get("aiops-team")
        assert wanted == bool(config.get("propagateTags")) or kind == "aws_ecs"
