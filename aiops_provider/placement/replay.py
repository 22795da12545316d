"""
Replays tasks on clusters in virtual time, so that ways to place them can be compared before they are used.

A heap of events and no input or output: the same tasks, outages and policy give the same attempts.
A pool counts as one amount of each resource, as the router and the schedulers' own ledger count it;
what waits for a pool starts in the order of its arrival, and whatever fits passes what does not.
"""

from __future__ import annotations

import heapq
import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from enum import IntEnum

from aiops_provider.domain.cluster import Capacity, ClusterSpec
from aiops_provider.domain.task import TaskKey, TaskRun
from aiops_provider.errors import InfeasibleError
from aiops_provider.placement.live_load import InUse, LiveLoad, has_room
from aiops_provider.placement.price_series import STEADY_PRICES, PriceSeries
from aiops_provider.placement.replay_policy import Policy
from aiops_provider.placement.replay_pool import PlaceKey, ReplayPool
from aiops_provider.placement.replay_task import (
    Attempt,
    Outage,
    ReplayTask,
    RunningTask,
    kept_work_s,
    merged_outages,
)

# Rounds of fruitless second choices after which what still waits will never start.
_FRUITLESS_ROUNDS = 10


class _Event(IntEnum):
    """What happens first of what happens at one moment."""

    PRICE = 0
    END = 1
    RECOVERY = 2
    LOSS = 3
    TICK = 4
    CHOICE = 5
    SECOND_CHOICE = 6
    LOOK = 7


# What may happen for ever without anything coming to its end.
_UNCERTAIN = (_Event.TICK, _Event.SECOND_CHOICE, _Event.LOOK)


@dataclass(slots=True)
class _State:
    """What is known about a task while it is not done."""

    task: ReplayTask
    left_s: float
    ready_s: float
    waits_at: list[PlaceKey] = field(default_factory=list)
    lost_on: list[str] = field(default_factory=list)
    expected_s: float = 0.0
    # Rises with every nomination and start, so that events of earlier ones are known to be stale.
    version: int = 0
    runs_at: PlaceKey | None = None
    started_s: float = 0.0


