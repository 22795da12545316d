"""From a decision to what a cluster's own interface calls it, for hosts that submit by stock means."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from aiops_provider.domain.cluster import ClusterSpec
from aiops_provider.domain.profile import ResourceRequest

__all__ = ["given", "manifest"]


def manifest(spec: ClusterSpec, grant: ResourceRequest) -> dict[str, Any]:
    """
    Resources of one task in the words of its cluster.

    Args:
        spec: A cluster of a kind that has manifests: ``aws_batch``, ``aws_ecs``.
        grant: What the task is granted.

    Raises:
        ClusterRefusedError: The cluster has nothing of that size.
        KeyError: Clusters of this kind have no manifests.
    """
    return _BY_KIND[spec.kind](spec, grant)


def given(spec: ClusterSpec, grant: ResourceRequest) -> ResourceRequest:
    """
    What a task really gets where a cluster has fixed sizes: never less than it is granted.

    The size after a failure for want of memory must build on this, or the next try might get the
    very same one.

    Args:
        spec: As for :func:`manifest`.
        grant: As for :func:`manifest`.
    """
    from aiops_provider.clusters.fargate import fargate_size

    options = spec.options
    if "FARGATE" not in {str(options.get(name)).upper() for name in ("platform", "launch_type")}:
        return grant
    cores, memory_gib = fargate_size(grant)
    return replace(grant, cores=cores, memory_gib=memory_gib)


def _aws_batch(spec: ClusterSpec, grant: ResourceRequest) -> dict[str, Any]:
    from aiops_provider.clusters.aws_batch import AwsBatchOptions
    from aiops_provider.clusters.aws_batch.manifest import job_overrides

    return job_overrides(AwsBatchOptions.model_validate(dict(spec.options)), grant)


def _aws_ecs(spec: ClusterSpec, grant: ResourceRequest) -> dict[str, Any]:
    from aiops_provider.clusters.aws_ecs import AwsEcsOptions
    from aiops_provider.clusters.aws_ecs.manifest import task_overrides

    return task_overrides(AwsEcsOptions.model_validate(dict(spec.options)), grant)


_BY_KIND = {"aws_batch": _aws_batch, "aws_ecs": _aws_ecs}
