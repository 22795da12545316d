"""Whether one running task is worth moving, and where to, by what a host's process knows now."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from aiops_provider.control.patience import promised_duration_s
from aiops_provider.domain.cluster import ClusterSpec
from aiops_provider.domain.profile import ResourceRequest, WorkloadProfile
from aiops_provider.domain.task import TaskRun
from aiops_provider.domain.units import SECONDS_PER_HOUR
from aiops_provider.errors import InfeasibleError
from aiops_provider.placement.demand import expected_left_s
from aiops_provider.placement.live_load import IDLE, LiveLoad, has_room
from aiops_provider.placement.moving import Running, Target, worth_moving
from aiops_provider.placement.replay_task import kept_work_s

if TYPE_CHECKING:
    from aiops_provider.control.decide import Decider
    from aiops_provider.settings.engine_schema import RoutingSettings

# The host knows when it sent a task, not when the task began. To take a checkpoint for written that is
# not costs all the work since the last one; to be this much late costs no more than that.
_LATE_S, _LATE_SHARE = 5.0, 0.1
# Fewer runs than this say too little about the longest ones to stake a deadline on them.
_FEWEST_RUNS = 5


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
class RunningTry:
    """
    A try that may be moved.

    Attributes:
        run: Which one.
        cluster: Where it runs.
        pool: Its pool.
        profile: What it needs.
        since: When it was sent.
        avoid: Clusters where earlier tries failed, with why.
    """

    run: TaskRun
    cluster: str
    pool: str
    profile: WorkloadProfile
    since: datetime
    avoid: Mapping[str, str] = field(default_factory=dict)

    def worked_s(self, now: datetime) -> float:
        """
        Work that it has done for certain, in seconds.

        Args:
            now: The present moment.
        """
        late_s = min(_LATE_S, _LATE_SHARE * (self.profile.checkpoint_interval_s or 0.0))
        return max((now - self.since).total_seconds() - late_s, 0.0)


class MoveRule:
    """
    The rule of :mod:`~aiops_provider.placement.moving` with prices, room and the past of clusters.

    Args:
        decider: Says where a task would go now, and knows the past of the clusters.
        routing: What a restart takes.
        clusters: All of them, for their prices.
    """

    def __init__(
        self, decider: Decider, routing: RoutingSettings, clusters: tuple[ClusterSpec, ...]
    ) -> None:
        self._decider = decider
        self._routing = routing
        self._clusters = {cluster.name: cluster for cluster in clusters}

    def proposal(
        self, one: RunningTry, kept_s: float, load: LiveLoad, now: datetime
    ) -> Move | None:
        """
        Where a try should go.

        Args:
            one: It.
            kept_s: Work that earlier tries of it have kept, in seconds.
            load: What is booked.
            now: The present moment.

        Returns:
            The move, due now or right after the next checkpoint; ``None`` if it should stay.
        """
        try:
            route = self._decider.where_now(one.profile, load, now, avoid=one.avoid)
        except InfeasibleError:
            return None
        place = (route.cluster, route.pool)
        if route.cluster == one.cluster or route.cluster in one.avoid:
            return None
        if not self.has_room(place, one.profile.request, load):
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
        return Move(
            run=one.run,
            source=one.cluster,
            target=route.cluster,
            pool=route.pool,
            gain_usd=verdict.gain_usd,
            due_at=now + timedelta(seconds=verdict.after_s),
            sentence=sentence,
        )

    def _running(self, one: RunningTry, kept_s: float, now: datetime) -> Running:
        interval_s = one.profile.checkpoint_interval_s or math.inf
        ran_s = one.worked_s(now)
        done_s = kept_s + ran_s
        left_s = expected_left_s(one.profile.duration_s, done_s)
        return Running(
            remaining_s=left_s,
            since_checkpoint_s=ran_s - kept_work_s(ran_s, interval_s),
            checkpoint_interval_s=interval_s,
            mean_up_s=self._decider.patience.availability(one.cluster, now).mean_up_s,
            slack_s=self._slack_s(one, done_s, left_s, now),
        )

    def _slack_s(self, one: RunningTry, done_s: float, left_s: float, now: datetime) -> float:
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

    def has_room(self, place: tuple[str, str], request: ResourceRequest, load: LiveLoad) -> bool:
        """
        Whether a pool has room at this moment.

        Args:
            place: Cluster and pool.
            request: What is needed.
            load: What is booked.
        """
        capacity = self._clusters[place[0]].pool(place[1]).capacity
        return has_room(request, capacity, load.get(place, IDLE))
