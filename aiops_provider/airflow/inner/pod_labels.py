"""
Labels by which pods are told apart, and by which a cloud's bill can be split.

Airflow's own executor labels a pod with dag, task, run and try, and with the scheduler that owns it.
That scheduler has several clusters here, which may share a namespace, and one try may have several
placements: so the cluster and the id of the task instance are labels too.
"""

from __future__ import annotations

from typing import Any

CLUSTER = "aiops_cluster"
TASK_INSTANCE = "aiops_ti_id"
EPOCH = "aiops_epoch"
POOL = "aiops_pool"


def labels_of(cluster: str, ti: Any, *, epoch: int, pool: str | None) -> dict[str, str]:
    """
    The labels of the pod of one placement.

    Args:
        cluster: Name of the cluster.
        ti: The task instance.
        epoch: The placement.
        pool: The machines that were chosen; ``None`` while only observing.
    """
    labels = {CLUSTER: safe(cluster), TASK_INSTANCE: str(ti.id), EPOCH: str(epoch)}
    return labels if pool is None else {**labels, POOL: safe(pool)}


def selector_of(cluster: str, **further: str) -> str:
    """A label selector for the pods of a cluster, and of it alone."""
    wanted = {CLUSTER: safe(cluster), **further}
    return ",".join(f"{name}={value}" for name, value in wanted.items())


def safe(value: str) -> str:
    """A label value that says the same, as Airflow makes them of names that are not allowed."""
    from airflow.providers.cncf.kubernetes.pod_generator import make_safe_label_value

    return str(make_safe_label_value(value))
