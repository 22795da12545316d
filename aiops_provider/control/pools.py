"""Clusters as doors see them: something that takes jobs and tells what became of them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from aiops_provider.clusters.job_client import Job, JobClient, JobState, JobUpdate
from aiops_provider.domain.cluster import ClusterSpec

__all__ = [
    "Job",
    "JobClient",
    "JobState",
    "JobUpdate",
    "kind_takes_jobs",
    "open_job_client",
    "open_probe",
]


def kind_takes_jobs(kind: str) -> bool:
    """Whether clusters of that kind are reached through a job client that is installed."""
    from aiops_provider.clusters.registry import cluster_kind, kind_names

    return kind in kind_names() and cluster_kind(kind).open is not None


def open_probe(spec: ClusterSpec, *, timeout_s: float) -> Callable[[], None]:
    """
    The health probe of a cluster of any installed kind; it connects to nothing yet.

    Returns:
        A function for one thread; it raises ClusterUnreachableError unless the cluster answered.

    Raises:
        ConfigurationError: The kind is unknown or has no probe, or the spec cannot work.
    """
    from aiops_provider.clusters.registry import open_probe as open_registered

    return open_registered(spec, timeout_s=timeout_s)


def open_job_client(
    spec: ClusterSpec,
    *,
    preload: Sequence[str] = (),
    environment: Mapping[str, str] | None = None,
    most_at_once: int | None = None,
) -> JobClient:
    """
    The client of a cluster of any installed kind; it is not started yet.

    Args:
        spec: The cluster as configured.
        preload: Modules that the cluster imports once rather than in every job, where it can.
        environment: Environment variables of every job.
        most_at_once: Jobs that run at a time, others wait on the cluster; ``None``: any number.

    Raises:
        ConfigurationError: The kind is unknown, or says that the spec cannot work.
    """
    from aiops_provider.clusters.registry import open_cluster

    return open_cluster(spec, preload=preload, environment=environment, most_at_once=most_at_once)
