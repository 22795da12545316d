"""What is on its way or running on some cluster, and the ways back from there."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any
from uuid import UUID

from aiops_provider.airflow.requeue import end_to_move, fence, give_back, settled
from aiops_provider.airflow.task_request import task_run
from aiops_provider.airflow.versions import States, states_of, task_states
from aiops_provider.domain.task import TaskRun

if TYPE_CHECKING:
    from aiops_provider.airflow.inner.cluster import InnerCluster, News, Orphan
    from aiops_provider.control.decide import Decision
    from aiops_provider.control.move_rule import Move

log = logging.getLogger(__name__)

# A cluster that is gone is asked about once a second: who still waits there?
_LEAVE_EVERY_S = 1.0
# Tasks of which their cluster never tells the end (their message was void) hold a slot this long.
_SETTLE_EVERY_S, _SETTLE_AFTER_S = 30.0, 60.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Flight:
    """
    One workload on one cluster.

    Attributes:
        cluster: Which.
        epoch: Its placement; 0 for callbacks and connection tests.
        states: What to report for it.
        run: Which try; ``None`` for callbacks and connection tests.
        ti_id: Under which id a worker may start it; as above.
        workload: What was sent; ``None`` if an earlier scheduler sent it.
        rerun_when_lost: Whether it is fenced and run elsewhere when its cluster is lost.
        since: Monotonic second at which it was sent.
        moving: Set while it is being ended there to go on at a cheaper cluster.
    """

    cluster: str
    epoch: int
    states: States
    run: TaskRun | None
    ti_id: UUID | None
    workload: Any
    since: float
    rerun_when_lost: bool = False
    moving: Move | None = None


class InFlight(dict[Any, Flight]):
    """Flights by Airflow's key."""

    def __init__(self) -> None:
        super().__init__()
        self.left_at: dict[str, float] = {}
        self.lost_since: dict[str, float] = {}
        self.settled_at = time.monotonic()

    def sent(self, key: Any, cluster: str, workload: Any, decision: Decision | None) -> Flight:
        """Note that the workload of a key was given to a cluster."""
        ti = getattr(workload, "ti", None)
        flight = Flight(
            cluster=cluster,
            epoch=decision.placement.epoch if decision is not None else 0,
            states=states_of(workload),
            run=decision.placement.run if decision is not None else None,
            ti_id=ti.id if ti is not None else None,
            workload=workload,
            since=time.monotonic(),
            rerun_when_lost=decision is not None and decision.rerun_when_lost,
        )
        self[key] = flight
        return flight

    def adopted(self, cluster: str, orphan: Orphan) -> None:
        """Note that a cluster has a task which an earlier scheduler gave it."""
        self[orphan.ti.key] = Flight(
            cluster=cluster,
            epoch=orphan.epoch,
            states=task_states(),
            run=task_run(orphan.ti),
            ti_id=orphan.ti.id,
            workload=None,
            since=time.monotonic(),
            rerun_when_lost=orphan.rerun_when_lost,
        )

    def of(self, cluster: str, news: News) -> Flight | None:
        """The flight that news are about, if they come from its owner and its placement."""
        flight = self.get(news.key)
        owned = flight is not None and (flight.cluster, flight.epoch) == (cluster, news.epoch)
        return flight if owned else None


