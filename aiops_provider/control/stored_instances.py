"""
Which instances of tasks live now, as the store knows it: for those who have booked nothing themselves.

A scheduler asks its own ledger instead, which knows more and needs no store.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from aiops_provider.control.instance_count import InstanceCount
from aiops_provider.domain.plan import Placement, PlacementState
from aiops_provider.domain.profile import WorkloadProfile
from aiops_provider.domain.task import TaskKey
from aiops_provider.placement.live_instances import LiveInstances

if TYPE_CHECKING:
    from aiops_provider.store.store import Store

# Of a try that was placed before that and has no end, its scheduler is rather gone than it still there.
_LONGEST = timedelta(days=2)
_MOST = 100_000
_LIVE = (PlacementState.CHOSEN, PlacementState.SUBMITTED)


def stored_instances(
    store: Store,
    profile: WorkloadProfile,
    profiles: Mapping[TaskKey, WorkloadProfile],
    now: datetime,
) -> LiveInstances | None:
    """
    Instances of a task and of those it is kept apart from; ``None`` if no rule asks for them.

    What was placed within two days and has no end, each try where it was really sent.

    Args:
        store: With placements and ends.
        profile: Of the task.
        profiles: Of the others, some of which may say that they keep apart from it.
        now: The present moment.

    Raises:
        StoreError: The store does not answer.
    """
    task = profile.task
    named = {other for rule in profile.anti_affinity for other in rule.tasks}
    wanted: list[Placement] = []
    concerned = bool(profile.spread or named)
    for placement in _newest(store.placements(since=now - _LONGEST, limit=_MOST)):
        other = placement.run.task
        shy = other != task and other in profiles and _keeps_from(profiles[other], task)
        concerned = concerned or shy
        if other == task or other in named or shy:
            wanted.append(placement)
    if not concerned:
        return None
    ended = store.executions_of([placement.run for placement in wanted])
    count = InstanceCount()
    for placement in wanted:
        if placement.run not in ended:
            other = placement.run.task
            apart = profiles[other].anti_affinity if other in profiles else ()
            count.add(other, placement.cluster, apart)
    return count.of(profile)


def _newest(placements: list[Placement]) -> list[Placement]:
    """Of each run the last placement of its last try, if that one may live; *placements* newest first."""
    last: dict[tuple[TaskKey, str, int], Placement] = {}
    for placement in placements:
        run = placement.run
        key = (run.task, run.run_id, run.map_index)
        known = last.get(key)
        if known is None or _order(placement) > _order(known):
            last[key] = placement
    return [placement for placement in last.values() if placement.state in _LIVE]


def _order(placement: Placement) -> tuple[int, int]:
    return placement.run.try_number, placement.epoch


def _keeps_from(profile: WorkloadProfile, task: TaskKey) -> bool:
    return any(task in rule.tasks for rule in profile.anti_affinity)
