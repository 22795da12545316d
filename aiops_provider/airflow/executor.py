"""
One executor for Airflow that owns one inner executor per cluster.

The scheduler's main thread only chooses, from memory, and writes the choice in the session it was
handed. Work is bound late: it stays in our queue until its cluster is healthy and has room, and is
chosen anew while it waits there, so that rerouting needs no revocation.
"""

from __future__ import annotations

import logging
import shutil
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from airflow.executors import workloads
from airflow.executors.base_executor import BaseExecutor

from aiops_provider.airflow.executor_config import read_description
from aiops_provider.airflow.host import ingest_url, open_installation
from aiops_provider.airflow.versions import States, queues_of, states_of, workload_key
from aiops_provider.domain.workload import TaskDescription, TaskKey, TaskRun
from aiops_provider.errors import AiopsError, ClusterError, DescriptionError

if TYPE_CHECKING:
    from airflow.models.taskinstance import TaskInstance
    from sqlalchemy.orm import Session

    from aiops_provider.airflow.inner.local import Ended, LocalCluster
    from aiops_provider.control.decide import Decision
    from aiops_provider.control.layer import Layer
    from aiops_provider.domain.plan import Placement

log = logging.getLogger(__name__)

_STOP_GRACE_S = 10.0


@dataclass(frozen=True, slots=True, kw_only=True)
class _InFlight:
    cluster: str
    states: States


