"""A job queue that fills and breaks, by the genuine SDK over real HTTP, against moto."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta

import httpx
import pytest

from aiops_provider.clusters.metrics.options import NoOptions
from aiops_provider.clusters.metrics.registry import metric_source
from aiops_provider.domain.cluster import Capacity, ClusterSpec, Pool
from aiops_provider.errors import MetricsError

pytest.importorskip("moto.server", reason="moto[server] is not installed")
boto3 = pytest.importorskip("boto3", reason="the extra aws is not installed")

REGION = "eu-central-1"


@pytest.fixture
def aws(monkeypatch):
    """An AWS of its own whose jobs wait until they are told to go on; its address."""
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


def client(service):
    return boto3.client(service, region_name=REGION)


@pytest.fixture
def queue(aws):
    """A queue on one environment; its name."""
    ec2, iam, batch = client("ec2"), client("iam"), client("batch")
    vpc = ec2.create_vpc(CidrBlock="10.0.0.0/16")["Vpc"]["VpcId"]
    subnet = ec2.create_subnet(VpcId=vpc, CidrBlock="10.0.0.0/24")["Subnet"]["SubnetId"]
    group = ec2.create_security_group(GroupName="g", Description="d", VpcId=vpc)["GroupId"]
    trust = json.dumps({"Version": "2012-10-17", "Statement": []})
    role = iam.create_role(RoleName="r", AssumeRolePolicyDocument=trust)["Role"]["Arn"]
    environment = batch.create_compute_environment(
        computeEnvironmentName="machines", type="MANAGED", state="ENABLED", serviceRole=role,
        computeResources={
            "type": "FARGATE", "maxvCpus": 4, "subnets": [subnet], "securityGroupIds": [group]
        },
    )  # fmt: skip
    batch.create_job_queue(
        jobQueueName="ml", state="ENABLED", priority=1,
        computeEnvironmentOrder=[
            {"order": 1, "computeEnvironment": environment["computeEnvironmentArn"]}
        ],
    )  # fmt: skip
    return "ml"


def source(queue):
    pool = Pool(
        name="p",
        machine=Capacity(cores=1, memory_gib=1),
        max_instances=1,
        price_usd_per_hour=None,
    )
    options = {"job_queue": queue, "job_definition": "d"}
    spec = ClusterSpec(
        name="c", kind="aws_batch", provider="aws", region=REGION, pools=(pool,), options=options
    )
    return metric_source("aws_batch").open(spec, NoOptions(), period_s=60, timeout_s=5)


def read(asked, later_s=0.0):
    answer = asked.read(datetime.now(UTC) + timedelta(seconds=later_s))
    return {one.name: one.value for one in answer.found}


def test_an_environment_that_is_off_is_broken(queue):
    """It takes no work, whatever waits."""
    asked = source(queue)
    assert {
        "jobs_runnable": 0.0,
        "jobs_runnable_longest_s": 0.0,
        "compute_environments_broken": 0.0,
    } == read(asked)
    client("batch").update_compute_environment(computeEnvironment="machines", state="DISABLED")
    assert 1.0 == read(asked)["compute_environments_broken"]
    assert ["compute_environments_broken", "spot_interruptions"] == [
        one.name for one in asked.read(datetime.now(UTC)).found if one.fault_when == "high"
    ]


def test_jobs_that_wait_are_counted_over_all_pages(queue, monkeypatch):
    """With the age of the oldest. Which jobs are RUNNABLE moto cannot be told, so the pages are ours."""
    asked = source(queue)
    read(asked)
    created = datetime.now(UTC).timestamp() * 1000
    seen = []

    def list_jobs(**given):
        if given["jobStatus"] == "FAILED":
            return {"jobSummaryList": []}
        seen.append(given)
        page = [{"createdAt": created - 60_000 * len(seen)}] * 2
        return {
            "jobSummaryList": page,
            **({"nextToken": f"t{len(seen)}"} if len(seen) < 3 else {}),
        }

    monkeypatch.setattr(asked._client, "list_jobs", list_jobs)
    found = read(asked)

    assert 6.0 == found["jobs_runnable"]
    assert 180.0 <= found["jobs_runnable_longest_s"] <= 185.0
    assert [None, "t1", "t2"] == [one.get("nextToken") for one in seen]
    assert {("ml", "RUNNABLE")} == {(one["jobQueue"], one["jobStatus"]) for one in seen}


def test_jobs_whose_machine_was_taken_back_are_counted_once(queue):
    """By the words of their status, which the emulator is told; other failures are not among them."""
    asked = source(queue)
    failed(queue, "Host EC2 (instance i-0abc) terminated.")
    assert "spot_interruptions" not in read(asked)
    failed(queue, "Host EC2 (instance i-0def) terminated.")
    failed(queue, "Your Spot Task was interrupted.")
    failed(queue, "Essential container in task exited")
    assert 2.0 == read(asked)["spot_interruptions"]
    assert 0.0 == read(asked)["spot_interruptions"]


def failed(queue, reason):
    """A job that has ended so."""
    from moto.batch.models import Job, batch_backends
    from moto.core import DEFAULT_ACCOUNT_ID

    backend = batch_backends[DEFAULT_ACCOUNT_ID][REGION]
    container = {"image": "airflow", "vcpus": 1, "memory": 128, "command": ["true"]}
    client("batch").register_job_definition(
        jobDefinitionName="d", type="container", containerProperties=container
    )
    definition = backend.get_job_definition("d")
    made = backend.get_job_queue(queue)
    # Its thread is never started: it would want docker.
    job = Job(
        "train", definition, made, backend, log_backend=None, container_overrides={}, depends_on=[],
        eks_properties_override=None, parameters={}, all_jobs=backend._jobs, timeout=None,
        array_properties={},
    )  # fmt: skip
    job.status, job.job_stopped_reason = "FAILED", reason
    made.jobs.append(job)


def test_a_queue_that_is_not_there_is_told(aws):
    """By its name and region."""
    with pytest.raises(MetricsError, match="nowhere"):
        read(source("nowhere"))
