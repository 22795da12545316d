"""Amazon ECS clusters; who runs the tasks is the host's business."""

from __future__ import annotations

from aiops_provider.clusters.aws_ecs.options import AwsEcsOptions
from aiops_provider.clusters.options import problems_of
from aiops_provider.clusters.registry import ClusterKind
from aiops_provider.domain.cluster import ClusterSpec

__all__ = ["KIND", "AwsEcsOptions"]


def _validate(spec: ClusterSpec) -> list[str]:
    return problems_of(AwsEcsOptions, spec)


KIND = ClusterKind(name="aws_ecs", validate=_validate)
