"""Which running tasks of a replay are moved to cheaper places: the rule is that of the router's room."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from aiops_provider.control.simulated_durations import Durations
from aiops_provider.domain.cluster import Capacity, ClusterSpec, Pool
from aiops_provider.domain.profile import ResourceRequest, WorkloadProfile
from aiops_provider.placement.availability import AvailabilityHistory
from aiops_provider.placement.cost import run_usd_per_hour
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
class _Prices:
    """Of one kind of run, in USD per hour."""

    usd: Mapping[PlaceKey, float]
    cheapest: PlaceKey | None
    cheapest_usd: float


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
        carbon_usd_per_kg: Price put on emissions.
    """

    def __init__(
        self,
        clusters: Sequence[ClusterSpec],
        *,
        history: AvailabilityHistory[PlaceKey],
        durations: Durations,
        profile_of: Callable[[ReplayTask, Replay], WorkloadProfile],
        restart_s: float,
        carbon_usd_per_kg: float,
    ) -> None:
        self._history, self._durations = history, durations
        self._profile_of, self._restart_s = profile_of, restart_s
        self._carbon_usd_per_kg = carbon_usd_per_kg
        self.reprice(clusters)
        self._capacities = {key: pool.capacity for key, pool in self._pools.items()}

    def reprice(self, clusters: Sequence[ClusterSpec]) -> None:
        """The same clusters at the prices of now."""
        self._clusters = tuple(clusters)
        self._pools: Mapping[PlaceKey, Pool] = {
            (cluster.name, pool.name): pool for cluster in clusters for pool in cluster.pools
        }
        self._able: dict[ResourceRequest, dict[PlaceKey, float]] = {}

    def propose(self, replay: Replay) -> Moves:
        """The best moves first, as far as there is room; of the rest, when it is time for the next."""
        held = {key: replay.held(key) for key in self._pools if key not in replay.down}
        roomy = [key for key, in_use in held.items() if _any_room(self._capacities[key], in_use)]
        if not roomy:
            return NO_MOVES
        up_s = {key: self._history.of(key, now_s=replay.now_s).mean_up_s for key in held}
        ranked: dict[tuple[ResourceRequest, float], _Prices] = {}
        proposals = []
        for key in held:
            for run in replay.running(key):
                step_s = run.task.checkpoint_s
                if not step_s:
                    continue
                kind = (run.task.request, step_s)
                prices = ranked.get(kind)
                if prices is None:
                    prices = ranked[kind] = self._prices(*kind, roomy, held, up_s)
                if (
                    prices.cheapest is None
                    or prices.cheapest_usd >= prices.usd[key] * _WORTH_A_LOOK
                ):
                    continue
                verdict = self._verdict(run, prices.cheapest, up_s, replay)
                if verdict is not None:
                    proposals.append(_Proposal(run, prices.cheapest, verdict))
        return self._best_of(proposals, held)

    def _best_of(self, proposals: list[_Proposal], held: dict[PlaceKey, InUse]) -> Moves:
        proposals.sort(key=lambda p: (-p.verdict.gain_usd, p.run.number))
        now: list[tuple[int, PlaceKey]] = []
        later_s = math.inf
        for each in proposals:
            if each.verdict.after_s > 0:
                later_s = min(later_s, each.verdict.after_s)
                continue
            request = each.run.task.request
            # Others that gain more may have taken the room a moment ago.
            if has_room(request, self._capacities[each.place], held[each.place]):
                held[each.place] = _with(held[each.place], request)
                now.append((each.run.number, each.place))
        return Moves(now=tuple(now), again_after_s=later_s if math.isfinite(later_s) else None)

    def _prices(
        self,
        request: ResourceRequest,
        step_s: float,
        roomy: Sequence[PlaceKey],
        held: Mapping[PlaceKey, InUse],
        up_s: Mapping[PlaceKey, float],
    ) -> _Prices:
        """By place, with the rework to be expected, and the cheapest with room now."""
        able = self._able.get(request)
        if able is None:
            able = self._able[request] = {
                key: usd
                for key in places_by_price(self._clusters, request)
                if (usd := self._usd_per_hour(self._pools[key], request)) is not None
            }
        weighed = {
            key: price * rework_factor(step_s, up_s[key], restart_s=self._restart_s)
            for key, price in able.items()
            if key in held
        }
        free = [
            key
            for key in roomy
            if key in weighed and has_room(request, self._capacities[key], held[key])
        ]
        cheapest = min(free, key=lambda key: (weighed[key], key), default=None)
        # A place without a known price is neither left nor gone to for its price.
        everywhere = dict.fromkeys(held, 0.0) | weighed
        return _Prices(everywhere, cheapest, weighed[cheapest] if cheapest else math.inf)

    def _usd_per_hour(self, pool: Pool, request: ResourceRequest) -> float | None:
        """What is stored is there at the end of the run, wherever it began."""
        return run_usd_per_hour(
            pool,
            pool.machine_share(request),
            carbon_usd_per_kg=self._carbon_usd_per_kg,
            storage_usd_per_hour=0.0,
        )

    def _verdict(
        self, run: RunningTask, target: PlaceKey, up_s: Mapping[PlaceKey, float], replay: Replay
    ) -> Verdict | None:
        now_s, task = replay.now_s, run.task
        able = self._able[task.request]
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
            able[run.place],
            Target(usd_per_hour=able[target], mean_up_s=up_s[target], restart_s=self._restart_s),
        )


def _any_room(capacity: Capacity, in_use: InUse) -> bool:
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