class Replay:
    """
    One replay of one policy.

    Args:
        tasks: In any order.
        clusters: Where.
        policy: Says where.
        outages: When places are gone; may overlap.
        prices: How those of the clusters change.
        watch: Told how many tasks are done, of all.

    Attributes:
        now_s: Seconds since the begin.
        down: Places that are gone now.
        clusters: At the prices of now.
        attempts: So far, in the order in which they ended.
        refused: Why some tasks can run nowhere.
    """

    def __init__(
        self,
        tasks: Iterable[ReplayTask],
        clusters: Iterable[ClusterSpec],
        policy: Policy,
        *,
        outages: Iterable[Outage] = (),
        prices: PriceSeries = STEADY_PRICES,
        watch: Callable[[int, int], None] = lambda _done, _total: None,
    ) -> None:
        self._policy, self._watch, self._prices = policy, watch, prices
        self.clusters = tuple(clusters)
        self._pools = {
            (cluster.name, pool.name): ReplayPool(pool)
            for cluster in self.clusters
            for pool in cluster.pools
        }
        ordered = sorted(tasks, key=_order)
        self._states = [_State(task, task.duration_s, task.arrival_s) for task in ordered]
        self._numbers = {task.run: number for number, task in enumerate(ordered)}
        self._events: list[tuple[float, int, int, int, PlaceKey | None]] = []
        self._certain = 0
        self._done = 0
        self._look_at_s = math.inf
        self.now_s = 0.0
        self.down: frozenset[PlaceKey] = frozenset()
        self.attempts: list[Attempt] = []
        self.refused: dict[TaskRun, str] = {}
        for number, state in enumerate(self._states):
            self._plan(state.task.arrival_s, _Event.CHOICE, number, 0)
        for outage in merged_outages(outages):
            if outage.place not in self._pools:
                raise ValueError(f"an outage is of {outage.place}, which is no pool")
            self._plan(outage.begin_s, _Event.LOSS, place=outage.place)
            if outage.end_s < math.inf:
                self._plan(outage.end_s, _Event.RECOVERY, place=outage.place)
        if unknown := prices.places - self._pools.keys():
            raise ValueError(f"a price is of {min(unknown)}, which is no pool")
        for moment in prices.moments:
            self._plan(moment, _Event.PRICE)
        if policy.period_s is not None and self._states:
            self._plan(self._states[0].task.arrival_s, _Event.TICK)

    def load(self) -> LiveLoad:
        """What runs and waits on the pools now; idle ones are left out."""
        return {
            place: pool.in_use(self.now_s) for place, pool in self._pools.items() if pool.is_busy
        }

    def capacity(self, place: PlaceKey) -> Capacity:
        """Of a whole pool."""
        return self._pools[place].capacity

    def held(self, place: PlaceKey) -> InUse:
        """What runs on a pool now, without what waits for it."""
        return self._pools[place].held()

    def kept_s(self, task: ReplayTask) -> float:
        """Work of a task that is not running which checkpoints have kept."""
        return task.duration_s - self._states[self._numbers[task.run]].left_s

    def running(self, place: PlaceKey) -> Iterator[RunningTask]:
        """What runs on a pool, in the order in which it started."""
        for number in self._pools[place].running():
            state = self._states[number]
            yield RunningTask(
                number=number,
                task=state.task,
                place=place,
                started_s=state.started_s,
                kept_s=state.task.duration_s - state.left_s,
            )

    def live(self) -> Iterator[tuple[ReplayTask, str]]:
        """What runs or waits now, with its cluster; of several that it waits for one."""
        found = {
            number: place[0]
            for place, pool in self._pools.items()
            for number in (*pool.running(), *pool.waiting())
        }
        for number, cluster in found.items():
            yield self._states[number].task, cluster

    def run(self) -> Sequence[Attempt]:
        """Replay until every task is done or will never be."""
        fruitless = 0
        total = len(self._states)
        while self._events and self._done < total:
            moment, kind, number, version, place = heapq.heappop(self._events)
            started = len(self.attempts)
            self.now_s = moment
            if kind in _UNCERTAIN:
                fruitless += 1
            else:
                self._certain -= 1
                fruitless = 0
            self._handle(_Event(kind), number, version, place)
            if len(self.attempts) > started:
                self._watch(self._done, total)
            waiting = total - self._done
            if self._certain == 0 and fruitless > _FRUITLESS_ROUNDS * (waiting + 1):
                break
        self._watch(self._done, total)
        return self.attempts

    def _plan(
        self,
        moment: float,
        kind: _Event,
        number: int = -1,
        version: int = 0,
        place: PlaceKey | None = None,
    ) -> None:
        if kind not in _UNCERTAIN:
            self._certain += 1
        heapq.heappush(self._events, (moment, kind, number, version, place))

    def _handle(self, kind: _Event, number: int, version: int, place: PlaceKey | None) -> None:
        if kind is _Event.TICK:
            self._policy.tick(self)
            self._plan(self.now_s + (self._policy.period_s or math.inf), _Event.TICK)
        elif kind is _Event.PRICE:
            self.clusters = self._prices.repriced(self.clusters, self.now_s)
            self._policy.repriced(self)
            self._move()
        elif kind is _Event.LOOK:
            self._look_at_s = math.inf
            self._move()
        elif place is not None:
            self._lose(place) if kind is _Event.LOSS else self._recover(place)
        elif self._states[number].version == version:
            if kind is _Event.END:
                self._finish(number)
            else:
                self._choose(number)

    def _choose(self, number: int) -> None:
        state = self._states[number]
        self._withdraw(number)
        try:
            nomination = self._policy.choose(state.task, tuple(state.lost_on), self)
        except InfeasibleError as error:
            self.refused[state.task.run] = str(error)
            self._done += 1
            return
        state.expected_s = nomination.expected_s
        for place in nomination.places:
            self._pools[place].wait(number, state.task.request, nomination.expected_s)
            state.waits_at.append(place)
        for place in nomination.places:
            self._start_waiting(place)
            if state.runs_at is not None:
                return
        if nomination.again_after_s is not None:
            self._plan(
                self.now_s + nomination.again_after_s, _Event.SECOND_CHOICE, number, state.version
            )

    def _withdraw(self, number: int) -> None:
        state = self._states[number]
        state.version += 1
        for place in state.waits_at:
            self._pools[place].leave(number, state.task.request, state.expected_s)
        state.waits_at = []

    def _start_waiting(self, place: PlaceKey) -> None:
        if place in self.down:
            return
        pool = self._pools[place]
        while (number := pool.next_fitting()) is not None:
            self._withdraw(number)
            self._start(number, place)

    def _start(self, number: int, place: PlaceKey) -> None:
        state = self._states[number]
        state.runs_at, state.started_s = place, self.now_s
        self._pools[place].start(number, state.task.request, self.now_s, state.expected_s)
        self._plan(self.now_s + state.left_s, _Event.END, number, state.version)

    def _finish(self, number: int) -> None:
        place = self._stop(number, finished=True)
        self._done += 1
        self._move()
        self._start_waiting(place)

    def _move(self) -> None:
        """Before anything that waits takes the room: what waits costs nothing meanwhile."""
        moves = self._policy.moves(self)
        left = []
        for number, place in moves.now:
            state = self._states[number]
            request = state.task.request
            if place in self.down or not has_room(
                request, self.capacity(place), self._pools[place].held()
            ):
                raise ValueError(f"{state.task.run} cannot be moved to {place}: there is no room")
            left.append(self._interrupt(number))
            self._start(number, place)
        for number in moves.stopped:
            left.append(self._interrupt(number))
            self._plan(self.now_s, _Event.CHOICE, number, self._states[number].version)
        for place in dict.fromkeys(left):
            self._start_waiting(place)
        if moves.again_after_s is not None:
            look_at_s = self.now_s + moves.again_after_s
            if look_at_s < self._look_at_s:
                self._look_at_s = look_at_s
                self._plan(look_at_s, _Event.LOOK)

    def _interrupt(self, number: int) -> PlaceKey:
        state = self._states[number]
        self._keep_work(state)
        place = self._stop(number, finished=False, moved=True)
        state.ready_s = self.now_s
        return place

    def _keep_work(self, state: _State) -> None:
        kept_s = kept_work_s(self.now_s - state.started_s, state.task.checkpoint_s)
        state.left_s = max(state.left_s - kept_s, 0.0)

    def _stop(self, number: int, *, finished: bool, moved: bool = False) -> PlaceKey:
        state = self._states[number]
        place = state.runs_at
        if place is None:
            raise RuntimeError(f"{state.task.run} ends but does not run")
        self._pools[place].stop(number, state.task.request)
        attempt = Attempt(
            task=state.task,
            place=place,
            ready_s=state.ready_s,
            started_s=state.started_s,
            ended_s=self.now_s,
            finished=finished,
            moved=moved,
        )
        state.runs_at = None
        state.version += 1
        self.attempts.append(attempt)
        self._policy.ended(attempt)
        return place

    def _lose(self, place: PlaceKey) -> None:
        self.down |= {place}
        pool = self._pools[place]
        homeless = []
        for number in pool.running():
            state = self._states[number]
            self._keep_work(state)
            self._stop(number, finished=False)
            state.ready_s = self.now_s
            if place[0] not in state.lost_on:
                state.lost_on.append(place[0])
            homeless.append(number)
        for number in pool.waiting():
            state = self._states[number]
            pool.leave(number, state.task.request, state.expected_s)
            state.waits_at.remove(place)
            if not state.waits_at:
                state.version += 1
                homeless.append(number)
        self._policy.changed(self)
        for number in sorted(homeless):
            self._plan(
                self.now_s + self._policy.notices_after_s,
                _Event.CHOICE,
                number,
                self._states[number].version,
            )

    def _recover(self, place: PlaceKey) -> None:
        self.down -= {place}
        self._policy.changed(self)
        self._move()
        self._start_waiting(place)


def _order(task: ReplayTask) -> tuple[float, TaskKey, str, int, int]:
    run = task.run
    return (task.arrival_s, run.task, run.run_id, run.map_index, run.try_number)
