"""
The journey of one flow run: place, wait for room, run, learn – and once more where that is sound.

A try is placed again when its cluster refused it or could not be reached (the same try, next
epoch), and run again (the next try) when its cluster was lost under it, or when it ran out of
memory and the next grant is bigger. Clusters report a try lost only when none of its processes
lives any more, so nothing ever runs twice at a time. All of that together happens at most
``routing.max_fail_overs`` times; then Prefect is told that the flow run crashed.
"""

from __future__ import annotations

import asyncio
import itertools
import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import anyio

from aiops_provider.control.decide import Decision, TaskRequest
from aiops_provider.control.layer import Layer
from aiops_provider.domain.execution import Outcome
from aiops_provider.domain.plan import Mode
from aiops_provider.domain.task import TaskRun
from aiops_provider.domain.units import utc_now
from aiops_provider.errors import ClusterError, ClusterRefusedError, ClusterUnreachableError
from aiops_provider.prefect.admission import Admission
from aiops_provider.prefect.cancellation import Cancellation
from aiops_provider.prefect.records import execution_record, final_outcome
from aiops_provider.prefect.submitted import Restart, SubmittedRun
from aiops_provider.prefect.targets.target import Ending, Order, Target

log = logging.getLogger(__name__)

_LOOK_S = 1.0
_LAST_WORDS_S = 10.0


@dataclass(slots=True)
class _Journey:
    """Where a flow run has been so far."""

    run: TaskRun
    moves: int = 0
    avoid: dict[str, str] = field(default_factory=dict)
    decision: Decision | None = None


class Dispatcher:
    """
    Takes flow runs through their journeys; used from the worker's event loop only.

    Args:
        layer: Decides, remembers, learns.
        targets: By name of the cluster.
        admission: Where flow runs wait for room.
        cancellation: Stops those that are not wanted any more.
    """

    def __init__(
        self,
        layer: Layer,
        targets: Mapping[str, Target],
        admission: Admission,
        cancellation: Cancellation,
    ) -> None:
        self._layer = layer
        self._targets = targets
        self._admission = admission
        self._cancellation = cancellation
        self._numbers = itertools.count(1)

    async def run(self, submitted: SubmittedRun) -> Ending:
        """
        Run a flow run to its end.

        Raises:
            ClusterError: Nothing could be started anywhere.
        """
        journey = _Journey(submitted.first_try)
        with self._cancellation.watching(submitted):
            try:
                while True:
                    decision = await self._admitted(submitted, journey)
                    if decision is None:
                        return await self._unwanted(submitted)
                    ending = await self._tried(submitted, journey, decision)
                    if ending is not None:
                        return ending
            except asyncio.CancelledError:
                # The worker ends, and takes what runs along. Engines before Prefect 3.8 end
                # without a word then, and nobody else would tell the server.
                with anyio.move_on_after(_LAST_WORDS_S, shield=True):
                    await submitted.crash("The worker was ended, and the flow run with it.")
                raise
            finally:
                self._layer.decider.ledger.release(journey.run)
                self._admission.moved()

    async def _admitted(self, submitted: SubmittedRun, journey: _Journey) -> Decision | None:
        """The decision that holds once there is room; ``None`` when the run was cancelled."""
        while not submitted.cancelled.is_set():
            decision = journey.decision or self._decide(submitted, journey)
            journey.decision = None
            if not decision.placement.applied:
                return decision
            if decision.cluster.name in self._layer.decider.snapshot.router.unreachable:
                await self._news(submitted, decision)
            elif await self._admission.admit(decision, still_good=self._hope(submitted, decision)):
                return decision
        return None

    async def _news(self, submitted: SubmittedRun, decision: Decision) -> None:
        """No cluster that could take the run is there: wait until the picture changes."""
        name = decision.cluster.name
        submitted.logger.warning("It waits: %s is unreachable, and so is every other place", name)
        snapshot = self._layer.decider.snapshot
        while self._layer.decider.snapshot is snapshot and not submitted.cancelled.is_set():
            await asyncio.sleep(_LOOK_S)

    def _hope(self, submitted: SubmittedRun, decision: Decision) -> Callable[[], bool]:
        """Whether it should go on waiting for that cluster."""
        decider = self._layer.decider
        # With every cluster in quarantine the router answers with one of them all the same.
        least_bad = not decider.still_good(decision)
        return lambda: (
            not submitted.cancelled.is_set() and (least_bad or decider.still_good(decision))
        )

    def _decide(self, submitted: SubmittedRun, journey: _Journey) -> Decision:
        decision = self._layer.decide(
            TaskRequest(
                run=journey.run,
                description=submitted.description,
                known=submitted.known,
                inputs=submitted.inputs,
                team=submitted.configuration.team,
                avoid=dict(journey.avoid),
            )
        )
        self._admission.moved()
        _tell(submitted, decision)
        return decision

    async def _tried(
        self, submitted: SubmittedRun, journey: _Journey, decision: Decision
    ) -> Ending | None:
        """Run it there; ``None``: it goes on elsewhere."""
        try:
            ending = await self._run_on_target(submitted, decision)
        except ClusterError as error:
            self._refused(submitted, journey, decision, error)
            return None
        flow = await submitted.outcome()
        outcome = final_outcome(ending, flow)
        if outcome is None:
            return ending
        ending = replace(ending, outcome=outcome)
        self._layer.executed(execution_record(submitted, decision, ending, outcome))
        self._admission.moved()
        if outcome is Outcome.KILLED:
            await submitted.mark_cancelled("Flow run cancelled by worker.")
        elif flow is None and outcome in (Outcome.OUT_OF_MEMORY, Outcome.CLUSTER_LOST):
            return await self._again(submitted, journey, decision, ending)
        return ending

    async def _run_on_target(self, submitted: SubmittedRun, decision: Decision) -> Ending:
        cluster = decision.cluster.name
        target = self._targets.get(cluster)
        if target is None:
            raise ClusterRefusedError(f"cluster {cluster}: nothing here can run flow runs on it")
        job_id = f"{submitted.flow_run.id}-{next(self._numbers)}"
        order = Order(
            job_id=job_id,
            flow_run=submitted.flow_run,
            configuration=submitted.configuration,
            grant=decision.grant,
            environment={
                **self._layer.environment(decision),
                **self._cancellation.environment(submitted, target),
            },
            insist=not decision.placement.applied,
        )
        with self._cancellation.running(submitted, target, job_id):
            return await _followed(submitted, target, order, prefix=f"{cluster}|{job_id}")

    def _refused(
        self, submitted: SubmittedRun, journey: _Journey, decision: Decision, error: ClusterError
    ) -> None:
        cluster = decision.cluster.name
        submitted.logger.warning("Cluster %s did not take the flow run: %s", cluster, error)
        if isinstance(error, ClusterUnreachableError):
            self._layer.refused(cluster, str(error))
        journey.avoid[cluster] = str(error)
        journey.moves += 1
        if journey.moves > self._layer.settings.routing.max_fail_overs:
            raise error

    async def _again(
        self, submitted: SubmittedRun, journey: _Journey, decision: Decision, ending: Ending
    ) -> Ending | None:
        """Prepare to run it once more and return ``None``, or give it up."""
        where = f"on cluster {decision.cluster.name}: {ending.message}"
        if submitted.cancelled.is_set() or await submitted.is_cancelling():
            await submitted.mark_cancelled(f"Cancelled; its process ended {where}")
            return ending
        journey.moves += 1
        if journey.moves > self._layer.settings.routing.max_fail_overs:
            await submitted.crash(f"Given up after {journey.moves} tries. The last ended {where}")
            return ending
        if ending.outcome is Outcome.CLUSTER_LOST:
            journey.avoid[decision.cluster.name] = ending.message
        journey.run = replace(journey.run, try_number=journey.run.try_number + 1)
        following = self._decide(submitted, journey)
        out_of_memory = ending.outcome is Outcome.OUT_OF_MEMORY
        if out_of_memory and following.grant.memory_gib <= decision.grant.memory_gib:
            await submitted.crash(
                f"Out of memory, and there is no bigger machine. It ended {where}"
            )
            return ending
        journey.decision = following
        submitted.logger.warning("It is run again: its process ended %s", where)
        restart = await submitted.back_to_pending()
        if restart is Restart.READY:
            return None
        # Somebody else has it now, so this process' exit status must not crash it.
        return ending if restart is Restart.FAILED else replace(ending, exit_code=0)

    async def _unwanted(self, submitted: SubmittedRun) -> Ending:
        await submitted.report_identifier("none|cancelled before it was started|0")
        await submitted.mark_cancelled("Flow run cancelled while it waited for room.")
        now = utc_now()
        return Ending(outcome=Outcome.KILLED, exit_code=0, started_at=now, ended_at=now)


