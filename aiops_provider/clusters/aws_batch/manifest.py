"""
From what a task is granted to what AWS Batch calls it.

Source: SubmitJob and ResourceRequirement, AWS Batch API Reference: VCPU is a whole number on EC2 and
one of Fargate's sizes there, MEMORY is in MiB, GPU is a whole number and only on EC2.
"""

from __future__ import annotations

import math
from typing import Any

from aiops_provider.clusters.aws_batch.options import AwsBatchOptions
from aiops_provider.clusters.fargate import fargate_size
from aiops_provider.domain.profile import ResourceRequest
from aiops_provider.errors import ClusterRefusedError

_MIB = 1024


def job_overrides(options: AwsBatchOptions, grant: ResourceRequest) -> dict[str, Any]:
    """
    Keyword arguments of ``submit_job`` for one task.

    Args:
        options: Of the cluster.
        grant: Cores and GiB; accelerators as a number.

    Raises:
        ClusterRefusedError: The platform has nothing of that size.
    """
    if options.platform == "fargate":
        if grant.accelerators:
            raise ClusterRefusedError("Fargate has no accelerators")
        cores, memory_gib = fargate_size(grant)
        needs = {"VCPU": f"{cores:g}", "MEMORY": f"{round(memory_gib * _MIB)}"}
    else:
        needs = {
            "VCPU": f"{max(1, math.ceil(grant.cores))}",
            "MEMORY": f"{math.ceil(grant.memory_gib * _MIB)}",
        }
    if grant.accelerators:
        needs["GPU"] = f"{grant.accelerators}"
    requirements = [{"type": kind, "value": value} for kind, value in needs.items()]
    return {"containerOverrides": {"resourceRequirements": requirements}}
