"""
What the batch service of a cloud can do for its caller: keep a job, tell how it is, end it.

A :class:`~aiops_provider.clusters.job_client.JobClient` owns its jobs and ends them when it is closed.
Here the cloud owns them: they go on when their sender dies, and whoever knows their ids, or the label
of the cluster, finds them again. So a client of this kind remembers nothing of its jobs.

Requirements on an implementation, which ``aiops_provider.testing.RemoteJobClientContract`` checks:

- one thread owns a client; each method makes as few requests as it can, and each request gives up
  within the client's time limit;
- the caller gives the id, and an id names one job for ever: ``submit`` of a job that is there already
  does nothing, so that a submission of which nobody knows whether it arrived is simply made again;
- ``poll`` of many jobs is one listing, plus one question for each of which the listing does not tell
  enough, as long as there is time.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Protocol, Self

from aiops_provider.domain.execution import OUT_OF_MEMORY_EXIT_CODE, Outcome
from aiops_provider.domain.profile import ResourceRequest

CLUSTER_LABEL = "aiops_cluster"
"""Label by which the jobs of one cluster are told from all others of an account."""


class RemoteJobStage(StrEnum):
    """Life of a job on its cluster."""

    WAITING = "waiting"
    RUNNING = "running"
    ENDED = "ended"


@dataclass(frozen=True, slots=True, kw_only=True)
class RemoteJob:
    """
    One container that runs once.

    Attributes:
        job_id: Lower-case letters, digits and hyphens, at most 63, beginning with a letter; unique
            among all jobs there ever were.
        command: Program and arguments, run without a shell.
        request: What it is granted; ``None``: what the cluster gives whoever asks for nothing.
        pool: Name of the machines that were chosen; ``None``: whatever the cluster has.
        environment: Environment variables on top of the cluster's own.
        secrets: Further ones, whose values nobody who may look at the job should see where the
            cluster can hide them.
        labels: What it is called on the cluster's side; keys and values are made fit for it.
        own: What its author says in the words of the cluster; goes over everything else.
    """

    job_id: str
    command: tuple[str, ...]
    request: ResourceRequest | None = None
    pool: str | None = None
    environment: Mapping[str, str] = field(default_factory=dict)
    secrets: Mapping[str, str] = field(default_factory=dict, repr=False)
    labels: Mapping[str, str] = field(default_factory=dict)
    own: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class RemoteJobStatus:
    """
    How a job is.

    Attributes:
        stage: Where in its life.
        outcome: How it ended; ``CLUSTER_LOST`` where the place failed and not the job. ``None``
            before its end.
        exit_code: Of its container, where known.
        words: The cluster's own words, one sentence.
    """

    stage: RemoteJobStage
    outcome: Outcome | None = None
    exit_code: int | None = None
    words: str = ""

    @classmethod
    def ended(cls, outcome: Outcome, exit_code: int | None, words: str) -> Self:
        """It is over."""
        return cls(stage=RemoteJobStage.ENDED, outcome=outcome, exit_code=exit_code, words=words)

    @classmethod
    def failed(cls, exit_code: int) -> Self:
        """Its container ended by itself or by the kernel's hand, with this exit code, not 0."""
        if exit_code == OUT_OF_MEMORY_EXIT_CODE:
            return cls.ended(
                Outcome.OUT_OF_MEMORY, exit_code, f"it was killed (exit code {exit_code})"
            )
        return cls.ended(Outcome.KILLED, exit_code, f"exit code {exit_code}")


@dataclass(frozen=True, slots=True, kw_only=True)
class RemoteJobLog:
    """
    What a job has printed.

    Attributes:
        sources: Where that is from, and where a person finds more.
        lines: The latest lines, oldest first.
    """

    sources: tuple[str, ...] = ()
    lines: tuple[str, ...] = ()


class RemoteJobClient(Protocol):
    """
    A batch service that jobs can be sent to.

    Each method raises ClusterUnreachableError if the service does not answer, or answers with an
    error that may pass. After ``submit`` has raised it nobody knows whether the job is there.
    """

    def submit(self, job: RemoteJob) -> None:
        """
        Send a job, unless it is there already.

        Raises:
            ClusterRefusedError: The service will not take it; it is not there.
        """

    def poll(
        self, job_ids: Sequence[str], *, within_s: float
    ) -> Mapping[str, RemoteJobStatus | None]:
        """
        How these jobs are; ``None`` for those that the service does not know.

        Args:
            job_ids: Those that matter most come first.
            within_s: No further question is asked once this has passed; the jobs that it would have
                been about are left out.
        """

    def cancel(self, job_id: str) -> None:
        """Have a job end; nothing happens if it has ended or is unknown. Returns before its end."""

    def log(self, job_id: str, *, lines: int) -> RemoteJobLog:
        """The latest *lines* of its output; none if the job is unknown."""

    def probe(self) -> None:
        """
        Return if the service answers and would take jobs from us, as far as it can be asked.

        Raises:
            ClusterUnreachableError: It would not, and why.
        """

    def close(self) -> None:
        """Let go of connections; the jobs go on."""
