"""The layer itself as a policy of a replay: its profiler, its planner and its router, in virtual time."""

from __future__ import annotations

import logging
import math
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta

from aiops_provider.control.instance_count import InstanceCount
from aiops_provider.control.profilers import new_profiler
from aiops_provider.control.replan import checked_plan, why_switch
from aiops_provider.control.simulated_descriptions import TraceDescriptions
from aiops_provider.control.simulated_durations import Durations
from aiops_provider.control.simulated_moves import SimulatedMoves
from aiops_provider.domain.cluster import ClusterSpec
from aiops_provider.domain.execution import ExecutionRecord, Outcome
from aiops_provider.domain.plan import PlacementPlan, PlanStatus
from aiops_provider.domain.profile import WorkloadProfile
from aiops_provider.domain.task import TaskKey
from aiops_provider.errors import PlanError
from aiops_provider.placement.availability import AvailabilityHistory
from aiops_provider.placement.demand import expected_duration_s
from aiops_provider.placement.live_instances import LiveInstances
from aiops_provider.placement.live_load import InUse, LiveLoad, LoadOfThisMoment
from aiops_provider.placement.replay import Replay
from aiops_provider.placement.replay_pool import PlaceKey
from aiops_provider.placement.replay_task import NO_MOVES, Attempt, Moves, Nomination, ReplayTask
from aiops_provider.placement.router import Router, RouterSnapshot
from aiops_provider.placement.waiting_for_price import LEAST_MARGIN_S, Outlook, latest_start_s
from aiops_provider.settings.schema import Settings

log = logging.getLogger(__name__)

_GONE = "it is out"
# A pool without instances counts as full for as long as that takes, so that its queue is the last
# choice; the router itself knows only clusters that are unreachable.
_ENDLESS_S = 1e12
# Of virtual time. An installation learns of a run as soon as it ends.
_LEARN_EVERY_S = 3600.0


