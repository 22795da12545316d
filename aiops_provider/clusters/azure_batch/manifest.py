"""
A task as Azure Batch calls it, in the JSON of its REST API.

Sources: Task - Create Task and Job - Create Job, Azure Batch REST API 2025-06-01; "Run container
applications on Azure Batch"; "Run tasks concurrently to maximize usage of Batch compute nodes". A node
is cut into slots; nothing but the options of ``docker run`` enforces what a task is granted.
"""

from __future__ import annotations

import hashlib
import math
import re
import shlex
from typing import Any

from aiops_provider.clusters.azure_batch.options import AzureBatchOptions, AzurePool
from aiops_provider.clusters.overlay import overlaid
from aiops_provider.clusters.remote_jobs import RemoteJob
from aiops_provider.domain.cluster import ClusterSpec, Pool
from aiops_provider.domain.profile import ResourceRequest
from aiops_provider.errors import ClusterRefusedError

FIELDS = frozenset(
    {
        "affinityInfo",
        "applicationPackageReferences",
        "constraints",
        "containerSettings",
        "displayName",
        "environmentSettings",
        "outputFiles",
        "requiredSlots",
        "resourceFiles",
        "userIdentity",
    }
)
"""What a caller may say about a task."""

_MIB_PER_GIB = 1024
_NOT_IN_AN_ID = re.compile(r"[^A-Za-z0-9_-]")
_LONGEST_ID, _DIGEST = 64, 8


def job_id_of(spec: ClusterSpec, pool: str) -> str:
    """
    Id of the job in which the tasks of a pool are: a job of Azure Batch belongs to one pool.

    Args:
        spec: The cluster.
        pool: Name of its pool.
    """
    # Names that differ in case or in a letter that is not allowed must not share a job.
    digest = hashlib.sha256(f"{spec.name}/{pool}".encode()).hexdigest()[:_DIGEST]
    safe = _NOT_IN_AN_ID.sub("-", f"aiops-{spec.name}-{pool}")
    return f"{safe[: _LONGEST_ID - _DIGEST - 1]}-{digest}"


def task_body(spec: ClusterSpec, options: AzureBatchOptions, job: RemoteJob) -> dict[str, Any]:
    """
    The body of ``Task - Create Task``.

    Args:
        spec: The cluster.
        options: Its options.
        job: What is to run; what its author says goes over everything but id and command.

    Raises:
        ClusterRefusedError: No share of a node is large enough.
        KeyError: The cluster has no such pool.
    """
    pool = spec.pool(job.pool) if job.pool else spec.pools[0]
    variables = {**options.environment, **job.environment, **job.secrets}
    # Trying again is the host's: it knows where else the task can go, and what is left to do.
    constraints: dict[str, Any] = {"maxTaskRetryCount": 0}
    if options.max_run_s is not None:
        constraints["maxWallClockTime"] = f"PT{options.max_run_s}S"
    body: dict[str, Any] = {
        "displayName": _display_name(job),
        "containerSettings": {
            "imageName": options.image,
            "containerRunOptions": _run_options(options, job.request),
        },
        "environmentSettings": [{"name": key, "value": value} for key, value in variables.items()],
        "constraints": constraints,
        "requiredSlots": _slots(options, pool, job.request),
    }
    own = {key: value for key, value in job.own.items() if key in FIELDS}
    if "environmentSettings" in own:
        own["environmentSettings"] = [*body["environmentSettings"], *own["environmentSettings"]]
    return {**overlaid(body, own), "id": job.job_id, "commandLine": shlex.join(job.command)}


def _display_name(job: RemoteJob) -> str:
    """Tasks have no tags; this is what a person finds them by."""
    said = [
        job.labels[key] for key in ("aiops-dag", "aiops-task", "aiops-run") if key in job.labels
    ]
    return "/".join(said) or job.job_id


def _run_options(options: AzureBatchOptions, request: ResourceRequest | None) -> str:
    said = ["--rm"]
    if request is not None:
        said.append(f"--cpus={request.cores:g}")
        if options.limit_memory:
            said.append(f"--memory={math.ceil(request.memory_gib * _MIB_PER_GIB)}m")
        if request.accelerators:
            said.append("--gpus all")
    if options.container_options:
        said.append(options.container_options)
    return " ".join(said)


def _slots(options: AzureBatchOptions, pool: Pool, request: ResourceRequest | None) -> int:
    slots = options.pools.get(pool.name, AzurePool()).slots_per_node
    if request is None:
        return 1
    if not pool.machine.fits(request):
        raise ClusterRefusedError(f"no node of pool {pool.name} holds what the task is granted")
    return max(1, math.ceil(pool.machine_share(request) * slots - 1e-9))
