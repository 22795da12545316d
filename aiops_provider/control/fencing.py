"""
Tries that were fenced because their cluster was lost, and what is known of how long they lived on.

A fenced try may go on beside the one that replaced it until its worker hears that it counts no more.
Nobody can see into a cluster that is lost; what is counted here is what its worker told afterwards.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import TYPE_CHECKING

from aiops_provider.domain.execution import ExecutionRecord
from aiops_provider.domain.plan import Placement, PlacementState
from aiops_provider.domain.task import TaskRun

if TYPE_CHECKING:
    from aiops_provider.store import Store

_LIMIT = 10_000


@dataclass(frozen=True, slots=True, kw_only=True)
class FencedTry:
    """
    A try whose cluster was lost while it ran.

    Attributes:
        run: The try that counts no more.
        cluster: Where it ran.
        placed_at: When it was placed there.
        rerun_on: Where the next try went; ``None``: nowhere yet.
        rerun_at: When the next try was placed, or started where that is known.
        lived_until: The end of the old try as its own worker told it; ``None``: it told nothing.
        overlap_s: How long both ran; ``None`` where no worker told of it.
    """

    run: TaskRun
    cluster: str
    placed_at: datetime
    rerun_on: str | None
    rerun_at: datetime | None
    lived_until: datetime | None
    overlap_s: float | None


def fenced_tries(store: Store, *, since: datetime | None = None) -> tuple[FencedTry, ...]:
    """
    The tries that were fenced, newest first.

    Args:
        store: Where placements and executions are kept.
        since: Only tries placed at that moment or later.

    Raises:
        StoreError: The store does not answer.
    """
    fenced = store.placements(since=since, state=PlacementState.FENCED, limit=_LIMIT)
    following = {placement.run: _next(placement.run) for placement in fenced}
    newest = store.latest_placements(list(following.values()))
    tasks = {placement.run.task for placement in fenced}
    records = {
        record.run: record
        for task in sorted(tasks)
        for record in store.executions(task, since=since)
    }
    return tuple(
        _told(placement, newest.get(following[placement.run]), records, following[placement.run])
        for placement in fenced
    )


def overlaps(fenced: Sequence[FencedTry]) -> int:
    """How many of them are known to have run beside the try that replaced them."""
    return sum(bool(each.overlap_s) for each in fenced)


def _told(
    old: Placement,
    new: Placement | None,
    records: dict[TaskRun, ExecutionRecord],
    following: TaskRun,
) -> FencedTry:
    late, rerun = records.get(old.run), records.get(following)
    # Only a worker measures; the scheduler's own record of the loss ends with the fence.
    lived_until = late.ended_at if late is not None and late.usage is not None else None
    rerun_at = rerun.started_at if rerun is not None else new.placed_at if new else None
    overlap_s = None
    if lived_until is not None and rerun_at is not None:
        end = min(lived_until, rerun.ended_at) if rerun is not None else lived_until
        overlap_s = max(0.0, (end - rerun_at).total_seconds())
    return FencedTry(
        run=old.run,
        cluster=old.cluster,
        placed_at=old.placed_at,
        rerun_on=new.cluster if new is not None else None,
        rerun_at=rerun_at,
        lived_until=lived_until,
        overlap_s=overlap_s,
    )


def _next(run: TaskRun) -> TaskRun:
    return replace(run, try_number=run.try_number + 1)
