"""Where each queued task is to go, as long as it has not been sent."""

from __future__ import annotations

import logging
from collections.abc import Collection, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from aiops_provider.airflow.dag_facts import DagFacts, KnownTask, Lineage
from aiops_provider.airflow.failed_places import FailedPlaces
from aiops_provider.airflow.host import queued_timeout_s
from aiops_provider.airflow.host_transaction import BeforeCommit
from aiops_provider.airflow.instance_inputs import InstanceInputs
from aiops_provider.airflow.task_request import (
    description_of,
    named_executor,
    named_queue,
    task_run,
)
from aiops_provider.airflow.teams import Teams
from aiops_provider.airflow.versions import workload_key
from aiops_provider.airflow.waiting import WaitingTimes
from aiops_provider.control.argument_facts import whole_input, with_input
from aiops_provider.control.check_run import checked_cluster
from aiops_provider.control.cluster_limits import cluster_limits
from aiops_provider.control.decide import TaskRequest
from aiops_provider.domain.input_facts import InputFacts
from aiops_provider.domain.workload import Generic, TaskDescription, with_operator
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
_MOST_SIZED = 10_000


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
        self._unwritten = BeforeCommit(self._write)
        self._teams = Teams(layer.settings)
        self._facts = DagFacts()
        self._lineages: dict[str, Lineage] = {}
        self._instances = InstanceInputs()
        self._inputs: dict[Any, InputFacts] = {}
        self._sized: dict[tuple[Any, ...], Generic] = {}
        self.waiting = WaitingTimes(
            queued_timeout_s=queued_timeout_s(),
            choose_again_s=layer.settings.routing.choose_again_s,
        )
        self.failed_places = FailedPlaces()

    def choose(
        self, workload: Any, session: Session | None, *, executor: str | None = None
    ) -> None:
        """
        Choose; the choice is written in the scheduler's own transaction, with all others made in it.

        Args:
            workload: A task.
            session: The scheduler's.
            executor: The name by which the DAG asked for an executor, if it asked for one.
        """
        key = workload_key(workload)
        if executor is not None:
            self._named[key] = executor
        self.waiting.begin(key)
        request = self._request(key, workload, session)
        if session is None or not self._shares_transactions:
            self._decisions[key] = self._layer.decide(request)
            return
        self._decisions[key] = self._layer.decide(request, host_writes=True)
        self._unwritten.add(session, (key, request))

    def good_choice(self, workload: Any) -> Decision:
        """The choice that was made, or a new one if its cluster is no longer to be used."""
        key = workload_key(workload)
        decision = self._decisions.get(key)
        if decision is None:
            decision = self._layer.decide(self._request(key, workload))
        elif not self._layer.decider.still_good(decision):
            decision = self._layer.decide_again(self._request(key, workload), decision)
        self._decisions[key] = decision
        return decision

    def choose_again(self, workload: Any) -> None:
        """Look where else there is room by now for a task that waits, from time to time."""
        key = workload_key(workload)
        earlier = self._decisions.get(key)
        if earlier is not None and self.waiting.choose_again(key):
            self._decisions[key] = self._layer.decide_again(self._request(key, workload), earlier)

    def waiting_for_price(self, keys: Collection[Any]) -> int:
        """How many of these tasks wait for a cheaper cluster, by their own deadlines."""
        chosen = (self._decisions.get(key) for key in keys)
        return sum(one is not None and one.placement.route.wait is not None for one in chosen)

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

    def chosen_since(self, key: Any, epoch: int) -> bool:
        """Whether the task was queued again since that placement, as a deferred one that is back."""
        decision = self._decisions.get(key)
        return decision is not None and decision.placement.epoch > epoch

    def decision(self, key: Any) -> Decision | None:
        """The choice for a key that has been made."""
        return self._decisions.get(key)

    def forget(self, key: Any) -> Decision | None:
        """The choice for a key, which is over."""
        self._named.pop(key, None)
        self._inputs.pop(key, None)
        self.waiting.forget(key)
        return self._decisions.pop(key, None)

    def _request(self, key: Any, workload: Any, session: Session | None = None) -> TaskRequest:
        ti = workload.ti
        checked = checked_cluster(ti.dag_id, ti.run_id)
        if checked is not None:
            return TaskRequest(run=task_run(ti), description=_check_on(checked), check=checked)
        run, team = task_run(ti), self._teams.of(ti.dag_id, session)
        told = self._facts.of(ti, session)
        if told is not None and self._lineages.get(ti.dag_id) is not told.lineage:
            self._lineages[ti.dag_id] = told.lineage
            self._layer.tell_lineage(ti.dag_id, told.lineage)
        description = with_operator(description_of(ti), told.description if told else None)
        inputs = self._input_of(key, workload.ti, told, session, description)
        return TaskRequest(
            run=run,
            description=with_input(description, inputs),
            known=self._known(ti, told, inputs),
            inputs=inputs,
            team=team,
            avoid=self.failed_places.avoid(run),
            may_wait=True,
            limits=cluster_limits(
                self._layer.settings,
                team=team,
                queue=named_queue(ti.queue),
                executor=self._named.get(key) or named_executor(ti),
            ),
        )

    def _input_of(
        self,
        key: Any,
        ti: Any,
        told: KnownTask | None,
        session: Session | None,
        description: TaskDescription | None,
    ) -> InputFacts:
        """Found out once; a task that waits is placed anew by what was found then."""
        inputs = self._inputs.get(key)
        if inputs is None:
            arguments = told.arguments if told is not None else None
            inputs = self._instances.of(ti, arguments, session, description)
            if told is not None:  # else its DAG is still being read
                self._inputs[key] = inputs
        return inputs

    def _known(self, ti: Any, told: KnownTask | None, inputs: InputFacts) -> Generic | None:
        """What is known of a task, with the size of this input; the same object for the same size."""
        gib, rows = whole_input(inputs)
        if told is None or not (gib or rows):
            return told.description if told is not None else None
        size = (_rough(gib), _rough(rows))
        key = (ti.dag_version_id, ti.task_id, size)
        if key not in self._sized:
            if len(self._sized) >= _MOST_SIZED:
                self._sized.clear()
            about_gib, about_rows = size
            self._sized[key] = told.description.model_copy(
                update={
                    "input_gib": about_gib,
                    "input_rows": None if about_rows is None else round(about_rows),
                }
            )
        return self._sized[key]

    @property
    def _shares_transactions(self) -> bool:
        installation = self._layer.installation
        return installation.store is not None and installation.shares_host_database

    def _write(self, session: Session, chosen: Sequence[tuple[Any, TaskRequest]]) -> None:
        store = self._layer.installation.require_store()
        # What has been forgotten or chosen anew meanwhile is not written, or was.
        current = [
            (key, request, decision)
            for key, request in dict(chosen).items()
            if (decision := self._decisions.get(key)) is not None and not decision.recorded
        ]

        def write(placements: Sequence[Placement]) -> None:
            # On the connection: the scheduler forbids commits of its session, and the session's own
            # savepoints count as such.
            store.record_placements(placements, connection=session.connection())

        written = self._layer.write_chosen([(r, d) for _, r, d in current], write)
        for (key, *_), decision in zip(current, written, strict=True):
            self._decisions[key] = decision


def _check_on(cluster: str) -> Generic:
    return Generic(cluster=cluster, cores=_CHECK_CORES, memory_gib=_CHECK_MEMORY_GIB)


def _rough(size: float | None) -> float | None:
    """To two digits: enough for a first guess, and few enough to be remembered."""
    return float(f"{size:.2g}") if size else None
