"""Clusters as doors see them: something that takes jobs and tells what became of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from aiops_provider.clusters.job_client import Job, JobClient, JobState, JobUpdate
from aiops_provider.domain.cluster import ClusterSpec

__all__ = ["Job", "JobClient", "JobState", "JobUpdate", "kind_takes_jobs", "open_job_client"]


def kind_takes_jobs(kind: str) -> bool:
    """Whether clusters of that kind are reached through a job client that is installed."""
    from aiops_provider.clusters.registry import kind_names

    return kind in kind_names()


def open_job_client(
    spec: ClusterSpec,
    *,
    preload: Sequence[str] = (),
    environment: Mapping[str, str] | None = None,
) -> JobClient:
    """
    The client of a cluster of any installed kind; it is not started yet.

    Args:
        spec: The cluster as configured.
        preload: Modules that the cluster imports once rather than in every job, where it can.
        environment: Environment variables of every job.

    Raises:
        ConfigurationError: The kind is unknown, or says that the spec cannot work.
    """
    from aiops_provider.clusters.registry import open_cluster

    return open_cluster(spec, preload=preload, environment=environment)