class Journey:
    """
    The ways back of what was sent.

    Args:
        flights: What is under way.
        clusters: All clusters.
        queue_again: Takes a workload that never left this process.
        forget: Drops everything that is known of a key.
        fenced: Called with a flight that was fenced, after it was forgotten.
        fence_after_s: A cluster that is unreachable this long is lost.
    """

    def __init__(
        self,
        flights: InFlight,
        clusters: Mapping[str, InnerCluster],
        *,
        queue_again: Callable[[Any], None],
        forget: Callable[[Any], None],
        fenced: Callable[[Flight], None],
        fence_after_s: float,
    ) -> None:
        self._flights = flights
        self._clusters = clusters
        self._queue_again = queue_again
        self._forget = forget
        self._fenced = fenced
        self._fence_after_s = fence_after_s

    def stay(self, name: str) -> None:
        """
        Note that a cluster answers.

        Args:
            name: The cluster.
        """
        self._flights.lost_since.pop(name, None)

    def leave(self, name: str) -> None:
        """
        Bring home what has not started on a cluster that is unreachable; what runs there is held.

        Only tasks whose author said so are run elsewhere meanwhile, once the cluster is lost.

        Args:
            name: The cluster.
        """
        for key in self._clusters[name].withdraw():
            flight = self._flights.pop(key, None)
            if flight is not None:
                self._queue_again(flight.workload)
        now = time.monotonic()
        if now - self._flights.left_at.get(name, -_LEAVE_EVERY_S) < _LEAVE_EVERY_S:
            return
        self._flights.left_at[name] = now
        self.give_back_queued([k for k, f in self._flights.items() if f.cluster == name])
        lost_s = now - self._flights.lost_since.setdefault(name, now)
        if lost_s >= self._fence_after_s:
            self._fence(name, lost_s)

    def give_back(self, keys: Collection[Any]) -> None:
        """Those that have not started are queued anew; of the others Airflow's heartbeats tell."""
        self.give_back_queued(keys)
        for key in keys:
            self._forget(key)

    def queue_anew(self, waiting: Mapping[Any, Any]) -> list[Any]:
        """
        Have the scheduler queue tasks anew that have not left this process.

        Args:
            waiting: Their workloads by Airflow's key.

        Returns:
            The keys of those that went back.
        """
        ids = {workload.ti.id: key for key, workload in waiting.items()}
        back = [ids[ti_id] for ti_id in give_back(ids)]
        for key in back:
            log.info("%s still waits for room; it is queued anew", key)
            self._forget(key)
        return back

    def begin_to_move(self, moves: Collection[Move]) -> list[Move]:
        """
        Have the workers of running tasks end them, so that they can go on elsewhere.

        Args:
            moves: What is due.

        Returns:
            Those that have begun; the others have ended, or are not here any more.
        """
        due = {(move.run, move.source): move for move in moves}
        keys = {
            flight.ti_id: (key, due[flight.run, flight.cluster])
            for key, flight in self._flights.items()
            if flight.run is not None
            and flight.ti_id is not None
            and flight.moving is None
            and (flight.run, flight.cluster) in due
        }
        begun = []
        for ti_id in end_to_move({each: move.sentence for each, (_, move) in keys.items()}):
            key, move = keys[ti_id]
            log.info("%s is %s", key, move.sentence)
            self._flights[key] = replace(self._flights[key], moving=move)
            begun.append(move)
        return begun

    def forget_settled(self) -> None:
        """Free the slots of tasks that are over although their cluster never said so."""
        now = time.monotonic()
        if now - self._flights.settled_at < _SETTLE_EVERY_S:
            return
        self._flights.settled_at = now
        ids = self._ids(
            key
            for key, flight in self._flights.items()
            if now - flight.since > _SETTLE_AFTER_S
            and self._clusters[flight.cluster].outlives_scheduler
        )
        for ti_id in settled(ids):
            log.info("%s is over, which its cluster did not report", ids[ti_id])
            self._clusters[self._flights[ids[ti_id]].cluster].cancel(ids[ti_id])
            self._forget(ids[ti_id])

    def _fence(self, name: str, lost_s: float) -> None:
        ids = self._ids(
            key for key, f in self._flights.items() if f.cluster == name and f.rerun_when_lost
        )
        reason = f"{name} has been unreachable for {lost_s:.0f} s; the task runs elsewhere"
        for ti_id in fence(ids, reason=reason):
            key = ids[ti_id]
            log.warning("%s is fenced: %s", key, reason)
            flight = self._flights[key]
            self._clusters[name].cancel(key)
            self._forget(key)
            self._fenced(flight)

    def give_back_queued(self, keys: Iterable[Any]) -> None:
        """
        Have the scheduler queue anew those that no worker has started; the others stay.

        Args:
            keys: Airflow's, of what is under way.
        """
        ids = self._ids(keys)
        for ti_id in give_back(ids):
            key = ids[ti_id]
            log.warning("%s goes back to the queue from %s", key, self._flights[key].cluster)
            self._clusters[self._flights[key].cluster].cancel(key)
            self._forget(key)

    def _ids(self, keys: Iterable[Any]) -> dict[UUID, Any]:
        return {
            ti_id: key
            for key in keys
            if (flight := self._flights.get(key)) is not None
            and (ti_id := flight.ti_id) is not None
        }
