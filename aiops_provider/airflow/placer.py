"""Where each queued task is to go, as long as it has not been sent."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from aiops_provider.airflow.cluster_check import checked_cluster
from aiops_provider.airflow.failed_places import FailedPlaces
from aiops_provider.airflow.host import queued_timeout_s
from aiops_provider.airflow.task_request import (
    description_of,
    named_executor,
    named_queue,
    task_run,
)
from aiops_provider.airflow.teams import Teams
from aiops_provider.airflow.versions import workload_key
from aiops_provider.airflow.waiting import WaitingTimes
from aiops_provider.control.cluster_limits import cluster_limits
from aiops_provider.control.decide import TaskRequest
from aiops_provider.domain.workload import Generic
from aiops_provider.errors import StoreError

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

    from aiops_provider.airflow.inner.cluster import InnerCluster
    from aiops_provider.control.decide import Decision
    from aiops_provider.control.layer import Layer
    from aiops_provider.domain.plan import Placement

log = logging.getLogger(__name__)


# As much as a Python process with Airflow in it needs, so that small clusters can be checked too.
_CHECK_CORES, _CHECK_MEMORY_GIB = 0.25, 1.0


class Placer:
    """
    The choices for tasks of one executor, from memory.

    Args:
        layer: Makes the choices.

    Attributes:
        failed_places: Where tasks have failed before.
        waiting: How long tasks have waited for room.
    """

    def __init__(self, layer: Layer) -> None:
        self._layer = layer
        self._decisions: dict[Any, Decision] = {}
        self._named: dict[Any, str] = {}
        self._teams = Teams(layer.settings)
        self.waiting = WaitingTimes(
            queued_timeout_s=queued_timeout_s(),
            choose_again_s=layer.settings.routing.choose_again_s,
        )
        self.failed_places = FailedPlaces()

    def choose(
        self, workload: Any, session: Session | None, *, executor: str | None = None
    ) -> None:
        """
        Choose, and write the choice in the scheduler's own transaction.

        Args:
            workload: A task.
            session: The scheduler's.
            executor: The name by which the DAG asked for an executor, if it asked for one.
        """
        key = workload_key(workload)
        if executor is not None:
            self._named[key] = executor
        self.waiting.begin(key)
        self._decisions[key] = self._layer.decide(
            self._request(workload, session), write_now=self._writer(session)
        )

    def good_choice(self, workload: Any) -> Decision:
        """The choice that was made, or a new one if its cluster is no longer to be used."""
        key = workload_key(workload)
        decision = self._decisions.get(key)
        if decision is None:
            decision = self._layer.decide(self._request(workload))
        elif not self._layer.decider.still_good(decision):
            decision = self._layer.decide_again(self._request(workload), decision)
        self._decisions[key] = decision
        return decision

    def choose_again(self, workload: Any) -> None:
        """Look where else there is room by now for a task that waits, from time to time."""
        key = workload_key(workload)
        earlier = self._decisions.get(key)
        if earlier is not None and self.waiting.choose_again(key):
            self._decisions[key] = self._layer.decide_again(self._request(workload), earlier)

    def on_record(
        self, ready: list[tuple[Any, Decision]], clusters: Mapping[str, InnerCluster]
    ) -> list[tuple[Any, Decision]]:
        """
        What may be sent, after its choices have been written in one go.

        A remote cluster keeps tasks that only their placement leads back to: without the row they
        wait. Local ones end with this process anyway.
        """
        remote = [d for _, d in ready if clusters[d.cluster.name].outlives_scheduler]
        try:
            self._layer.record(remote)
        except StoreError as error:
            log.warning("%d tasks wait, for the store fails: %s", len(remote), error)
            return [(w, d) for w, d in ready if not clusters[d.cluster.name].outlives_scheduler]
        return ready

    def forget(self, key: Any) -> Decision | None:
        """The choice for a key, which is over."""
        self._named.pop(key, None)
        self.waiting.forget(key)
        return self._decisions.pop(key, None)

    def _request(self, workload: Any, session: Session | None = None) -> TaskRequest:
        ti = workload.ti
        checked = checked_cluster(ti.dag_id, ti.run_id)
        if checked is not None:
            return TaskRequest(run=task_run(ti), description=_check_on(checked), check=checked)
        run, team = task_run(ti), self._teams.of(ti.dag_id, session)
        return TaskRequest(
            run=run,
            description=description_of(ti),
            team=team,
            avoid=self.failed_places.avoid(run),
            limits=cluster_limits(
                self._layer.settings,
                team=team,
                queue=named_queue(ti.queue),
                executor=self._named.get(workload_key(workload)) or named_executor(ti),
            ),
        )

    def _writer(self, session: Session | None) -> Callable[[Placement], None] | None:
        """Writes placements in the scheduler's own transaction, if that is in the store."""
        installation = self._layer.installation
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


def _check_on(cluster: str) -> Generic:
    return Generic(cluster=cluster, cores=_CHECK_CORES, memory_gib=_CHECK_MEMORY_GIB)
