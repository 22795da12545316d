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
        priced = {p.price_usd_per_hour for p in self._pools.values()} - {None}
        # Where all prices are the same, or unknown, nothing is ever moved.
        self._any_cheaper = len(priced) > 1
        self._history, self._durations = history, durations
        self._profile_of, self._restart_s = profile_of, restart_s
        self._able: dict[ResourceRequest, tuple[PlaceKey, ...]] = {}

    def propose(self, replay: Replay) -> Moves:
        """The best moves first, as far as there is room; of the rest, when it is time for the next."""
        if not self._any_cheaper:
            return NO_MOVES
        held = {key: replay.held(key) for key in self._pools if key not in replay.down}
        if not any(_any_room(self._pools[key], in_use) for key, in_use in held.items()):
            return NO_MOVES
        proposals = [p for key in held for p in self._from(key, held, replay)]
        proposals.sort(key=lambda p: (-p.verdict.gain_usd, p.run.number))
        now: list[tuple[int, PlaceKey]] = []
        later_s = math.inf
        for each in proposals:
            if each.verdict.after_s > 0:
                later_s = min(later_s, each.verdict.after_s)
                continue
            request = each.run.task.request
            # The place may have been given away a moment ago; others of the same price will do.
            place = self._room(request, each.run.place, held)
            if place is not None:
                held[place] = _with(held[place], request)
                now.append((each.run.number, place))
        return Moves(now=tuple(now), again_after_s=later_s if math.isfinite(later_s) else None)

    def _from(
        self, place: PlaceKey, held: Mapping[PlaceKey, InUse], replay: Replay
    ) -> Iterator[_Proposal]:
        for run in replay.running(place):
            if not run.task.checkpoint_s:
                continue
            target = self._room(run.task.request, place, held)
            if target is None:
                continue
            verdict = self._verdict(run, target, replay)
            if verdict is not None:
                yield _Proposal(run, target, verdict)

    def _room(
        self, request: ResourceRequest, place: PlaceKey, held: Mapping[PlaceKey, InUse]
    ) -> PlaceKey | None:
        """The cheapest place with room that costs less; of equal ones that which stays longest."""
        able = self._able.get(request)
        if able is None:
            able = self._able[request] = places_by_price(self._clusters, request)
        here = self._pools[place].cost_usd(request, 3600.0)
        if here is None:
            return None
        for key in able:
            there = self._pools[key].cost_usd(request, 3600.0)
            if there is None or there >= here:
                return None
            if key in held and has_room(request, self._pools[key].capacity, held[key]):
                return key
        return None

    def _verdict(self, run: RunningTask, target: PlaceKey, replay: Replay) -> Verdict | None:
        now_s, task = replay.now_s, run.task
        profile = self._profile_of(task, replay)
        done_s = run.done_s(now_s)
        remaining_s = self._durations.left_s(task, profile, done_s=done_s)
        slack_s = math.inf
        if task.deadline_s is not None:
            at_most_s = self._durations.at_most_s(task, profile, done_s=done_s)
            left_s = remaining_s if at_most_s is None else at_most_s - done_s
            slack_s = task.arrival_s + task.deadline_s - now_s - left_s
        here = self._pools[run.place].cost_usd(task.request, 3600.0)
        there = self._pools[target].cost_usd(task.request, 3600.0)
        if here is None or there is None:
            return None
        return worth_moving(
            Running(
                remaining_s=remaining_s,
                since_checkpoint_s=run.since_checkpoint_s(now_s),
                checkpoint_interval_s=task.checkpoint_s or math.inf,
                slack_s=slack_s,
            ),
            here,
            Target(
                usd_per_hour=there,
                mean_up_s=self._history.of(target, now_s=now_s).mean_up_s,
                restart_s=self._restart_s,
            ),
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
