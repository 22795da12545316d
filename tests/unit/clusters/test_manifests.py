"""From what a task is granted to the words of its cluster."""

import pytest

from aiops_provider.clusters.registry import cluster_kind
from aiops_provider.control.manifests import given, manifest
from aiops_provider.domain.cluster import Capacity, ClusterSpec, Pool
from aiops_provider.domain.profile import ResourceRequest
from aiops_provider.errors import ClusterRefusedError

GRANT = ResourceRequest(cores=1.5, memory_gib=2.5)
GPU = ResourceRequest(cores=4, memory_gib=16, accelerator="T4", accelerators=1)
BATCH = {"job_queue": "etl", "job_definition": "airflow"}
ECS = {"cluster": "etl", "task_definition": "airflow"}


def spec(kind: str, **options) -> ClusterSpec:
    pool = Pool(
        name="p",
        machine=Capacity(cores=64, memory_gib=256),
        max_instances=1,
        price_usd_per_hour=None,
    )
    return ClusterSpec(
        name="c", kind=kind, provider="aws", region="r", pools=(pool,), options=options
    )


def batch_needs(**options) -> dict[str, str]:
    overrides = manifest(spec("aws_batch", **BATCH, **options), GRANT)["containerOverrides"]
    return {each["type"]: each["value"] for each in overrides["resourceRequirements"]}


def test_batch_on_ec2_counts_whole_cores_and_mib():
    """VCPU is a whole number there."""
    assert {"VCPU": "2", "MEMORY": "2560"} == batch_needs()


def test_batch_on_fargate_has_fixed_sizes():
    """1.5 cores are 2, and 2 cores come with 4 GiB at least."""
    assert {"VCPU": "2", "MEMORY": "4096"} == batch_needs(platform="fargate")


def test_batch_asks_for_accelerators():
    """By number; the machine type is the job queue's."""
    overrides = manifest(spec("aws_batch", **BATCH), GPU)["containerOverrides"]
    assert {"type": "GPU", "value": "1"} in overrides["resourceRequirements"]


def test_ecs_on_fargate_sizes_task_and_container():
    """1024 units are a core; the container may use all of the task's memory."""
    expected = {
        "cpu": "2048",
        "memory": "4096",
        "containerOverrides": [{"name": "airflow", "cpu": 2048, "memory": 4096}],
    }
    assert expected == manifest(spec("aws_ecs", **ECS), GRANT)["overrides"]


def test_ecs_on_ec2_sizes_the_container_alone():
    """The task has no size of its own there."""
    expected = {"containerOverrides": [{"name": "main", "cpu": 1536, "memory": 2560}]}
    options = {**ECS, "launch_type": "EC2", "container": "main"}
    assert expected == manifest(spec("aws_ecs", **options), GRANT)["overrides"]


@pytest.mark.parametrize(
    ("kind", "options"), [("aws_batch", {**BATCH, "platform": "fargate"}), ("aws_ecs", ECS)]
)
def test_fargate_has_no_accelerators(kind, options):
    """The router goes elsewhere."""
    with pytest.raises(ClusterRefusedError, match="no accelerators"):
        manifest(spec(kind, **options), GPU)


def test_what_is_given_may_be_more_than_what_is_granted():
    """By which the next try of a task that ran out of memory is made bigger."""
    fargate = given(spec("aws_batch", **BATCH, platform="fargate"), GRANT)
    assert (2.0, 4.0) == (fargate.cores, fargate.memory_gib)
    assert GRANT == given(spec("aws_batch", **BATCH), GRANT)


@pytest.mark.parametrize(
    ("kind", "options", "sentence"),
    [
        ("aws_batch", {"job_definition": "a"}, "options.job_queue: is missing. Name or ARN"),
        ("aws_ecs", {**ECS, "subnet": "s"}, "options.subnet: there is no such option. Known:"),
        ("celery", {"queue": ""}, "options.queue: String should have at least 1 character"),
    ],
)
def test_options_that_cannot_work_are_named(kind, options, sentence):
    """Field, problem, and what to do."""
    (problem,) = cluster_kind(kind).validate(spec(kind, **options))
    assert problem.startswith(sentence)
