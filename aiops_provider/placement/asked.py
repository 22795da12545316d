"""One question to the router, and what stands in the way of its places now."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from aiops_provider.domain.profile import ResourceRequest, WorkloadProfile
from aiops_provider.placement.candidates import Candidates
from aiops_provider.placement.live_instances import NOT_CROWDED, Crowded
from aiops_provider.placement.live_load import LiveLoad, has_room
from aiops_provider.placement.places import OBSTACLES, Obstacle, Place

_UNHINDERED: Mapping[str, int] = {}


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
        crowded: Clusters whose failure domain it should not share.
        hindered: What stands in the way of clusters for this task alone, by name, as the number of
            an Obstacle: that they are avoided or crowded.
    """

    profile: WorkloadProfile
    candidates: Candidates
    shares: Mapping[tuple[str, str], float]
    load: LiveLoad
    avoid: Mapping[str, str]
    now: datetime | None
    crowded: Crowded = field(default_factory=lambda: NOT_CROWDED)
    hindered: Mapping[str, int] = field(init=False)
    _ranks: tuple[tuple[Place, ...], ...] | None = field(init=False, default=None)

    def __post_init__(self) -> None:
        if not self.avoid and not self.crowded:
            self.hindered = _UNHINDERED
            return
        levels = dict.fromkeys(self.avoid, int(Obstacle.AVOIDED))
        for name, (level, _) in self.crowded.items():
            levels[name] = max(levels.get(name, 0), level)
        self.hindered = levels

    def why(self, level: int, cluster: str, barrier: str) -> str:
        """An obstacle in words: of the cluster whoever asks, or of this task."""
        if level == Obstacle.AVOIDED:
            return self.avoid[cluster]
        if level in (Obstacle.CROWDED, Obstacle.SEPARATED):
            return self.crowded[cluster][1]
        return barrier

    def obstacle(self, place: Place) -> Obstacle:
        """What stands in the way of a place now."""
        return _obstacle(self.profile.request, place, self.load, self.hindered)

    def by_obstacle(self) -> tuple[tuple[Place, ...], ...]:
        """All places by the worst that stands in their way, each group in order of preference."""
        if self._ranks is None:
            ranks: list[list[Place]] = [[] for _ in OBSTACLES]
            for place in self.candidates.all():
                ranks[self.obstacle(place)].append(place)
            self._ranks = tuple(map(tuple, ranks))
        return self._ranks


def _obstacle(
    request: ResourceRequest, place: Place, load: LiveLoad, hindered: Mapping[str, int]
) -> Obstacle:
    level = place.barrier
    if hindered and place.name in hindered:
        level = max(level, OBSTACLES[hindered[place.name]])
    if level > Obstacle.FULL:
        return level
    in_use = load.get(place.key)
    if in_use is not None and not has_room(request, place.capacity, in_use):
        return Obstacle.FULL
    return level
