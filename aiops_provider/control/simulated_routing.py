"""The layer itself as a policy of a replay: its profiler, its planner and its router, in virtual time."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta

from aiops_provider.control.profilers import new_profiler
from aiops_provider.control.replan import checked_plan, why_switch
from aiops_provider.domain.cluster import ClusterSpec
from aiops_provider.domain.execution import ExecutionRecord, Outcome
from aiops_provider.domain.plan import PlacementPlan, PlanStatus
from aiops_provider.domain.profile import ResourceRequest, WorkloadProfile
from aiops_provider.domain.task import TaskKey
from aiops_provider.errors import PlanError
from aiops_provider.placement.demand import expected_duration_s
from aiops_provider.placement.live_load import InUse, LiveLoad
from aiops_provider.placement.replay import Replay
from aiops_provider.placement.replay_pool import PlaceKey
from aiops_provider.placement.replay_task import Attempt, Nomination, ReplayTask
from aiops_provider.placement.router import Router, RouterSnapshot
from aiops_provider.settings.schema import Settings

log = logging.getLogger(__name__)

_GONE = "it is out"
# A pool without instances counts as full for as long as that takes, so that its queue is the last
# choice; the router itself knows only clusters that are unreachable.
_ENDLESS_S = 1e12


class RoutedPolicy:
    """
    Routes by plan, live load and health; learns of a run when that has ended, and plans anew.

    Args:
        settings: Objective, limits of planning and routing, and how the profiler learns.
        clusters: Where.
        begin: The moment at which the replay begins, with a time zone.
        period_s: Seconds between two plans; ``None``: there is no plan, only the router.
        again_after_s: Seconds after which what waits is placed anew.
        notices_after_s: Seconds between a loss and the moment at which what ran there runs elsewhere.

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
        period_s: float | None,
        again_after_s: float,
        notices_after_s: float,
    ) -> None:
        self._settings, self._clusters = settings, tuple(clusters)
        self._begin = begin
        self.period_s, self.notices_after_s = period_s, notices_after_s
        self._again_after_s = again_after_s
        self._regions = {cluster.name: cluster for cluster in self._clusters}
        self._profiler = new_profiler(settings.profiling)
        self._book: dict[TaskKey, WorkloadProfile] = {}
        self._news: list[ExecutionRecord] = []
        self._plan: PlacementPlan | None = None
        self._router = Router(RouterSnapshot(clusters=self._clusters))
        self.plans = self.failed_plans = 0

    def choose(self, task: ReplayTask, lost_on: Sequence[str], replay: Replay) -> Nomination:
        """By the router, as a scheduler asks it."""
        profile = self._profile(task, replay)
        # As in production: whoever failed over too often may go anywhere again.
        few = len(lost_on) <= self._settings.routing.max_fail_overs
        route = self._router.route(
            profile,
            load=self._load(replay),
            avoid=dict.fromkeys(lost_on, "it was lost under this run") if few else {},
            now=self._moment(replay),
        )
        return Nomination(
            places=((route.cluster, route.pool),),
            again_after_s=self._again_after_s,
            expected_s=expected_duration_s(profile.duration_s),
        )

    def changed(self, replay: Replay) -> None:
        """A new snapshot, as after a probe."""
        self._route_by(replay)

    def ended(self, attempt: Attempt) -> None:
        """Remembered until the next plan; nothing is known of a run before its end."""
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
        """Learn, and plan anew; the plan in force stays if there is none better."""
        requests = {record.run.task: record.request for record in self._news}
        self._profiler.restore(self._news)
        self._news = []
        now = self._moment(replay)
        for task, request in requests.items():
            learned = self._profiler.predict(task, now=now)
            self._book[task] = learned if request is None else _asking(learned, request)
        if not self._book:
            return
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
        if why_switch(new, self._plan, profiles, self._settings, unavailable=away) is None:
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
        load: dict[PlaceKey, InUse] = dict(replay.load())
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
        key = task.run.task
        if key not in self._book:
            predicted = self._profiler.predict(key, now=self._moment(replay))
            self._book[key] = _asking(predicted, task.request)
        return replace(_asking(self._book[key], task.request), deadline_s=task.deadline_s)

    def _moment(self, replay: Replay) -> datetime:
        return self._at(replay.now_s)

    def _at(self, seconds: float) -> datetime:
        return self._begin + timedelta(seconds=seconds)


def _asking(profile: WorkloadProfile, request: ResourceRequest) -> WorkloadProfile:
    """The same task, asking for what the trace says: sizes are not what is compared."""
    return replace(
        profile,
        request=request,
        accelerators=request.accelerators,
        accelerator=request.accelerator,
    )
