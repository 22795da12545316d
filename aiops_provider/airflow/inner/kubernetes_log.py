"""The log of a task that runs in a pod, from the API server of its cluster."""

from __future__ import annotations

import logging
from typing import Any

from aiops_provider.airflow.inner.pod_labels import TASK_INSTANCE, selector_of

log = logging.getLogger(__name__)


def read_log(
    api_client: Any, cluster: str, namespace: str, ti: Any, *, team: str
) -> tuple[list[str], list[str]]:
    """
    Sources and text of the log; what cannot be read is said among the sources.

    Args:
        api_client: Of the cluster; its time limits hold.
        cluster: Its name.
        namespace: Where its pods are.
        ti: The task instance; its id tells its pod from those of other placements.
        team: Whose configuration says how many lines are wanted.
    """
    from airflow.configuration import conf
    from airflow.utils.log.logging_mixin import remove_escape_codes
    from kubernetes.client import CoreV1Api

    lines = conf.getint("kubernetes_executor", "running_pod_log_lines", team_name=team)
    api = CoreV1Api(api_client)
    try:
        selector = selector_of(cluster, **{TASK_INSTANCE: str(ti.id)})
        pods = api.list_namespaced_pod(namespace, label_selector=selector).items
        if not pods:
            return [f"{cluster}: there is no pod of this try in namespace {namespace}"], []
        pod = max(pods, key=lambda each: each.metadata.creation_timestamp)
        answer = api.read_namespaced_pod_log(
            pod.metadata.name,
            namespace,
            container=pod.spec.containers[0].name,
            tail_lines=lines,
            _preload_content=False,
        )
        text = answer.data.decode("utf-8", errors="replace")
    except Exception as error:
        # The page shows what there is; a cluster that does not answer must not take it away.
        log.warning("The log of %s cannot be read from %s", ti.id, cluster, exc_info=True)
        return [f"{cluster}: the pod's log cannot be read: {type(error).__name__}: {error}"], []
    return [f"{cluster}: pod {namespace}/{pod.metadata.name}"], [remove_escape_codes(text)]
