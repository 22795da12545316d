"""The host's side of a local cluster."""

from __future__ import annotations

import contextlib
import math
import os
import select
import signal
import socket
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from aiops_provider.clusters.job_client import Job, JobState, JobUpdate
from aiops_provider.clusters.local import proc, wire
from aiops_provider.clusters.local.channel import Channel
from aiops_provider.clusters.local.proc import ProcessStat
from aiops_provider.clusters.local.warden import fork_pool
from aiops_provider.domain.cluster import ClusterHealth, ClusterSpec, HealthState
from aiops_provider.domain.profile import ResourceRequest
from aiops_provider.domain.units import utc_now
from aiops_provider.errors import ClusterRefusedError, ClusterUnreachableError

_START_TIMEOUT_S = 10.0
_PRELOAD_TIMEOUT_S = 120.0
_KILL_TIMEOUT_S = 5.0
_REAP_STEP_S = 0.002


@dataclass(slots=True)
class _Pulse:
    """When the pool was last asked for a sign of life, and when it gave one."""

    started_at: float
    number: int = 0
    asked_at: float | None = None
    ready: bool = False


@dataclass(slots=True)
class _Connection:
    channel: Channel
    warden_pid: int
    pulse: _Pulse
    pid: int = 0
    jobs: dict[str, ProcessStat | None] = field(default_factory=dict)


