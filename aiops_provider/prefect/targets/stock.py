"""A cluster whose flow runs are handed to the worker class that Prefect itself has for its kind."""

from __future__ import annotations

import asyncio
import copy
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any

from prefect.workers.base import BaseWorker

from aiops_provider.domain.cluster import ClusterHealth, ClusterSpec, HealthState
from aiops_provider.domain.execution import OUT_OF_MEMORY_EXIT_CODE, Outcome
from aiops_provider.domain.units import utc_now
from aiops_provider.errors import ClusterRefusedError, ClusterUnreachableError
from aiops_provider.prefect.targets.target import Ending, Order

if TYPE_CHECKING:
    from collections.abc import Mapping


class StockTarget:
    """
    Delegates to one worker that does not poll: it shares the connection of ours.

    What is granted is not enforced here yet, and nothing is measured: the kinds' own settings for
    cores and memory come with their clusters. ``options`` of the cluster: ``work_pool`` names a
    work pool of the same type whose base job template is used; all else goes into the job
    variables, below those of the deployment.

    Args:
        spec: The cluster; its kind is the worker type (``process``, ``docker``, ``kubernetes`` …).
        parent: Our own worker.
        observe: Called once it is known whether the worker class is installed.
    """

    def __init__(
        self,
        spec: ClusterSpec,
        parent: BaseWorker[Any, Any, Any],
        *,
        observe: Callable[[ClusterHealth], None],
    ) -> None:
        self._spec = spec
        self._parent = parent
        self._observe = observe
        self._child: BaseWorker[Any, Any, Any] | None = None
        self._opening = asyncio.Lock()
        self._running: dict[str, tuple[str, Any]] = {}

    @property
    def spec(self) -> ClusterSpec:
        """The cluster."""
        return self._spec

    @property
    def supervised(self) -> bool:
        """Stock workers leave cancelling to Prefect's runner beside the flow."""
        return True

    async def open(self) -> None:
        """Look for the worker class; the worker itself is made for the first flow run."""
        found = BaseWorker.get_worker_class_from_type(self.spec.kind) is not None
        self._observe(
            ClusterHealth(
                cluster=self.spec.name,
                state=HealthState.UNKNOWN if found else HealthState.UNREACHABLE,
                observed_at=utc_now(),
                detail="" if found else f"no worker of type {self.spec.kind} is installed",
            )
        )

    async def run(self, order: Order, started: Callable[[str], None]) -> Ending:
        """
        Run one try to its end, as the stock worker sees it.

        Raises:
            ClusterError: Nothing was started.
        """
        child = await self._worker()
        status = _TaskStatus(started)
        started_at = utc_now()
        try:
            configuration = await self._configuration(child, order)
            self._running[order.job_id] = ("", configuration)
            status.note = lambda pid: self._running.update({order.job_id: (pid, configuration)})
            result = await child.run(order.flow_run, configuration, task_status=status)
        except Exception as error:
            if not status.called:
                raise ClusterUnreachableError(f"cluster {self.spec.name}: {error}") from error
            raise
        finally:
            self._running.pop(order.job_id, None)
        return Ending(
            outcome=_outcome(result.status_code),
            exit_code=result.status_code,
            started_at=started_at,
            ended_at=utc_now(),
        )

    async def cancel(self, job_id: str, *, grace_s: float) -> None:
        """Let the stock worker end its infrastructure, where it can."""
        pid, configuration = self._running.get(job_id, ("", None))
        if self._child is None or not pid:
            return
        try:
            await self._child.kill_infrastructure(pid, configuration, grace_seconds=int(grace_s))
        except NotImplementedError:
            # The stock worker leaves it to the flow's own process, which asks the server itself.
            return

    async def close(self) -> None:
        """Let the stock worker end what it started for itself."""
        if self._child is not None:
            child, self._child = self._child, None
            await child.__aexit__(None, None, None)

    async def _worker(self) -> BaseWorker[Any, Any, Any]:
        async with self._opening:
            if self._child is None:
                self._child = await self._made()
        return self._child

    async def _made(self) -> BaseWorker[Any, Any, Any]:
        kind = BaseWorker.get_worker_class_from_type(self.spec.kind)
        if kind is None:
            raise ClusterRefusedError(
                f"cluster {self.spec.name}: no worker of type {self.spec.kind} is installed"
            )
        child = kind(
            work_pool_name=self._parent._work_pool_name,  # noqa: SLF001 - one worker in two objects
            name=f"{self._parent.name} {self.spec.name}",
        )
        # Entering it starts its observers; it must neither poll nor send heartbeats of its own.
        child.setup = _sharing(child, self._parent)
        child.teardown = _nothing
        await child.__aenter__()
        return child

    async def _configuration(self, child: BaseWorker[Any, Any, Any], order: Order) -> Any:
        parent = self._parent
        options = dict(self.spec.options)
        pool = copy.deepcopy(parent.work_pool)
        template = await self._template(child, options.pop("work_pool", None))
        values: Mapping[str, Any] = {**options, **order.configuration.values}
        environment = {**(values.get("env") or {}), **order.environment}
        configuration = await child.job_configuration.from_template_and_values(
            base_job_template=template,
            values={**values, "env": environment},
            client=parent.client,
        )
        related = order.configuration._related_objects  # noqa: SLF001 - Prefect's, and has no reader
        configuration.prepare_for_flow_run(
            flow_run=order.flow_run,
            deployment=related.get("deployment"),
            flow=related.get("flow"),
            work_pool=pool,
            worker_name=parent.name,
            worker_id=parent.backend_id,
        )
        return configuration

    async def _template(
        self, child: BaseWorker[Any, Any, Any], work_pool: str | None
    ) -> dict[str, Any]:
        if work_pool is not None:
            named = await self._parent.client.read_work_pool(work_pool)
            if named.base_job_template:
                return dict(named.base_job_template)
        return dict(type(child).get_default_base_job_template())


class _TaskStatus:
    """What a stock worker reports its start to."""

    def __init__(self, started: Callable[[str], None]) -> None:
        self._started = started
        self.note: Callable[[str], object] = str
        self.called = False

    def started(self, value: object = None) -> None:
        if not self.called:
            self.called = True
            self.note(str(value))
            self._started(str(value))


def _sharing(
    child: BaseWorker[Any, Any, Any], parent: BaseWorker[Any, Any, Any]
) -> Callable[[], Awaitable[None]]:
    async def setup() -> None:
        for name in ("_client", "_work_pool", "_runs_task_group", "backend_id"):
            setattr(child, name, getattr(parent, name))
        child.is_setup = True

    return setup


async def _nothing(*_: object) -> None:
    """A worker that shares everything has nothing to take down."""


def _outcome(status_code: int) -> Outcome:
    if status_code == OUT_OF_MEMORY_EXIT_CODE:
        return Outcome.OUT_OF_MEMORY
    return Outcome.SUCCESS if status_code == 0 else Outcome.FAILED
