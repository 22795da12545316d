"""Batch services of clouds as doors see them: something that keeps jobs and tells how they are."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from aiops_provider.clusters.remote_jobs import (
    CLUSTER_LABEL,
    RemoteJob,
    RemoteJobClient,
    RemoteJobLog,
    RemoteJobStage,
    RemoteJobStatus,
)
from aiops_provider.domain.cluster import ClusterSpec

__all__ = [
    "CLUSTER_LABEL",
    "RemoteJob",
    "RemoteJobClient",
    "RemoteJobLog",
    "RemoteJobStage",
    "RemoteJobStatus",
    "kind_keeps_jobs",
    "open_remote_jobs",
]


def kind_keeps_jobs(kind: str) -> bool:
    """Whether clusters of that kind are batch services that keep jobs by themselves."""
    from aiops_provider.clusters.registry import cluster_kind, kind_names

    return kind in kind_names() and cluster_kind(kind).open_remote is not None


def open_remote_jobs(
    spec: ClusterSpec, *, timeout_s: float, secret: Mapping[str, Any] | None = None
) -> RemoteJobClient:
    """
    The client of a batch service; it connects to nothing yet.

    Args:
        spec: The cluster as configured.
        timeout_s: What one request may take.
        secret: Credentials from a connection of the host, as the kind understands them.

    Raises:
        ConfigurationError: The kind is unknown or keeps no jobs, or the spec cannot work.
    """
    from aiops_provider.clusters.registry import open_remote

    return open_remote(spec, timeout_s=timeout_s, secret=secret)
