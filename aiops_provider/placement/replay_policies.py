"""Simple ways to place tasks, to compare the router with: one cluster, the cheapest, by turns."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from operator import itemgetter

from aiops_provider.domain.cluster import ClusterSpec, Pool
from aiops_provider.domain.profile import ResourceRequest
from aiops_provider.errors import InfeasibleError
from aiops_provider.placement.cost import planning_price
from aiops_provider.placement.live_load import IDLE, has_room
from aiops_provider.placement.replay import Replay
from aiops_provider.placement.replay_pool import PlaceKey
from aiops_provider.placement.replay_task import NO_MOVES, Attempt, Moves, Nomination, ReplayTask

Ranking = Callable[[ReplayTask, Sequence[PlaceKey], Replay], tuple[PlaceKey, ...]]
"""Says at which of the places that can hold a task it is to wait."""


class RankingPolicy:
    """
    A policy that remembers nothing about tasks.

    Args:
        clusters: Where.
        rank: Chooses among the places that can hold a task, the cheapest first.
        notices_after_s: Seconds between a loss and the moment at which it is acted upon.
        again_after_s: Seconds after which what waits is nominated anew.
    """

    period_s = None

    def __init__(
        self,
        clusters: Sequence[ClusterSpec],
        rank: Ranking,
        *,
        notices_after_s: float = 0.0,
        again_after_s: float | None = None,
    ) -> None:
        self.notices_after_s = notices_after_s
        self._again_after_s = again_after_s
        self._clusters, self._rank = tuple(clusters), rank
        self._able: dict[ResourceRequest, tuple[PlaceKey, ...]] = {}

    def choose(
        self,
        task: ReplayTask,
        lost_on: Sequence[str],  # noqa: ARG002 - whoever remembers nothing about tasks ignores it
        replay: Replay,
    ) -> Nomination:
        """Whatever was lost, by the ranking."""
        places = self._able.get(task.request)
        if places is None:
            places = self._able[task.request] = places_by_price(self._clusters, task.request)
        if not places:
            raise InfeasibleError(
                f"{task.run.task} fits on no machine",
                field="request",
                mend="Ask for less, or add a machine.",
            )
        return Nomination(
            places=self._rank(task, places, replay), again_after_s=self._again_after_s
        )

    def changed(self, replay: Replay) -> None:
        """Nothing to do: lost places are seen when a task is to be placed."""

    def repriced(self, replay: Replay) -> None:
        """The cheapest first, at the new prices."""
        names = {cluster.name for cluster in self._clusters}
        self._clusters = tuple(each for each in replay.clusters if each.name in names)
        self._able.clear()

    def moves(self, replay: Replay) -> Moves:  # noqa: ARG002 - see above
        """What runs stays where it is."""
        return NO_MOVES

    def ended(self, attempt: Attempt) -> None:
        """Nothing to learn."""

    def tick(self, replay: Replay) -> None:
        """Nothing to do."""


def single_cluster(clusters: Sequence[ClusterSpec], name: str) -> RankingPolicy:
    """Everything on one cluster, on its cheapest pool with room."""
    return RankingPolicy([c for c in clusters if c.name == name], _cheapest_with_room)


def cheapest_first(clusters: Sequence[ClusterSpec]) -> RankingPolicy:
    """The cheapest pool with room; if none has any, the cheapest that is there."""
    return RankingPolicy(clusters, _cheapest_with_room)


def round_robin(clusters: Sequence[ClusterSpec]) -> RankingPolicy:
    """By turns over the clusters that are there and can hold the task, full or not."""
    turn = 0

    def rank(_task: ReplayTask, places: Sequence[PlaceKey], replay: Replay) -> tuple[PlaceKey, ...]:
        nonlocal turn
        there = present(places, replay)
        first = {cluster: (cluster, pool) for cluster, pool in reversed(there)}
        turn += 1
        return (first[sorted(first)[turn % len(first)]],)

    return RankingPolicy(clusters, rank)


def places_by_price(
    clusters: Sequence[ClusterSpec], request: ResourceRequest
) -> tuple[PlaceKey, ...]:
    """Places of which one machine holds the request, the cheapest for it first."""

    def usd(pool: Pool) -> float:
        return pool.machine_share(request) * planning_price(pool)

    found = [
        (usd(pool), (cluster.name, pool.name))
        for cluster in clusters
        for pool in cluster.feasible_pools(request)
    ]
    return tuple(map(itemgetter(1), sorted(found)))


def present(places: Sequence[PlaceKey], replay: Replay) -> Sequence[PlaceKey]:
    """Those that are not lost, or all when there is none."""
    return [place for place in places if place not in replay.down] or places


def _cheapest_with_room(
    task: ReplayTask, places: Sequence[PlaceKey], replay: Replay
) -> tuple[PlaceKey, ...]:
    there = present(places, replay)
    load = replay.load()
    for place in there:
        if has_room(task.request, replay.capacity(place), load.get(place, IDLE)):
            return (place,)
    return (there[0],)
