"""What really happened when a task ran."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from aiops_provider.domain.input_facts import InputFacts
from aiops_provider.domain.profile import ResourceRequest
from aiops_provider.domain.task import TaskRun


class Outcome(StrEnum):
    """
    How a try ended; out of memory and a lost cluster are classes of their own.

    ``SUSPENDED`` is no end: the try left its worker and goes on later, because the task was deferred
    or a sensor rescheduled itself.
    """

    SUCCESS = "success"
    FAILED = "failed"
    OUT_OF_MEMORY = "out_of_memory"
    CLUSTER_LOST = "cluster_lost"
    KILLED = "killed"
    SUSPENDED = "suspended"

    @property
    def is_task_evidence(self) -> bool:
        """Whether the outcome says something about the task rather than its cluster."""
        return self in (Outcome.SUCCESS, Outcome.FAILED, Outcome.OUT_OF_MEMORY)


OUT_OF_MEMORY_EXIT_CODE = 137


@dataclass(frozen=True, slots=True, kw_only=True)
class Usage:
    """
    Resources that one try really used, over its whole process tree.

    Attributes:
        peak_memory_gib: Highest proportional set size seen.
        cpu_seconds: User and system time.
        duration_s: Wall time.
        io_read_gib: Read from disk; ``None`` where the system does not tell.
        io_write_gib: Written to disk; ``None`` where the system does not tell.
    """

    peak_memory_gib: float
    cpu_seconds: float
    duration_s: float
    io_read_gib: float | None = None
    io_write_gib: float | None = None

    @property
    def mean_cores(self) -> float:
        """Cores in use on average."""
        return self.cpu_seconds / self.duration_s if self.duration_s > 0 else 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Segment:
    """
    A stay on a worker, of a try that had several: it was deferred or rescheduled in between.

    Attributes:
        number: See ``ExecutionRecord.segment``; of several in one, that of the last.
        queued_at: When the host queued it.
        started_at: When it began.
        ended_at: When it left its worker.
        usage: What was used; ``None`` where nothing measured it.
        cost_usd: Price of the machine share for the duration.
        count: How many stays this stands for.
    """

    number: int
    started_at: datetime
    ended_at: datetime
    queued_at: datetime | None = None
    usage: Usage | None = None
    cost_usd: float | None = None
    count: int = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class ExecutionRecord:
    """
    One finished try: what was asked, what was used, how it ended.

    Attributes:
        run: Which try.
        cluster: Where it ran.
        provider: Provider of that cluster.
        region: Region of that cluster.
        pool: Pool of that cluster.
        started_at: When the task's own work began.
        ended_at: When it ended; learning must not look at it before.
        queued_at: When the host queued it.
        outcome: How it ended.
        request: What was asked; ``None`` for history from elsewhere.
        usage: What was used; ``None`` where nothing measured it. Of a try with several segments: the
            highest memory, and the sum of everything else, without the time in between.
        input_gib: Size of its input where known.
        input_rows: Rows of its input where known.
        inputs: What the host knew of its input before it started; empty: nothing.
        operator: Operator class or flow name.
        code_hash: Version of the code that ran, such as a hash of the task's callable; ``None``: unknown.
        image: Container image that it ran in, with tag or digest; ``None``: unknown, or none.
        cost_usd: Price of the machine share for the duration.
        exit_code: Exit status of the process where known.
        message: Last words, without secrets.
        segment: Which stay on a worker this reports, rising within a try (the placement's epoch);
            0 where a try has but one.
        segments: Number of stays on a worker that this record stands for.
        earlier: Stays before this one, each on its own; only inside the store, whose readers get all
            of them as one run.
    """

    run: TaskRun
    cluster: str
    provider: str
    region: str
    started_at: datetime
    ended_at: datetime
    outcome: Outcome
    pool: str = "default"
    queued_at: datetime | None = None
    request: ResourceRequest | None = None
    usage: Usage | None = None
    input_gib: float | None = None
    input_rows: int | None = None
    inputs: InputFacts = ()
    operator: str | None = None
    code_hash: str | None = None
    image: str | None = None
    cost_usd: float | None = None
    exit_code: int | None = None
    message: str = ""
    segment: int = 0
    segments: int = 1
    earlier: tuple[Segment, ...] = ()

    @property
    def occupied_s(self) -> float:
        """Seconds for which it had room on a cluster: not those in which it was deferred."""
        if self.segments > 1 and self.usage is not None:
            return self.usage.duration_s
        return (self.ended_at - self.started_at).total_seconds()
