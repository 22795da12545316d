"""
Airflow's KubernetesExecutor, with what several clusters and a router above them need.

Imported on the thread of its cluster only: the module that it extends loads the client of Kubernetes.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from dataclasses import dataclass
from queue import Queue
from typing import Any

from airflow.providers.cncf.kubernetes.executors.kubernetes_executor import KubernetesExecutor
from airflow.providers.cncf.kubernetes.executors.kubernetes_executor_types import (
    ADOPTED,
    POD_EXECUTOR_DONE_KEY,
)
from airflow.providers.cncf.kubernetes.kubernetes_helper_functions import annotations_to_key
from airflow.utils.state import TaskInstanceState
from kubernetes.client import ApiClient, CoreV1Api
from kubernetes.client.exceptions import ApiException

from aiops_provider.airflow.inner.kubernetes_watch import PodLauncher
from aiops_provider.airflow.inner.last_words import LastWords
from aiops_provider.airflow.inner.pod_labels import TASK_INSTANCE, selector_of
from aiops_provider.airflow.requeue import is_waiting
from aiops_provider.control.kubernetes_pods import PodDiagnosis, diagnose
from aiops_provider.domain.execution import Outcome

log = logging.getLogger(__name__)

# Pods are also listed now and then, for a watch tells nothing of those that vanished while it was off.
_STOCKTAKING_S = 20.0
# Missing once may mean that its last event is still on the way.
_MISSING_TIMES = 2


@dataclass(slots=True)
class _Pod:
    """The pod that holds a workload; events of any other pod of the same try are not its own."""

    name: str
    ti_id: Any
    since: float
    missing: int = 0


class ClusterKubernetesExecutor(KubernetesExecutor):
    """
    One of several.

    Differences from the stock executor: no processes beside the scheduler's own; a client of its own
    that gives up early; it sees the pods of its cluster alone, also where several share a namespace;
    a task counts as taken when its pod exists; a pod that cannot start, vanishes or fails before its
    task began is told apart from one whose task failed; and failures say why.

    Args:
        team_name: Whose configuration is read.
        cluster: Name of the cluster.
        connect: Makes a client of its API server.
        pending_timeout_s: How long a pod may take to start.
    """

    def __init__(
        self,
        *,
        team_name: str,
        cluster: str,
        connect: Callable[[], ApiClient],
        pending_timeout_s: float,
    ) -> None:
        super().__init__(team_name=team_name)
        # The asynchronous client knows one cluster only, and a watch is of one namespace here.
        self.kube_config.async_pod_creation = False
        self.kube_config.multi_namespace_mode = False
        self._cluster = cluster
        self._connect = connect
        self._pending_timeout_s = pending_timeout_s
        self._pods: dict[Any, _Pod] = {}
        self._left_over: list[tuple[str, str, bool]] = []
        self._stock_taken_at = time.monotonic()

    def start(self) -> None:
        """Start the watch; queues are of this process, and nobody else's."""
        self.task_queue: Queue[Any] = Queue()
        self.result_queue: Queue[Any] = Queue()
        self.scheduler_job_id = str(self.job_id)
        self.kube_client = CoreV1Api(self._connect())
        self.kube_scheduler = PodLauncher(
            cluster=self._cluster,
            connect=self._connect,
            kube_config=self.kube_config,
            result_queue=self.result_queue,
            kube_client=self.kube_client,
            scheduler_job_id=self.scheduler_job_id,
            team_name=self.team_name,
        )

    def end(self) -> None:
        """End the watch; pods go on."""
        if self.kube_scheduler is not None:
            self.kube_scheduler.terminate()

    def sync(self) -> None:
        """As the stock one; then clean up, and look for what no event tells of."""
        super().sync()
        self._clean_up()
        if time.monotonic() - self._stock_taken_at > _STOCKTAKING_S:
            self._stock_taken_at = time.monotonic()
            self._take_stock()

    def execute_async(
        self, key: Any, command: Any, queue: str | None = None, executor_config: Any = None
    ) -> None:
        """Queue a pod; the task is not reported as queued before there is one."""
        self._pods.pop(key, None)  # of an earlier part of the same try: one that was deferred
        super().execute_async(key, command, queue, executor_config)
        if self.event_buffer.get(key, (None,))[0] == TaskInstanceState.QUEUED:
            del self.event_buffer[key]

    def revoke_task(self, *, ti: Any) -> None:
        """
        Take a task back that waits here, and delete its pod if there is one.

        Raises:
            ApiException: The cluster does not do it; it has to be asked again.
        """
        key = ti.key
        self.queued_tasks.pop(key, None)
        self.running.discard(key)
        self.pod_launch_attempts.pop(key, None)
        self.task_publish_retries.pop(key, None)
        self._purge(key)
        self._pods.pop(key, None)
        selector = selector_of(self._cluster, **{TASK_INSTANCE: str(ti.id)})
        for pod in self._list_pods({"label_selector": selector}):
            self._revoke_pod(pod)

    def fail(self, key: Any, info: Any = None) -> None:
        """Say why in one sentence; the client's own words come with all headers."""
        if isinstance(info, ApiException):
            info = f"{info.status} {info.reason}: {info.body or ''}".rstrip(": ")
        elif isinstance(info, BaseException):
            info = f"{type(info).__name__}: {info}"
        self.pod_launch_attempts.pop(key, None)
        super().fail(key, info)

    def adopt_launched_task(self, kube_client: Any, pod: Any, tis_to_flush_by_key: Any) -> None:
        """Adopt a pod if it is that of the placement in force, not of an earlier one of the try."""
        key = annotations_to_key(pod.metadata.annotations)
        ti = tis_to_flush_by_key.get(key)
        if ti is None or pod.metadata.labels.get(TASK_INSTANCE) != str(ti.id):
            return
        super().adopt_launched_task(kube_client, pod, tis_to_flush_by_key)
        if key not in tis_to_flush_by_key:
            self._pods[key] = _Pod(pod.metadata.name, ti.id, time.monotonic())

    def _list_pods(self, query_kwargs: dict[str, Any]) -> list[Any]:
        """The pods of this cluster alone, also where another one has the same namespace."""
        further = selector_of(self._cluster)
        selector = query_kwargs.get("label_selector")
        arguments = {**self.kube_config.kube_client_request_args, **query_kwargs}
        arguments["label_selector"] = f"{selector},{further}" if selector else further
        found: list[Any] = self.kube_client.list_namespaced_pod(
            self.kube_config.kube_namespace, **arguments
        ).items
        return found

    def _create_pods_sequentially(self) -> None:
        """Create pods until one gets no answer: the next would get none either."""
        # Those that are put back for a later turn must not be taken again in this one.
        batch = min(self.kube_config.worker_pods_creation_batch_size, self.task_queue.qsize())
        for _ in range(batch):
            task = self.task_queue.get_nowait()
            if not self._should_create_pod_for_job(task):
                self._discard_stale_pod_creation_task(task)
                continue
            try:
                name = self.kube_scheduler.run_next(task)
            except ApiException as error:
                if self._handle_pod_publish_error(task, error):
                    return  # it asks for a pause
            except Exception as error:
                # A template, a mutation hook or the network: nobody took the task.
                log.warning("Cluster %s: no pod for %s", self._cluster, task.key, exc_info=True)
                self.fail(task.key, error)
                return
            else:
                self.task_publish_retries.pop(task.key, None)
                self._pods[task.key] = _Pod(name, task.command[0].ti.id, time.monotonic())
                self.event_buffer[task.key] = (TaskInstanceState.QUEUED, self.scheduler_job_id)

    def _change_state(self, results: Any, **_: Any) -> None:
        """Report an end, unless it is that of a pod which holds nothing that is in force."""
        key, state = results.key, results.state
        pod = self._pods.get(key)
        if pod is None or pod.name != results.pod_name:
            if state != ADOPTED:
                self._left_over.append((results.pod_name, results.namespace, False))
            return
        self._forget(key)
        if state == ADOPTED:
            return
        diagnosis: PodDiagnosis | None = results.failure_details
        failed = state == TaskInstanceState.FAILED
        # A process that was killed for its memory may leave one behind that ends in good order.
        if diagnosis is not None and diagnosis.outcome is Outcome.OUT_OF_MEMORY:
            failed = True
        self._left_over.append((results.pod_name, results.namespace, failed))
        if failed:
            self._report_failure(key, pod, diagnosis)
        else:
            self.event_buffer[key] = (TaskInstanceState.SUCCESS, None)

    def _report_failure(self, key: Any, pod: _Pod, diagnosis: PodDiagnosis | None) -> None:
        words = LastWords(
            f"pod {pod.name}: {diagnosis.words if diagnosis else 'it failed'}",
            outcome=diagnosis.outcome if diagnosis else Outcome.KILLED,
            begun=not is_waiting(pod.ti_id),
        )
        log.warning("Cluster %s: %s", self._cluster, words)
        self.event_buffer[key] = (TaskInstanceState.FAILED, words)

    def _take_stock(self) -> None:
        """Find pods that vanished, that do not start, and that nobody waits for."""
        own = {"label_selector": f"airflow-worker={self.scheduler_job_id}"}
        listed = {pod.metadata.name: pod for pod in self._list_pods(own)}
        for key, pod in list(self._pods.items()):
            seen = listed.pop(pod.name, None)
            if seen is None:
                pod.missing += 1
                if pod.missing >= _MISSING_TIMES:
                    self._forget(key)
                    lost = PodDiagnosis(outcome=Outcome.CLUSTER_LOST, words="it has vanished")
                    self._report_failure(key, pod, lost)
                continue
            pod.missing = 0
            if seen.status.phase == "Pending" and self._is_overdue(pod):
                self._give_up(key, pod, seen)
        for stray in listed.values():
            done = POD_EXECUTOR_DONE_KEY in stray.metadata.labels
            if stray.status.phase == "Pending" and not done:
                self._revoke_pod(stray)

    def _is_overdue(self, pod: _Pod) -> bool:
        overdue = time.monotonic() - pod.since > self._pending_timeout_s
        return overdue and is_waiting(pod.ti_id)

    def _give_up(self, key: Any, pod: _Pod, seen: Any) -> None:
        why = diagnose(self.kube_client.api_client.sanitize_for_serialization(seen)).words
        words = f"it has not started within {self._pending_timeout_s:g} s: {why}"
        self._revoke_pod(seen)
        self._forget(key)
        self._report_failure(key, pod, PodDiagnosis(outcome=Outcome.CLUSTER_LOST, words=words))

    def _revoke_pod(self, pod: Any) -> None:
        name, namespace = pod.metadata.name, pod.metadata.namespace
        self.kube_scheduler.patch_pod_revoked(pod_name=name, namespace=namespace)
        self.kube_scheduler.delete_pod(pod_name=name, namespace=namespace)

    def _clean_up(self) -> None:
        """Delete pods that ended, or mark those that are kept so that nobody asks for them again."""
        while self._left_over:
            name, namespace, failed = self._left_over[0]
            keep = failed and not self.kube_config.delete_worker_pods_on_failure
            if self.kube_config.delete_worker_pods and not keep:
                self.kube_scheduler.delete_pod(pod_name=name, namespace=namespace)
            else:
                self.kube_scheduler.patch_pod_executor_done(pod_name=name, namespace=namespace)
            self._left_over.pop(0)

    def _forget(self, key: Any) -> None:
        self.running.discard(key)
        self.pod_launch_attempts.pop(key, None)
        self._pods.pop(key, None)

    def _purge(self, key: Any) -> None:
        """Take a job out of the queue: late, it would make a pod for a task that is elsewhere."""
        with self.task_queue.mutex:
            waiting = [job for job in self.task_queue.queue if job.key != key]
            self.task_queue.queue.clear()
            self.task_queue.queue.extend(waiting)
