"""What really happened when a task ran."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from aiops_provider.domain.profile import ResourceRequest
from aiops_provider.domain.task import TaskRun


class Outcome(StrEnum):
    """How a try ended; out of memory and a lost cluster are classes of their own."""

    SUCCESS = "success"
    FAILED = "failed"
    OUT_OF_MEMORY = "out_of_memory"
    CLUSTER_LOST = "cluster_lost"
    KILLED = "killed"

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
        usage: What was used; ``None`` where nothing measured it.
        input_gib: Size of its input where known.
        input_rows: Rows of its input where known.
        operator: Operator class or flow name.
        code_hash: Version of the code that ran, such as a hash of the task's callable; ``None``: unknown.
        image: Container image that it ran in, with tag or digest; ``None``: unknown, or none.
        cost_usd: Price of the machine share for the duration.
        exit_code: Exit status of the process where known.
        message: Last words, without secrets.
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
    operator: str | None = None
    code_hash: str | None = None
    image: str | None = None
    cost_usd: float | None = None
    exit_code: int | None = None
    message: str = ""
