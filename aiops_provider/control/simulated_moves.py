"""Which running tasks of a replay are moved to cheaper places: the rule is that of the router's room."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from aiops_provider.control.simulated_durations import Durations
from aiops_provider.domain.cluster import ClusterSpec, Pool
from aiops_provider.domain.profile import ResourceRequest, WorkloadProfile
from aiops_provider.placement.availability import AvailabilityHistory
from aiops_provider.placement.live_load import InUse, has_room
from aiops_provider.placement.moving import Running, Target, Verdict, worth_moving
from aiops_provider.placement.replay import Replay
from aiops_provider.placement.replay_policies import places_by_price
from aiops_provider.placement.replay_pool import PlaceKey
from aiops_provider.placement.replay_task import NO_MOVES, Moves, ReplayTask, RunningTask
from aiops_provider.placement.rework import rework_factor


# A lower share saved is within what is known of the places.
_WORTH_A_LOOK = 0.95


@dataclass(frozen=True, slots=True)
class _Proposal:
    run: RunningTask
    place: PlaceKey
    verdict: Verdict


class SimulatedMoves:
    """
    Proposes moves of tasks that write checkpoints.

    Args:
        clusters: Where.
        history: When places went and came back.
        durations: What is known about runs that have not ended.
        profile_of: The profile by which a run is routed.
        restart_s: Until a moved run is as far again as its last checkpoint.
    """

    def __init__(
        self,
        clusters: Sequence[ClusterSpec],
        *,
        history: AvailabilityHistory[PlaceKey],
        durations: Durations,
        profile_of: Callable[[ReplayTask, Replay], WorkloadProfile],
        restart_s: float,
    ) -> None:
        self._clusters = tuple(clusters)
        self._pools: Mapping[PlaceKey, Pool] = {
            (cluster.name, pool.name): pool for cluster in clusters for pool in cluster.pools
        }
        self._history, self._durations = history, durations
        self._profile_of, self._restart_s = profile_of, restart_s
        self._able: dict[ResourceRequest, tuple[PlaceKey, ...]] = {}

    def propose(self, replay: Replay) -> Moves:
        """The best moves first, as far as there is room; of the rest, when it is time for the next."""
        held = {key: replay.held(key) for key in self._pools if key not in replay.down}
        if not any(_any_room(self._pools[key], in_use) for key, in_use in held.items()):
            return NO_MOVES
        up_s = {key: self._history.of(key, now_s=replay.now_s).mean_up_s for key in held}
        proposals = [p for key in held for p in self._from(key, held, up_s, replay)]
        proposals.sort(key=lambda p: (-p.verdict.gain_usd, p.run.number))
        now: list[tuple[int, PlaceKey]] = []
        later_s = math.inf
        for each in proposals:
            if each.verdict.after_s > 0:
                later_s = min(later_s, each.verdict.after_s)
                continue
            request = each.run.task.request
            # Others that gain more may have taken the room a moment ago.
            if has_room(request, self._pools[each.place].capacity, held[each.place]):
                held[each.place] = _with(held[each.place], request)
                now.append((each.run.number, each.place))
        return Moves(now=tuple(now), again_after_s=later_s if math.isfinite(later_s) else None)

    def _from(
        self,
        place: PlaceKey,
        held: Mapping[PlaceKey, InUse],
        up_s: Mapping[PlaceKey, float],
        replay: Replay,
    ) -> Iterator[_Proposal]:
        for run in replay.running(place):
            if not run.task.checkpoint_s:
                continue
            target = self._target(run, held, up_s)
            if target is None:
                continue
            verdict = self._verdict(run, target, up_s, replay)
            if verdict is not None:
                yield _Proposal(run, target, verdict)

    def _target(
        self, run: RunningTask, held: Mapping[PlaceKey, InUse], up_s: Mapping[PlaceKey, float]
    ) -> PlaceKey | None:
        """The place with room that costs least with the rework to be expected, if less than here."""
        task = run.task
        able = self._able.get(task.request)
        if able is None:
            able = self._able[task.request] = places_by_price(self._clusters, task.request)
        best, least = None, self._usd(run.place, task, up_s) * _WORTH_A_LOOK
        for key in able:
            if key not in held or key == run.place:
                continue
            usd = self._usd(key, task, up_s)
            if usd < least and has_room(task.request, self._pools[key].capacity, held[key]):
                best, least = key, usd
        return best

    def _usd(self, key: PlaceKey, task: ReplayTask, up_s: Mapping[PlaceKey, float]) -> float:
        usd = self._pools[key].cost_usd(task.request, 3600.0)
        if usd is None:
            return math.inf
        return usd * rework_factor(task.checkpoint_s or 0.0, up_s[key], restart_s=self._restart_s)

    def _verdict(
        self, run: RunningTask, target: PlaceKey, up_s: Mapping[PlaceKey, float], replay: Replay
    ) -> Verdict | None:
        now_s, task = replay.now_s, run.task
        here = self._pools[run.place].cost_usd(task.request, 3600.0)
        there = self._pools[target].cost_usd(task.request, 3600.0)
        if here is None or there is None:
            return None
        profile = self._profile_of(task, replay)
        done_s = run.done_s(now_s)
        remaining_s = self._durations.left_s(task, profile, done_s=done_s)
        slack_s = math.inf
        if task.deadline_s is not None:
            at_most_s = self._durations.at_most_s(task, profile, done_s=done_s)
            left_s = remaining_s if at_most_s is None else at_most_s - done_s
            slack_s = task.arrival_s + task.deadline_s - now_s - left_s
        return worth_moving(
            Running(
                remaining_s=remaining_s,
                since_checkpoint_s=run.since_checkpoint_s(now_s),
                checkpoint_interval_s=task.checkpoint_s or math.inf,
                mean_up_s=up_s[run.place],
                slack_s=slack_s,
            ),
            here,
            Target(usd_per_hour=there, mean_up_s=up_s[target], restart_s=self._restart_s),
        )


def _any_room(pool: Pool, in_use: InUse) -> bool:
    capacity = pool.capacity
    offered = sum(capacity.accelerators.values())
    return (
        in_use.cores < capacity.cores
        and in_use.memory_gib < capacity.memory_gib
        and (not offered or in_use.accelerators < offered)
    )


def _with(in_use: InUse, request: ResourceRequest) -> InUse:
    return InUse(
        cores=in_use.cores + request.cores,
        memory_gib=in_use.memory_gib + request.memory_gib,
        accelerators=in_use.accelerators + request.accelerators,
    )
