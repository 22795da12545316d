"""One question to the router, and what stands in the way of its places now."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from aiops_provider.domain.profile import ResourceRequest, WorkloadProfile
from aiops_provider.placement.candidates import Candidates
from aiops_provider.placement.live_load import LiveLoad, has_room
from aiops_provider.placement.places import OBSTACLES, Obstacle, Place


@dataclass(slots=True)
class Asked:
    """
    One question to the router, as it stands.

    Attributes:
        profile: Of the task.
        candidates: The places for it.
        shares: The plan's shares by place; empty if the plan does not know the task.
        load: What is booked now; it must not change, for the explanation is of this moment.
        avoid: Clusters that failed or refused it, with why.
        now: The present moment.
    """

    profile: WorkloadProfile
    candidates: Candidates
    shares: Mapping[tuple[str, str], float]
    load: LiveLoad
    avoid: Mapping[str, str]
    now: datetime | None

    def obstacle(self, place: Place) -> Obstacle:
        """What stands in the way of a place now."""
        return _obstacle(self.profile.request, place, self.load, self.avoid)

    def by_obstacle(self) -> list[list[Place]]:
        """All places by the worst that stands in their way, each list in order of preference."""
        ranks: list[list[Place]] = [[] for _ in OBSTACLES]
        for place in self.candidates.all():
            ranks[self.obstacle(place)].append(place)
        return ranks


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
