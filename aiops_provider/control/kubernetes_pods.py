"""Kubernetes as hosts see it that create pods by their own means: access, and what a pod's end means."""

from __future__ import annotations

from typing import Any

from aiops_provider.clusters.kubernetes.client import LOADING
from aiops_provider.clusters.kubernetes.diagnosis import PodDiagnosis, diagnose
from aiops_provider.clusters.kubernetes.manifest import CONTAINER, without_contradiction
from aiops_provider.clusters.kubernetes.options import KubernetesOptions
from aiops_provider.domain.cluster import ClusterSpec

__all__ = [
    "CONTAINER",
    "LOADING",
    "KubernetesOptions",
    "PodDiagnosis",
    "api_client",
    "diagnose",
    "options_of",
    "without_contradiction",
]


def options_of(spec: ClusterSpec) -> KubernetesOptions:
    """
    The options of a cluster of kind ``kubernetes``.

    Raises:
        ConfigurationError: They cannot work; every reason is named.
    """
    from aiops_provider.clusters.kubernetes.options import problems
    from aiops_provider.errors import ConfigurationError

    found = problems(spec)
    if found:
        raise ConfigurationError("; ".join(found), field=f"clusters.{spec.name}")
    return KubernetesOptions.model_validate(dict(spec.options))


def api_client(spec: ClusterSpec, *, connect_s: float, read_s: float) -> Any:
    """
    A client of the cluster's API server with time limits; it connects to nothing yet.

    Args:
        spec: The cluster.
        connect_s: For connecting.
        read_s: For the next bytes of an answer.
    """
    from aiops_provider.clusters.kubernetes.client import open_client

    return open_client(options_of(spec), (connect_s, read_s))
