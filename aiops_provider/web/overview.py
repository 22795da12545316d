"""
Everything that the page shows, read from the store in one go.

A few queries with fixed limits, whatever the size of the store: the page is for the present moment,
the API for everything else.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from aiops_provider.control.cluster_check import failed_checks
from aiops_provider.control.installation import Installation
from aiops_provider.control.replan import planning_problem
from aiops_provider.control.watch_position import Position
from aiops_provider.detection.limits import FALSE_PER_WEEK
from aiops_provider.domain.alarm import AlarmState, Response, SuperAlarm
from aiops_provider.domain.cluster import ClusterHealth, ClusterSpec, HealthState
from aiops_provider.domain.execution import ExecutionRecord
from aiops_provider.domain.plan import Placement, PlacementPlan
from aiops_provider.domain.profile import WorkloadProfile
from aiops_provider.domain.task import TaskKey, TaskRun

MAX_ROUTES = 60
MAX_SUPER_ALARMS = 12
_MAX_EXECUTIONS = 1000


@dataclass(frozen=True, slots=True, kw_only=True)
class ClusterRow:
    """A cluster, how it is, what it is avoided for, and why its last check failed if it did."""

    spec: ClusterSpec
    health: ClusterHealth | None
    quarantine: Response | None
    unfit: str = ""

    @property
    def state(self) -> str:
        """One word: unfit, quarantined, unreachable, healthy or unknown."""
        if self.unfit:
            return "unfit"
        if self.quarantine is not None:
            return "quarantined"
        return (self.health.state if self.health else HealthState.UNKNOWN).value


@dataclass(frozen=True, slots=True, kw_only=True)
class ProfileRow:
    """What a task is expected to need beside what its latest run used."""

    profile: WorkloadProfile
    latest: ExecutionRecord | None

    @property
    def memory_share(self) -> float | None:
        """Used over asked, of the latest run that was measured."""
        latest = self.latest
        if latest is None or latest.usage is None or latest.request is None:
            return None
        return latest.usage.peak_memory_gib / latest.request.memory_gib


@dataclass(frozen=True, slots=True, kw_only=True)
class RouteRow:
    """Where a try was sent beside how it ended there."""

    placement: Placement
    execution: ExecutionRecord | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Overview:
    """
    What the page shows.

    Attributes:
        now: When it was read.
        mode: How far the layer may go, in words.
        clusters: All that are configured.
        super_alarms: Newest first, the open ones before the others.
        false_alarms_per_week: Alarms that chance alone is expected to raise, at most; ``None``: not known.
        plan: The plan in force.
        plan_members: Tasks of each group of the plan.
        planning_problem: Why the latest attempt made no plan: ``at``, ``reason``, ``problem``.
        routes: Newest first.
        routes_of: The only try whose routes these are, if somebody asks for one.
        profiles: By task.
    """

    now: datetime
    mode: str
    clusters: tuple[ClusterRow, ...]
    super_alarms: tuple[SuperAlarm, ...]
    false_alarms_per_week: float | None
    plan: PlacementPlan | None
    plan_members: Mapping[str, tuple[TaskKey, ...]]
    planning_problem: Mapping[str, str] | None
    routes: tuple[RouteRow, ...]
    routes_of: TaskRun | None
    profiles: tuple[ProfileRow, ...]

    @property
    def false_super_alarms_per_week(self) -> float:
        """How many super-alarms chance may bring, which the detection keeps to."""
        return FALSE_PER_WEEK

    @property
    def open_count(self) -> int:
        """Super-alarms that are not over."""
        return sum(is_open(alarm) for alarm in self.super_alarms)

    @property
    def cluster_trouble(self) -> tuple[ClusterRow, ...]:
        """Clusters that get no tasks now."""
        return tuple(
            row for row in self.clusters if row.state in {"unfit", "quarantined", "unreachable"}
        )


def is_open(alarm: SuperAlarm) -> bool:
    """Whether somebody should still look at it."""
    return alarm.state in (AlarmState.OPEN, AlarmState.ACKNOWLEDGED)


def read_overview(installation: Installation, now: datetime, of: TaskRun | None = None) -> Overview:
    """
    Read what the page shows.

    Args:
        installation: With a store.
        now: The present moment.
        of: The only try whose routes are asked for.

    Raises:
        StoreError: The store does not answer.
    """
    store = installation.require_store()
    plan = store.plan_in_force()
    executions = store.executions(since=now - timedelta(days=14), limit=_MAX_EXECUTIONS)
    by_run, by_task = _latest(executions)
    quarantines = [item for item in store.responses(active_at=now) if item.active(now)]
    health, unfit = store.health(), failed_checks(store)
    return Overview(
        now=now,
        mode=_mode_in_words(installation),
        clusters=tuple(
            ClusterRow(
                spec=spec,
                health=health.get(spec.name),
                quarantine=next((item for item in quarantines if spec.name in item.clusters), None),
                unfit=unfit.get(spec.name, ""),
            )
            for spec in installation.clusters
        ),
        super_alarms=tuple(
            sorted(store.super_alarms(limit=MAX_SUPER_ALARMS), key=is_open, reverse=True)
        ),
        false_alarms_per_week=Position.read(store).false_alarms_per_week,
        plan=plan,
        plan_members={group.name: group.tasks for group in plan.groups} if plan else {},
        planning_problem=planning_problem(store),
        routes=tuple(
            RouteRow(placement=placement, execution=by_run.get(placement.run))
            for placement in store.placements(run=of, limit=MAX_ROUTES)
        ),
        routes_of=of,
        profiles=tuple(
            ProfileRow(profile=profile, latest=by_task.get(profile.task))
            for profile in sorted(store.profiles(), key=lambda profile: profile.task)
        ),
    )


def _latest(
    executions: Sequence[ExecutionRecord],
) -> tuple[dict[TaskRun, ExecutionRecord], dict[TaskKey, ExecutionRecord]]:
    by_task: dict[TaskKey, ExecutionRecord] = {}
    for record in executions:  # newest first; a measured one says more than a newer unmeasured one
        seen = by_task.get(record.run.task)
        if seen is None or (seen.usage is None and record.usage is not None):
            by_task[record.run.task] = record
    return {record.run: record for record in executions}, by_task


def _mode_in_words(installation: Installation) -> str:
    settings = installation.settings
    if not settings.enabled:
        return "off"
    mode = settings.mode
    words = mode.default.value
    if words == "enforce" and mode.enforce_percentage < 100:
        words += f" for {mode.enforce_percentage:g} % of the tasks"
    if mode.dags or mode.teams:
        words += ", others for some DAGs or teams"
    return words
