"""From what a task is granted to what Kubernetes calls it."""

import pytest

from aiops_provider.clusters.kubernetes.manifest import pod_manifest, without_contradiction
from aiops_provider.clusters.kubernetes.options import KubernetesOptions
from aiops_provider.control.manifests import manifest
from aiops_provider.domain.cluster import Capacity, ClusterSpec, Pool, Purchase
from aiops_provider.domain.profile import ResourceRequest

GRANT = ResourceRequest(cores=1.5, memory_gib=2.5)
GPU = ResourceRequest(cores=4, memory_gib=16, accelerator="T4", accelerators=2)


def pool(name="p", **further) -> Pool:
    machine = Capacity(cores=64, memory_gib=256, accelerators={"T4": 4})
    return Pool(name=name, machine=machine, max_instances=1, price_usd_per_hour=None, **further)


def pod(grant=GRANT, where=None, provider="aws", **options):
    made = pod_manifest(KubernetesOptions(**options), where or pool(), grant, provider=provider)
    return made["spec"]


def test_cores_and_memory_are_requested_and_limited_alike():
    """In thousandths of a core and in MiB."""
    (container,) = pod()["containers"]
    granted = {"cpu": "1500m", "memory": "2560Mi"}
    assert {"requests": granted, "limits": granted} == container["resources"]
    assert "base" == container["name"]
    assert {"containers"} == pod().keys()


def test_a_share_is_rounded_up_and_never_nothing():
    """0.1 + 0.2 cores are 300 thousandths, not 301."""
    (container,) = pod(ResourceRequest(cores=0.1 + 0.2, memory_gib=0.0001))["containers"]
    assert {"cpu": "300m", "memory": "1Mi"} == container["resources"]["requests"]


def test_idle_cores_may_be_used_where_the_cluster_says_so():
    """Memory is limited all the same."""
    (container,) = pod(limit_cores=False)["containers"]
    assert {"memory": "2560Mi"} == container["resources"]["limits"]


def test_scratch_space_is_requested():
    """And not limited: who exceeds it would be ended on a node that has room."""
    grant = ResourceRequest(cores=1, memory_gib=1, local_disk_gib=1.5)
    resources = pod(grant)["containers"][0]["resources"]
    assert "1536Mi" == resources["requests"]["ephemeral-storage"]
    assert "ephemeral-storage" not in resources["limits"]


def test_accelerators_are_asked_for_by_number_and_by_model():
    """Where models mix in a pool, its options say by which label they are told apart."""
    labels = {"T4": {"nvidia.com/gpu.product": "Tesla-T4"}}
    asked = pod(GPU, accelerator_labels=labels)
    resources = asked["containers"][0]["resources"]
    assert ("2", "2") == tuple(resources[side]["nvidia.com/gpu"] for side in ("requests", "limits"))
    assert labels["T4"] == asked["nodeSelector"]
    taint = {"key": "nvidia.com/gpu", "operator": "Exists", "effect": "NoSchedule"}
    assert [taint] == asked["tolerations"]
    other = pod(GPU, accelerator_resource="amd.com/gpu")["containers"][0]["resources"]
    assert "2" == other["limits"]["amd.com/gpu"]


@pytest.mark.parametrize(
    ("provider", "label", "tolerated"),
    [
        ("aws", {"eks.amazonaws.com/capacityType": "SPOT"}, []),
        ("google_cloud", {"cloud.google.com/gke-spot": "true"}, ["cloud.google.com/gke-spot"]),
        (
            "azure",
            {"kubernetes.azure.com/scalesetpriority": "spot"},
            ["kubernetes.azure.com/scalesetpriority"],
        ),
        ("on_premises", {}, []),
    ],
)
def test_a_pool_is_chosen_by_its_nodes(provider, label, tolerated):
    """Instance type and spot by the labels of each provider's own service."""
    where = pool(instance_type="m7i.4xlarge", purchase=Purchase.SPOT)
    asked = pod(where=where, provider=provider)
    assert {"node.kubernetes.io/instance-type": "m7i.4xlarge", **label} == asked["nodeSelector"]
    assert tolerated == [each["key"] for each in asked.get("tolerations", [])]


def test_what_is_said_about_the_nodes_of_a_pool_holds():
    """Labels instead of those that are usual, tolerations beside them."""
    where = pool("burst", instance_type="m7i.4xlarge", purchase=Purchase.SPOT)
    toleration = {"key": "team", "operator": "Exists"}
    said = {"burst": {"node_selector": {"karpenter.sh/nodepool": "b"}, "tolerations": [toleration]}}
    asked = pod(where=where, provider="azure", pools=said)
    assert {"karpenter.sh/nodepool": "b"} == asked["nodeSelector"]
    assert 2 == len(asked["tolerations"])
    assert toleration == asked["tolerations"][-1]


def test_a_door_names_the_pool():
    """The first one by default."""
    spec = ClusterSpec(
        name="c",
        kind="kubernetes",
        provider="aws",
        region="r",
        pools=(pool("a"), pool("b", instance_type="p5.48xlarge")),
    )
    assert "nodeSelector" not in manifest(spec, GRANT)["spec"]
    selector = {"node.kubernetes.io/instance-type": "p5.48xlarge"}
    assert selector == manifest(spec, GRANT, pool="b")["spec"]["nodeSelector"]
    with pytest.raises(KeyError):
        manifest(spec, GRANT, pool="c")


@pytest.mark.parametrize("side", ["requests", "limits"])
def test_a_resource_of_which_the_user_states_one_side_is_theirs(side):
    """The other resources stay ours."""
    granted = {"cpu": "1", "memory": "2Gi"}
    left = without_contradiction(
        {"requests": granted, "limits": granted}, {side: {"memory": "1Gi"}}
    )
    assert {"requests": {"cpu": "1"}, "limits": {"cpu": "1"}} == left