class RoutedPolicy:
    """
    Routes by plan, live load and health; waits and moves for price; learns of runs that ended; plans.

    Args:
        settings: Objective, limits of planning and routing, and how the profiler learns.
        clusters: Where.
        begin: The moment at which the replay begins, with a time zone.
        plan_every_s: Seconds between two plans; ``None``: there is no plan, only the router.
        plan_on_change: Also plan when a cluster is lost or comes back, as an installation does, and when
            prices change, but for their sake at most once an hour.
        again_after_s: Seconds after which what waits for room is placed anew.
        notices_after_s: Seconds between a loss and the moment at which what ran there runs elsewhere.
        trust_deadlines: Whether the deadline of a run may say something about its duration.

    Attributes:
        plans: Plans that were put in force.
        failed_plans: Attempts to plan that came to nothing.
    """

    def __init__(
        self,
        settings: Settings,
        clusters: Sequence[ClusterSpec],
        *,
        begin: datetime,
        plan_every_s: float | None,
        again_after_s: float,
        notices_after_s: float,
        plan_on_change: bool = False,
        trust_deadlines: bool = True,
    ) -> None:
        self._settings, self._clusters = settings, tuple(clusters)
        self._begin = begin
        self._carbon_usd_per_kg = settings.objective.carbon_usd_per_kg
        self.period_s, self.notices_after_s = _LEARN_EVERY_S, notices_after_s
        self._plan_every_s, self._next_plan_s = plan_every_s, 0.0
        self._plan_on_change = plan_on_change
        self._planned_s, self._is_repriced = -math.inf, False
        self._lost_before: frozenset[str] = frozenset()
        self._again_after_s = again_after_s
        self._regions = {cluster.name: cluster for cluster in self._clusters}
        self._profiler = new_profiler(settings.profiling)
        self._book: dict[TaskKey, WorkloadProfile] = {}
        self._trace = TraceDescriptions()
        self._news: list[ExecutionRecord] = []
        self._plan: PlacementPlan | None = None
        self._router = Router(
            RouterSnapshot(clusters=self._clusters, carbon_usd_per_kg=self._carbon_usd_per_kg)
        )
        self._history: AvailabilityHistory[PlaceKey] = AvailabilityHistory()
        self._durations = Durations(trust_deadlines=trust_deadlines)
        self._moves = SimulatedMoves(
            self._clusters,
            history=self._history,
            durations=self._durations,
            profile_of=self._known,
            restart_s=settings.routing.move_restart_s,
            carbon_usd_per_kg=self._carbon_usd_per_kg,
        )
        self.plans = self.failed_plans = 0

    def choose(self, task: ReplayTask, lost_on: Sequence[str], replay: Replay) -> Nomination:
        """By the router, as a scheduler asks it."""
        profile = self._profile(task, replay)
        until_s = self._latest_start_s(task, profile, replay)
        route = self._router.route(
            profile,
            load=self._load(replay),
            avoid=self._avoid(task, lost_on),
            now=self._moment(replay),
            outlook=self._outlook(task, until_s, replay),
            instances=self._instances(profile, replay),
        )
        expected_s = expected_duration_s(profile.duration_s)
        if route.wait is None or until_s is None:
            return Nomination(
                places=((route.cluster, route.pool),),
                again_after_s=self._again_after_s,
                expected_s=expected_s,
            )
        # A scheduler that holds the task back sends it to whichever of these has room first.
        return Nomination(
            places=route.wait.places,
            again_after_s=min(until_s - replay.now_s, _LEARN_EVERY_S),
            expected_s=expected_s,
        )

    def _instances(self, profile: WorkloadProfile, replay: Replay) -> LiveInstances | None:
        """Of the task and those it is kept apart from; ``None`` while no rule has been seen."""
        if not self._trace.has_rules:
            return None
        count = InstanceCount()
        for task, cluster in replay.live():
            count.add(task.run.task, cluster, task.anti_affinity)
        return count.of(profile)

    def moves(self, replay: Replay) -> Moves:
        """Back to cheaper places, where the settings allow it."""
        return self._moves.propose(replay) if self._settings.routing.move_running else NO_MOVES

    def _latest_start_s(
        self, task: ReplayTask, profile: WorkloadProfile, replay: Replay
    ) -> float | None:
        """In seconds since the begin; ``None``: it does not wait."""
        if self._settings.routing.wait_for_saving >= 1.0:
            return None
        done_s = replay.kept_s(task)
        at_most_s = self._durations.at_most_s(task, profile, done_s=done_s)
        if at_most_s is None:
            return None
        # If it is lost once more after that, it can still be in time.
        margin_s = LEAST_MARGIN_S + (task.checkpoint_s or at_most_s)
        latest_s = latest_start_s(task.deadline_s, at_most_s, done_s=done_s, margin_s=margin_s)
        return None if latest_s is None else task.arrival_s + latest_s

    def _outlook(self, task: ReplayTask, until_s: float | None, replay: Replay) -> Outlook:
        now_s, routing = replay.now_s, self._settings.routing
        return Outlook(
            availability=lambda place: self._history.of(place, now_s=now_s),
            until=None if until_s is None else self._at(until_s),
            checkpoint_interval_s=task.checkpoint_s,
            restart_s=routing.move_restart_s,
            least_saving=routing.wait_for_saving,
        )

    def _avoid(self, task: ReplayTask, lost_on: Sequence[str]) -> dict[str, str]:
        """As in production: whoever failed over too often may go anywhere again."""
        few = len(lost_on) <= self._settings.routing.max_fail_overs
        # Another loss costs whoever writes checkpoints little, so a cluster that is back will do.
        if not few or task.checkpoint_s is not None:
            return {}
        return dict.fromkeys(lost_on, "it was lost under this run")

    def changed(self, replay: Replay) -> None:
        """A new snapshot, as after a probe."""
        for cluster in self._clusters:
            for pool in cluster.pools:
                place = (cluster.name, pool.name)
                self._history.observe(place, is_up=place not in replay.down, now_s=replay.now_s)
        self._route_by(replay)
        lost = self._lost_clusters(replay)
        if self._plan_on_change and self._plan_every_s is not None and lost != self._lost_before:
            self._lost_before = lost
            self._learn(replay)
            self._next_plan_s = replay.now_s + self._plan_every_s
            self.plan_anew(replay)

    def repriced(self, replay: Replay) -> None:
        """A new snapshot at the new prices, and a new plan, unless there was one a moment ago."""
        self._clusters = replay.clusters
        self._moves.reprice(self._clusters)
        self._is_repriced = True
        self._route_by(replay)
        if replay.now_s >= self._planned_s + _LEARN_EVERY_S:
            self._plan_at_new_prices(replay)

    def ended(self, attempt: Attempt) -> None:
        """Remembered until the next plan; nothing is known of a run before its end."""
        if attempt.finished:
            self._durations.learn(attempt.task)
        if attempt.moved:
            # Stopped on purpose: neither its task nor its cluster is at fault.
            return
        cluster = self._regions[attempt.place[0]]
        self._news.append(
            ExecutionRecord(
                run=attempt.task.run,
                cluster=cluster.name,
                provider=cluster.provider,
                region=cluster.region,
                pool=attempt.place[1],
                queued_at=self._at(attempt.ready_s),
                started_at=self._at(attempt.started_s),
                ended_at=self._at(attempt.ended_s),
                outcome=Outcome.SUCCESS if attempt.finished else Outcome.CLUSTER_LOST,
                request=attempt.task.request,
            )
        )

    def tick(self, replay: Replay) -> None:
        """Learn, and plan anew when it is time."""
        self._learn(replay)
        if self._plan_every_s is not None and replay.now_s >= self._next_plan_s:
            self._next_plan_s = replay.now_s + self._plan_every_s
            self.plan_anew(replay)
        else:
            self._plan_at_new_prices(replay)

    def _plan_at_new_prices(self, replay: Replay) -> None:
        """Where a plan made at other prices is in force; the router alone goes by price anyway."""
        if self._plan is None or not (self._is_repriced and self._plan_on_change):
            return
        if self._plan_every_s is not None:
            self._learn(replay)
            self._next_plan_s = replay.now_s + self._plan_every_s
            self.plan_anew(replay)

    def _learn(self, replay: Replay) -> None:
        requests = {record.run.task: record.request for record in self._news}
        self._profiler.restore(self._news)
        self._news = []
        now = self._moment(replay)
        for task, request in requests.items():
            learned = self._profiler.predict(task, now=now)
            self._book[task] = (
                learned if request is None else self._trace.described(learned, request)
            )

    def plan_anew(self, replay: Replay) -> None:
        """By what is known now; the plan in force stays if there is none better."""
        now = self._moment(replay)
        if not self._book:
            return
        self._planned_s, self._is_repriced = replay.now_s, False
        lost = self._lost_clusters(replay)
        # When none is reachable the plan is for the time when they are again.
        away = frozenset() if len(lost) == len(self._clusters) else lost
        profiles = list(self._book.values())
        try:
            new = checked_plan(
                self._settings,
                self._clusters,
                profiles,
                unavailable=away,
                now=now,
            )
        except PlanError as error:
            self.failed_plans += 1
            log.warning("No plan at %s, the one in force stays: %s", now.isoformat(), error)
            return
        if new.status is PlanStatus.INFEASIBLE:
            self.failed_plans += 1
            return
        why = why_switch(
            new,
            self._plan,
            profiles,
            self._settings,
            clusters=self._clusters,
            unavailable=away,
        )
        if why is None:
            return
        self.plans += 1
        self._plan = replace(new, version=self.plans)
        self._route_by(replay)

    def _route_by(self, replay: Replay) -> None:
        self._router = Router(
            RouterSnapshot(
                clusters=self._clusters,
                plan=self._plan,
                unreachable=dict.fromkeys(sorted(self._lost_clusters(replay)), _GONE),
                carbon_usd_per_kg=self._carbon_usd_per_kg,
            )
        )

    def _lost_clusters(self, replay: Replay) -> frozenset[str]:
        """Those of which every pool is lost."""
        return frozenset(
            cluster.name
            for cluster in self._clusters
            if all((cluster.name, pool.name) in replay.down for pool in cluster.pools)
        )

    def _load(self, replay: Replay) -> LiveLoad:
        load = LoadOfThisMoment(replay.load())
        for place in replay.down:
            capacity = replay.capacity(place)
            load[place] = InUse(
                cores=capacity.cores,
                memory_gib=capacity.memory_gib,
                accelerators=sum(capacity.accelerators.values()),
                backlog_s=_ENDLESS_S,
            )
        return load

    def _profile(self, task: ReplayTask, replay: Replay) -> WorkloadProfile:
        self._trace.hear(task)
        described = self._trace.described(self._known(task, replay), task.request)
        return replace(described, deadline_s=task.deadline_s)

    def _known(self, task: ReplayTask, replay: Replay) -> WorkloadProfile:
        key = task.run.task
        if key not in self._book:
            predicted = self._profiler.predict(key, now=self._moment(replay))
            self._trace.hear(task)
            self._book[key] = self._trace.described(predicted, task.request)
        return self._book[key]

    def _moment(self, replay: Replay) -> datetime:
        return self._at(replay.now_s)

    def _at(self, seconds: float) -> datetime:
        return self._begin + timedelta(seconds=seconds)
