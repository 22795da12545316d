"""
What is done again and again beside the host: learn, plan, collect metrics, watch, probe, notify, forget.

One process of an installation does it at a time, under a lease; the others stand by. Each step is
guarded: an engine that raises costs its own step, not the others. ``python -m
aiops_provider.control.cycle`` runs it as a process of its own, so that a solver never competes with
a scheduler for its interpreter.
"""

from __future__ import annotations

import logging
import sys
import threading
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from aiops_provider.control.cycle_process import main, start_cycle_process, stop_cycle_process
from aiops_provider.control.installation import Installation
from aiops_provider.control.lease import KeptLease
from aiops_provider.control.out_of_use import clusters_out_of_use
from aiops_provider.domain.kpi import KpiSample
from aiops_provider.domain.task import TaskKey
from aiops_provider.domain.units import utc_now

if TYPE_CHECKING:
    from aiops_provider.control.cluster_metrics import ClusterMetrics
    from aiops_provider.control.notify import Notifications
    from aiops_provider.control.quarantine_probes import QuarantineProbes
    from aiops_provider.control.watch import WatchState

__all__ = ["Cycle", "Step", "main", "run_cycle", "start_cycle_process", "stop_cycle_process"]

log = logging.getLogger(__name__)

LEASE_NAME = "cycle"

# A DAG's first run brings one new task after the other; they are planned for together.
_NEW_TASKS_PERIOD_S = 30.0
_PURGE_PERIOD_S = 86_400.0
# Metrics of clusters that wait for a store which does not answer; the oldest go first.
_MOST_UNSAVED = 50_000


@dataclass(slots=True, kw_only=True)
class Step:
    """
    One guarded piece of work.

    Attributes:
        name: For the log.
        run: Does it.
        failure: What it raised the last time, so that the same failure is told once.
    """

    name: str
    run: Callable[[datetime], None]
    failure: str = ""

    def attempt(self, now: datetime) -> None:
        """Run it; whatever it raises is logged."""
        try:
            self.run(now)
        except Exception as error:
            # The cycle must outlive any failure of an engine or the store: the other steps
            # matter as much, and the next round may find the store answering again.
            told = f"{type(error).__name__}: {error}"
            if told != self.failure:
                log.exception("Step %s failed; the others go on", self.name)
            self.failure = told
            return
        if self.failure:
            log.warning("Step %s works again", self.name)
            self.failure = ""


