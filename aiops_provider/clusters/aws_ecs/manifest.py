"""
From what a task is granted to what Amazon ECS calls it.

Source: RunTask, TaskOverride and ContainerOverride, Amazon ECS API Reference: 1024 CPU units are a
core, memory is in MiB; on Fargate the size of the task decides, and it is one of a few.
"""

from __future__ import annotations

import math
from typing import Any

from aiops_provider.clusters.aws_ecs.options import AwsEcsOptions
from aiops_provider.clusters.fargate import fargate_size
from aiops_provider.domain.profile import ResourceRequest
from aiops_provider.errors import ClusterRefusedError

_MIB, _CPU_UNITS = 1024, 1024


def task_overrides(options: AwsEcsOptions, grant: ResourceRequest) -> dict[str, Any]:
    """
    Keyword arguments of ``run_task`` for one task.

    Args:
        options: Of the cluster.
        grant: Cores and GiB; accelerators as a number.

    Raises:
        ClusterRefusedError: Fargate has nothing of that size.
    """
    container: dict[str, Any] = {"name": options.container}
    overrides: dict[str, Any] = {"containerOverrides": [container]}
    if options.launch_type == "FARGATE":
        if grant.accelerators:
            raise ClusterRefusedError("Fargate has no accelerators")
        cores, memory_gib = fargate_size(grant)
        cpu, memory = round(cores * _CPU_UNITS), round(memory_gib * _MIB)
        overrides |= {"cpu": f"{cpu}", "memory": f"{memory}"}
    else:
        cpu, memory = math.ceil(grant.cores * _CPU_UNITS), math.ceil(grant.memory_gib * _MIB)
        if grant.accelerators:
            gpus = {"type": "GPU", "value": f"{grant.accelerators}"}
            container["resourceRequirements"] = [gpus]
    # A container that states less memory than its task would be ended at its own limit.
    container |= {"cpu": cpu, "memory": memory}
    return {"overrides": overrides}
