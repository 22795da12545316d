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
from dataclasses import dataclass
from datetime import datetime

from aiops_provider.domain.plan import PlacementPlan, WorkloadGroup
from aiops_provider.domain.profile import ResourceRequest
from aiops_provider.domain.task import TaskKey
from aiops_provider.domain.units import hour_of_week
from aiops_provider.placement.live_load import InUse, LiveLoad

Place = tuple[str, str]
"""Name of the cluster and name of the pool."""

# With and without accelerators; an hour that is over does not come back for a week.
_HOURS_REMEMBERED = 8

_NOTHING: Mapping[Place, float] = {}


@dataclass(frozen=True, slots=True)
class _Given:
    """What the plan gives to the tasks of one group: its places and their shares, in order."""

    group: WorkloadGroup
    shares: dict[Place, float]


class PlanShares:
    """
    Looks up the places that a plan gives to tasks; safe to share between threads.

    Args:
        plan: In force, or ``None``: then no task has a place.
    """

    def __init__(self, plan: PlacementPlan | None) -> None:
        self._given: dict[TaskKey, _Given] = {}
        # Groups that use a place, and what all of them together are planned to use there, by hour of
        # the week and resource. Only places that are asked for are added up: all of them would keep a
        # task waiting at the beginning of each hour.
        self._users: dict[Place, list[tuple[WorkloadGroup, float]]] = {}
        self._planned: dict[tuple[int | None, bool], dict[Place, float]] = {}
        shares: dict[str, dict[Place, float]] = {}
        for each in plan.assignments if plan is not None else ():
            places = shares.setdefault(each.group, {})
            place = (each.cluster, each.pool)
            places[place] = places.get(place, 0.0) + each.share
        for group in plan.groups if plan is not None else ():
            ordered = dict(sorted(shares.get(group.name, {}).items()))
            self._given.update(dict.fromkeys(group.tasks, _Given(group, ordered)))
            for place, share in ordered.items():
                self._users.setdefault(place, []).append((group, share))

    def of(self, task: TaskKey) -> Mapping[Place, float]:
        """Share of each of its places, in order; empty if the plan does not place the task."""
        given = self._given.get(task)
        return given.shares if given is not None else _NOTHING

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
        given = self._given.get(task)
        if given is None:
            return []
        places = [place for place in given.shares if place in among]
        if len(places) < 2:
            return places
        whole = math.fsum([given.shares[place] for place in places])
        parts = {place: given.shares[place] / whole for place in places}
        slot = hour_of_week(now) if now is not None else None
        own = self._own_loads(given, places, request, load, slot)
        running = math.fsum(own)
        if running > 0:
            total = running + _amount(request)
            behind = [
                (held - parts[place] * total, place)
                for place, held in zip(places, own, strict=True)
            ]
        else:
            behind = [(-part, place) for place, part in parts.items()]
        behind.sort()
        ranked = [place for _, place in behind]
        if running > 0:
            return ranked
        first = _pointed_at(task, slot, places, parts)
        return [first, *(place for place in ranked if place != first)]

    def _own_loads(
        self,
        given: _Given,
        places: Sequence[Place],
        request: ResourceRequest,
        load: LiveLoad,
        slot: int | None,
    ) -> list[float]:
        """What of the load on each place is the task's group: all beyond the others' planned part."""
        accelerated = request.accelerators > 0
        demand = _at(_demand(given.group, accelerated=accelerated), slot)
        planned = self._planned.get((slot, accelerated))
        if planned is None:
            if len(self._planned) >= _HOURS_REMEMBERED:
                self._planned = {}
            planned = self._planned[slot, accelerated] = {}
        own = []
        for place in places:
            in_use = load.get(place)
            booked = _booked(in_use, request) if in_use is not None else 0.0
            if booked:
                all_planned = planned.get(place)
                if all_planned is None:
                    all_planned = planned[place] = self._planned_on(place, slot, accelerated)
                others = all_planned - given.shares[place] * demand
                booked = max(0.0, booked - max(0.0, others))
            own.append(booked)
        return own

    def _planned_on(self, place: Place, slot: int | None, accelerated: bool) -> float:
        planned = 0.0
        for group, share in self._users.get(place, ()):
            planned += share * _at(_demand(group, accelerated=accelerated), slot)
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
    if request.accelerators:
        return float(in_use.accelerators - in_use.leased_accelerators)
    return in_use.cores - in_use.leased_cores
