"""AWS Batch job queues as clusters; who submits the jobs is the host's business."""

from __future__ import annotations

from aiops_provider.clusters.aws_batch.options import AwsBatchOptions
from aiops_provider.clusters.options import problems_of
from aiops_provider.clusters.registry import ClusterKind
from aiops_provider.domain.cluster import ClusterSpec

__all__ = ["KIND", "AwsBatchOptions"]


def _validate(spec: ClusterSpec) -> list[str]:
    return problems_of(AwsBatchOptions, spec)


KIND = ClusterKind(name="aws_batch", validate=_validate)
