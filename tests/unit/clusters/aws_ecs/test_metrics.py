"""Tasks of an ECS cluster that are interrupted, by the genuine SDK over real HTTP, against moto."""

from __future__ import annotations

from datetime import UTC, datetime

import httpx
import pytest

from aiops_provider.clusters.metrics.options import NoOptions
from aiops_provider.clusters.metrics.registry import metric_source
from aiops_provider.clusters.metrics.source import SPOT_INTERRUPTIONS
from aiops_provider.domain.cluster import Capacity, ClusterSpec, Pool
from aiops_provider.errors import MetricsError

pytest.importorskip("moto.server", reason="moto[server] is not installed")
boto3 = pytest.importorskip("boto3", reason="the extra aws is not installed")

REGION = "eu-central-1"


@pytest.fixture
def aws(monkeypatch):
    """An AWS of its own."""
    from moto.server import ThreadedMotoServer

    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    url = f"http://{host}:{port}"
    monkeypatch.setenv("AWS_ENDPOINT_URL", url)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "k")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "s")
    yield url
    httpx.post(f"{url}/moto-api/reset")
    server.stop()


@pytest.fixture
def ecs(aws):
    """A client; there is a cluster ``etl`` that runs tasks on Fargate."""
    client = boto3.client("ecs", region_name=REGION)
    client.create_cluster(clusterName="etl")
    client.register_task_definition(
        family="airflow",
        networkMode="awsvpc",
        cpu="256",
        memory="512",
        requiresCompatibilities=["FARGATE"],
        containerDefinitions=[{"name": "airflow", "image": "airflow", "cpu": 256, "memory": 512}],
    )
    return client


def source(cluster="etl"):
    pool = Pool(
        name="p",
        machine=Capacity(cores=1, memory_gib=1),
        max_instances=1,
        price_usd_per_hour=None,
    )
    options = {"cluster": cluster, "task_definition": "airflow"}
    spec = ClusterSpec(
        name="c", kind="aws_ecs", provider="aws", region=REGION, pools=(pool,), options=options
    )
    return metric_source("aws_ecs").open(spec, NoOptions(), period_s=60, timeout_s=5)


def told(asked):
    return {one.name: one.value for one in asked.read(datetime.now(UTC)).found}


def stopped_task(ecs, reason, code=None):
    """A task that has stopped; for a code other than a user's its backend is told."""
    network = {"awsvpcConfiguration": {"subnets": [_subnet()], "securityGroups": []}}
    (task,) = ecs.run_task(
        cluster="etl",
        taskDefinition="airflow",
        launchType="FARGATE",
        networkConfiguration=network,
    )["tasks"]
    ecs.stop_task(cluster="etl", task=task["taskArn"], reason=reason)
    if code is not None:
        _backend_task(task["taskArn"]).stop_code = code
    return task["taskArn"]


def _subnet():
    ec2 = boto3.client("ec2", region_name=REGION)
    return ec2.describe_subnets()["Subnets"][0]["SubnetId"]


def _backend_task(arn):
    from moto.core import DEFAULT_ACCOUNT_ID
    from moto.ecs.models import ecs_backends

    tasks = ecs_backends[DEFAULT_ACCOUNT_ID][REGION].tasks["etl"]
    return tasks[arn]


def test_tasks_that_were_interrupted_are_counted_once(ecs):
    """By their stop code or their reason; those that a user stopped are not among them."""
    stopped_task(ecs, "Your Spot Task was interrupted.")
    asked = source()
    assert {} == told(asked)
    stopped_task(ecs, "Your Spot Task was interrupted.")
    stopped_task(ecs, "Host EC2 (instance i-0abc) terminated.", "TerminationNotice")
    stopped_task(ecs, "", "SpotInterruption")
    stopped_task(ecs, "The task was placed elsewhere")
    assert {SPOT_INTERRUPTIONS: 3.0} == told(asked)
    assert {SPOT_INTERRUPTIONS: 0.0} == told(asked)
    assert {"high"} == {one.fault_when for one in asked.read(datetime.now(UTC)).found}


def test_a_task_is_described_once_it_has_stopped_and_then_never_again(ecs, monkeypatch):
    """One that is being stopped has not told all yet."""
    asked = source()
    told(asked)
    stopped_task(ecs, "", "SpotInterruption")
    described = asked._client.describe_tasks

    def stopping(**given):
        answer = described(**given)
        return {"tasks": [{**task, "lastStatus": "DEPROVISIONING"} for task in answer["tasks"]]}

    monkeypatch.setattr(asked._client, "describe_tasks", stopping)
    assert {SPOT_INTERRUPTIONS: 0.0} == told(asked)
    monkeypatch.setattr(asked._client, "describe_tasks", described)
    assert {SPOT_INTERRUPTIONS: 1.0} == told(asked)

    def describe_tasks(**given):
        raise AssertionError(given)

    monkeypatch.setattr(asked._client, "describe_tasks", describe_tasks)
    assert {SPOT_INTERRUPTIONS: 0.0} == told(asked)


def test_many_tasks_are_listed_and_described_by_the_hundred(ecs, monkeypatch):
    """As the API allows."""
    asked = source()
    told(asked)
    described = []

    def list_tasks(**given):
        begin = int(given.get("nextToken", 0))
        further = {"nextToken": str(begin + 100)} if begin < 200 else {}
        return {"taskArns": [f"arn-{n}" for n in range(begin, min(begin + 100, 250))], **further}

    def describe_tasks(*, cluster, tasks):
        described.append(len(tasks))
        stopped = {"lastStatus": "STOPPED", "stopCode": "SpotInterruption"}
        return {"tasks": [{"taskArn": arn, **stopped} for arn in tasks]}

    monkeypatch.setattr(asked._client, "list_tasks", list_tasks)
    monkeypatch.setattr(asked._client, "describe_tasks", describe_tasks)
    assert {SPOT_INTERRUPTIONS: 250.0} == told(asked)
    assert [100, 100, 50] == described


def test_a_cluster_that_is_not_there_is_told(aws):
    """In the words of AWS."""
    with pytest.raises(MetricsError, match="Cluster not found"):
        told(source("nowhere"))
