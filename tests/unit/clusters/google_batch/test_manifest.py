"""A job in the words of Google Cloud Batch; no SDK is needed for them."""

from typing import Any

import pytest

from aiops_provider.clusters.google_batch.manifest import google_labels, job_body
from aiops_provider.clusters.google_batch.options import GoogleBatchOptions
from aiops_provider.clusters.registry import cluster_kind
from aiops_provider.clusters.remote_jobs import RemoteJob
from aiops_provider.domain.cluster import Capacity, ClusterSpec, Pool, Purchase
from aiops_provider.domain.profile import ResourceRequest
from aiops_provider.errors import ClusterRefusedError

GPU = ResourceRequest(cores=2, memory_gib=8, accelerators=1, accelerator="T4")
OPTIONS = {"project": "p", "image": "i"}


def pool(name: str, instance_type: str | None, purchase: Purchase = Purchase.ON_DEMAND) -> Pool:
    machine = Capacity(cores=8, memory_gib=32, accelerators={"T4": 2, "L4": 2})
    return Pool(
        name=name,
        machine=machine,
        max_instances=1,
        price_usd_per_hour=1.0,
        instance_type=instance_type,
        purchase=purchase,
    )


def spec(**options: Any) -> ClusterSpec:
    return ClusterSpec(
        name="c",
        kind="google_batch",
        provider="google_cloud",
        region="europe-west4",
        pools=(
            pool("any", None),
            pool("spot", "n1-standard-8", Purchase.SPOT),
            pool("g2", "g2-standard-24"),
        ),
        options={**OPTIONS, **options},
    )


def body(job: dict[str, Any] | None = None, **options: Any) -> dict[str, Any]:
    cluster = spec(**options)
    told = RemoteJob(job_id="aiops-1", command=("run",), **(job or {}))
    return job_body(cluster, GoogleBatchOptions.model_validate(dict(cluster.options)), told)


def task(made: dict[str, Any]) -> dict[str, Any]:
    (group,) = made["taskGroups"]
    found: dict[str, Any] = group["taskSpec"]
    return found


def machines(made: dict[str, Any]) -> dict[str, Any]:
    (found,) = made["allocationPolicy"]["instances"]
    policy: dict[str, Any] = found
    return policy


def test_what_is_granted_chooses_the_machine_and_limits_the_container() -> None:
    made = body({"request": ResourceRequest(cores=0.25, memory_gib=1.3), "pool": "any"})
    assert task(made)["computeResource"] == {"cpuMilli": "250", "memoryMib": "1332"}
    (runnable,) = task(made)["runnables"]
    assert runnable["container"]["options"] == "--memory=1332m"
    assert machines(made) == {"policy": {"provisioningModel": "STANDARD"}}
    assert task(made)["maxRetryCount"] == 0


def test_a_cluster_may_leave_the_memory_of_its_machines_to_whoever_has_one() -> None:
    made = body({"request": ResourceRequest(cores=1, memory_gib=1)}, limit_memory=False)
    assert "options" not in task(made)["runnables"][0]["container"]


def test_who_asks_for_nothing_gets_what_google_gives() -> None:
    made = body()
    assert "computeResource" not in task(made)
    assert machines(made) == {"policy": {}}


def test_accelerators_are_attached_where_machines_come_without() -> None:
    made = machines(body({"request": GPU, "pool": "spot"}))
    assert made == {
        "policy": {
            "provisioningModel": "SPOT",
            "machineType": "n1-standard-8",
            "accelerators": [{"type": "nvidia-tesla-t4", "count": "1"}],
        },
        "installGpuDrivers": True,
    }


def test_accelerators_are_named_by_the_machine_that_has_them() -> None:
    made = body({"request": GPU, "pool": "g2"})
    assert machines(made)["policy"]["machineType"] == "g2-standard-24"
    assert "accelerators" not in machines(made)["policy"]
    container = task(made)["runnables"][0]["container"]
    assert "--privileged" in container["options"]
    assert any("/var/lib/nvidia" in volume for volume in container["volumes"])


def test_an_accelerator_that_we_do_not_know_has_to_be_named() -> None:
    wanted = {
        "request": ResourceRequest(cores=1, memory_gib=1, accelerators=1, accelerator="X9"),
        "pool": "spot",
    }
    with pytest.raises(ClusterRefusedError, match=r"X9: add it to options\.accelerator_types"):
        body(wanted)
    named = machines(body(wanted, accelerator_types={"X9": "nvidia-x9"}))
    assert named["policy"]["accelerators"] == [{"type": "nvidia-x9", "count": "1"}]


def test_network_disk_time_and_identity_are_those_of_the_cluster() -> None:
    made = body(
        service_account="tasks@p.iam.gserviceaccount.com",
        network="projects/p/global/networks/n",
        external_ip=False,
        zones=["europe-west4-a"],
        boot_disk_gib=100,
        max_run_s=3600,
        environment={"A": "b"},
    )
    policy = made["allocationPolicy"]
    assert policy["location"] == {"allowedLocations": ["zones/europe-west4-a"]}
    assert policy["serviceAccount"] == {"email": "tasks@p.iam.gserviceaccount.com"}
    (interface,) = policy["network"]["networkInterfaces"]
    assert interface == {"network": "projects/p/global/networks/n", "noExternalIpAddress": True}
    assert machines(made)["policy"]["bootDisk"] == {"sizeGb": "100"}
    assert task(made)["maxRunDuration"] == "3600s"
    assert task(made)["environment"] == {"variables": {"A": "b"}}


def test_the_words_of_a_tasks_author_go_over_ours_but_for_the_command() -> None:
    """Also where other executors are told something that Google knows nothing of."""
    runnable = {"container": {"imageUri": "mine", "commands": ["rm"]}, "timeout": "60s"}
    own = {
        "priority": "99",
        "taskGroups": [{"taskSpec": {"runnables": [runnable]}}],
        "pod_override": object(),
    }
    made = body({"own": own, "request": ResourceRequest(cores=1, memory_gib=1)})
    assert made["priority"] == "99"
    assert "pod_override" not in made
    (found,) = task(made)["runnables"]
    assert found["timeout"] == "60s"
    assert found["container"]["imageUri"] == "mine"
    assert found["container"]["commands"] == ["run"]
    assert task(made)["computeResource"]["cpuMilli"] == "1000"


def test_labels_are_made_of_letters_that_google_allows() -> None:
    made = body({"labels": {"aiops-task": "Train.Model[3]" + "x" * 80}}, labels={"team": "ml"})
    assert made["labels"] == made["allocationPolicy"]["labels"]
    assert made["labels"]["team"] == "ml"
    assert made["labels"]["aiops-task"].startswith("train_model_3_x")
    assert len(made["labels"]["aiops-task"]) == 63
    assert google_labels({"a": "Ä b"}) == {"a": "__b"}


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"project": ""}, "options.project: String should have at least 1 character"),
        ({"zone": "a"}, "options.zone: there is no such option. Known: accelerator_types"),
        ({"labels": {"Team": "ml"}}, "options.labels: Value error, Team: labels are at most 63"),
        ({"connection": "c", "key_file": "f"}, "options.key_file: a connection is given too"),
    ],
)
def test_options_that_cannot_work_are_named(options: dict[str, Any], sentence: str) -> None:
    (problem,) = cluster_kind("google_batch").validate(spec(**options))
    assert problem.startswith(sentence)
