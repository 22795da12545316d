"""
What one plan does otherwise than another, task by task.

Groups are named after their members, so that one task more renames a group; what a user wants to
know is which tasks go elsewhere.
"""

from __future__ import annotations

from aiops_provider.domain.plan import PlacementPlan
from aiops_provider.domain.plan_difference import Change, Places, PlanDifference, TaskChange
from aiops_provider.domain.task import TaskKey

# Shares of a group are figures of a solver; less than this is the same place.
_SAME_SHARE = 1e-6


def plan_difference(old: PlacementPlan, new: PlacementPlan) -> PlanDifference:
    """
    Compare two plans.

    Args:
        old: As it was made, with its own demand and prices.
        new: The same.
    """
    before, after = _places_by_task(old), _places_by_task(new)
    changes = []
    for task in sorted(before.keys() | after.keys(), key=str):
        change = _change(before.get(task), after.get(task))
        if change is not None:
            changes.append(
                TaskChange(
                    task=task,
                    change=change,
                    before=before.get(task, {}),
                    after=after.get(task, {}),
                )
            )
    return PlanDifference(
        old_version=old.version,
        new_version=new.version,
        changes=tuple(changes),
        unchanged=len(before.keys() | after.keys()) - len(changes),
        cost_usd_per_hour=new.cost_usd_per_hour - old.cost_usd_per_hour,
        sla_attainment=new.sla_attainment - old.sla_attainment,
        gap=new.gap - old.gap,
        objective_changed=new.objective != old.objective,
    )


def _places_by_task(plan: PlacementPlan) -> dict[TaskKey, dict[str, float]]:
    by_group: dict[str, dict[str, float]] = {group.name: {} for group in plan.groups}
    for given in plan.assignments:
        places = by_group[given.group]
        place = f"{given.cluster}/{given.pool}"
        places[place] = places.get(place, 0.0) + given.share
    return {task: by_group[group.name] for group in plan.groups for task in group.tasks}


def _change(before: Places | None, after: Places | None) -> Change | None:
    if before is None:
        return Change.ADDED
    if after is None:
        return Change.REMOVED
    same = all(
        abs(before.get(place, 0.0) - after.get(place, 0.0)) <= _SAME_SHARE
        for place in before.keys() | after.keys()
    )
    if same:
        return None
    return Change.MOVED if after else Change.UNPLACED
