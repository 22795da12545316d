"""What one plan does otherwise than another, task by task."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from aiops_provider.domain.task import TaskKey

Places = Mapping[str, float]
"""Share of a task's demand by ``cluster/pool``."""


class Change(StrEnum):
    """What became of a task."""

    ADDED = "added"
    REMOVED = "removed"
    MOVED = "moved"
    UNPLACED = "unplaced"


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskChange:
    """
    A task that goes elsewhere.

    Attributes:
        task: Which.
        change: What became of it.
        before: Where the old plan sends it.
        after: Where the new plan sends it; shares of less than 1 in all: some has no place.
    """

    task: TaskKey
    change: Change
    before: Places
    after: Places


@dataclass(frozen=True, slots=True, kw_only=True)
class PlanDifference:
    """
    What the new plan does otherwise.

    Attributes:
        old_version: 0: not stored.
        new_version: 0: not stored.
        changes: Tasks that go elsewhere, by their keys.
        unchanged: How many tasks stay where they are.
        cost_usd_per_hour: New minus old.
        sla_attainment: New minus old, share of the SLA weight.
        gap: New minus old.
        objective_changed: Whether the plans want different things, so that figures do not compare.
    """

    old_version: int
    new_version: int
    changes: tuple[TaskChange, ...]
    unchanged: int
    cost_usd_per_hour: float
    sla_attainment: float
    gap: float
    objective_changed: bool
