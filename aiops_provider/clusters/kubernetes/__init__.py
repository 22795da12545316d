"""
Namespaces of Kubernetes clusters, each reached by a kubeconfig and a context of its own.

Who creates the pods is the host's business – Airflow has an executor for it. This room knows what a
user may say about such a cluster, what a pod must ask for, how to ask whether the API server answers,
and what a pod's last state means.
"""

from __future__ import annotations

from aiops_provider.clusters.kubernetes.health import open_probe
from aiops_provider.clusters.kubernetes.options import KubernetesOptions, problems
from aiops_provider.clusters.registry import ClusterKind

__all__ = ["KIND", "KubernetesOptions"]

KIND = ClusterKind(name="kubernetes", validate=problems, open_probe=open_probe)
