"""A task in the words of Azure Batch; no SDK is needed for them."""

import shlex
from typing import Any

import pytest

from aiops_provider.clusters.azure_batch.manifest import job_id_of, task_body
from aiops_provider.clusters.azure_batch.options import AzureBatchOptions
from aiops_provider.clusters.registry import cluster_kind
from aiops_provider.clusters.remote_jobs import RemoteJob
from aiops_provider.domain.cluster import Capacity, ClusterSpec, Pool
from aiops_provider.domain.profile import ResourceRequest
from aiops_provider.errors import ClusterRefusedError

OPTIONS = {"account_url": "https://ml.westeurope.batch.azure.com", "image": "i"}


def spec(name: str = "c", **options: Any) -> ClusterSpec:
    machine = Capacity(cores=8, memory_gib=32, accelerators={"T4": 1})
    pools = tuple(
        Pool(name=each, machine=machine, max_instances=1, price_usd_per_hour=1.0)
        for each in ("cpu", "gpu.spot")
    )
    return ClusterSpec(
        name=name,
        kind="azure_batch",
        provider="azure",
        region="westeurope",
        pools=pools,
        options={**OPTIONS, **options},
    )


def body(job: dict[str, Any] | None = None, **options: Any) -> dict[str, Any]:
    cluster = spec(**options)
    told = RemoteJob(job_id="aiops-1", **{"command": ("run",), **(job or {})})
    return task_body(cluster, AzureBatchOptions.model_validate(dict(cluster.options)), told)


def test_what_is_granted_limits_the_container() -> None:
    made = body({"request": ResourceRequest(cores=1.5, memory_gib=1.3), "pool": "cpu"})
    assert made["containerSettings"] == {
        "imageName": "i",
        "containerRunOptions": "--rm --cpus=1.5 --memory=1332m",
    }
    assert made["constraints"] == {"maxTaskRetryCount": 0}
    assert made["requiredSlots"] == 1


@pytest.mark.parametrize(
    ("cores", "memory_gib", "slots"), [(1, 1, 1), (1, 5, 2), (4, 4, 4), (8, 32, 8)]
)
def test_a_task_takes_as_many_slots_as_its_share_of_a_node(
    cores: float, memory_gib: float, slots: int
) -> None:
    request = ResourceRequest(cores=cores, memory_gib=memory_gib)
    made = body({"request": request, "pool": "cpu"}, pools={"cpu": {"slots_per_node": 8}})
    assert made["requiredSlots"] == slots


def test_what_no_node_holds_is_refused() -> None:
    request = ResourceRequest(cores=9, memory_gib=1)
    with pytest.raises(ClusterRefusedError, match="no node of pool cpu"):
        body({"request": request, "pool": "cpu"})


def test_who_asks_for_nothing_gets_one_slot_and_no_limit() -> None:
    made = body()
    assert made["containerSettings"]["containerRunOptions"] == "--rm"
    assert made["requiredSlots"] == 1


def test_accelerators_are_given_to_the_container() -> None:
    request = ResourceRequest(cores=1, memory_gib=1, accelerators=1)
    made = body({"request": request, "pool": "gpu.spot"}, container_options="--shm-size=8g")
    options = made["containerSettings"]["containerRunOptions"]
    assert options == "--rm --cpus=1 --memory=1024m --gpus all --shm-size=8g"


def test_a_command_survives_being_one_line() -> None:
    command = ("python", "-c", "print('a b')")
    assert tuple(shlex.split(body({"command": command})["commandLine"])) == command


def test_a_person_finds_a_task_by_what_it_is() -> None:
    labels = {"aiops-dag": "medical", "aiops-task": "train", "aiops-run": "r1"}
    assert body({"labels": labels})["displayName"] == "medical/train/r1"
    assert body()["displayName"] == "aiops-1"


def test_the_words_of_a_tasks_author_go_over_ours_but_for_id_and_command() -> None:
    own = {
        "id": "mine",
        "commandLine": "rm",
        "constraints": {"maxWallClockTime": "PT1H"},
        "environmentSettings": [{"name": "B", "value": "c"}],
        "pod_override": object(),
    }
    made = body({"own": own, "environment": {"A": "b"}}, max_run_s=60)
    assert (made["id"], made["commandLine"]) == ("aiops-1", "run")
    assert made["constraints"] == {"maxTaskRetryCount": 0, "maxWallClockTime": "PT1H"}
    assert [each["name"] for each in made["environmentSettings"]] == ["A", "B"]
    assert "pod_override" not in made


def test_each_pool_has_a_job_of_its_own() -> None:
    """Whose id has only the letters that Azure allows, and no more of them."""
    assert job_id_of(spec(), "gpu.spot").startswith("aiops-c-gpu-spot-")
    ids = {job_id_of(spec("c" * 63), pool) for pool in ("cpu", "CPU", "gpu.spot", "gpu-spot")}
    assert {len(each) for each in ids} == {64}
    assert len({each.lower() for each in ids}) == 4


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        (
            {"account_url": "ml"},
            "options.account_url: Value error, is no address such as https://NAME",
        ),
        ({"pool": "a"}, "options.pool: there is no such option. Known: account_url"),
        ({"pools": {"x": {}}}, "options.pools.x: the cluster has no such pool. Known: cpu, gpu"),
        (
            {"authority_host": "http://a"},
            "options.authority_host: Value error, must begin with https",
        ),
    ],
)
def test_options_that_cannot_work_are_named(options: dict[str, Any], sentence: str) -> None:
    (problem,) = cluster_kind("azure_batch").validate(spec(**options))
    assert problem.startswith(sentence)
