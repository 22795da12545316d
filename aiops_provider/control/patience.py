"""
How long tasks may wait for a cheaper cluster, and what is known of how clusters come and go.

Memory only, as everything that a decision reads. A task's time runs from the first choice that was made
for its try, also where a scheduler queues it anew meanwhile or a new one takes over.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Mapping
from datetime import datetime, timedelta

from aiops_provider.domain.cluster import ClusterHealth, ClusterSpells, HealthState
from aiops_provider.domain.profile import Quantity, WorkloadProfile
from aiops_provider.domain.promise import value_at
from aiops_provider.domain.task import TaskRun
from aiops_provider.placement.availability import AvailabilityHistory, Uptime
from aiops_provider.placement.waiting_for_price import LEAST_MARGIN_S, Outlook, latest_start_s
from aiops_provider.settings.engine_schema import RoutingSettings

_REMEMBERED = 100_000
# Fewer runs than this say too little about the longest ones to stake a deadline on them.
_FEWEST_RUNS = 5
_HIGHEST_LEVEL = 0.9999


def promised_duration_s(duration: Quantity, attainment: float) -> float:
    """
    Duration that is exceeded no more often than the promise to keep a deadline allows.

    Args:
        duration: In seconds.
        attainment: Share of runs that must keep their deadline. Above 0.95 the tail is continued as
            plans continue it; below, p95 stands.

    >>> from aiops_provider.domain.profile import Source
    >>> hour = Quantity(p50=1800, p80=2700, p95=3600, source=Source.OWN_HISTORY)
    >>> promised_duration_s(hour, 0.9), round(promised_duration_s(hour, 0.99))
    (3600, 4595)
    """
    if attainment <= 0.95:
        return duration.p95
    level = min(attainment, _HIGHEST_LEVEL)
    return value_at(level, (duration.p50, duration.p80, duration.p95))


class PatienceBook:
    """
    Latest starts of the tries of one process; safe to call from several threads.

    Args:
        routing: When waiting is worth it.
    """

    def __init__(self, routing: RoutingSettings) -> None:
        self._routing = routing
        self._asked_at: OrderedDict[TaskRun, datetime] = OrderedDict()
        self._history: AvailabilityHistory[str] = AvailabilityHistory()
        self._seen: dict[str, ClusterHealth] = {}
        self._lock = threading.Lock()

    def observe(self, health: ClusterHealth) -> None:
        """Take in a probe; one that does not know how the cluster is says nothing of its past."""
        if health.state is HealthState.UNKNOWN:
            return
        with self._lock:
            self._seen[health.cluster] = health
            self._observe(health)

    def hear(self, spells: Mapping[str, ClusterSpells]) -> None:
        """
        Take over what all who probe the clusters have learned, also before this process began.

        Whether a cluster can be reached from here is for this process to say.
        """
        with self._lock:
            for name, known in spells.items():
                self._history.restore(
                    name,
                    is_up=known.is_up,
                    now_s=known.observed_at.timestamp(),
                    up_s=known.up_s,
                    down_s=known.down_s,
                    losses=known.losses,
                    returns=known.returns,
                )
                if name in self._seen:
                    self._observe(self._seen[name])

    def asked_at(self, run: TaskRun) -> datetime | None:
        """When the first choice was made for a try that may have waited; ``None``: not known."""
        with self._lock:
            return self._asked_at.get(run)

    def availability(self, cluster: str, now: datetime) -> Uptime:
        """What the past of a cluster says."""
        with self._lock:
            return self._history.of(cluster, now_s=now.timestamp())

    def remember(self, first_placed: Mapping[TaskRun, datetime]) -> None:
        """Take over when earlier processes first chose for tries that may still wait."""
        with self._lock:
            for run, moment in first_placed.items():
                self._asked_at[run] = min(moment, self._asked_at.get(run, moment))

    def forget(self, run: TaskRun) -> None:
        """A try has ended."""
        with self._lock:
            self._asked_at.pop(run, None)

    def outlook(self, run: TaskRun, profile: WorkloadProfile, now: datetime) -> Outlook | None:
        """
        What a try may wait for.

        Args:
            run: Which.
            profile: Of its task.
            now: The present moment.

        Returns:
            ``None`` if it starts at once: it has no deadline, too few runs are known to tell how long it
            takes, or the settings forbid it.
        """
        least_saving = self._routing.wait_for_saving
        duration = profile.duration_s
        if least_saving >= 1.0 or profile.deadline_s is None:
            return None
        if duration.sample_count < _FEWEST_RUNS:
            return None
        margin_s = LEAST_MARGIN_S + self._routing.choose_again_s
        longest_s = promised_duration_s(duration, profile.sla_attainment)
        latest_s = latest_start_s(profile.deadline_s, longest_s, margin_s=margin_s)
        if latest_s is None:
            return None
        with self._lock:
            asked_at = self._asked_at.setdefault(run, now)
            while len(self._asked_at) > _REMEMBERED:
                self._asked_at.popitem(last=False)
        return Outlook(
            availability=lambda place: self._history.of(place[0], now_s=now.timestamp()),
            until=asked_at + timedelta(seconds=latest_s),
            checkpoint_interval_s=profile.checkpoint_interval_s,
            restart_s=self._routing.move_restart_s,
            least_saving=least_saving,
        )

    def _observe(self, health: ClusterHealth) -> None:
        self._history.observe(
            health.cluster,
            is_up=health.state is not HealthState.UNREACHABLE,
            now_s=health.observed_at.timestamp(),
        )
