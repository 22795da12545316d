"""
How a plan's shares are honoured one task at a time, without chance and without memory.

While nothing of the group runs, a stable hash of the task and the hour points into the shares, so
that over tasks and hours each place gets its part. Once something runs, the next run goes where the
group's part of the live load is furthest below its share.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Collection, Mapping, Sequence
from datetime import datetime

from aiops_provider.domain.plan import PlacementPlan, WorkloadGroup
from aiops_provider.domain.profile import ResourceRequest
from aiops_provider.domain.task import TaskKey
from aiops_provider.domain.units import hour_of_week
from aiops_provider.placement.live_load import IDLE, InUse, LiveLoad

Place = tuple[str, str]
"""Name of the cluster and name of the pool."""

_NOTHING: Mapping[Place, float] = {}


class PlanShares:
    """
    Looks up the places that a plan gives to tasks.

    Args:
        plan: In force, or ``None``: then no task has a place.
    """

    def __init__(self, plan: PlacementPlan | None) -> None:
        self._shares: dict[str, dict[Place, float]] = {}
        self._groups: dict[str, WorkloadGroup] = {}
        self._group_of: dict[TaskKey, str] = {}
        # What all groups together are planned to use, by hour of the week and resource.
        self._planned: dict[tuple[int | None, bool], dict[Place, float]] = {}
        for group in plan.groups if plan is not None else ():
            self._groups[group.name] = group
            self._group_of.update(dict.fromkeys(group.tasks, group.name))
        for given in plan.assignments if plan is not None else ():
            places = self._shares.setdefault(given.group, {})
            place = (given.cluster, given.pool)
            places[place] = places.get(place, 0.0) + given.share

    def of(self, task: TaskKey) -> Mapping[Place, float]:
        """Share of each of its places; empty if the plan does not place the task."""
        name = self._group_of.get(task)
        return self._shares.get(name, _NOTHING) if name is not None else _NOTHING

    def order(
        self,
        task: TaskKey,
        request: ResourceRequest,
        *,
        among: Collection[Place],
        load: LiveLoad,
        now: datetime | None,
    ) -> list[Place]:
        """
        The task's planned places, the one that is due first.

        Args:
            task: Which.
            request: Of the run to be placed.
            among: Places that can be had now; others are left out and their share is divided.
            load: What is booked now.
            now: Decides the hour of the week; ``None``: the mean of all hours.
        """
        shares = self.of(task)
        places = sorted(place for place in shares if place in among)
        if len(places) < 2:
            return places
        whole = math.fsum(shares[place] for place in places)
        parts = {place: shares[place] / whole for place in places}
        slot = hour_of_week(now) if now is not None else None
        own = {place: self._own_load(task, place, request, load, slot) for place in places}
        running = math.fsum(own.values())
        if running > 0:
            total = running + _amount(request)
            behind = {place: parts[place] * total - own[place] for place in places}
        else:
            behind = parts
        ranked = sorted(places, key=lambda place: (-behind[place], place))
        if running > 0:
            return ranked
        first = _pointed_at(task, slot, places, parts)
        return [first, *(place for place in ranked if place != first)]

    def _own_load(
        self,
        task: TaskKey,
        place: Place,
        request: ResourceRequest,
        load: LiveLoad,
        slot: int | None,
    ) -> float:
        """What of the load on a place is the task's group: all beyond the others' planned part."""
        in_use = load.get(place, IDLE)
        booked = _booked(in_use, request)
        if not booked:
            return 0.0
        group = self._groups[self._group_of[task]]
        accelerated = request.accelerators > 0
        planned_own = self.of(task)[place] * _at(_demand(group, accelerated=accelerated), slot)
        others = self._planned_on(slot, accelerated=accelerated).get(place, 0.0) - planned_own
        return max(0.0, booked - max(0.0, others))

    def _planned_on(self, slot: int | None, *, accelerated: bool) -> Mapping[Place, float]:
        known = self._planned.get((slot, accelerated))
        if known is not None:
            return known
        planned: dict[Place, float] = {}
        for name, places in self._shares.items():
            if name in self._groups:
                demand = _at(_demand(self._groups[name], accelerated=accelerated), slot)
                for place, share in places.items():
                    planned[place] = planned.get(place, 0.0) + share * demand
        self._planned[slot, accelerated] = planned
        return planned


def _pointed_at(
    task: TaskKey, slot: int | None, places: Sequence[Place], parts: Mapping[Place, float]
) -> Place:
    digest = hashlib.blake2b(f"{task}|{slot}".encode(), digest_size=8).digest()
    point = int.from_bytes(digest, "big") / 2**64
    reached = 0.0
    for place in places:
        reached += parts[place]
        if point < reached:
            return place
    return places[-1]


def _demand(group: WorkloadGroup, *, accelerated: bool) -> Sequence[float]:
    return group.accelerators_by_slot if accelerated else group.cores_by_slot


def _at(series: Sequence[float], slot: int | None) -> float:
    if slot is None:
        return math.fsum(series) / len(series)
    return series[slot] if len(series) > 1 else series[0]


def _amount(request: ResourceRequest) -> float:
    return float(request.accelerators or request.cores)


def _booked(in_use: InUse, request: ResourceRequest) -> float:
    return float(in_use.accelerators if request.accelerators else in_use.cores)
