"""
Which running tasks are moved to a cheaper cluster, as a host's process knows them.

Only what its author lets run anew is kept here, and only with checkpoints. The rule is evaluated in the
thread beside the host, some tasks at a time; the host takes what is due and moves it itself.
"""

from __future__ import annotations

import math
import threading
from collections import OrderedDict
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from aiops_provider.control.patience import promised_duration_s
from aiops_provider.domain.cluster import ClusterSpec
from aiops_provider.domain.plan import Placement
from aiops_provider.domain.profile import ResourceRequest, WorkloadProfile
from aiops_provider.domain.task import TaskKey, TaskRun
from aiops_provider.domain.units import SECONDS_PER_HOUR
from aiops_provider.errors import InfeasibleError
from aiops_provider.placement.demand import expected_left_s
from aiops_provider.placement.live_load import IDLE, InUse, LiveLoad, has_room
from aiops_provider.placement.moving import Running, Target, worth_moving
from aiops_provider.placement.replay_task import kept_work_s

if TYPE_CHECKING:
    from aiops_provider.control.decide import Decider, Decision
    from aiops_provider.settings.engine_schema import RoutingSettings

_REMEMBERED = 100_000
# Looked at in one round; the others have their turn in the next ones.
_MOST_AT_A_LOOK = 500
_EVERY = timedelta(seconds=5)
# The host knows when it sent a task, not when the task began. To take a checkpoint for written that is
# not costs all the work since the last one; to be this much late costs no more than that.
_LATE_S, _LATE_SHARE = 5.0, 0.1
# Until a moved task has been placed anew, its room is kept for it, but not for ever.
_ON_THE_WAY = timedelta(minutes=2)
# Fewer runs than this say too little about the longest ones to stake a deadline on them.
_FEWEST_RUNS = 5

_Work = tuple[TaskKey, str, int]


@dataclass(frozen=True, slots=True, kw_only=True)
class Move:
    """
    A running try that is to be ended where it is and run anew elsewhere.

    Attributes:
        run: Which try.
        source: The cluster where it runs.
        target: The cluster that is cheaper now.
        pool: Its pool.
        gain_usd: Expected, after what the move costs.
        due_at: Not before; right after a checkpoint if that is worth waiting for.
        sentence: Why, for people.
    """

    run: TaskRun
    source: str
    target: str
    pool: str
    gain_usd: float
    due_at: datetime
    sentence: str


@dataclass(frozen=True, slots=True, kw_only=True)
class _Try:
    run: TaskRun
    cluster: str
    pool: str
    profile: WorkloadProfile
    since: datetime


@dataclass(slots=True)
class _Done:
    """Of one instance of a task over its tries."""

    moves: int = 0
    kept_s: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class _OnTheWay:
    place: tuple[str, str]
    request: ResourceRequest
    until: datetime