class AiopsExecutor(BaseExecutor):
    """
    Sends every task where the plan, the load and the health of the clusters say.

    Set ``[core] executor = aiops_provider.airflow.AiopsExecutor``; clusters stand in aiops.yaml,
    and without one this machine is the only cluster. When the layer itself fails, tasks run on the
    fallback cluster as they would under LocalExecutor.
    """

    is_local = True
    serve_logs = True
    supports_callbacks = True
    supports_connection_test = True
    pre_assigns_external_executor_id: ClassVar[bool] = False

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._layer: Layer | None = None
        self._clusters: dict[str, LocalCluster] = {}
        self._decisions: dict[Any, Decision] = {}
        self._in_flight: dict[Any, _InFlight] = {}
        self._failed_on: dict[tuple[TaskKey, str, int], dict[str, str]] = {}
        self._scratch: Path | None = None

    def start(self) -> None:
        """Fork the pools while this process has one thread, then start what runs beside it."""
        from aiops_provider.airflow.inner.local import LocalCluster
        from aiops_provider.control.layer import Layer

        self._scratch = Path(tempfile.mkdtemp(prefix="aiops-"))
        self._layer = Layer.open(open_installation, ingest_url=ingest_url)
        routing = self._layer.settings.routing
        for spec in self._layer.clusters:
            cluster = LocalCluster(
                spec,
                scratch=self._scratch,
                reopen_s=routing.breaker_open_s,
                probe_timeout_s=routing.probe_timeout_s,
            )
            cluster.start()
            self._clusters[spec.name] = cluster
        self._layer.start()

    def queue_workload(self, workload: Any, session: Session) -> None:
        """Choose a cluster for a task and write the choice in the scheduler's own transaction."""
        super().queue_workload(workload, session)
        if isinstance(workload, workloads.ExecuteTask):
            self._choose(workload, session)

    def trigger_tasks(self, open_slots: int) -> None:
        """Send what its cluster has room for, callbacks first, then tasks by priority."""
        for callback in list(self.queued_callbacks.values())[: max(open_slots, 0)]:
            open_slots -= self._send(callback, None)
        waiting = sorted(self.queued_tasks.values(), key=lambda each: -each.ti.priority_weight)
        for workload in waiting:
            if open_slots <= 0:
                return
            decision = self._good_decision(workload)
            if self._the_layer.decider.ledger.admit(decision.placement.run):
                open_slots -= self._send(workload, decision)

    def sync(self) -> None:
        """Take in what ended and how the clusters are; one that fails does not hold up others."""
        for name, cluster in self._clusters.items():
            try:
                for ended in cluster.poll():
                    self._take_in(name, ended)
                self._the_layer.observe(cluster.probe())
            except Exception:
                # An exception here would end the scheduler; the other clusters must go on.
                log.exception("Cluster %s cannot be polled", name)

    def _process_workloads(self, workload_items: Sequence[Any]) -> None:
        """Connection tests; tasks and callbacks go through `trigger_tasks`."""
        for workload in workload_items:
            self._send(workload, None)

    def revoke_task(self, *, ti: TaskInstance) -> None:
        """Take a task back, wherever it is."""
        key = ti.key
        self.queued_tasks.pop(key, None)
        in_flight = self._in_flight.get(key)
        if in_flight is not None:
            self._clusters[in_flight.cluster].cancel(key)
        self.running.discard(key)
        self._forget(key)

    def try_adopt_task_instances(self, tis: Sequence[TaskInstance]) -> Sequence[TaskInstance]:
        """Pools die with their scheduler, and their tasks with them: nothing is left to adopt."""
        return tis

    def get_task_log(self, ti: TaskInstance, try_number: int) -> tuple[list[str], list[str]]:  # noqa: ARG002
        """Logs of local clusters are served from this host, as LocalExecutor's are."""
        return [], []

    def end(self) -> None:
        """Wait for what runs, then end the pools."""
        self._drain()
        self.terminate()

    def terminate(self) -> None:
        """End the pools and everything beside them."""
        for name, cluster in self._clusters.items():
            try:
                cluster.stop(_STOP_GRACE_S)
            except ClusterError:
                log.warning("Cluster %s did not end cleanly", name, exc_info=True)
        if self._layer is not None:
            self._layer.stop()
        if self._scratch is not None:
            shutil.rmtree(self._scratch, ignore_errors=True)

    @property
    def _the_layer(self) -> Layer:
        if self._layer is None:
            raise AiopsError("AiopsExecutor is used before it was started")
        return self._layer

    def _choose(self, workload: Any, session: Session | None) -> Decision:
        from aiops_provider.control.decide import TaskRequest

        run = _task_run(workload.ti)
        decision = self._the_layer.decide(
            TaskRequest(
                run=run,
                description=_description(workload),
                avoid=self._failed_on.get((run.task, run.run_id, run.map_index), {}),
            ),
            write_now=self._writer(session),
        )
        self._decisions[workload_key(workload)] = decision
        return decision

    def _writer(self, session: Session | None) -> Callable[[Placement], None] | None:
        """Writes placements in the scheduler's own transaction, if that is in the store."""
        installation = self._the_layer.installation
        store = installation.store
        if session is None or store is None or not installation.shares_host_database:
            return None

        def write(placement: Placement) -> None:
            # A savepoint of the connection: the scheduler forbids commits of its session, and the
            # session's own savepoints count as such.
            connection = session.connection()
            with connection.begin_nested():
                store.record_placements([placement], connection=connection)

        return write

    def _good_decision(self, workload: Any) -> Decision:
        """The choice that was made, or a new one if its cluster is no longer to be used."""
        decision = self._decisions.get(workload_key(workload))
        if decision is None or not self._the_layer.decider.still_good(decision):
            decision = self._choose(workload, None)
        return decision

    def _send(self, workload: Any, decision: Decision | None) -> int:
        """Give a workload to its cluster; returns the number of slots it took."""
        layer = self._the_layer
        name = decision.cluster.name if decision is not None else layer.settings.fallback.name
        environment = layer.environment(decision) if decision is not None else {}
        try:
            self._clusters[name].submit(workload, decision, environment)
        except ClusterError as error:
            # It stays queued: the next heartbeat chooses anew, since the cluster is unhealthy now.
            log.warning("Cluster %s did not take %s: %s", name, workload_key(workload), error)
            layer.refused(name, str(error))
            return 0
        key, states = workload_key(workload), states_of(workload)
        for queue in queues_of(self):
            queue.pop(key, None)
        self.running.add(key)
        self._in_flight[key] = _InFlight(cluster=name, states=states)
        if states.running is not None:
            self.change_state(key, states.running, remove_running=False)
        return 1

    def _take_in(self, cluster: str, ended: Ended) -> None:
        in_flight = self._in_flight.get(ended.key)
        if in_flight is None or in_flight.cluster != cluster:
            return
        if ended.record is not None:
            self._the_layer.executed(ended.record)
            self._remember_failure(ended)
        elif ended.run is not None:
            self._the_layer.decider.ledger.release(ended.run)
        del self._in_flight[ended.key]
        self._decisions.pop(ended.key, None)
        if ended.clean:
            self.change_state(ended.key, in_flight.states.success)
        else:
            self.change_state(ended.key, in_flight.states.failure, f"{cluster}: {ended.message}")

    def _remember_failure(self, ended: Ended) -> None:
        record = ended.record
        if record is None:
            return
        run = record.run
        place = (run.task, run.run_id, run.map_index)
        if record.outcome.value == "success":
            self._failed_on.pop(place, None)
        elif self._decisions[ended.key].placement.applied:
            reason = record.message or record.outcome.value.replace("_", " ")
            self._failed_on.setdefault(place, {})[record.cluster] = (
                f"try {run.try_number} failed there: {reason}"
            )

    def _forget(self, key: Any) -> None:
        self._in_flight.pop(key, None)
        decision = self._decisions.pop(key, None)
        if decision is not None:
            self._the_layer.decider.ledger.release(decision.placement.run)

    def _drain(self) -> None:
        """Let running tasks end, as LocalExecutor does; a second signal does not wait."""
        while any(cluster.busy for cluster in self._clusters.values()):
            self.sync()
            time.sleep(0.2)


def _description(workload: Any) -> TaskDescription | None:
    try:
        return read_description(workload.ti.executor_config)
    except DescriptionError as error:
        log.warning("%s is placed without its description: %s", workload_key(workload), error)
        return None


def _task_run(ti: Any) -> TaskRun:
    return TaskRun(
        task=TaskKey(ti.dag_id, ti.task_id),
        run_id=ti.run_id,
        map_index=ti.map_index if ti.map_index is not None else -1,
        try_number=ti.try_number,
    )
