"""
A job as Google Cloud Batch calls it, in the JSON of its REST API.

Sources: Job, TaskSpec, ComputeResource, InstancePolicy and Container, Batch API v1; "Create and run a
job that uses GPUs" and "Organize resources using labels", Batch documentation. One job is one task in
one container on one machine: machines are not shared between jobs.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from typing import Any

from aiops_provider.clusters.google_batch.options import GoogleBatchOptions
from aiops_provider.clusters.overlay import overlaid
from aiops_provider.clusters.remote_jobs import RemoteJob
from aiops_provider.domain.cluster import ClusterSpec, Pool, Purchase
from aiops_provider.domain.profile import ResourceRequest
from aiops_provider.errors import ClusterRefusedError

FIELDS = frozenset(
    {"priority", "taskGroups", "allocationPolicy", "labels", "logsPolicy", "notifications"}
)
"""What a caller may say about a job."""

_MIB_PER_GIB, _MILLI = 1024, 1000
_NOT_IN_A_LABEL = re.compile(r"[^a-z0-9_-]")
_LONGEST_LABEL = 63
# Machine types of this series come without accelerators, which are attached to them. All others that
# have accelerators have a fixed number of them, and are named by the machine type alone.
_ATTACHABLE = "n1-"
_ACCELERATORS = {
    "A100": "nvidia-tesla-a100",
    "A100-80GB": "nvidia-a100-80gb",
    "B200": "nvidia-b200",
    "H100": "nvidia-h100-80gb",
    "H200": "nvidia-h200-141gb",
    "L4": "nvidia-l4",
    "P100": "nvidia-tesla-p100",
    "P4": "nvidia-tesla-p4",
    "T4": "nvidia-tesla-t4",
    "V100": "nvidia-tesla-v100",
}
# Where Batch puts the drivers that it installs, and where containers look for them.
_DRIVER_VOLUMES = [
    "/var/lib/nvidia/lib64:/usr/local/nvidia/lib64",
    "/var/lib/nvidia/bin:/usr/local/nvidia/bin",
]


def job_body(spec: ClusterSpec, options: GoogleBatchOptions, job: RemoteJob) -> dict[str, Any]:
    """
    The body of ``projects.locations.jobs.create``.

    Args:
        spec: The cluster.
        options: Its options.
        job: What is to run; what its author says goes over everything but the command.

    Raises:
        ClusterRefusedError: An accelerator has no name here.
        KeyError: The cluster has no such pool.
    """
    pool = spec.pool(job.pool) if job.pool else None
    labels = google_labels({**options.labels, **job.labels})
    body: dict[str, Any] = {
        "taskGroups": [{"taskCount": "1", "taskSpec": _task(options, job)}],
        "allocationPolicy": {**_allocation(spec, options, job, pool), "labels": labels},
        "labels": labels,
        # Without it nothing that a task prints is kept.
        "logsPolicy": {"destination": "CLOUD_LOGGING"},
    }
    own = {key: value for key, value in job.own.items() if key in FIELDS}
    body = overlaid(body, own)
    for runnable in body["taskGroups"][0]["taskSpec"]["runnables"]:
        if "container" in runnable:
            runnable["container"] = {**runnable["container"], "commands": list(job.command)}
            break
    return body


def google_labels(labels: Mapping[str, str]) -> dict[str, str]:
    """
    Labels with values that say the same in the letters that Google allows.

    >>> google_labels({"aiops-run": "manual__2026-11-23T00:00:00+00:00"})
    {'aiops-run': 'manual__2026-11-23t00_00_00_00_00'}
    """
    return {
        key: _NOT_IN_A_LABEL.sub("_", value.lower())[:_LONGEST_LABEL]
        for key, value in labels.items()
    }


def _task(options: GoogleBatchOptions, job: RemoteJob) -> dict[str, Any]:
    container: dict[str, Any] = {"imageUri": options.image}
    flags: list[str] = []
    task: dict[str, Any] = {
        "runnables": [{"container": container}],
        "environment": {"variables": {**options.environment, **job.environment, **job.secrets}},
        # Trying again is the host's: it knows where else the task can go, and what is left to do.
        "maxRetryCount": 0,
    }
    if options.max_run_s is not None:
        task["maxRunDuration"] = f"{options.max_run_s}s"
    if job.request is not None:
        memory_mib = math.ceil(job.request.memory_gib * _MIB_PER_GIB)
        cpu_milli = math.ceil(job.request.cores * _MILLI)
        task["computeResource"] = {"cpuMilli": f"{cpu_milli}", "memoryMib": f"{memory_mib}"}
        if options.limit_memory:
            # Batch only chooses a machine by it. This ends the container, as a limit should, and
            # not Batch's own agent beside it.
            flags.append(f"--memory={memory_mib}m")
        if job.request.accelerators and options.install_gpu_drivers:
            flags.append("--privileged")
            container["volumes"] = _DRIVER_VOLUMES
    if flags:
        container["options"] = " ".join(flags)
    return task


def _allocation(
    spec: ClusterSpec, options: GoogleBatchOptions, job: RemoteJob, pool: Pool | None
) -> dict[str, Any]:
    zones = [f"zones/{zone}" for zone in options.zones]
    policy: dict[str, Any] = {
        "location": {"allowedLocations": zones or [f"regions/{spec.region}"]},
        "instances": [_instances(options, job.request, pool)],
    }
    if options.service_account:
        policy["serviceAccount"] = {"email": options.service_account}
    interface: dict[str, Any] = {}
    if options.network:
        interface["network"] = options.network
    if options.subnetwork:
        interface["subnetwork"] = options.subnetwork
    if not options.external_ip:
        interface["noExternalIpAddress"] = True
    if interface:
        policy["network"] = {"networkInterfaces": [interface]}
    return policy


def _instances(
    options: GoogleBatchOptions, request: ResourceRequest | None, pool: Pool | None
) -> dict[str, Any]:
    machines: dict[str, Any] = {}
    if pool is not None:
        spot = pool.purchase is Purchase.SPOT
        machines["provisioningModel"] = "SPOT" if spot else "STANDARD"
        if pool.instance_type:
            machines["machineType"] = pool.instance_type
    if options.boot_disk_gib is not None:
        machines["bootDisk"] = {"sizeGb": f"{options.boot_disk_gib}"}
    if request is None or not request.accelerators:
        return {"policy": machines}
    instance_type = machines.get("machineType", _ATTACHABLE)
    if instance_type.startswith(_ATTACHABLE):
        kind = _accelerator(options, request, pool)
        machines["accelerators"] = [{"type": kind, "count": f"{request.accelerators}"}]
    return {"policy": machines, "installGpuDrivers": options.install_gpu_drivers}


def _accelerator(options: GoogleBatchOptions, request: ResourceRequest, pool: Pool | None) -> str:
    offered = dict(pool.machine.accelerators) if pool is not None else {}
    model = request.accelerator or next(iter(offered), None)
    found = {**_ACCELERATORS, **options.accelerator_types}.get(model or "")
    if found is None:
        raise ClusterRefusedError(
            f"nobody says what Google calls an accelerator {model or 'of no model'}: "
            "add it to options.accelerator_types"
        )
    return found
