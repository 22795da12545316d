"""What the two sides of a cluster check agree on: the command that asks, and the host that runs a task."""

from __future__ import annotations

DAG_ID = "aiops_cluster_check"
MARK = "aiops-cluster-check:"
"""Stands before the line in which the host's process answers."""


def run_id_of(cluster: str, stamp: str) -> str:
    """
    The run that checks a cluster; the cluster is read from it when the task is placed.

    >>> run_id_of("eks-brazil", "20260301T120000")
    'check__eks-brazil__20260301T120000'
    """
    return f"check__{cluster}__{stamp}"


def checked_cluster(dag_id: str, run_id: str) -> str | None:
    """
    The cluster that a run checks; ``None`` for every other run.

    >>> checked_cluster(DAG_ID, "check__eks-brazil__20260301T120000")
    'eks-brazil'
    >>> checked_cluster("medical", "check__eks-brazil__20260301T120000")
    """
    parts = run_id.split("__", 1)
    if dag_id != DAG_ID or parts[0] != "check" or len(parts) != 2:
        return None
    return parts[1].rpartition("__")[0] or None
