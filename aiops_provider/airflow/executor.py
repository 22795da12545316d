"""
One executor for Airflow that owns one inner executor per cluster.

The scheduler's main thread only chooses, from memory, and writes the choice in the session it was
handed. Work is bound late: it stays in our queue until its cluster is healthy and has room, and is
chosen anew while it waits there, so that rerouting needs no revocation. No call to a cluster is made
here; each remote one has a thread of its own.
"""

from __future__ import annotations

import logging
import shutil
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from airflow.executors import workloads
from airflow.executors.base_executor import BaseExecutor

from aiops_provider.airflow import named
from aiops_provider.airflow.arrivals import Arrivals
from aiops_provider.airflow.host import ingest_url, open_installation
from aiops_provider.airflow.in_flight import Flight, InFlight, Journey
from aiops_provider.airflow.task_log import TaskLogs
from aiops_provider.airflow.versions import EventLogs, queues_of, workload_key
from aiops_provider.domain.cluster import HealthState
from aiops_provider.domain.units import utc_now
from aiops_provider.errors import AiopsError, ClusterError

if TYPE_CHECKING:
    from airflow.models.taskinstance import TaskInstance
    from sqlalchemy.orm import Session

    from aiops_provider.airflow.inner.cluster import InnerCluster
    from aiops_provider.airflow.placer import Placer
    from aiops_provider.control.decide import Decision
    from aiops_provider.control.layer import Layer

log = logging.getLogger(__name__)

_STOP_GRACE_S = 10.0