class Cycle:
    """
    The steps, each due at its own time.

    Args:
        installation: With a store.
    """

    def __init__(self, installation: Installation) -> None:
        self._installation = installation
        self._store = installation.require_store()
        self._due: dict[str, datetime] = {}
        self._trouble: frozenset[str] | None = None
        self._tasks_seen: frozenset[TaskKey] = frozenset()
        self._version_seen: int | None = None
        self._watch_state: WatchState | None = None
        self._cluster_metrics: ClusterMetrics | None = None
        self._notifications: Notifications | None = None
        self._quarantine_probes: QuarantineProbes | None = None
        self._unsaved: deque[KpiSample] = deque(maxlen=_MOST_UNSAVED)
        self.steps = (
            Step(name="learn", run=self._learn),
            Step(name="plan", run=self._plan),
            Step(name="metrics", run=self._collect_metrics),
            Step(name="watch", run=self._watch),
            Step(name="probe", run=self._probe),
            Step(name="notify", run=self._notify),
            Step(name="forget", run=self._forget),
        )

    def run_once(self, now: datetime, go_on: Callable[[], bool] = lambda: True) -> None:
        """Do what is due; *go_on* is asked before each step."""
        for step in self.steps:
            if go_on():
                step.attempt(now)

    def _learn(self, now: datetime) -> None:
        from aiops_provider.control.learn import refresh

        refresh(self._installation, now)

    def _plan(self, now: datetime) -> None:
        reason = self._reason_to_plan(now)
        if not reason:
            return
        from aiops_provider.control.replan import replan

        planning = self._installation.settings.planning
        # Noted before the work: what fails now must not be tried again in every round.
        self._next("plan", now, planning.period_s)
        self._next("new tasks", now, min(planning.period_s, _NEW_TASKS_PERIOD_S))
        replan(self._installation, now, reason)

    def _reason_to_plan(self, now: datetime) -> str:
        trouble = frozenset(clusters_out_of_use(self._store, now).reasons)
        before = self._trouble
        self._trouble = trouble
        new = self._new_tasks() if self._is_due("new tasks", now) else frozenset()
        self._tasks_seen |= new
        from aiops_provider.control.replan import take_request

        asked = take_request(self._store)
        if before is not None and trouble != before:
            return f"clusters changed: {_change(before, trouble)}"
        if asked:
            return asked
        if self._is_due("plan", now):
            return "period"
        return f"{len(new)} new tasks" if new else ""

    def _new_tasks(self) -> frozenset[TaskKey]:
        """Tasks that no plan of this process was made with; cheap while the store stands still."""
        version = self._store.version()
        if version == self._version_seen:
            return frozenset()
        self._version_seen = version
        return frozenset(profile.task for profile in self._store.profiles()) - self._tasks_seen

    def _collect_metrics(self, now: datetime) -> None:
        """Of the clusters themselves; the step waits for no source."""
        if not any(one.metrics is not None for one in self._installation.settings.clusters):
            return
        if self._cluster_metrics is None:
            from aiops_provider.control.cluster_metrics import ClusterMetrics

            self._cluster_metrics = ClusterMetrics.of(
                self._installation.settings, self._installation.clusters
            )
        self._unsaved.extend(self._cluster_metrics.step(now))
        if self._unsaved:
            self._store.add_samples(self._unsaved)
            self._unsaved.clear()

    def _watch(self, now: datetime) -> None:
        if not self._is_due("watch", now):
            return
        from aiops_provider.control.watch import WatchState, watch_once

        self._next("watch", now, self._installation.settings.detection.period_s)
        if self._watch_state is None:
            self._watch_state = WatchState()
        watch_once(self._installation, self._watch_state, now)

    def _probe(self, now: datetime) -> None:
        """Clusters whose quarantine is about to end; the step waits for none."""
        if self._quarantine_probes is None:
            from aiops_provider.control.quarantine_probes import QuarantineProbes

            self._quarantine_probes = QuarantineProbes(self._installation)
        self._quarantine_probes.step(now)

    def _notify(self, now: datetime) -> None:
        channels = self._installation.settings.detection.notify
        if not channels:
            return
        if self._notifications is None:
            from aiops_provider.control.notify import Notifications

            self._notifications = Notifications.of(channels)
        self._notifications.tell(self._store, now)

    def _forget(self, now: datetime) -> None:
        if not self._is_due("forget", now):
            return
        self._next("forget", now, _PURGE_PERIOD_S)
        kept_days = self._installation.settings.detection.history_days
        removed = self._store.purge(before=now - timedelta(days=kept_days))
        if any(removed.values()):
            log.info("Removed what is older than %g days: %s", kept_days, removed)

    def _is_due(self, what: str, now: datetime) -> bool:
        return now >= self._due.get(what, now)

    def _next(self, what: str, now: datetime, period_s: float) -> None:
        self._due[what] = now + timedelta(seconds=period_s)


def run_cycle(installation: Installation, stop: threading.Event) -> None:
    """
    Work until *stop* is set, whenever this process holds the lease.

    Raises:
        StoreUnreachableError: The installation has no store.
    """
    cycle = Cycle(installation)
    period_s = installation.settings.cycle_period_s
    with KeptLease(installation.require_store(), LEASE_NAME, period_s=period_s) as lease:
        while not stop.is_set():
            if lease.held:
                cycle.run_once(utc_now(), lambda: lease.held and not stop.is_set())
            stop.wait(period_s)


def _change(before: frozenset[str] | None, after: frozenset[str]) -> str:
    """
    What happened to the clusters, in words.

    >>> _change(frozenset({"a"}), frozenset({"b"}))
    'lost b, back a'
    """
    lost, back = sorted(after - (before or frozenset())), sorted((before or frozenset()) - after)
    parts = [f"lost {', '.join(lost)}"] if lost else []
    return ", ".join([*parts, *([f"back {', '.join(back)}"] if back else [])])


if __name__ == "__main__":
    sys.exit(main())
