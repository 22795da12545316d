"""What a predictor is and what it answers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Protocol, runtime_checkable

from aiops_provider.domain.execution import ExecutionRecord
from aiops_provider.domain.profile import ComputeType, Quantity, StorageNeed
from aiops_provider.domain.task import TaskKey
from aiops_provider.domain.workload import TaskDescription

# Beyond these an answer is an explosion, not an estimate: the largest machine on sale has 32 TiB and
# 1,920 vCPU (AWS u7inh-32tb); a run of more than a year is no run.
LARGEST_MEMORY_GIB = 32 * 1024.0
MOST_CORES = 2048.0
LONGEST_DURATION_S = 366 * 86400.0
LIMITS = {
    "memory_gib": LARGEST_MEMORY_GIB,
    "cores": MOST_CORES,
    "duration_s": LONGEST_DURATION_S,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Estimate:
    """
    One predictor's view of one task's next run; whatever it cannot tell stays ``None``.

    Attributes:
        memory_gib: Peak memory of the whole process tree.
        cores: Cores in use on average.
        duration_s: Wall time of one run.
        own_runs: Runs of this very task behind the answer, discounted by age; 0 for a prior. The
            level of the answer is then known ``sqrt(own_runs)`` times better than one run tells.
        killed_at_gib: Largest memory at which a run was killed lately and which has not been
            outlived by enough good runs since; 0 if none.
        killed_first_gib: Smallest memory killed in the same row of kills; 0 if none.
        compute_type: CPU or GPU.
        instances: Copies that run side by side.
        accelerators: Number of GPUs of each instance.
        accelerator: GPU model if only one will do.
        accelerator_memory_gib: GPU memory, all GPUs of an instance together.
        local_disk_gib: Scratch space.
        storage: What is read, held in between and written.
        warehouse_units: Credits of a data warehouse.
        network_gbps: Data rate to and from other machines.
        io_mib_per_s: Data rate to and from disks.
        latency_ms: Time to answer one request.
        neighbours: Tasks whose outcomes the answer rests on.
    """

    memory_gib: Quantity | None = None
    cores: Quantity | None = None
    duration_s: Quantity | None = None
    own_runs: float = 0.0
    killed_at_gib: float = 0.0
    killed_first_gib: float = 0.0
    compute_type: ComputeType | None = None
    instances: int | None = None
    accelerators: int | None = None
    accelerator: str | None = None
    accelerator_memory_gib: Quantity | None = None
    local_disk_gib: Quantity | None = None
    storage: tuple[StorageNeed, ...] | None = None
    warehouse_units: Quantity | None = None
    network_gbps: Quantity | None = None
    io_mib_per_s: Quantity | None = None
    latency_ms: Quantity | None = None
    neighbours: tuple[TaskKey, ...] | None = None

    @property
    def explosion(self) -> str | None:
        """Which figure is beyond any machine, as a sentence; ``None`` if all are sane."""
        for figure, limit in LIMITS.items():
            quantity: Quantity | None = getattr(self, figure)
            if quantity is not None and not quantity.p95 <= limit:
                return f"{figure} p95 is {quantity.p95:g}, more than {limit:g}"
        return None

    def within_limits(self) -> Estimate:
        """
        The same with every figure at most what is on sale.

        For predictors that extrapolate by a formula they trust: far out, the answer is then "the
        largest there is" rather than none at all.
        """
        cut = {
            figure: replace(
                quantity,
                p50=min(quantity.p50, limit),
                p80=min(quantity.p80, limit),
                p95=min(quantity.p95, limit),
            )
            for figure, limit in LIMITS.items()
            if (quantity := getattr(self, figure)) is not None and quantity.p95 > limit
        }
        killed_at = min(self.killed_at_gib, LARGEST_MEMORY_GIB)
        killed_first = min(self.killed_first_gib, LARGEST_MEMORY_GIB)
        return replace(self, killed_at_gib=killed_at, killed_first_gib=killed_first, **cut)


class Predictor(Protocol):
    """
    Something that estimates what the next run of a task will need.

    Requirements: deterministic; no I/O; well under a millisecond; keeps nothing that it is handed
    and changes none of it. ``history`` holds only outcomes of this task that had ended by ``now``,
    oldest first, so that nothing is learned from the future. An answer of ``None`` means "nothing
    to say"; an exception or an exploding answer leaves the predictor out of this one profile.

    Attributes:
        name: Unique among the predictors of a profiler.
    """

    @property
    def name(self) -> str:
        """Unique among the predictors of a profiler."""
        ...

    def predict(
        self,
        task: TaskKey,
        description: TaskDescription | None,
        history: Sequence[ExecutionRecord],
        *,
        now: datetime,
    ) -> Estimate | None:
        """Estimate the next run of *task*."""
        ...


@runtime_checkable
class Learner(Protocol):
    """
    A predictor that also learns across tasks, such as from similar ones.

    Requirements: the same record twice is one record; ``predict`` must look only at records that
    had ended by its ``now``, and not at those of the task it is asked about (these are weighed
    separately, and its error is measured on them).
    """

    def learn(self, record: ExecutionRecord, description: TaskDescription | None) -> None:
        """Take in one finished try, with what was said about its task."""
        ...
