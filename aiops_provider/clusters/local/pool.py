"""
The pool process: one loop that forks jobs, measures and limits them, and reaps what they leave.

It has no threads – it forks all the time – and nothing in its loop blocks for longer than a fork.
Every process that loses its parent below it becomes its own child, so that none can hide: what
a job leaves behind is ended with the job, daemons included.
"""

from __future__ import annotations

import contextlib
import gc
import importlib
import logging
import os
import select
import signal
import sys
import time
from bisect import insort
from collections.abc import Mapping, Sequence
from types import FrameType
from typing import Any

from aiops_provider.clusters.job_client import Job, JobState, JobUpdate
from aiops_provider.clusters.local import linux, proc, wire
from aiops_provider.clusters.local.channel import Channel
from aiops_provider.clusters.local.job_process import JOB_ID_VARIABLE, fork_job
from aiops_provider.clusters.local.meter import JobMeter
from aiops_provider.clusters.local.running_job import RunningJob
from aiops_provider.clusters.local.share import cpu_share, nice_beside
from aiops_provider.domain.units import bytes_from_gib

log = logging.getLogger(__name__)

_LOOK_EVERY_S = 0.2
_LOOK_AGAIN_S = 0.02  # at a job that is about to start or to end
_IDLE_S = 1.0
# Looking costs more with more processes; then it is done more seldom, so that it never takes
# more than a twentieth of a core from the jobs.
_LOOK_SHARE = 0.05
_STOP_GRACE_S = 5.0
_MEMORY_KILLER_PREFERENCE = 100