class AiopsExecutor(BaseExecutor):
    """
    Sends every task where the plan, the load and the health of the clusters say.

    Set ``[core] executor = aiops_provider.airflow.AiopsExecutor``; clusters stand in aiops.yaml,
    and without one this machine is the only cluster. When the layer itself fails, tasks run on the
    fallback cluster as they would under its own executor.
    """

    is_local = True
    serve_logs = True
    supports_callbacks = True
    supports_connection_test = True
    # Even Celery needs none: what it calls a task is derived from the placement, which is on record.
    pre_assigns_external_executor_id: ClassVar[bool] = False

    _placer: Placer
    _journey: Journey
    _arrivals: Arrivals

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._layer: Layer | None = None
        self._clusters: Mapping[str, InnerCluster] = {}
        self._task_event_logs = EventLogs()
        self._in_flight = InFlight()
        self._scratch: Path | None = None
        self._task_logs = TaskLogs(open_installation)

    def start(self) -> None:
        """Fork the pools while this process has one thread, then start what runs beside it."""
        from aiops_provider.airflow.fleet import Fleet
        from aiops_provider.control.layer import Layer

        self._scratch = Path(tempfile.mkdtemp(prefix="aiops-"))
        layer = Layer.open(open_installation, ingest_url=ingest_url)
        fleet = Fleet.of(
            layer.clusters,
            routing=layer.settings.routing,
            scratch=self._scratch,
            prepare=self._prepare_inner,
            parallelism=self.parallelism or None,
        )
        self._use(layer, fleet)
        fleet.start_local()
        layer.start()
        fleet.start_remote()
        named.started(self)

    def queue_workload(self, workload: Any, session: Session) -> None:
        """Choose a cluster for a task and write the choice in the scheduler's own transaction."""
        self.queue_named(workload, session, executor=None)

    def queue_named(self, workload: Any, session: Session, *, executor: str | None) -> None:
        """
        As :meth:`queue_workload`, for a DAG that named an executor.

        Args:
            workload: As from the scheduler.
            session: The scheduler's.
            executor: The name that the DAG used, which aiops.yaml maps to clusters.
        """
        super().queue_workload(workload, session)
        if isinstance(workload, workloads.ExecuteTask):
            self._placer.choose(workload, session, executor=executor)

    def trigger_tasks(self, open_slots: int) -> None:
        """Send what its cluster has room for, callbacks first, then tasks by priority."""
        for callback in list(self.queued_callbacks.values())[: max(open_slots, 0)]:
            open_slots -= self._send(callback, None)
        room = self._room_ahead
        open_slots = open_slots if room is None else room
        ready: list[tuple[Any, Decision]] = []
        ledger = self._the_layer.decider.ledger
        for workload in sorted(self.queued_tasks.values(), key=lambda w: -w.ti.priority_weight):
            if len(ready) >= open_slots:
                break
            decision = self._placer.good_choice(workload)
            cluster = self._clusters[decision.cluster.name]
            wanted = cluster.accepting and cluster.room != 0
            if wanted and ledger.admit(decision.placement.run):
                ready.append((workload, decision))
            else:
                self._placer.choose_again(workload)
        for workload, decision in self._placer.on_record(ready, self._clusters):
            self._send(workload, decision)

    @property
    def slots_available(self) -> int:
        """
        As with the stock executor, but tasks that wait for a cheaper cluster take none.

        They may wait for hours; the scheduler would queue nothing else meanwhile. Of a pool that is sent
        its next work ahead, the room that is left there.
        """
        return int(super().slots_available) + self._slots_beyond_parallelism

    @property
    def slots_occupied(self) -> int:
        """``parallelism`` less what is available; below 0 where a pool has room for more than that."""
        return int(super().slots_occupied) - self._slots_beyond_parallelism

    def sync(self) -> None:
        """Take in what happened and how the clusters are; one that fails holds up no other."""
        for name, cluster in self._clusters.items():
            try:
                for news in cluster.poll():
                    self._arrivals.take_in(name, news)
                health = cluster.probe()
                self._the_layer.observe(health)
                if health.state is HealthState.UNREACHABLE and cluster.outlives_scheduler:
                    self._journey.leave(name)
                else:
                    self._journey.stay(name)
            except Exception:
                # An exception here would end the scheduler; the other clusters must go on.
                log.exception("Cluster %s cannot be polled", name)
        self._journey.forget_settled()
        for cluster in self._clusters.values():
            if cluster.queues_ahead:
                self._journey.give_back_queued(self._placer.waiting.too_long(cluster.waiting()))
        self._move_running()
        late = self._placer.waiting.too_long(self.queued_tasks)
        for key in self._journey.queue_anew({key: self.queued_tasks[key] for key in late}):
            del self.queued_tasks[key]

    def _process_workloads(self, workload_items: Sequence[Any]) -> None:
        """Connection tests; tasks and callbacks go through `trigger_tasks`."""
        for workload in workload_items:
            self._send(workload, None)

    def has_task(self, task_instance: TaskInstance) -> bool:
        """Whether it waits or is under way here, also when it takes no slot any more."""
        return bool(super().has_task(task_instance)) or task_instance.key in self._in_flight

    def revoke_task(self, *, ti: TaskInstance) -> None:
        """Take a task back, wherever it is; Airflow does so when nobody has started it in time."""
        key = ti.key
        self.queued_tasks.pop(key, None)
        flight = self._in_flight.get(key)
        if flight is not None:
            self._clusters[flight.cluster].cancel(key)
            if flight.run is not None:
                waited_s = time.monotonic() - flight.since
                why = f"nobody started it there within {waited_s:.0f} s"
                self._placer.failed_places.add(flight.run, flight.cluster, why)
        self._forget(key)

    def try_adopt_task_instances(self, tis: Sequence[TaskInstance]) -> Sequence[TaskInstance]:
        """
        Have each cluster adopt what an earlier scheduler placed there; what never left goes back.

        Tasks of a cluster that does not answer are held until it does: neither lost nor run twice.
        """
        from aiops_provider.airflow.orphans import limits_of, sort_orphans

        # A scheduler that was held up takes itself for dead, and finds its own tasks.
        strangers = [ti for ti in tis if not self.has_task(ti)]
        adopted, back = sort_orphans(
            strangers,
            placements=self._the_layer.newest_placements,
            clusters=self._clusters,
            without_placement=self._the_layer.settings.fallback.name,
        )
        for name, orphans in adopted.items():
            for orphan in orphans:
                self._in_flight.adopted(name, orphan)
                if orphan.placement is not None:
                    self._the_layer.decider.take_over(
                        orphan.placement,
                        may_move=orphan.rerun_when_lost,
                        limits=limits_of(orphan, self._the_layer.settings),
                    )
                self.running.add(orphan.ti.key)
            self._clusters[name].adopt(orphans)
        return back

    def get_task_log(self, ti: TaskInstance, try_number: int) -> tuple[list[str], list[str]]:
        """
        What a cluster keeps of the log of a running task; called in the API server, never started.

        Nothing where workers serve their logs, or write them where Airflow reads them: an answer that
        is not empty would keep Airflow from asking the worker.
        """
        return self._task_logs.read(ti, try_number)

    def end(self) -> None:
        """Wait for what would end with this process, then let go of the clusters."""
        while any(cluster.busy for cluster in self._clusters.values()):
            self.sync()
            time.sleep(0.2)
        self.terminate()

    def terminate(self) -> None:
        """End the pools and everything beside them; remote tasks go on and are adopted later."""
        from aiops_provider.airflow.fleet import Fleet

        Fleet(list(self._clusters.values())).stop(_STOP_GRACE_S)
        if self._layer is not None:
            self._layer.stop()
        if self._scratch is not None:
            shutil.rmtree(self._scratch, ignore_errors=True)

    def _use(self, layer: Layer, clusters: Mapping[str, InnerCluster]) -> None:
        from aiops_provider.airflow.placer import Placer

        self._layer, self._clusters, self._placer = layer, clusters, Placer(layer)
        self._journey = Journey(
            self._in_flight,
            clusters,
            queue_again=self._queue_again,
            forget=self._forget,
            fenced=self._fenced,
            fence_after_s=layer.settings.routing.fence_after_s,
        )
        self._arrivals = Arrivals(
            layer,
            self._placer,
            self._in_flight,
            self._journey,
            clusters=clusters,
            change_state=self.change_state,
            forget=self._forget,
        )

    @property
    def _the_layer(self) -> Layer:
        if self._layer is None:
            raise AiopsError("AiopsExecutor is used before it was started")
        return self._layer

    @property
    def _room_ahead(self) -> int | None:
        """Of the cluster that is sent its next work ahead, which is the only one then."""
        rooms = (cluster.room for cluster in self._clusters.values() if cluster.queues_ahead)
        return next(rooms, None)

    @property
    def _slots_beyond_parallelism(self) -> int:
        room = self._room_ahead
        beyond = 0 if room is None else room - self.parallelism
        if self.queued_tasks:
            beyond += self._placer.waiting_for_price(self.queued_tasks)
        return beyond

    def _prepare_inner(self, inner: Any) -> None:
        """Make an inner executor part of this one; called on its cluster's thread."""
        inner.job_id = self.job_id
        inner.callback_sink = self.callback_sink
        inner._task_event_logs = self._task_event_logs  # noqa: SLF001 - one log for all of them

    def _send(self, workload: Any, decision: Decision | None) -> int:
        """Give a workload to its cluster; returns the number of slots it took."""
        layer, key = self._the_layer, workload_key(workload)
        name = decision.cluster.name if decision is not None else layer.settings.fallback.name
        environment = layer.environment(decision) if decision is not None else {}
        cluster = self._clusters[name]
        if not cluster.accepting:
            return 0
        try:
            cluster.submit(workload, decision, environment)
        except ClusterError as error:
            # It stays queued: the next heartbeat chooses anew, since the cluster is unhealthy now.
            log.warning("Cluster %s did not take %s: %s", name, key, error)
            layer.refused(name, str(error))
            return 0
        for queue in queues_of(self):
            queue.pop(key, None)
        if not cluster.queues_ahead:
            # As Airflow's own local executor has it: what waits in the pool takes no slot, or the
            # scheduler would take a turn for every single task that ends.
            self.running.add(key)
        flight = self._in_flight.sent(key, name, workload, decision)
        if decision is not None:
            layer.decider.moves.started(decision, utc_now())
        if decision is not None and (cluster.outlives_scheduler or decision.placement.applied):
            self._placer.failed_places.sent(decision.placement.run, name)
        tells = cluster.outlives_scheduler or cluster.queues_ahead
        if flight.states.running is not None and not tells:
            self.change_state(key, flight.states.running, remove_running=False)
        return 1

    def _move_running(self) -> None:
        """Begin what the thread beside the scheduler has found to be worth it."""
        moves, now = self._the_layer.decider.moves, utc_now()
        due = moves.due(now)
        if not due:
            return
        try:
            for move in self._journey.begin_to_move(due):
                moves.moving(move, now)
        except Exception:
            # The tasks run on where they are; an exception here would end the scheduler.
            log.exception("%d tasks are not moved", len(due))

    def _fenced(self, flight: Flight) -> None:
        self._arrivals.take_in_fenced(flight)

    def _queue_again(self, workload: Any) -> None:
        """Take a workload back into our own queue, from where it is placed anew."""
        key = workload_key(workload)
        self.running.discard(key)
        if isinstance(workload, workloads.ExecuteTask):
            self.queued_tasks[key] = workload
        else:
            self.queued_callbacks[key] = workload

    def _forget(self, key: Any) -> None:
        flight = self._in_flight.pop(key, None)
        if flight is not None and flight.run is not None:
            self._the_layer.decider.moves.ended(flight.run)
        decision = self._placer.forget(key)
        self.running.discard(key)
        if decision is not None:
            self._the_layer.decider.ledger.release(decision.placement.run)
        elif flight is not None and flight.run is not None:
            self._the_layer.decider.ledger.release(flight.run)
