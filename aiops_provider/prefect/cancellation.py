"""
Cancelling flow runs that are in this worker's hands.

Prefect leaves cancelling to whatever supervises the flow's process. A command that contains
``prefect flow-run execute`` supervises itself. For the bare engine that job is done here: once in a
while, for as long as anything runs, the server is asked which runs are being cancelled. The engine
is told over Prefect's control channel that the signal which follows means a cancellation; it then
raises inside the flow, runs the ``on_cancellation`` hooks and reports the state itself. An engine
that was not told is killed, and the worker reports the state.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Iterator
from contextlib import AsyncExitStack
from typing import TYPE_CHECKING, Any, Self
from uuid import UUID

from prefect.client.schemas.filters import FlowRunFilter
from prefect.client.schemas.objects import StateType

from aiops_provider.prefect.submitted import SubmittedRun
from aiops_provider.prefect.targets.target import Target

if TYPE_CHECKING:
    from prefect.client.orchestration import PrefectClient

log = logging.getLogger(__name__)

_LOOK_S = 5.0
_GRACE_S = 30.0  # as Prefect's runner gives


class Cancellation:
    """
    Watches over all runs of a worker; an asynchronous context.

    Args:
        client: Asks the server.
    """

    def __init__(self, client: PrefectClient) -> None:
        self._client = client
        self._watched: dict[UUID, SubmittedRun] = {}
        self._jobs: dict[UUID, tuple[Target, str]] = {}
        self._channel: Any = None
        self._stack = AsyncExitStack()
        self._looker: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        self._channel = await self._open_channel()
        self._looker = asyncio.create_task(self._look_again_and_again(), name="aiops cancellation")
        return self

    async def __aexit__(self, *error: object) -> None:
        if self._looker is not None:
            self._looker.cancel()
            await asyncio.gather(self._looker, return_exceptions=True)
        await self._stack.aclose()

    @contextlib.contextmanager
    def watching(self, submitted: SubmittedRun) -> Iterator[None]:
        """While this lasts, the run's ``cancelled`` is set when its cancellation is asked for."""
        key = submitted.flow_run.id
        self._watched[key] = submitted
        try:
            yield
        finally:
            del self._watched[key]
            if self._channel is not None:
                self._channel.unregister(key)

    @contextlib.contextmanager
    def running(self, submitted: SubmittedRun, target: Target, job_id: str) -> Iterator[None]:
        """While this lasts, the run has a process."""
        key = submitted.flow_run.id
        self._jobs[key] = (target, job_id)
        try:
            yield
        finally:
            del self._jobs[key]

    def environment(self, submitted: SubmittedRun, target: Target) -> dict[str, str]:
        """Variables by which the engine finds the control channel."""
        if self._channel is None or _sees_to_itself(submitted, target):
            return {}
        try:
            port, token = self._channel.register(submitted.flow_run.id)
        except RuntimeError:  # no port could be had: without a channel it is killed
            return {}
        return {"PREFECT__CONTROL_PORT": str(port), "PREFECT__CONTROL_TOKEN": token}

    async def stop(self, flow_run_id: UUID, *, grace_s: float = 0.0) -> bool:
        """
        End the process of a run, whatever its state.

        Returns:
            Whether there was one in this worker.
        """
        if flow_run_id in self._watched:
            self._watched[flow_run_id].cancelled.set()
        if flow_run_id not in self._jobs:
            return False
        target, job_id = self._jobs[flow_run_id]
        await target.cancel(job_id, grace_s=grace_s)
        return True

    async def look(self) -> None:
        """Ask once which of the runs are being cancelled, and stop those."""
        mine = [key for key, one in self._watched.items() if not one.cancelled.is_set()]
        if not mine:
            return
        wanted = {"id": {"any_": mine}, "state": {"type": {"any_": [StateType.CANCELLING]}}}
        cancelling = await self._client.read_flow_runs(
            flow_run_filter=FlowRunFilter.model_validate(wanted)
        )
        for flow_run in cancelling:
            submitted = self._watched.get(flow_run.id)
            target, _ = self._jobs.get(flow_run.id, (None, ""))
            if submitted is not None and not (target and _sees_to_itself(submitted, target)):
                await self._cancel(submitted)

    async def _cancel(self, submitted: SubmittedRun) -> None:
        key = submitted.flow_run.id
        told = self._channel is not None and key in self._jobs and await self._tell(key)
        submitted.logger.info("The flow run is being cancelled")
        await self.stop(key, grace_s=_GRACE_S if told else 0.0)

    async def _tell(self, flow_run_id: UUID) -> bool:
        # Prefect 3.7 answers with a truth value, later ones with a word.
        answer = await self._channel.signal(flow_run_id, "cancel")
        return answer is True or getattr(answer, "value", None) == "acknowledged"

    async def _look_again_and_again(self) -> None:
        while True:
            await asyncio.sleep(_LOOK_S)
            try:
                await self.look()
            except Exception:
                # The server may be away for a while; runs go on meanwhile.
                log.debug("The server does not say what is being cancelled", exc_info=True)

    async def _open_channel(self) -> Any:
        try:
            # Prefect's own and not public: without it, runs are cancelled by killing them.
            from prefect.runner._control_channel import ControlChannel

            return await self._stack.enter_async_context(ControlChannel())
        except Exception:
            log.warning("Prefect's control channel is not to be had", exc_info=True)
            return None


def _sees_to_itself(submitted: SubmittedRun, target: Target) -> bool:
    return target.supervised or submitted.configuration.is_using_a_runner
