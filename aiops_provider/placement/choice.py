"""What the router chose for a task: the preferred free place, or the one with least in its way."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from itertools import chain, islice

from aiops_provider.placement.asked import Asked
from aiops_provider.placement.free_place import Passed, obstacle_at, preferred_free
from aiops_provider.placement.live_load import fill, is_full
from aiops_provider.placement.places import OBSTACLES, Obstacle, Place
from aiops_provider.placement.plan_shares import PlanShares


@dataclass(slots=True)
class Choice:
    """
    The chosen place.

    Attributes:
        place: Where.
        level: What stands in its way.
        passed: What would have come before it, had nothing stood in its way, in no order; of
            those that are full, at least one if there is any.
    """

    place: Place
    level: Obstacle
    passed: Collection[Passed]


def choose(asked: Asked, plan: PlanShares) -> Choice | None:
    """
    The place for a task: of the plan, else the cheapest, else the one with least in its way.

    Args:
        asked: The question.
        plan: Decides which of a task's planned places is due.

    Returns:
        ``None`` if the task can run nowhere.
    """
    due: list[int] = []
    blocked: list[Passed] = []
    if asked.shares:
        due, blocked = _planned(asked, plan)
    if due:
        return Choice(asked.candidates.place(due[0]), Obstacle.NONE, blocked)
    tiers = asked.candidates.allowance.tiers
    free = preferred_free(asked.profile, tiers, asked.load, asked.hindered, asked.candidates.stored)
    if free is not None:
        row, passed = free
        # What the plan gives and is not free was met on the way again.
        passed += [each for each in blocked if each not in passed]
        return Choice(asked.candidates.place(row), Obstacle.NONE, passed)
    ranks = _ranks(asked, plan)
    level = next((obstacle for obstacle in OBSTACLES if ranks[obstacle]), None)
    if level is None:
        return None
    best = ranks[level][0]
    by_plan = best.key in asked.shares
    return Choice(
        best,
        level,
        [
            _passed(int(obstacle), place, asked.candidates.row(place.key))
            for obstacle in OBSTACLES[Obstacle.FULL :]
            for place in ranks[obstacle]
            if place.key in asked.shares or (not by_plan and place.preference < best.preference)
        ],
    )


def first_places(asked: Asked, plan: PlanShares, count: int) -> list[Place]:
    """
    The chosen place and the next best ones, as many as wanted if there are so many.

    Args:
        asked: The question.
        plan: Decides which of a task's planned places is due.
        count: How many.
    """
    places = [asked.candidates.place(row) for row in _planned(asked, plan)[0]]
    known = {place.key for place in places}
    for place in asked.candidates:
        if len(places) >= count:
            return places[:count]
        if place.key not in known and asked.obstacle(place) is Obstacle.NONE:
            places.append(place)
    ranks = _ranks(asked, plan)
    return list(islice(chain.from_iterable(ranks), count))


def _planned(asked: Asked, plan: PlanShares) -> tuple[list[int], list[Passed]]:
    """Rows of the free places of the plan, the one that is due first, and those that are not free."""
    free: dict[tuple[str, str], int] = {}
    blocked: list[Passed] = []
    profile = asked.profile
    for entry in asked.candidates.at(asked.shares):
        level = obstacle_at(entry, profile.request, asked.load, asked.hindered)
        if level:
            blocked.append(_passed(level, asked.candidates.place(entry.row), entry.row))
        else:
            free[entry.key] = entry.row
    due = plan.order(profile.task, profile.request, among=free, load=asked.load, now=asked.now)
    return [free[key] for key in due], blocked


def _ranks(asked: Asked, plan: PlanShares) -> list[Sequence[Place]]:
    """All places by what stands in their way; the mildest of these groups, the preferred first."""
    ranks: list[Sequence[Place]] = [*asked.by_obstacle()]
    level = next((obstacle for obstacle in OBSTACLES if ranks[obstacle]), Obstacle.NONE)
    if level is not Obstacle.NONE or asked.shares:
        ranks[level] = _preferred_first(asked, plan, ranks[level])
    return ranks


def _preferred_first(asked: Asked, plan: PlanShares, places: Sequence[Place]) -> list[Place]:
    """Places with room in the order of the plan, then of price; full ones by their queue."""
    profile, load = asked.profile, asked.load
    over: list[tuple[tuple[float, float], Place]] = []
    free: dict[tuple[str, str], Place] = {}
    for place in places:
        share = fill(profile.request, place.capacity, load[place.key]) if place.key in load else 0
        if is_full(share):
            over.append(((load[place.key].backlog_s, share), place))
        else:
            free[place.key] = place
    over.sort(key=lambda pair: pair[0])
    due = plan.order(profile.task, profile.request, among=free.keys(), load=load, now=asked.now)
    first = [free.pop(key) for key in due]
    return [*first, *free.values(), *(place for _, place in over)]


def _passed(level: int, place: Place, row: int) -> Passed:
    return level, place.tier, place.score_usd_per_hour, row
