"""What a trace says about its tasks, beside what the profiler learns from their runs in a replay."""

from __future__ import annotations

from dataclasses import replace

from aiops_provider.domain.profile import (
    Quantity,
    ResourceRequest,
    Source,
    StorageNeed,
    WorkloadProfile,
)
from aiops_provider.domain.task import TaskKey
from aiops_provider.placement.replay_task import ReplayTask


class TraceDescriptions:
    """
    The latest that was said of each task.

    Attributes:
        has_rules: Whether any task so far is spread or kept apart.
    """

    def __init__(self) -> None:
        self._said: dict[TaskKey, ReplayTask] = {}
        self._stored: dict[TaskKey, tuple[StorageNeed, ...]] = {}
        self.has_rules = False

    def hear(self, task: ReplayTask) -> None:
        """A run has arrived."""
        self._said[task.run.task] = task
        self.has_rules = self.has_rules or bool(task.spread or task.anti_affinity)

    def described(self, profile: WorkloadProfile, request: ResourceRequest) -> WorkloadProfile:
        """
        A profile that asks for what the trace says: sizes are not what is compared.

        Args:
            profile: Of a task that was heard of.
            request: Of one of its runs.
        """
        said = self._said[profile.task]
        return replace(
            profile,
            request=request,
            accelerators=request.accelerators,
            accelerator=request.accelerator,
            storage=self._needs_of(said),
            spread=said.spread,
            anti_affinity=said.anti_affinity,
        )

    def _needs_of(self, task: ReplayTask) -> tuple[StorageNeed, ...]:
        """The same object as long as it says the same, by which the router knows it again."""
        key, gib = task.run.task, task.stored_gib
        written = Quantity(p50=gib, p80=gib, p95=gib, source=Source.PINNED)
        need = StorageNeed(role="target", storage_class=task.storage_class, capacity_gib=written)
        needs = (need,) if gib else ()
        if self._stored.get(key) != needs:
            self._stored[key] = needs
        return self._stored[key]
