"""From a decision to what a cluster's own interface calls it, for hosts that submit by stock means."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from aiops_provider.domain.cluster import ClusterSpec, Pool
from aiops_provider.domain.profile import ResourceRequest

__all__ = ["given", "manifest"]


def manifest(
    spec: ClusterSpec, grant: ResourceRequest, *, pool: str | None = None
) -> dict[str, Any]:
    """
    Resources of one task in the words of its cluster.

    Args:
        spec: A cluster of a kind that has manifests: ``aws_batch``, ``aws_ecs``, ``kubernetes``.
        grant: What the task is granted.
        pool: The machines that were chosen, where the cluster lets a task choose; default: the first.

    Raises:
        ClusterRefusedError: The cluster has nothing of that size.
        KeyError: Clusters of this kind have no manifests, or the cluster has no such pool.
    """
    return _BY_KIND[spec.kind](spec, grant, spec.pool(pool) if pool else spec.pools[0])


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


def _aws_batch(spec: ClusterSpec, grant: ResourceRequest, pool: Pool) -> dict[str, Any]:  # noqa: ARG001
    from aiops_provider.clusters.aws_batch import AwsBatchOptions
    from aiops_provider.clusters.aws_batch.manifest import job_overrides

    return job_overrides(AwsBatchOptions.model_validate(dict(spec.options)), grant)


def _aws_ecs(spec: ClusterSpec, grant: ResourceRequest, pool: Pool) -> dict[str, Any]:  # noqa: ARG001
    from aiops_provider.clusters.aws_ecs import AwsEcsOptions
    from aiops_provider.clusters.aws_ecs.manifest import task_overrides

    return task_overrides(AwsEcsOptions.model_validate(dict(spec.options)), grant)


def _kubernetes(spec: ClusterSpec, grant: ResourceRequest, pool: Pool) -> dict[str, Any]:
    from aiops_provider.clusters.kubernetes import KubernetesOptions
    from aiops_provider.clusters.kubernetes.manifest import pod_manifest

    options = KubernetesOptions.model_validate(dict(spec.options))
    return pod_manifest(options, pool, grant, provider=spec.provider)


_BY_KIND = {"aws_batch": _aws_batch, "aws_ecs": _aws_ecs, "kubernetes": _kubernetes}
