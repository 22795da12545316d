"""
An emulation of Uniform Progress (Wu et al., Can't Be Late, NSDI 2024) for many jobs on shared clusters.

The rules of the paper, per job: idle while its progress is not behind the straight line from its arrival
to its deadline; on demand when it is; on spot whenever there is any, until that is lost; from on demand
back only when progress is ahead of the line by two changeovers; on demand to the end when no more time
is left than the work takes and two changeovers. As in the paper each job's duration is known, which
nobody else here knows. A changeover is the work that a loss costs at worst: one interval of checkpoints.
Where the paper looks at each tick, jobs leave on demand right after a checkpoint, at no loss.
"""

from __future__ import annotations

from collections.abc import Sequence

from aiops_provider.domain.cluster import ClusterSpec, Purchase
from aiops_provider.placement.live_load import has_room
from aiops_provider.placement.replay import Replay
from aiops_provider.placement.replay_policies import places_by_price
from aiops_provider.placement.replay_pool import PlaceKey
from aiops_provider.placement.replay_task import Attempt, Moves, Nomination, ReplayTask, RunningTask

_DUST_S = 1e-6


class UniformProgressPolicy:
    """
    Tells spot from on demand, and nothing else of the prices.

    Args:
        clusters: Of which at least one is bought on demand.
        look_every_s: Seconds between two looks at jobs on demand: the paper's tick.
    """

    period_s = None
    notices_after_s = 0.0

    def __init__(self, clusters: Sequence[ClusterSpec], *, look_every_s: float = 300.0) -> None:
        self._clusters = tuple(clusters)
        self._spot = {
            (cluster.name, pool.name)
            for cluster in clusters
            for pool in cluster.pools
            if pool.purchase is Purchase.SPOT
        }
        self._look_every_s = look_every_s

    def choose(
        self,
        task: ReplayTask,
        lost_on: Sequence[str],  # noqa: ARG002 - a lost place is seen by its being down
        replay: Replay,
    ) -> Nomination:
        """Spot if there is room, else idle or on demand."""
        places = places_by_price(self._clusters, task.request)
        spot = tuple(place for place in places if place in self._spot)
        there = [p for p in spot if p not in replay.down and _fits(task, p, replay)]
        done_s = replay.kept_s(task)
        until_s = min(self._behind_at_s(task, done_s), self._last_at_s(task, done_s))
        if replay.now_s >= until_s - _DUST_S and (
            not there or replay.now_s >= self._last_at_s(task, done_s) - _DUST_S
        ):
            return Nomination(places=tuple(place for place in places if place not in self._spot))
        return Nomination(
            places=(*there, *(place for place in spot if place not in there)),
            again_after_s=max(until_s - replay.now_s, 1.0),
        )

    def changed(self, replay: Replay) -> None:
        """Nothing to remember."""

    def repriced(self, replay: Replay) -> None:
        """Nothing to do: jobs on demand and on spot keep their order of price."""

    def ended(self, attempt: Attempt) -> None:
        """Nothing to learn: durations are known."""

    def tick(self, replay: Replay) -> None:
        """Nothing to do."""

    def moves(self, replay: Replay) -> Moves:
        """Jobs on demand that are far enough ahead go back to spot, or stand idle."""
        held = {place: replay.held(place) for place in self._spot if place not in replay.down}
        moved: list[tuple[int, PlaceKey]] = []
        stopped: list[int] = []
        again_s = self._look_every_s
        for key in ((c.name, pool.name) for c in self._clusters for pool in c.pools):
            if key in self._spot:
                continue
            for run in replay.running(key):
                if not self._ahead(run, replay.now_s):
                    continue
                left_s = (run.task.checkpoint_s or 0.0) - run.since_checkpoint_s(replay.now_s)
                if run.since_checkpoint_s(replay.now_s) > _DUST_S:
                    again_s = min(again_s, left_s)
                    continue
                target = next(
                    (
                        place
                        for place in places_by_price(self._clusters, run.task.request)
                        if place in held
                        and has_room(run.task.request, replay.capacity(place), held[place])
                    ),
                    None,
                )
                if target is None:
                    stopped.append(run.number)
                    continue
                request, used = run.task.request, held[target]
                held[target] = type(used)(
                    cores=used.cores + request.cores,
                    memory_gib=used.memory_gib + request.memory_gib,
                    accelerators=used.accelerators + request.accelerators,
                )
                moved.append((run.number, target))
        return Moves(now=tuple(moved), stopped=tuple(stopped), again_after_s=again_s)

    def _ahead(self, run: RunningTask, now_s: float) -> bool:
        task, done_s = run.task, run.done_s(now_s)
        if now_s >= self._last_at_s(task, done_s):
            return False
        return now_s + 2 * _changeover_s(task) <= self._behind_at_s(task, done_s) + _DUST_S

    def _behind_at_s(self, task: ReplayTask, done_s: float) -> float:
        """When a job with this much progress falls behind its line."""
        return task.arrival_s + (task.deadline_s or 0.0) * done_s / task.duration_s

    def _last_at_s(self, task: ReplayTask, done_s: float) -> float:
        """When no more time is left than the work takes and two changeovers."""
        left_s = task.duration_s - done_s + 2 * _changeover_s(task)
        return task.arrival_s + (task.deadline_s or 0.0) - left_s


def _changeover_s(task: ReplayTask) -> float:
    return task.checkpoint_s or task.duration_s


def _fits(task: ReplayTask, place: PlaceKey, replay: Replay) -> bool:
    return has_room(task.request, replay.capacity(place), replay.held(place))
