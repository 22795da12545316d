"""One question to the router, what stands in the way of its places now, and what was picked."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from aiops_provider.domain.profile import ResourceRequest, WorkloadProfile
from aiops_provider.placement.live_load import LiveLoad, has_room
from aiops_provider.placement.place_table import Candidates
from aiops_provider.placement.places import OBSTACLES, Obstacle, Place


@dataclass(frozen=True, slots=True)
class Asked:
    """One question to the router, as it stands."""

    profile: WorkloadProfile
    candidates: Candidates
    shares: Mapping[tuple[str, str], float]
    load: LiveLoad
    avoid: Mapping[str, str]
    now: datetime | None

    def obstacle(self, place: Place) -> Obstacle:
        """What stands in the way of a place now."""
        return _obstacle(self.profile.request, place, self.load, self.avoid)


@dataclass(frozen=True, slots=True)
class Picked:
    """The chosen place and the next best, what stands in the way of the chosen, what was passed."""

    places: list[Place]
    level: Obstacle
    passed: list[tuple[Obstacle, Place]]


def mildest_first(passed: list[tuple[Obstacle, Place]]) -> list[tuple[Obstacle, Place]]:
    """In order of the obstacle, then of preference."""
    return sorted(passed, key=lambda pair: (pair[0], pair[1].preference))


def _obstacle(
    request: ResourceRequest, place: Place, load: LiveLoad, avoid: Mapping[str, str]
) -> Obstacle:
    if place.barrier is not Obstacle.NONE:
        return place.barrier
    if avoid and place.name in avoid:
        return Obstacle.AVOIDED
    in_use = load.get(place.key)
    if in_use is not None and not has_room(request, place.capacity, in_use):
        return Obstacle.FULL
    return Obstacle.NONE


def by_obstacle(
    profile: WorkloadProfile,
    places: Sequence[Place],
    load: LiveLoad,
    avoid: Mapping[str, str],
) -> list[list[Place]]:
    """Places by the worst that stands in their way, each list in order of preference."""
    ranks: list[list[Place]] = [[] for _ in OBSTACLES]
    for place in places:
        ranks[_obstacle(profile.request, place, load, avoid)].append(place)
    return ranks