async def _followed(
    submitted: SubmittedRun, target: Target, order: Order, *, prefix: str
) -> Ending:
    """Run it, and report the start from this very task: Prefect's task status knows no other."""
    begun: asyncio.Future[str] = asyncio.get_running_loop().create_future()

    def started(identifier: str) -> None:
        if not begun.done():
            begun.set_result(f"{prefix}|{identifier}")

    running = asyncio.create_task(target.run(order, started))
    try:
        either: set[asyncio.Future[Any]] = {running, begun}
        await asyncio.wait(either, return_when=asyncio.FIRST_COMPLETED)
        if begun.done():
            await submitted.report_identifier(begun.result())
        return await running
    finally:
        # Only when this task is cancelled is there anything to cancel.
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)


def _tell(submitted: SubmittedRun, decision: Decision) -> None:
    """Write into the flow run's own log where it goes and why."""
    placement = decision.placement
    if decision.problem:
        submitted.logger.warning("It runs on %s: %s", placement.cluster, decision.problem)
    elif placement.applied:
        submitted.logger.info(
            "Placed on cluster %s with %.2g cores and %.2f GiB: %s",
            placement.cluster,
            decision.grant.cores,
            decision.grant.memory_gib,
            placement.route.reason.sentence,
        )
    elif placement.mode is Mode.ADVISE:
        submitted.logger.info(
            "It runs on %s; the advice is cluster %s with %.2g cores and %.2f GiB: %s",
            placement.cluster,
            placement.route.cluster,
            placement.route.request.cores,
            placement.route.request.memory_gib,
            placement.route.reason.sentence,
        )
