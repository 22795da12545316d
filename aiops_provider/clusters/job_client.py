"""
What every cluster can do for its caller: take a job, tell what became of it, stop it.

Requirements on an implementation, which ``aiops_provider.testing.JobClientContract`` checks:

- one thread owns a client; no method may be called from two threads at once;
- ``submit``, ``poll``, ``cancel`` and ``probe`` return within a few milliseconds whatever the
  cluster does – a scheduler's loop calls them;
- every job that ``submit`` took gets at most one ``running`` and then exactly one final update;
- ``lost`` is reported only once nothing of the job can be running any more, or when nobody can
  know – the caller may run the job elsewhere only if the cluster says which (``message``).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Protocol

from aiops_provider.domain.cluster import ClusterHealth
from aiops_provider.domain.execution import Usage
from aiops_provider.domain.profile import ResourceRequest


class JobState(StrEnum):
    """Life of a job on its cluster."""

    RUNNING = "running"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    OUT_OF_MEMORY = "out_of_memory"
    LOST = "lost"
    CANCELLED = "cancelled"

    @property
    def final(self) -> bool:
        """Whether nothing more will be heard of the job."""
        return self is not JobState.RUNNING


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """
    One piece of work for a cluster; give ``entry`` or ``command``, not both.

    Attributes:
        job_id: Unique among the jobs of this client that have not ended.
        request: What the job is granted; the cluster enforces it.
        entry: ``module:function``, called in a process of its own; it returns its exit status
            as int, or ``None`` for 0.
        argument: The only argument of *entry*; ``None``: it is called without any.
        command: Program and arguments, run without a shell.
        environment: Environment variables on top of the cluster's own.
        log_path: File that gets the job's standard output and error, appended to; its folder is
            made. ``None``: they go where the cluster's own output goes.
        priority: Of jobs that wait for their turn, the one with the highest starts first, and
            among equals the one that came first; for clusters that start all at once it is nothing.
    """

    job_id: str
    request: ResourceRequest
    entry: str | None = None
    argument: str | None = None
    command: tuple[str, ...] | None = None
    environment: Mapping[str, str] = field(default_factory=dict)
    log_path: str | None = None
    priority: int = 0

    def __post_init__(self) -> None:
        if (self.entry is None) == (not self.command):
            raise ValueError(f"job {self.job_id!r} needs either entry or command, and not both")
        if self.entry is not None and not all(self.entry.partition(":")):
            raise ValueError(f"entry must read module:function, got {self.entry!r}")


@dataclass(frozen=True, slots=True, kw_only=True)
class JobUpdate:
    """
    News of a job.

    Attributes:
        job_id: Which job.
        state: What became of it.
        exit_code: Exit status, 128 + n after signal n; ``None`` while it runs or when unknown.
        usage: What it used, over its whole process tree; ``None`` when nothing measured it.
        message: Last words: the error in one line, or why the cluster ended it.
        pid: Process of the job where the cluster has such a thing.
        started_at: When it began to run, in Unix seconds; ``None`` where the cluster does not tell.
    """

    job_id: str
    state: JobState
    exit_code: int | None = None
    usage: Usage | None = None
    message: str = ""
    pid: int | None = None
    started_at: float | None = None


class JobClient(Protocol):
    """A cluster that jobs can be sent to."""

    @property
    def name(self) -> str:
        """Name of the cluster."""

    @property
    def alive(self) -> bool:
        """Whether jobs can be submitted: started, and not known to be gone."""

    def start(self) -> None:
        """
        Get ready for jobs; may block for a second. May be called again after close or a loss.

        Raises:
            ClusterUnreachableError: If the cluster cannot be had.
        """

    def submit(self, job: Job) -> None:
        """
        Send a job.

        Raises:
            ClusterRefusedError: If no machine of this cluster can hold the request, or a job of
                that id has not ended.
            ClusterUnreachableError: If the cluster is not there.
        """

    def poll(self) -> Sequence[JobUpdate]:
        """What happened since the last call, in order; each event is reported once."""

    def cancel(self, job_id: str, grace_s: float = 5.0) -> None:
        """Ask the job to end, and end it by force after *grace_s* seconds; unknown ids: nothing."""

    def probe(self, timeout_s: float = 2.0) -> ClusterHealth:
        """Whether the cluster answers; unreachable once it has been silent for *timeout_s*."""

    def close(self, grace_s: float = 5.0) -> None:
        """End all jobs and let go of the cluster; what became of them is told by ``poll``."""
