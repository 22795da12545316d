"""The worker of work pools of type ``aiops``."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterable, Mapping
from contextlib import AsyncExitStack
from typing import TYPE_CHECKING, Any
from uuid import UUID

from prefect.exceptions import InfrastructureNotFound
from prefect.workers.base import BaseWorker

from aiops_provider.prefect.configuration import (
    AiopsJobConfiguration,
    AiopsVariables,
    AiopsWorkerResult,
)

if TYPE_CHECKING:
    import anyio.abc
    from prefect.client.schemas.objects import FlowRun

    from aiops_provider.control.layer import Layer
    from aiops_provider.prefect.cancellation import Cancellation
    from aiops_provider.prefect.dispatch import Dispatcher
    from aiops_provider.prefect.targets.target import Target

log = logging.getLogger(__name__)

# Long enough that a parent's children have ended once or the parent goes on by itself.
_PATIENCE_S = 60.0


class AiopsWorker(BaseWorker[AiopsJobConfiguration, AiopsVariables, AiopsWorkerResult]):
    """
    Sends every flow run where the plan, the load and the health of the clusters say.

    Clusters stand in aiops.yaml (``AIOPS_CONFIG``, else the working directory); without one this
    machine is the only cluster. When the layer itself fails, flow runs run on the fallback cluster.
    """

    type = "aiops"
    job_configuration = AiopsJobConfiguration
    job_configuration_variables = AiopsVariables

    _display_name = "AIOps"
    _description = (
        "Place every flow run on the cluster that the plan, the load and the clusters' health say,"
        " with the resources that its history asks for."
    )
    _documentation_url = "https://aiops-provider.readthedocs.io"
    _logo_url = "https://raw.githubusercontent.com/PrefectHQ/prefect/420d0d6a78bb6df1fc18bcf188fdad43c1d22ea9/assets/block-logos/process.png"

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._cancellation: Cancellation | None = None
        self._dispatcher: Dispatcher | None = None
        self._inside = AsyncExitStack()

    async def setup(self) -> None:
        """Fork the pools while this process has few threads, then connect to the server."""
        from aiops_provider.prefect.host import open_layer, open_targets

        layer = open_layer()
        self._inside.push_async_callback(asyncio.to_thread, layer.stop)
        targets = open_targets(layer, self)
        self._inside.push_async_callback(_close_all, targets.values())
        try:
            for target in targets.values():
                await target.open()
            await asyncio.to_thread(layer.start)
            await super().setup()
            await self._join(layer, targets)
        except BaseException:
            # Prefect does not tear down what was not set up.
            await self._inside.aclose()
            raise

    async def _join(self, layer: Layer, targets: Mapping[str, Target]) -> None:
        from aiops_provider.prefect.admission import Admission
        from aiops_provider.prefect.cancellation import Cancellation
        from aiops_provider.prefect.dispatch import Dispatcher
        from aiops_provider.prefect.recovery import recover

        self._cancellation = await self._inside.enter_async_context(Cancellation(self.client))
        admission = Admission(layer.decider.ledger, patience_s=_PATIENCE_S)
        self._dispatcher = Dispatcher(layer, targets, admission, self._cancellation)
        try:
            await recover(
                self.client,
                work_pool=self._work_pool_name,
                max_fail_overs=layer.settings.routing.max_fail_overs,
            )
        except Exception:
            # An old worker's runs must not keep this one from taking new ones.
            log.exception("What an earlier worker left behind could not be looked at")

    async def teardown(self, *exc_info: Any) -> None:
        """Let the runs end, then the pools and all that stands beside them."""
        try:
            await super().teardown(*exc_info)
        finally:
            self._dispatcher = self._cancellation = None
            await self._inside.aclose()

    async def run(
        self,
        flow_run: FlowRun,
        configuration: AiopsJobConfiguration,
        task_status: anyio.abc.TaskStatus[str] | None = None,
    ) -> AiopsWorkerResult:
        """Take a flow run through its journey; returns when its last process has ended."""
        from aiops_provider.prefect.submitted import SubmittedRun

        if self._dispatcher is None:
            raise RuntimeError("AiopsWorker is used before it was set up")
        submitted = SubmittedRun(
            client=self.client,
            flow_run=flow_run,
            configuration=configuration,
            logger=self.get_flow_run_logger(flow_run),
            started=task_status.started if task_status is not None else _nobody_waits,
        )
        ending = await self._dispatcher.run(submitted)
        return AiopsWorkerResult(
            status_code=ending.exit_code, identifier=submitted.identifier or "none"
        )

    async def kill_infrastructure(
        self,
        infrastructure_pid: str,
        configuration: AiopsJobConfiguration,  # noqa: ARG002 - Prefect passes it by name
        grace_seconds: int = 30,
    ) -> None:
        """
        End the process of a flow run that never got to run.

        Raises:
            InfrastructureNotFound: This worker has no such process.
        """
        # cluster|flow run id-number|what the cluster calls it
        flow_run_id = infrastructure_pid.partition("|")[2].partition("|")[0].rpartition("-")[0]
        try:
            found = self._cancellation is not None and await self._cancellation.stop(
                UUID(flow_run_id), grace_s=grace_seconds
            )
        except ValueError:
            found = False
        if not found:
            raise InfrastructureNotFound(f"{infrastructure_pid} is not with worker {self.name}")


async def _close_all(targets: Iterable[Target]) -> None:
    closing = await asyncio.gather(*(one.close() for one in targets), return_exceptions=True)
    for failure in closing:
        if isinstance(failure, Exception):
            log.error("A cluster did not end cleanly: %s", failure)


def _nobody_waits(identifier: str) -> None:
    """A run started by hand has nobody who waits for its identifier."""