class MoveBook:
    """
    Running tries that may be moved; safe to call from several threads.

    Args:
        decider: Says where a task would go now, and knows the past of the clusters.
        routing: Whether and how often tasks are moved.
        clusters: All of them, for their prices.
    """

    def __init__(
        self, decider: Decider, routing: RoutingSettings, clusters: tuple[ClusterSpec, ...]
    ) -> None:
        self._decider = decider
        self._routing = routing
        self._clusters = {cluster.name: cluster for cluster in clusters}
        self._tries: OrderedDict[TaskRun, _Try] = OrderedDict()
        self._done: OrderedDict[_Work, _Done] = OrderedDict()
        self._proposed: dict[TaskRun, Move] = {}
        self._on_the_way: dict[TaskRun, _OnTheWay] = {}
        self._why: OrderedDict[TaskRun, str] = OrderedDict()
        self._looked_at: datetime | None = None
        self._lock = threading.Lock()

    def started(self, decision: Decision, now: datetime) -> None:
        """
        A try was sent to its cluster; it is forgotten at once unless it may be moved.

        Args:
            decision: By which it was sent.
            now: The present moment.
        """
        with self._lock:
            self._on_the_way.pop(decision.placement.run, None)
        if decision.rerun_when_lost and decision.profile is not None:
            self._add(decision.placement, decision.profile, now)

    def taken_over(self, placement: Placement, profile: WorkloadProfile | None) -> None:
        """
        A try that an earlier process sent is looked after by this one; its author lets it run anew.

        Args:
            placement: By which it was sent.
            profile: Of its task; ``None``: not known, so that it stays.
        """
        if profile is not None:
            request = placement.route.request
            self._add(placement, replace(profile, request=request), placement.placed_at)

    def _add(self, placement: Placement, profile: WorkloadProfile, since: datetime) -> None:
        if not self._routing.move_running or not placement.applied:
            return
        # Instances that are kept apart are placed with a view to each other.
        if not profile.checkpoint_interval_s or profile.anti_affinity or profile.spread:
            return
        one = _Try(
            run=placement.run,
            cluster=placement.cluster,
            pool=placement.route.pool,
            profile=profile,
            since=since,
        )
        with self._lock:
            self._tries[placement.run] = one
            while len(self._tries) > _REMEMBERED:
                self._tries.popitem(last=False)

    def ended(self, run: TaskRun) -> None:
        """A try is over, or not here any more."""
        with self._lock:
            self._tries.pop(run, None)
            self._proposed.pop(run, None)

    def look(self, now: datetime) -> None:
        """
        Evaluate the rule for some of the tries; what is worth it waits for :meth:`due`.

        Args:
            now: The present moment.
        """
        with self._lock:
            if not self._tries or (self._looked_at and now - self._looked_at < _EVERY):
                return
            self._looked_at = now
            some = list(self._tries.values())[:_MOST_AT_A_LOOK]
            for one in some:
                self._tries.move_to_end(one.run)
            for run in [run for run, each in self._on_the_way.items() if each.until <= now]:
                del self._on_the_way[run]
            load = dict(self._decider.ledger.load())
            for each in self._on_the_way.values():
                load[each.place] = _with(load.get(each.place, IDLE), each.request)
            done = {one.run: self._done.get(_work(one.run), _Done()) for one in some}
        found = [
            (move, one, place)
            for one in some
            if done[one.run].moves < self._routing.max_moves
            and (proposal := self._proposal(one, done[one.run].kept_s, load, now)) is not None
            for move, place in [proposal]
        ]
        found.sort(key=lambda each: -each[0].gain_usd)
        chosen = {}
        for move, one, place in found:
            # Others that gain more may have taken the room a moment ago.
            if self._has_room(place, one.profile.request, load):
                load[place] = _with(load.get(place, IDLE), one.profile.request)
                chosen[move.run] = move
        with self._lock:
            for one in some:
                self._proposed.pop(one.run, None)
            self._proposed.update({run: m for run, m in chosen.items() if run in self._tries})

    def due(self, now: datetime) -> list[Move]:
        """What is to be moved now; each is told once, and again only if the rule says so again."""
        if not self._proposed:
            return []
        with self._lock:
            found = [move for move in self._proposed.values() if move.due_at <= now]
            for move in found:
                del self._proposed[move.run]
        return found

    def moving(self, move: Move, now: datetime) -> None:
        """
        A try is being ended where it runs; its room elsewhere is kept.

        Args:
            move: As it was due.
            now: The present moment.
        """
        with self._lock:
            one = self._tries.pop(move.run, None)
            if one is None:
                return
            done = self._done.setdefault(_work(move.run), _Done())
            while len(self._done) > _REMEMBERED:
                self._done.popitem(last=False)
            done.moves += 1
            done.kept_s += kept_work_s(_worked_s(one, now), one.profile.checkpoint_interval_s)
            following = replace(move.run, try_number=move.run.try_number + 1)
            self._why[following] = move.sentence
            while len(self._why) > _REMEMBERED:
                self._why.popitem(last=False)
            self._on_the_way[following] = _OnTheWay(
                place=(move.target, move.pool),
                request=one.profile.request,
                until=now + _ON_THE_WAY,
            )
        asked_at = self._decider.patience.asked_at(move.run)
        if asked_at is not None:  # a move gives no more time
            self._decider.patience.remember({following: asked_at})

    def why(self, run: TaskRun) -> str:
        """Why the try before this one was moved; empty if it was not."""
        return self._why.get(run, "") if self._why else ""

    def _proposal(
        self, one: _Try, kept_s: float, load: LiveLoad, now: datetime
    ) -> tuple[Move, tuple[str, str]] | None:
        try:
            route = self._decider.where_now(one.profile, load, now)
        except InfeasibleError:
            return None
        place = (route.cluster, route.pool)
        if route.cluster == one.cluster or not self._has_room(place, one.profile.request, load):
            return None
        here = self._usd_per_hour((one.cluster, one.pool), one.profile.request)
        there = self._usd_per_hour(place, one.profile.request)
        if here is None or there is None:
            return None
        past = self._decider.patience.availability(route.cluster, now)
        target = Target(
            usd_per_hour=there, mean_up_s=past.mean_up_s, restart_s=self._routing.move_restart_s
        )
        verdict = worth_moving(self._running(one, kept_s, now), here, target)
        if verdict is None:
            return None
        sentence = (
            f"moved away from {one.cluster} at {here:.3g} USD an hour, since {route.cluster} had room "
            f"at {there:.3g}: that saves about {verdict.gain_usd:.2g} USD"
        )
        move = Move(
            run=one.run,
            source=one.cluster,
            target=route.cluster,
            pool=route.pool,
            gain_usd=verdict.gain_usd,
            due_at=now + timedelta(seconds=verdict.after_s),
            sentence=sentence,
        )
        return move, place

    def _running(self, one: _Try, kept_s: float, now: datetime) -> Running:
        interval_s = one.profile.checkpoint_interval_s or math.inf
        ran_s = _worked_s(one, now)
        done_s = kept_s + ran_s
        left_s = expected_left_s(one.profile.duration_s, done_s)
        return Running(
            remaining_s=left_s,
            since_checkpoint_s=ran_s - kept_work_s(ran_s, interval_s),
            checkpoint_interval_s=interval_s,
            mean_up_s=self._decider.patience.availability(one.cluster, now).mean_up_s,
            slack_s=self._slack_s(one, done_s, left_s, now),
        )

    def _slack_s(self, one: _Try, done_s: float, left_s: float, now: datetime) -> float:
        profile = one.profile
        if profile.deadline_s is None:
            return math.inf
        if profile.duration_s.sample_count < _FEWEST_RUNS:
            return -math.inf
        asked_at = self._decider.patience.asked_at(one.run) or one.since
        longest_s = promised_duration_s(profile.duration_s, profile.sla_attainment)
        at_most_left_s = max(longest_s - done_s, left_s)
        return profile.deadline_s - (now - asked_at).total_seconds() - at_most_left_s

    def _usd_per_hour(self, place: tuple[str, str], request: ResourceRequest) -> float | None:
        cluster = self._clusters.get(place[0])
        return cluster.pool(place[1]).cost_usd(request, SECONDS_PER_HOUR) if cluster else None

    def _has_room(self, place: tuple[str, str], request: ResourceRequest, load: LiveLoad) -> bool:
        capacity = self._clusters[place[0]].pool(place[1]).capacity
        return has_room(request, capacity, load.get(place, IDLE))


def _worked_s(one: _Try, now: datetime) -> float:
    late_s = min(_LATE_S, _LATE_SHARE * (one.profile.checkpoint_interval_s or 0.0))
    return max((now - one.since).total_seconds() - late_s, 0.0)


def _work(run: TaskRun) -> _Work:
    return run.task, run.run_id, run.map_index


def _with(in_use: InUse, request: ResourceRequest) -> InUse:
    return replace(
        in_use,
        cores=in_use.cores + request.cores,
        memory_gib=in_use.memory_gib + request.memory_gib,
        accelerators=in_use.accelerators + request.accelerators,
    )
