"""One job of the pool between its fork and its final update."""

from __future__ import annotations

import contextlib
import os
import signal
import time
from dataclasses import dataclass
from resource import struct_rusage

from aiops_provider.clusters.job_client import Job, JobState, JobUpdate
from aiops_provider.clusters.local import proc
from aiops_provider.clusters.local.job_process import ForkedJob
from aiops_provider.clusters.local.meter import JobMeter
from aiops_provider.clusters.local.share import CpuShare
from aiops_provider.domain.execution import OUT_OF_MEMORY_EXIT_CODE
from aiops_provider.domain.units import gib_from_bytes


@dataclass(slots=True, kw_only=True)
class RunningJob:
    """
    A job and all that the pool knows about it.

    Attributes:
        job: What was asked for.
        process: Its first process.
        share: Its CPUs.
        meter: What it uses.
        started_at: Monotonic clock, seconds.
        memory_kills: What the kernel's count of processes killed for memory was then.
        stopped_as: What it will be reported as if somebody ends it before it does so itself.
        message: Why.
        kill_at: When its tree is ended by force, monotonic clock.
        status: Of its first process, -n after signal n; ``None`` while that lives.
        ended_at: When that ended.
        nice: Nice level on top of the pool's.
    """

    job: Job
    process: ForkedJob
    share: CpuShare
    meter: JobMeter
    started_at: float
    memory_kills: int
    stopped_as: JobState | None = None
    message: str = ""
    kill_at: float = float("inf")
    status: int | None = None
    ended_at: float = 0.0
    nice: int = 0

    @property
    def ended(self) -> bool:
        """Whether its first process is over; what that left behind may live."""
        return self.status is not None

    @property
    def is_itself(self) -> bool:
        """Whether it is no copy of the pool any more that is about to become another program."""
        return self.job.command is None or self.process.has_let_go

    def end(self, state: JobState, message: str, *, grace_s: float) -> None:
        """Ask it to end; who asks first says why, who is in the greatest hurry says when."""
        if self.ended:
            return
        if self.stopped_as is None:
            self.stopped_as, self.message = state, message
            if grace_s > 0:
                with contextlib.suppress(ProcessLookupError, PermissionError):
                    os.killpg(self.process.pid, signal.SIGTERM)
        self.kill_at = min(self.kill_at, time.monotonic() + grace_s)

    def exceed(self, now: float) -> None:
        """End it for memory; that outranks being cancelled, as the next try has to be given more."""
        used, limit = gib_from_bytes(self.meter.memory_bytes), self.job.request.memory_gib
        count = len(self.meter.members)
        self.stopped_as, self.kill_at = JobState.OUT_OF_MEMORY, now
        self.message = (
            f"killed for memory: {count} process{'' if count == 1 else 'es'} used {used:.3f} GiB, "
            f"the request was {limit:.3f} GiB"
        )

    def renice(self, nice: int) -> None:
        """
        Give its processes a nice level on top of the pool's, which is also this process's.

        A level can be lowered by the superuser only; else it stays as it is.
        """
        if nice == self.nice or self.ended:
            return
        wanted = os.getpriority(os.PRIO_PROCESS, 0) + nice
        try:
            os.setpriority(os.PRIO_PGRP, self.process.pid, wanted)
            for member in proc.family([self.process.pid]):
                # The system call means one thread by a process.
                for thread in proc.threads(member.pid):
                    with contextlib.suppress(ProcessLookupError):
                        os.setpriority(os.PRIO_PROCESS, thread, wanted)
        except ProcessLookupError:
            return  # it is about to be reaped
        except PermissionError:
            return
        self.nice = nice

    def kill(self) -> None:
        """End every process of the job that is known to live."""
        if not self.ended:
            # The whole group at once: one by one, a process that forks all the time might win.
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(self.process.pid, signal.SIGKILL)
        for process in self.meter.members.values():
            proc.send_signal(process, signal.SIGKILL)

    def reaped(
        self, pid: int, status: int, usage: struct_rusage, disk: tuple[int, int] | None
    ) -> None:
        """Take note of a process of the job that has ended."""
        self.meter.reaped(usage, disk, exec_ed=self.job.command is not None)
        if pid == self.process.pid:
            self.status, self.ended_at = os.waitstatus_to_exitcode(status), time.monotonic()

    def final_update(self) -> JobUpdate:
        """What became of it; may be called once, after its end."""
        last_words = self.process.read_last_words()
        state, exit_code, message = self.stopped_as, _exit_code(self.status or 0), self.message
        if state is JobState.OUT_OF_MEMORY:
            exit_code = OUT_OF_MEMORY_EXIT_CODE
        elif state is None:
            state, message = self._own_end(exit_code, last_words)
        return JobUpdate(
            job_id=self.job.job_id,
            state=state,
            exit_code=exit_code,
            usage=self.meter.usage(self.ended_at - self.started_at),
            message=message,
            pid=self.process.pid,
        )

    def _own_end(self, exit_code: int, last_words: str) -> tuple[JobState, str]:
        if exit_code == 0:
            return JobState.SUCCEEDED, ""
        if exit_code == OUT_OF_MEMORY_EXIT_CODE and proc.memory_kills() > self.memory_kills:
            return JobState.OUT_OF_MEMORY, (
                "killed while the kernel ended processes for want of memory on this machine; "
                f"the request was {self.job.request.memory_gib:.3f} GiB"
            )
        return JobState.FAILED, last_words or f"exit status {exit_code}"


def _exit_code(status: int) -> int:
    """As a shell has it: 128 + n after signal n."""
    return 128 - status if status < 0 else status
