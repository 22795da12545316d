"""
Which running tasks are moved to a cheaper cluster, as a host's process knows them.

Only what its author lets run anew is kept here, and only with checkpoints. The rule is evaluated in the
thread beside the host, some tasks at a time; the host takes what is due and moves it itself.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from aiops_provider.control.move_rule import Move, MoveRule, RunningTry
from aiops_provider.control.past_moves import PastMoves, first_placed_at
from aiops_provider.domain.cluster import ClusterSpec
from aiops_provider.domain.execution import ExecutionRecord
from aiops_provider.domain.plan import Placement
from aiops_provider.domain.profile import ClusterLimit, ResourceRequest, WorkloadProfile
from aiops_provider.domain.task import TaskRun
from aiops_provider.placement.live_load import IDLE, InUse
from aiops_provider.placement.replay_task import kept_work_s

if TYPE_CHECKING:
    from aiops_provider.control.decide import Decider, Decision
    from aiops_provider.settings.engine_schema import RoutingSettings

_REMEMBERED = 100_000
# Looked at in one round; the others have their turn in the next ones.
_MOST_AT_A_LOOK = 500
_EVERY = timedelta(seconds=5)
# Each is a row that the host locks and changes in its own turn.
_MOST_AT_A_TURN = 50
# Until a moved task has been placed anew, its room is kept for it, but not for ever.
_ON_THE_WAY = timedelta(minutes=2)
# By then another scheduler has written that it moved the try before.
_WRITTEN_BY_THEN = timedelta(seconds=30)

_Place = tuple[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class _OnTheWay:
    place: _Place
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
        self._rule = MoveRule(decider, routing, clusters)
        self._tries: OrderedDict[TaskRun, RunningTry] = OrderedDict()
        self._past = PastMoves()
        self._unread: dict[TaskRun, datetime] = {}
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
            self._add(decision.placement, decision.profile, now, decision.avoid)

    def taken_over(
        self,
        placement: Placement,
        profile: WorkloadProfile | None,
        limits: tuple[ClusterLimit, ...] = (),
    ) -> None:
        """
        A try that an earlier process sent is looked after by this one; its author lets it run anew.

        Args:
            placement: By which it was sent.
            profile: Of its task; ``None``: not known, so that it stays.
            limits: The only clusters that it may use.
        """
        if profile is not None:
            request = placement.route.request
            profile = replace(profile, request=request, cluster_limits=limits)
            self._add(placement, profile, placement.placed_at, {})

    def _add(
        self,
        placement: Placement,
        profile: WorkloadProfile,
        since: datetime,
        avoid: Mapping[str, str],
    ) -> None:
        if not self._routing.move_running or not placement.applied:
            return
        # Instances that are kept apart are placed with a view to each other.
        if not profile.checkpoint_interval_s or profile.anti_affinity or profile.spread:
            return
        one = RunningTry(
            run=placement.run,
            cluster=placement.cluster,
            pool=placement.route.pool,
            profile=profile,
            since=since,
            avoid=dict(avoid),
        )
        with self._lock:
            self._tries[placement.run] = one
            if self._past.before(placement.run) is None:
                self._unread[placement.run] = since
            while len(self._tries) > _REMEMBERED:
                forgotten, _ = self._tries.popitem(last=False)
                self._unread.pop(forgotten, None)

    def ended(self, run: TaskRun) -> None:
        """A try is over, or not here any more."""
        with self._lock:
            self._tries.pop(run, None)
            self._proposed.pop(run, None)
            self._unread.pop(run, None)

    def unread(self, now: datetime) -> list[TaskRun]:
        """
        Tries that stay until :meth:`hear` is told what the store says of the tries before them.

        Args:
            now: The present moment.
        """
        if not self._unread:
            return []
        with self._lock:
            ripe = [run for run, at in self._unread.items() if now - at >= _WRITTEN_BY_THEN]
        return ripe[:_MOST_AT_A_LOOK]

    def hear(
        self,
        runs: Sequence[TaskRun],
        placements: Mapping[TaskRun, Placement],
        records: Mapping[TaskRun, ExecutionRecord],
    ) -> None:
        """
        Count the moves of other schedulers, and of those before this one.

        Args:
            runs: As :meth:`unread` gave them.
            placements: The newest one of each of their earlier tries.
            records: How those ended.
        """
        with self._lock:
            for run in runs:
                self._unread.pop(run, None)
                one = self._tries.get(run)
                if one is not None:
                    checkpoint_s = one.profile.checkpoint_interval_s or 0.0
                    self._past.hear(run, placements, records, checkpoint_s)
        begun = {run: first_placed_at(run, placements) for run in runs}
        self._decider.patience.remember({run: at for run, at in begun.items() if at is not None})

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
            looked_at = {one.run for one in some}
            load = self._load(looked_at, now)
            past = {run: self._past.before(run) for run in looked_at}
        found = []
        for one in some:
            before = past[one.run]
            if before is None or before.moves >= self._routing.max_moves:
                continue
            proposal = self._rule.proposal(one, before.kept_s, load, now)
            if proposal is not None:
                found.append((proposal, one.profile.request))
        found.sort(key=lambda each: -each[0].gain_usd)
        chosen = {}
        for move, request in found:
            place = (move.target, move.pool)
            # Others that gain more may have taken the room a moment ago.
            if self._rule.has_room(place, request, load):
                _fill(load, place, request)
                chosen[move.run] = move
        with self._lock:
            for run in looked_at:
                self._proposed.pop(run, None)
            self._proposed.update({run: m for run, m in chosen.items() if run in self._tries})

    def due(self, now: datetime) -> list[Move]:
        """
        What is to be moved now, some at a time.

        Each is told once, and again only if the rule says so again. What was to go to a cluster that
        has been lost since stays.
        """
        if not self._proposed:
            return []
        with self._lock:
            found = [move for move in self._proposed.values() if move.due_at <= now]
            found = found[:_MOST_AT_A_TURN]
            for move in found:
                del self._proposed[move.run]
        return [move for move in found if self._decider.may_be_used(move.target)]

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
            checkpoint_s = one.profile.checkpoint_interval_s
            self._past.moved(move.run, kept_work_s(one.worked_s(now), checkpoint_s))
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

    def _load(self, looked_at: Collection[TaskRun], now: datetime) -> dict[_Place, InUse]:
        """What is booked, with what is on its way or was proposed and is not looked at anew."""
        for run in [run for run, each in self._on_the_way.items() if each.until <= now]:
            del self._on_the_way[run]
        load = dict(self._decider.ledger.load())
        for each in self._on_the_way.values():
            _fill(load, each.place, each.request)
        for run, move in self._proposed.items():
            if run not in looked_at and run in self._tries:
                _fill(load, (move.target, move.pool), self._tries[run].profile.request)
        return load


def _fill(load: dict[_Place, InUse], place: _Place, request: ResourceRequest) -> None:
    in_use = load.get(place, IDLE)
    load[place] = replace(
        in_use,
        cores=in_use.cores + request.cores,
        memory_gib=in_use.memory_gib + request.memory_gib,
        accelerators=in_use.accelerators + request.accelerators,
    )
