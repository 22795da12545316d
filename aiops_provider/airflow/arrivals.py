"""What clusters tell of the work that they were given, and what Airflow and the layer hear of it."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING, Any, TypeGuard

from aiops_provider.airflow.in_flight import Flight, InFlight, Journey
from aiops_provider.airflow.inner.cluster import Accepted, Ended, Refused, Started
from aiops_provider.airflow.inner.failure_record import loss_record, moved_record
from aiops_provider.airflow.requeue import run_moved
from aiops_provider.airflow.versions import count
from aiops_provider.domain.execution import ExecutionRecord, Outcome
from aiops_provider.domain.input_facts import said_input
from aiops_provider.domain.units import utc_now

if TYPE_CHECKING:
    from aiops_provider.airflow.inner.cluster import InnerCluster, News
    from aiops_provider.airflow.placer import Placer
    from aiops_provider.control.decide import Decision
    from aiops_provider.control.layer import Layer

log = logging.getLogger(__name__)


class Arrivals:
    """
    Takes in news of clusters.

    Args:
        layer: Hears what was taken and what ended.
        placer: Hears where something failed.
        flights: What is under way.
        journey: The ways back.
        clusters: All clusters.
        change_state: The executor's own, by which Airflow hears.
        forget: Drops everything that is known of a key.
    """

    def __init__(
        self,
        layer: Layer,
        placer: Placer,
        flights: InFlight,
        journey: Journey,
        *,
        clusters: Mapping[str, InnerCluster],
        change_state: Callable[..., None],
        forget: Callable[[Any], None],
    ) -> None:
        self._layer = layer
        self._placer = placer
        self._flights = flights
        self._journey = journey
        self._clusters = clusters
        self._change_state = change_state
        self._forget = forget

    def take_in(self, cluster: str, news: News) -> None:
        """
        Take in one piece of news; nothing happens if it is of a placement that counts no more.

        Args:
            cluster: Who says so.
            news: What.
        """
        flight = self._flights.of(cluster, news)
        if flight is None:
            # Not its owner any more: the task has been placed elsewhere since, or is back from the
            # triggerer before the process that deferred it has gone.
            if isinstance(news, Ended) and _is_suspended(news.record):
                self._layer.suspended(news.record)
            return
        if isinstance(news, Accepted):
            self._change_state(news.key, news.state, news.external_id, remove_running=False)
            if flight.run is not None:
                self._layer.submitted(flight.run, news.epoch)
        elif isinstance(news, Started):
            if flight.states.running is not None:
                self._change_state(news.key, flight.states.running, remove_running=False)
        elif isinstance(news, Ended):
            self._take_in_end(cluster, news)
        elif isinstance(news, Refused):
            self._take_in_refusal(cluster, news)
        else:
            self._journey.give_back([news.key])

    def _take_in_end(self, cluster: str, ended: Any) -> None:
        if self._take_in_moved(cluster, ended):
            return
        flight = self._flights.pop(ended.key)
        if flight.run is not None:
            self._layer.decider.moves.ended(flight.run)
        if self._placer.chosen_since(ended.key, ended.epoch):
            if _is_suspended(ended.record):
                self._layer.suspended(ended.record)
            self._change_state(ended.key, flight.states.success)
            return
        decision = self._placer.forget(ended.key)
        if ended.record is not None:
            self._layer.executed(_with_inputs(ended.record, decision))
            if decision is not None and decision.placement.applied:
                self._placer.failed_places.learn(ended.record)
        elif flight.run is not None:
            self._layer.decider.ledger.release(flight.run)
        if ended.clean:
            self._change_state(ended.key, flight.states.success)
        else:
            self._change_state(ended.key, flight.states.failure, f"{cluster}: {ended.message}")

    def _take_in_moved(self, cluster: str, ended: Any) -> bool:
        """Whether a try ended there to go on elsewhere; only now may the next one begin."""
        flight = self._flights[ended.key]
        if flight.moving is None or flight.run is None or flight.ti_id is None:
            return False
        why = flight.moving.sentence
        try:
            if not run_moved({flight.ti_id}, reason=why):
                return False  # somebody has marked or cleared it meanwhile
        except Exception:
            # Airflow restarts it itself when it hears of the end.
            log.exception("%s is left to Airflow, which runs it anew", ended.key)
            self._forget(ended.key)
            self._change_state(ended.key, flight.states.success)
            return True
        decision = self._placer.decision(ended.key)
        self._placer.failed_places.moved(flight.run)
        self._forget(ended.key)
        started_at = utc_now() - timedelta(seconds=time.monotonic() - flight.since)
        self._layer.moved(
            moved_record(
                flight.run,
                self._clusters[cluster].spec,
                decision,
                epoch=flight.epoch,
                started_at=started_at,
                told=_with_inputs(ended.record, decision) if ended.record is not None else None,
                why=why,
            ),
            flight.epoch,
        )
        count("aiops.moved_tries", cluster=cluster, dag_id=flight.run.task.namespace)
        return True

    def _take_in_refusal(self, cluster: str, refused: Any) -> None:
        flight = self._flights[refused.key]
        log.warning("Cluster %s did not take %s: %s", cluster, refused.key, refused.reason)
        if flight.run is not None:
            times = self._placer.failed_places.refused(flight.run, cluster, refused.reason)
            if times <= self._layer.settings.routing.max_fail_overs:
                self._journey.give_back([refused.key])
                return
        self._forget(refused.key)
        self._change_state(refused.key, flight.states.failure, f"{cluster}: {refused.reason}")

    def take_in_fenced(self, flight: Flight) -> None:
        """
        Note that a try counts no more, and keep its successor from where it was lost.

        Args:
            flight: As it was.
        """
        if flight.run is None:
            return
        name = flight.cluster
        started_at = utc_now() - timedelta(seconds=time.monotonic() - flight.since)
        record = loss_record(
            flight.run, self._clusters[name].spec, epoch=flight.epoch, started_at=started_at
        )
        self._layer.fenced(record, flight.epoch)
        count("aiops.fenced_tries", cluster=name, dag_id=flight.run.task.namespace)
        why = f"it was lost while try {flight.run.try_number} ran there"
        self._placer.failed_places.add(flight.run, name, why)


def _with_inputs(record: ExecutionRecord, decision: Decision | None) -> ExecutionRecord:
    """What was known of the input when the try was placed belongs to what it needed."""
    if decision is None or not decision.inputs or record.inputs:
        return record
    record = replace(record, inputs=decision.inputs)
    if record.input_gib is not None or record.input_rows is not None:
        return record
    # Nobody was left to tell: the task was ended from outside.
    gib, rows = said_input(decision.inputs)
    return replace(record, input_gib=gib, input_rows=rows)


def _is_suspended(record: ExecutionRecord | None) -> TypeGuard[ExecutionRecord]:
    return record is not None and record.outcome is Outcome.SUSPENDED
