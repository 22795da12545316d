"""One flow run in the hands of this worker: its state at the server, and how to move it."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from enum import StrEnum
from typing import TYPE_CHECKING

from prefect.client.schemas.objects import State, StateType
from prefect.exceptions import Abort, Pause
from prefect.states import AwaitingRetry, Cancelled, Crashed, Pending

from aiops_provider.control.argument_facts import with_input
from aiops_provider.domain.execution import Outcome
from aiops_provider.domain.input_facts import InputFacts
from aiops_provider.domain.task import TaskKey, TaskRun
from aiops_provider.domain.workload import Generic, TaskDescription
from aiops_provider.prefect.describe import describe, flow_inputs, known_flow, task_key

if TYPE_CHECKING:
    from prefect.client.orchestration import PrefectClient
    from prefect.client.schemas.objects import FlowRun

    from aiops_provider.prefect.configuration import AiopsJobConfiguration

log = logging.getLogger(__name__)

_OUTCOMES = {
    StateType.COMPLETED: Outcome.SUCCESS,
    StateType.FAILED: Outcome.FAILED,
    StateType.CRASHED: Outcome.FAILED,
    StateType.CANCELLED: Outcome.KILLED,
}


class Restart(StrEnum):
    """
    Whether a flow run may be started once more.

    ``ready``: by this worker. ``not_ours``: it ended, or whoever holds it decides. ``failed``: the
    server could not be told, which still believes in the old process.
    """

    READY = "ready"
    NOT_OURS = "not_ours"
    FAILED = "failed"


class SubmittedRun:
    """
    A flow run that a worker was asked to run.

    Args:
        client: Talks to the server; every call here has Prefect's own time limits and retries.
        flow_run: As handed over.
        configuration: As prepared.
        logger: Where the flow run's own log goes.
        started: Called once, with an identifier, when something of it runs for the first time.

    Attributes:
        task: What its history is kept under.
        description: What its author said, or ``None``.
        inputs: What its parameters tell of its input.
        known: What counts before its first run where its author said nothing.
        cancelled: Set when somebody asked for its cancellation.
    """

    def __init__(
        self,
        *,
        client: PrefectClient,
        flow_run: FlowRun,
        configuration: AiopsJobConfiguration,
        logger: logging.Logger | logging.LoggerAdapter[logging.Logger],
        started: Callable[[str], None],
    ) -> None:
        self.flow_run = flow_run
        self.configuration = configuration
        self.logger = logger
        self.task: TaskKey = task_key(configuration)
        said = describe(configuration, flow_run.parameters)
        self.inputs: InputFacts = flow_inputs(flow_run.parameters, said)
        self.description: TaskDescription | None = with_input(said, self.inputs)
        self.known: Generic | None = known_flow(self.inputs)
        self.cancelled = asyncio.Event()
        self._client = client
        self._started = started
        self._identifier: str | None = None

    @property
    def identifier(self) -> str | None:
        """Of what ran last, as Prefect knows it."""
        return self._identifier

    @property
    def code_version(self) -> str | None:
        """
        Version of the deployment, else of the flow; without any the server knows none.

        Prefect makes it of the flow's file, unless its author gave one.
        """
        return self.flow_run.deployment_version or self.flow_run.flow_version or None

    @property
    def first_try(self) -> TaskRun:
        """The try that Prefect asks for: its number goes on where earlier starts ended."""
        return TaskRun(
            task=self.task,
            run_id=str(self.flow_run.id),
            try_number=self.flow_run.run_count + 1,
        )

    async def report_identifier(self, identifier: str) -> None:
        """Tell Prefect what runs; it asks for this when the flow run is to be killed."""
        first = self._identifier is None
        self._identifier = identifier
        if first:
            self._started(identifier)
            return
        try:
            await self._client.update_flow_run(
                flow_run_id=self.flow_run.id, infrastructure_pid=identifier
            )
        except Exception:
            # As in Prefect's worker: the run goes on, only killing it by hand does not work.
            self.logger.exception("The identifier of the new process could not be stored")

    async def outcome(self) -> Outcome | None:
        """What the flow itself came to; ``None`` while it has not ended, or nobody answers."""
        try:
            state = await self._state()
        except Exception:
            # Without the server's word the exit status of the process has to do.
            log.warning("The state of flow run %s is unknown", self.flow_run.id, exc_info=True)
            return None
        return _OUTCOMES.get(state.type) if state is not None else None

    async def is_cancelling(self) -> bool:
        """Whether somebody asked for its cancellation and it has not ended yet."""
        try:
            state = await self._state()
        except Exception:
            # Moving its state fails next, and is reported there.
            log.warning("The state of flow run %s is unknown", self.flow_run.id, exc_info=True)
            return False
        return state is not None and state.type is StateType.CANCELLING

    async def back_to_pending(self) -> Restart:
        """
        Make a flow run whose process is gone ready to be started once more.

        The way is Prefect's own for work that infrastructure took away: Running → AwaitingRetry →
        Pending, each judged by the server's rules. So concurrency limits hold, a run that ended or
        is being cancelled stays as it is, and if another worker is faster, it is that one's.
        """
        from prefect.utilities.engine import propose_state

        unreachable = Restart.FAILED
        try:
            state = await self._state()
            if state is not None and state.type in _OUTCOMES:
                # The server would let a completed run without a stored result go once more.
                return Restart.NOT_OURS
            if state is None or state.type is not StateType.PENDING:
                state = await propose_state(
                    self._client, AwaitingRetry(), flow_run_id=self.flow_run.id
                )
                unreachable = Restart.NOT_OURS  # scheduled: some worker of the pool takes it
                if state.is_scheduled():
                    state = await propose_state(
                        self._client, Pending(), flow_run_id=self.flow_run.id
                    )
        except (Abort, Pause) as refusal:
            self.logger.info("This worker does not run it again: %s", refusal)
            return Restart.NOT_OURS
        except Exception:
            # Unknown to the server, it must not be started.
            self.logger.exception("This worker does not run it again: its state cannot be changed")
            return unreachable
        return Restart.READY if state.is_pending() else Restart.NOT_OURS

    async def crash(self, message: str) -> None:
        """Let Prefect know why its infrastructure gave up; a run that has ended stays as it is."""
        await self._propose(Crashed(message=message))

    async def mark_cancelled(self, message: str) -> None:
        """End a run whose process could not do so itself; one that has ended stays as it is."""
        if await self.outcome() is not None:
            return
        try:
            await self._client.set_flow_run_state(
                self.flow_run.id, Cancelled(message=message), force=True
            )
        except Exception:
            # The process is gone either way; Prefect shows the run as Cancelling until then.
            self.logger.exception("It could not be marked as cancelled")

    async def _state(self) -> State | None:
        return (await self._client.read_flow_run(self.flow_run.id)).state

    async def _propose(self, state: State) -> None:
        from prefect.utilities.engine import propose_state

        try:
            await propose_state(self._client, state, flow_run_id=self.flow_run.id)
        except (Abort, Pause):
            return
        except Exception:
            # The worker proposes it once more with a message of its own.
            self.logger.exception("Its state could not be changed")