class Pool:
    """
    Serves one host over its channel until that closes.

    Args:
        channel: To the host.
        cluster: Its name, for process titles.
        environment: Variables of every job.
        parent: Process id of the warden; without it the pool ends.
        most_at_once: Jobs that run at a time, others wait for their turn; ``None``: any number.
    """

    def __init__(
        self,
        channel: Channel,
        *,
        cluster: str,
        environment: Mapping[str, str],
        parent: int,
        most_at_once: int | None = None,
    ) -> None:
        self._channel = channel
        self._cluster = cluster
        self._environment = environment
        self._parent = parent
        self._cpus = sorted(os.sched_getaffinity(0))
        self._most_at_once = most_at_once
        self._waiting: list[Job] = []
        self._jobs: dict[str, RunningJob] = {}
        self._stopping = False
        self._look_at = 0.0
        self._wake_reader, self._wake_writer = os.pipe2(os.O_CLOEXEC | os.O_NONBLOCK)

    def serve(self, preload: Sequence[str]) -> None:
        """Run jobs until told to stop and the last one has ended."""
        self._set_up()
        self._channel.send({"say": "hello", "pid": os.getpid()})
        _preload(preload)
        # What exists now is garbage to no job: without this, the first collection in a job would
        # touch, and thereby copy, every page it shares with the pool.
        gc.collect()
        gc.freeze()
        self._channel.send({"say": "ready"})
        while self._jobs or not self._stopping:
            self._wait()
            for message in self._channel.receive():
                self._obey(message)
            if self._channel.closed or os.getppid() != self._parent:
                self._stop(JobState.LOST, "the host of the pool is gone", grace_s=0.0)
            self._reap()
            self._run_next()
            self._look_after_jobs()
            self._channel.flush()

    # Set-up and waiting

    def _set_up(self) -> None:
        linux.adopt_orphans()
        linux.offer_to_the_memory_killer(_MEMORY_KILLER_PREFERENCE)
        linux.set_title(f"aiops pool: {self._cluster}")
        signal.signal(signal.SIGCHLD, _only_wake)
        signal.signal(signal.SIGTERM, self._on_terminate)
        signal.set_wakeup_fd(self._wake_writer, warn_on_full_buffer=False)
        # Sent when the warden dies: wakes the loop, which then sees that its parent changed.
        linux.set_parent_death_signal(signal.SIGTERM, self._parent)

    def _on_terminate(self, _number: int, _frame: FrameType | None) -> None:
        if os.getppid() == self._parent:
            self._stop(JobState.LOST, "the pool was told to stop", grace_s=_STOP_GRACE_S)

    def _wait(self) -> None:
        poller = select.poll()
        poller.register(self._wake_reader, select.POLLIN)
        if not self._channel.closed:
            events = select.POLLIN | (select.POLLOUT if self._channel.unsent else 0)
            poller.register(self._channel.fileno(), events)
        due = self._look_at - time.monotonic() if self._jobs else _IDLE_S
        poller.poll(max(0.0, due) * 1000)
        with contextlib.suppress(BlockingIOError):
            while os.read(self._wake_reader, 4096):
                pass

    # Orders

    def _obey(self, message: Mapping[str, Any]) -> None:
        match message:
            case {"do": "run", "job": fields}:
                insort(self._waiting, wire.decode_job(fields), key=lambda job: -job.priority)
                self._run_next()
            case {"do": "cancel", "job_id": job_id, "grace_s": grace_s}:
                if job_id in self._jobs:
                    self._end(self._jobs[job_id], JobState.CANCELLED, "cancelled", grace_s=grace_s)
                else:
                    self._give_up(JobState.CANCELLED, "cancelled before its start", only=job_id)
            case {"do": "ping", "number": number}:
                self._channel.send({"say": "pong", "number": number})
            case {"do": "close", "grace_s": grace_s}:
                self._stop(JobState.CANCELLED, "the pool was closed", grace_s=grace_s)

    def _run_next(self) -> None:
        """Start what waits, as far as there may be more jobs at a time."""
        if self._stopping:
            self._give_up(JobState.LOST, "the pool is stopping")
        while self._waiting and (
            self._most_at_once is None or len(self._jobs) < self._most_at_once
        ):
            self._run(self._waiting.pop(0))

    def _give_up(self, state: JobState, message: str, *, only: str | None = None) -> None:
        """Report jobs that wait, or one of them, as never started."""
        for job in [each for each in self._waiting if only in (None, each.job_id)]:
            self._waiting.remove(job)
            self._report(JobUpdate(job_id=job.job_id, state=state, message=message))

    def _run(self, job: Job) -> None:
        share = cpu_share(
            job.request.cores,
            host_cpus=self._cpus,
            held=[running.share for running in self._jobs.values()],
        )
        kills, started_at, began = proc.memory_kills(), time.monotonic(), time.time()
        try:
            process = fork_job(
                job,
                share,
                title=f"aiops pool: {self._cluster} {job.job_id}",
                environment=self._environment,
                release=self._release,
            )
        except OSError as error:  # no memory or no process left: this job fails, the pool goes on
            self._report(
                JobUpdate(job_id=job.job_id, state=JobState.LOST, message=f"not started: {error}")
            )
            return
        meter = JobMeter(
            limit_bytes=bytes_from_gib(job.request.memory_gib),
            inherited_bytes=proc.anonymous_bytes(os.getpid()),
            pool_resident_bytes=proc.resident_bytes(os.getpid()),
        )
        running = RunningJob(
            job=job,
            process=process,
            share=share,
            meter=meter,
            started_at=started_at,
            memory_kills=kills,
        )
        self._jobs[job.job_id] = running
        self._renice()
        if job.command is None:
            meter.begin_as_copy(started_at, copies=len(self._jobs))
        else:
            self._look_at = min(self._look_at, started_at + _LOOK_AGAIN_S)
        self._report(
            JobUpdate(job_id=job.job_id, state=JobState.RUNNING, pid=process.pid, started_at=began)
        )

    def _renice(self) -> None:
        """Weigh the jobs that run against each other."""
        largest = max((running.share.cores for running in self._jobs.values()), default=1.0)
        for running in self._jobs.values():
            running.renice(nice_beside(running.share.cores, largest))

    def _release(self) -> None:
        self._channel.close()
        signal.set_wakeup_fd(-1)
        os.close(self._wake_reader)
        os.close(self._wake_writer)
        for running in self._jobs.values():
            os.close(running.process.last_words)

    def _stop(self, state: JobState, message: str, *, grace_s: float) -> None:
        self._stopping = True
        self._give_up(state, message)
        for running in self._jobs.values():
            self._end(running, state, message, grace_s=grace_s)

    def _end(self, running: RunningJob, state: JobState, message: str, *, grace_s: float) -> None:
        running.end(state, message, grace_s=grace_s)
        self._look_at = min(self._look_at, running.kill_at)

    # Watching

    def _look_after_jobs(self) -> None:
        now = time.monotonic()
        if now < self._look_at:
            return
        # Not by the clock on the wall: on a busy machine the pool would stop looking for seconds.
        began_s = time.thread_time()
        orphans = self._orphans()
        for running in self._jobs.values():
            self._look_after(running, orphans.get(running.job.job_id, []), now)
        self._reap()
        after = time.monotonic()
        cost_s = time.thread_time() - began_s
        self._look_at = after + max(_LOOK_EVERY_S, cost_s / _LOOK_SHARE)
        for running in self._jobs.values():
            in_transit = running.ended or running.kill_at <= after or not running.is_itself
            due = after + _LOOK_AGAIN_S if in_transit else running.kill_at
            self._look_at = min(self._look_at, due)

    def _look_after(self, running: RunningJob, orphans: Sequence[int], now: float) -> None:
        mains = [] if running.ended else [running.process.pid]
        if running.is_itself:
            running.meter.observe(
                proc.family([*mains, *orphans]), now, exec_ed=running.job.command is not None
            )
        if running.meter.exceeded and not running.ended:
            running.exceed(now)
        if now >= running.kill_at or running.ended:
            running.kill()

    def _orphans(self) -> dict[str, list[int]]:
        """Children that the pool did not fork but adopted, by the job they belong to."""
        mains = {running.process.pid for running in self._jobs.values()}
        found: dict[str, list[int]] = {}
        for pid in proc.children(os.getpid()):
            owner = self._owner(pid) if pid not in mains else None
            if owner is not None:
                found.setdefault(owner.job.job_id, []).append(pid)
        return found

    def _owner(self, pid: int) -> RunningJob | None:
        """Whose process this is: seen among the job's, of its group, or started by it."""
        process = proc.read_stat(pid)
        if process is None:
            return None
        for running in self._jobs.values():
            if running.process.pid in (pid, process.group) or running.meter.owns(process):
                return running
        return self._jobs.get(proc.environment_value(pid, JOB_ID_VARIABLE) or "")

    # Ends

    def _reap(self) -> None:
        while True:
            try:
                dead = os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT)
            except ChildProcessError:
                break
            if dead is None:
                break
            owner, disk = self._owner(dead.si_pid), proc.disk_bytes(dead.si_pid)
            _, status, usage = os.wait4(dead.si_pid, 0)
            if owner is not None:
                owner.reaped(dead.si_pid, status, usage, disk)
        self._report_the_ended()

    def _report_the_ended(self) -> None:
        ended = [running for running in self._jobs.values() if running.ended]
        if not ended:
            return
        orphans = self._orphans()
        for running in ended:
            left = orphans.get(running.job.job_id, [])
            if left:
                # The job is over, its resources go back: what it left in the background ends too.
                running.meter.observe(proc.family(left), time.monotonic())
                running.kill()
                self._look_at = min(self._look_at, time.monotonic() + _LOOK_AGAIN_S)
            else:
                del self._jobs[running.job.job_id]
                self._report(running.final_update())
        self._renice()

    def _report(self, update: JobUpdate) -> None:
        self._channel.send({"say": "update", "update": wire.encode_update(update)})


def _only_wake(_number: int, _frame: FrameType | None) -> None:
    """The wake-up descriptor does the work."""


def _preload(entries: Sequence[str]) -> None:
    for entry in entries:
        module, _, function = entry.partition(":")
        try:
            imported = importlib.import_module(module)
            if function:
                getattr(imported, function)()
        except Exception:  # only an economy: a job that needs the module will say what is wrong
            log.warning("the pool could not prepare %s ahead of its jobs", entry, exc_info=True)
    for stream in (sys.stdout, sys.stderr):
        stream.flush()