class LocalPool:
    """
    Runs jobs as processes of this machine.

    Call ``start()`` before the host starts threads: it forks. The jobs die with the pool, and the
    pool with the host, however either of them ends.

    Args:
        spec: The cluster; what its machines hold decides which requests are refused.
        preload: Modules that the pool imports once, or ``module:function`` to call, so that jobs need not.
        environment: Environment variables of every job.
        most_at_once: Jobs that run at a time, others wait for their turn; ``None``: any number.
    """

    def __init__(
        self,
        spec: ClusterSpec,
        *,
        preload: Sequence[str] = (),
        environment: Mapping[str, str] | None = None,
        most_at_once: int | None = None,
    ) -> None:
        self._spec = spec
        self._preload = tuple(preload)
        self._environment = dict(environment or {})
        self._most_at_once = most_at_once
        self._connection: _Connection | None = None
        self._updates: list[JobUpdate] = []
        self._unreaped: set[int] = set()

    @property
    def name(self) -> str:
        """Name of the cluster."""
        return self._spec.name

    @property
    def alive(self) -> bool:
        """Whether the pool process was there when it was last heard of."""
        return self._connection is not None

    @property
    def pid(self) -> int | None:
        """Process id of the pool while it is alive."""
        return self._connection.pid if self._connection else None

    def start(self) -> None:
        """
        Fork the pool process; does nothing while there is one.

        Raises:
            ClusterUnreachableError: If it cannot be forked or says nothing for ten seconds.
        """
        self._reap()
        if self._connection is not None:
            return
        ours, theirs = socket.socketpair()
        try:
            warden_pid = fork_pool(
                theirs,
                cluster=self.name,
                preload=self._preload,
                environment=self._environment,
                most_at_once=self._most_at_once,
            )
        except OSError as error:
            ours.close()
            raise ClusterUnreachableError(f"cluster {self.name}: no process: {error}") from error
        finally:
            theirs.close()
        connection = _Connection(Channel(ours), warden_pid, _Pulse(started_at=time.monotonic()))
        self._connection = connection
        self._unreaped.add(warden_pid)
        deadline = time.monotonic() + _START_TIMEOUT_S
        while not connection.pid and self._receive_until(deadline):
            pass
        if not connection.pid:
            self._kill()
            raise ClusterUnreachableError(f"cluster {self.name}: the pool process did not start")

    def submit(self, job: Job) -> None:
        """
        Hand a job to the pool, which runs it at once, or when it is its turn.

        Raises:
            ClusterRefusedError: If no machine of this cluster can hold the request, or a job of
                that id has not ended.
            ClusterUnreachableError: If there is no pool process.
        """
        self._check_size(job.request)
        connection = self._connection
        if connection is None:
            raise ClusterUnreachableError(f"cluster {self.name}: there is no pool process")
        if job.job_id in connection.jobs:
            raise ClusterRefusedError(f"cluster {self.name}: job {job.job_id} has not ended yet")
        connection.channel.send({"do": "run", "job": wire.encode_job(job)})
        connection.jobs[job.job_id] = None

    def poll(self) -> list[JobUpdate]:
        """What happened since the last call; notices when the pool process has died."""
        self._receive()
        self._reap()
        updates, self._updates = self._updates, []
        return updates

    def cancel(self, job_id: str, grace_s: float = 5.0) -> None:
        """Send SIGTERM to the job's process group, and SIGKILL to its tree *grace_s* later."""
        if self._connection is not None and job_id in self._connection.jobs:
            self._connection.channel.send({"do": "cancel", "job_id": job_id, "grace_s": grace_s})

    def probe(self, timeout_s: float = 2.0) -> ClusterHealth:
        """
        Judge by the last answer, and ask for the next one; never waits for it.

        Healthy means that the pool has answered since the probe before. Unknown: it is still
        importing what it was told to preload, for which it has two minutes.

        Args:
            timeout_s: Seconds of silence after which the pool is unreachable.
        """
        self._receive()
        state, detail = self._judge(timeout_s)
        return ClusterHealth(cluster=self.name, state=state, observed_at=utc_now(), detail=detail)

    def close(self, grace_s: float = 5.0) -> None:
        """End all jobs and the pool; blocks for *grace_s* and a few seconds at most."""
        connection = self._connection
        if connection is not None:
            connection.channel.send({"do": "close", "grace_s": grace_s})
            deadline = time.monotonic() + grace_s + _KILL_TIMEOUT_S
            while self._receive_until(deadline):
                pass
            self._kill()
        self._reap(wait_s=_KILL_TIMEOUT_S)

    def _check_size(self, request: ResourceRequest) -> None:
        if not (0 < request.cores < math.inf and 0 < request.memory_gib < math.inf):
            raise ClusterRefusedError(
                f"cluster {self.name}: a job needs more than 0 cores and 0 GiB, "
                f"not {request.cores:g} and {request.memory_gib:g}"
            )
        if not self._spec.feasible_pools(request):
            raise ClusterRefusedError(
                f"cluster {self.name}: no machine holds {request.cores:g} cores, "
                f"{request.memory_gib:g} GiB and {request.accelerators} accelerators"
            )

    # What comes from the pool

    def _receive_until(self, deadline: float) -> bool:
        """Wait for messages; False when the pool is gone or the time is over."""
        connection = self._connection
        left = deadline - time.monotonic()
        if connection is None or left <= 0:
            return False
        poller = select.poll()
        poller.register(
            connection.channel.fileno(),
            select.POLLIN | (select.POLLOUT if connection.channel.unsent else 0),
        )
        poller.poll(left * 1000)
        self._receive()
        return self._connection is not None

    def _receive(self) -> None:
        connection = self._connection
        if connection is None:
            return
        connection.channel.flush()
        for message in connection.channel.receive():
            self._note(connection, message)
        if connection.channel.closed:
            self._lose(connection)

    def _note(self, connection: _Connection, message: Mapping[str, Any]) -> None:
        pulse = connection.pulse
        match message:
            case {"say": "hello", "pid": pid}:
                connection.pid = pid
            case {"say": "ready"}:
                pulse.ready = True
            case {"say": "pong", "number": number} if number == pulse.number:
                pulse.asked_at = None
            case {"say": "update", "update": fields}:
                update = wire.decode_update(fields)
                if update.state.final:
                    connection.jobs.pop(update.job_id, None)
                else:
                    connection.jobs[update.job_id] = proc.read_stat(update.pid or 0)
                self._updates.append(update)

    def _lose(self, connection: _Connection) -> None:
        """The stream has ended, which the warden sees to only once nothing is running."""
        self._connection = None
        connection.channel.close()
        message = f"the pool process of cluster {self.name} is gone, and the job with it"
        for job_id, process in connection.jobs.items():
            if process is not None:
                _kill_group_left_over(process)
            self._updates.append(JobUpdate(job_id=job_id, state=JobState.LOST, message=message))

    def _judge(self, timeout_s: float) -> tuple[HealthState, str]:
        connection = self._connection
        if connection is None:
            return HealthState.UNREACHABLE, "there is no pool process"
        pulse, now = connection.pulse, time.monotonic()
        if not pulse.ready:
            if now - pulse.started_at > _PRELOAD_TIMEOUT_S:
                return HealthState.UNREACHABLE, "the pool has not become ready"
            return HealthState.UNKNOWN, "the pool is starting"
        silent_s = 0.0 if pulse.asked_at is None else now - pulse.asked_at
        if pulse.asked_at is None:
            pulse.number += 1
            pulse.asked_at = now
            connection.channel.send({"do": "ping", "number": pulse.number})
        if silent_s > timeout_s:
            return HealthState.UNREACHABLE, f"the pool has not answered for {silent_s:.1f} s"
        return HealthState.HEALTHY, "the pool answers"

    # Ends

    def _kill(self) -> None:
        """End what did not end by itself; the warden follows the pool."""
        connection = self._connection
        if connection is None:
            return
        with contextlib.suppress(ProcessLookupError):
            os.kill(connection.pid or connection.warden_pid, signal.SIGKILL)
        deadline = time.monotonic() + _KILL_TIMEOUT_S
        while self._receive_until(deadline):
            pass
        if self._connection is not None:
            self._lose(connection)

    def _reap(self, *, wait_s: float = 0.0) -> None:
        """Collect wardens that have ended, waiting for those that are about to."""
        deadline = time.monotonic() + wait_s
        for pid in tuple(self._unreaped):
            while not _collected(pid):
                if time.monotonic() >= deadline:
                    break
                time.sleep(_REAP_STEP_S)
            else:
                self._unreaped.discard(pid)


def _collected(pid: int) -> bool:
    try:
        return os.waitpid(pid, os.WNOHANG)[0] == pid
    except ChildProcessError:  # the host reaps all of its children itself
        return True


def _kill_group_left_over(leader: ProcessStat) -> None:
    """For the case that warden and pool were killed at once: the group of the job, at least."""
    now = proc.read_stat(leader.pid)
    if now is None or now.started == leader.started:  # else the id is somebody else's by now
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(leader.pid, signal.SIGKILL)
