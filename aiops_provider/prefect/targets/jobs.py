"""A cluster whose jobs run through a ``JobClient``: above all the pools of ``kind: local``."""

from __future__ import annotations

import asyncio
import logging
import os
import shlex
import shutil
import sys
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from aiops_provider.control.pools import Job, JobClient, JobState, JobUpdate
from aiops_provider.domain.cluster import ClusterHealth, ClusterSpec, HealthState
from aiops_provider.domain.execution import Outcome
from aiops_provider.domain.units import utc_now
from aiops_provider.errors import ClusterError, ClusterRefusedError
from aiops_provider.prefect.recovery import worker_mark
from aiops_provider.prefect.targets.target import Ending, Order

log = logging.getLogger(__name__)

_POLL_S = 0.1
_CLOSE_GRACE_S = 5.0

# The command that Prefect's own process worker starts.
_ENGINE = (sys.executable, "-m", "prefect.engine")

# What only the worker needs: with these a flow could sign tokens, or read the store. Empty is unset.
_SECRETS = frozenset({"AIOPS_TOKEN_SECRET", "AIOPS__SERVER__TOKEN_SECRET", "AIOPS__STORE"})

_OUTCOMES = {
    JobState.SUCCEEDED: Outcome.SUCCESS,
    JobState.OUT_OF_MEMORY: Outcome.OUT_OF_MEMORY,
    JobState.LOST: Outcome.CLUSTER_LOST,
    JobState.CANCELLED: Outcome.KILLED,
}


@dataclass(slots=True)
class _Running:
    started: Callable[[str], None]
    started_at: datetime
    over: asyncio.Future[JobUpdate]


class JobTarget:
    """
    Sends flow runs as jobs and waits for their end.

    The client belongs to the event loop: one task polls it, so that no call ever overlaps another.

    Args:
        spec: The cluster.
        client: Talks to it.
        observe: Called with what each probe said.
        probe_period_s: Seconds between probes.
        probe_timeout_s: Without an answer for this long the cluster is unreachable.
        reopen_s: A lost cluster is tried again after this long.
    """

    def __init__(
        self,
        spec: ClusterSpec,
        client: JobClient,
        *,
        observe: Callable[[ClusterHealth], None],
        probe_period_s: float,
        probe_timeout_s: float,
        reopen_s: float,
    ) -> None:
        self._spec = spec
        self._client = client
        self._observe = observe
        self._probe_period_s = probe_period_s
        self._probe_timeout_s = probe_timeout_s
        self._reopen_s = reopen_s
        # Other kinds of cluster go on without us.
        self._mortal = spec.kind == "local"
        self._running: dict[str, _Running] = {}
        self._lost_at: float | None = None
        self._watcher: asyncio.Task[None] | None = None

    @property
    def spec(self) -> ClusterSpec:
        """The cluster."""
        return self._spec

    @property
    def supervised(self) -> bool:
        """The bare engine is on its own."""
        return False

    async def open(self) -> None:
        """Start the client, which may block for a second, and watch it from now on."""
        self._start()
        self._watcher = asyncio.create_task(self._watch(), name=f"aiops cluster {self.spec.name}")

    async def run(self, order: Order, started: Callable[[str], None]) -> Ending:
        """
        Run one try to its end; one that is cancelled itself ends the job.

        Raises:
            ClusterError: Nothing was started.
        """
        if order.insist and not self._client.alive:
            self._start()
        folder, mine = _folder(order)
        try:
            return await self._run_in(folder, order, started)
        finally:
            if mine:
                shutil.rmtree(folder, ignore_errors=True)

    async def cancel(self, job_id: str, *, grace_s: float) -> None:
        """Send SIGTERM, and SIGKILL to the whole process tree after *grace_s*."""
        if job_id in self._running:
            self._client.cancel(job_id, grace_s=grace_s)

    async def close(self) -> None:
        """End what runs and the pool; takes some seconds at most."""
        if self._watcher is not None:
            self._watcher.cancel()
            await asyncio.gather(self._watcher, return_exceptions=True)
        await asyncio.to_thread(self._client.close, _CLOSE_GRACE_S)
        self._take_in()

    async def _run_in(self, folder: str, order: Order, started: Callable[[str], None]) -> Ending:
        over: asyncio.Future[JobUpdate] = asyncio.get_running_loop().create_future()
        running = _Running(started, utc_now(), over)
        self._client.submit(_job(order, folder))
        self._running[order.job_id] = running
        try:
            update = await over
        except asyncio.CancelledError:
            self._client.cancel(order.job_id, grace_s=_CLOSE_GRACE_S)
            raise
        finally:
            self._running.pop(order.job_id, None)
        return _ending(update, running.started_at)

    async def _watch(self) -> None:
        loop = asyncio.get_running_loop()
        next_probe = loop.time()
        while True:
            try:
                self._take_in()
                if loop.time() >= next_probe:
                    next_probe = loop.time() + self._probe_period_s
                    self._probe(loop.time())
            except Exception:
                # This task must outlive any failure of the client, or runs would wait for ever.
                log.exception("Cluster %s cannot be polled", self.spec.name)
            await asyncio.sleep(_POLL_S)

    def _take_in(self) -> None:
        for update in self._client.poll():
            running = self._running.get(update.job_id)
            if running is None:
                continue
            if not update.state.final:
                running.started(
                    f"{update.pid}@{worker_mark()}" if self._mortal else f"{update.pid}"
                )
            elif not running.over.done():
                running.over.set_result(update)

    def _probe(self, now: float) -> None:
        if not self._client.alive:
            if self._lost_at is None:
                self._lost_at = now
                self._unreachable("its pool process is gone")
            if now - self._lost_at < self._reopen_s:
                return
            log.info("Cluster %s: starting its pool process again", self.spec.name)
            self._start()
        if self._client.alive:
            self._lost_at = None
            self._observe(self._client.probe(self._probe_timeout_s))

    def _start(self) -> None:
        try:
            self._client.start()
        except ClusterError as error:
            self._unreachable(str(error))

    def _unreachable(self, detail: str) -> None:
        self._observe(
            ClusterHealth(
                cluster=self.spec.name,
                state=HealthState.UNREACHABLE,
                observed_at=utc_now(),
                detail=detail,
            )
        )


def _folder(order: Order) -> tuple[str, bool]:
    """Where the flow run works, and whether that is ours to remove; as the process worker does."""
    chosen = order.configuration.working_dir
    if chosen is not None:
        if not chosen.is_dir():
            raise ClusterRefusedError(f"working_dir: there is no folder {chosen}")
        return str(chosen), False
    return tempfile.mkdtemp(prefix="prefect-"), True


def _job(order: Order, folder: str) -> Job:
    own = order.configuration.own_command
    command = tuple(shlex.split(own)) if own else _ENGINE
    return Job(
        job_id=order.job_id,
        request=order.grant,
        # The shell only changes the folder, then becomes the command.
        command=("/bin/sh", "-c", 'cd "$1" && shift && exec "$@"', "sh", folder, *command),
        environment={
            **dict.fromkeys(_SECRETS & os.environ.keys(), ""),
            **order.configuration.variables,
            **order.environment,
        },
        log_path=None if order.configuration.stream_output else os.devnull,
    )


def _ending(update: JobUpdate, started_at: datetime) -> Ending:
    return Ending(
        outcome=_OUTCOMES.get(update.state, Outcome.FAILED),
        exit_code=1 if update.exit_code is None else update.exit_code,
        started_at=started_at,
        ended_at=utc_now(),
        usage=update.usage,
        message=update.message,
    )
