"""
The stock watcher and pod launcher of KubernetesExecutor, without processes of their own.

The stock ones fork two managers and a watcher per cluster from a process that has threads, and those
outlive a scheduler that is killed. Here the watch is a thread, which ends with its process.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterator
from http import HTTPStatus
from queue import Queue
from typing import Any

from airflow.providers.cncf.kubernetes.executors.kubernetes_executor_types import (
    POD_REVOKED_KEY,
    KubernetesWatch,
)
from airflow.providers.cncf.kubernetes.executors.kubernetes_executor_utils import (
    AirflowKubernetesScheduler,
    KubernetesJobWatcher,
)
from airflow.utils.state import TaskInstanceState
from kubernetes.client import CoreV1Api
from kubernetes.client.exceptions import ApiException

from aiops_provider.airflow.inner.pod_labels import selector_of
from aiops_provider.control.kubernetes_pods import PodDiagnosis, diagnose

log = logging.getLogger(__name__)

# The server ends a quiet watch before the client would take it for dead.
_WATCH_S, _CONNECT_S, _SILENCE_S = 25, 2.0, 30.0
_FIRST_PAUSE_S, _LONGEST_PAUSE_S = 1.0, 30.0
# "Any version, and all there is first": what changed while nobody watched is seen as well.
_FROM_ALL = "0"
_ENDED = frozenset({"Failed", "Succeeded"})


class PodWatch(KubernetesJobWatcher):
    """
    Reads the events of one cluster's pods; never started as the process that it could be.

    Args:
        cluster: Its name.
        found: Takes what is told of pods that ended, each with its diagnosis.
        named: As the stock watcher takes them.
    """

    def __init__(self, *, cluster: str, found: Queue[Any], **named: Any) -> None:
        super().__init__(watcher_queue=self, **named)
        self._cluster = cluster
        self._found = found
        self._diagnosis: PodDiagnosis | None = None
        self._told: set[str] = set()

    def put(self, watched: Any) -> None:
        """Take what the stock watcher tells; the diagnosis goes where its own details would."""
        self._found.put(watched._replace(failure_details=self._diagnosis))

    def watch(self, client: CoreV1Api, version: str | None) -> str | None:
        """Watch for a while; the version from where to go on."""
        seen: str | None = self._run(client, version, self.scheduler_job_id, self.kube_config)
        return seen or version

    def process_status(  # noqa: PLR0917 - the stock signature
        self,
        pod_name: str,
        namespace: str,
        status: str,
        annotations: dict[str, str],
        resource_version: str,
        event: Any,
    ) -> None:
        """As the stock one, once per pod, and also for pods that were deleted before they started."""
        pod, gone = event["object"], event["type"] == "DELETED"
        if pod_name in self._told:
            if gone:
                self._told.discard(pod_name)
            return
        if status in _ENDED and not gone:
            self._told.add(pod_name)
        self._diagnosis = diagnose(event["raw_object"])
        deleted = gone and pod.metadata.deletion_timestamp
        if deleted and status == "Pending" and POD_REVOKED_KEY not in pod.metadata.labels:
            failed = TaskInstanceState.FAILED
            self.put(
                KubernetesWatch(pod_name, namespace, failed, annotations, resource_version, None)
            )
            return
        super().process_status(pod_name, namespace, status, annotations, resource_version, event)

    def _pod_events(self, kube_client: CoreV1Api, query_kwargs: dict[str, Any]) -> Iterator[Any]:
        wanted = f"{query_kwargs['label_selector']},{selector_of(self._cluster)}"
        limits = {"timeout_seconds": _WATCH_S, "_request_timeout": (_CONNECT_S, _SILENCE_S)}
        events: Iterator[Any] = super()._pod_events(
            kube_client, {**query_kwargs, "label_selector": wanted, **limits}
        )
        return events


class WatchThread:
    """
    Watches again and again, on a thread; looks to the stock executor like its watcher process.

    Args:
        watch: What to watch.
        connect: Makes a client for this thread alone.
    """

    def __init__(self, watch: PodWatch, connect: Callable[[], Any], *, name: str) -> None:
        self._watch = watch
        self._connect = connect
        self._name = name
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._go_on, name=f"aiops watch {name}", daemon=True)

    def start(self) -> None:
        """Start watching."""
        self._thread.start()

    def is_alive(self) -> bool:
        """Whether the thread lives; it does until it is told to end."""
        return self._thread.is_alive()

    def terminate(self) -> None:
        """End; does not wait for a watch that is open."""
        self._stopping.set()

    def _go_on(self) -> None:
        version: str | None = _FROM_ALL
        client, pause_s = None, _FIRST_PAUSE_S
        while not self._stopping.is_set():
            try:
                client = client or CoreV1Api(self._connect())
                version = self._watch.watch(client, version)
                pause_s = _FIRST_PAUSE_S
            except Exception as error:  # noqa: BLE001 - whatever it was, the cluster is watched again
                if self._stopping.is_set():
                    return
                if not (isinstance(error, ApiException) and error.status == HTTPStatus.GONE):
                    log.warning(
                        "Cluster %s: the watch ended: %s: %s",
                        self._name,
                        type(error).__name__,
                        error,
                    )
                version = _FROM_ALL
                self._stopping.wait(pause_s)
                pause_s = min(2 * pause_s, _LONGEST_PAUSE_S)


class PodLauncher(AirflowKubernetesScheduler):
    """
    Creates and deletes the pods of one cluster.

    Args:
        cluster: Its name.
        connect: Makes a client.
        named: As the stock class takes them; that one's own initialiser forks, so it is not called.
    """

    def __init__(self, *, cluster: str, connect: Callable[[], Any], **named: Any) -> None:
        self._cluster = cluster
        self._connect = connect
        self.kube_config = named["kube_config"]
        self.result_queue = named["result_queue"]
        self.supports_task_instance_uuid = False
        self.namespace = self.kube_config.kube_namespace
        self.kube_client = named["kube_client"]
        self.watcher_queue: Queue[Any] = Queue()
        self.scheduler_job_id = named["scheduler_job_id"]
        self.team_name = named["team_name"]
        self.kube_watchers = self._make_kube_watchers()
        self._manager = None
        self._async_loop = None
        self._async_pod_client = None
        self.pod_creation_max_concurrency = 1

    def run_next(self, next_job: Any) -> str:
        """
        Create the pod of a job; its name.

        The stock method writes the whole pod into the log when it is refused, tokens and all.
        """
        pod = self._build_pod_request(next_job)
        body = self.kube_client.api_client.sanitize_for_serialization(pod)
        self.kube_client.create_namespaced_pod(
            body=body, namespace=pod.metadata.namespace, **self.kube_config.kube_client_request_args
        )
        return str(pod.metadata.name)

    def terminate(self) -> None:
        """End the watch."""
        for watcher in self.kube_watchers.values():
            watcher.terminate()

    def _make_kube_watcher(self, namespace: str) -> WatchThread:
        watch = PodWatch(
            cluster=self._cluster,
            found=self.watcher_queue,
            namespace=namespace,
            resource_version=_FROM_ALL,
            scheduler_job_id=self.scheduler_job_id,
            kube_config=self.kube_config,
            team_name=self.team_name,
        )
        thread = WatchThread(watch, self._connect, name=self._cluster)
        thread.start()
        return thread
