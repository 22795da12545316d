"""
From what a task is granted to what Kubernetes calls it: a pod, as its API has it.

Sources: Kubernetes documentation, "Resource Management for Pods and Containers", "Schedule GPUs" and
"Well-Known Labels, Annotations and Taints"; the labels of spot nodes are those that Amazon EKS
("Managed node groups"), Google Kubernetes Engine ("Spot VMs") and Azure Kubernetes Service ("Spot
node pools") document.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from aiops_provider.clusters.kubernetes.options import KubernetesOptions, PoolNodes
from aiops_provider.domain.cluster import Pool, Purchase
from aiops_provider.domain.profile import ResourceRequest

CONTAINER = "base"
"""Name of the container in which Airflow runs a task."""

_MIB_PER_GIB, _MILLI = 1024, 1000
_INSTANCE_TYPE = "node.kubernetes.io/instance-type"
_SPOT_LABEL = {
    "aws": ("eks.amazonaws.com/capacityType", "SPOT"),
    "google_cloud": ("cloud.google.com/gke-spot", "true"),
    "azure": ("kubernetes.azure.com/scalesetpriority", "spot"),
}
# EKS puts no taint on spot nodes.
_SPOT_TAINTED = frozenset({"google_cloud", "azure"})


def pod_manifest(
    options: KubernetesOptions,
    pool: Pool,
    grant: ResourceRequest,
    *,
    provider: str,
) -> dict[str, Any]:
    """
    The part of a pod that follows from where its task goes and what it is granted.

    Memory is requested and limited alike, so that a task that exceeds it is ended and nobody else;
    so are cores, unless the cluster says that idle ones may be used.

    Args:
        options: Of the cluster.
        pool: The machines that were chosen.
        grant: Cores and GiB; accelerators as a number and a model.
        provider: Of the cluster; its managed service labels spot nodes in its own way.
    """
    container = {"name": CONTAINER, "resources": _resources(options, grant)}
    spec: dict[str, Any] = {"containers": [container]}
    selector = _node_selector(options, pool, grant, provider)
    if selector:
        spec["nodeSelector"] = selector
    tolerations = _tolerations(options, pool, grant, provider)
    if tolerations:
        spec["tolerations"] = tolerations
    return {"spec": spec}


def without_contradiction(ours: dict[str, Any], own: Mapping[str, Any]) -> dict[str, Any]:
    """
    Our resources without those of which the user states one side only.

    A request of ours above a limit of theirs would be refused, a limit of ours below their request
    too. Kubernetes fills the missing side in as its documentation says.

    Args:
        ours: ``resources`` of a container, as :func:`pod_manifest` has them.
        own: What the user says in the same place.

    >>> ours = {"requests": {"memory": "2048Mi"}, "limits": {"memory": "2048Mi"}}
    >>> without_contradiction(ours, {"limits": {"memory": "1Gi"}})
    {'requests': {}, 'limits': {}}
    """
    stated = {name for side in ("requests", "limits") for name in own.get(side) or {}}
    return {
        side: {name: value for name, value in ours.get(side, {}).items() if name not in stated}
        for side in ("requests", "limits")
    }


def _resources(options: KubernetesOptions, grant: ResourceRequest) -> dict[str, dict[str, str]]:
    cores = f"{max(1, math.ceil(round(grant.cores * _MILLI, 6)))}m"
    memory = f"{max(1, math.ceil(round(grant.memory_gib * _MIB_PER_GIB, 6)))}Mi"
    requests = {"cpu": cores, "memory": memory}
    limits = {"cpu": cores, "memory": memory} if options.limit_cores else {"memory": memory}
    if grant.local_disk_gib > 0:
        disk = math.ceil(round(grant.local_disk_gib * _MIB_PER_GIB, 6))
        requests["ephemeral-storage"] = f"{disk}Mi"
    if grant.accelerators:
        # Devices cannot be shared: request and limit must be equal.
        requests[options.accelerator_resource] = f"{grant.accelerators}"
        limits[options.accelerator_resource] = f"{grant.accelerators}"
    return {"requests": requests, "limits": limits}


def _node_selector(
    options: KubernetesOptions, pool: Pool, grant: ResourceRequest, provider: str
) -> dict[str, str]:
    said = options.pools.get(pool.name, PoolNodes()).node_selector
    if said is not None:
        selector = dict(said)
    else:
        selector = {_INSTANCE_TYPE: pool.instance_type} if pool.instance_type else {}
        if pool.purchase is Purchase.SPOT and provider in _SPOT_LABEL:
            label, value = _SPOT_LABEL[provider]
            selector[label] = value
    if grant.accelerators and grant.accelerator is not None:
        selector |= options.accelerator_labels.get(grant.accelerator, {})
    return selector


def _tolerations(
    options: KubernetesOptions, pool: Pool, grant: ResourceRequest, provider: str
) -> list[dict[str, Any]]:
    tolerations: list[dict[str, Any]] = []
    if pool.purchase is Purchase.SPOT and provider in _SPOT_TAINTED:
        label, value = _SPOT_LABEL[provider]
        tolerations.append(
            {"key": label, "operator": "Equal", "value": value, "effect": "NoSchedule"}
        )
    if grant.accelerators:
        # What managed services put on nodes with devices, to keep other pods away.
        key = options.accelerator_resource
        tolerations.append({"key": key, "operator": "Exists", "effect": "NoSchedule"})
    return [*tolerations, *options.pools.get(pool.name, PoolNodes()).tolerations]
