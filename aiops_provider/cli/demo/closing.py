"""The end of the story as data: the tasks with their costs, the super-alarms, what to ask next."""

from __future__ import annotations

import shlex
from collections.abc import Iterable, Sequence
from itertools import accumulate
from typing import TYPE_CHECKING, Protocol, TypeVar

from aiops_provider.cli.demo.outcome import SuperAlarmLine, TaskLine
from aiops_provider.cli.demo.scene import Scene
from aiops_provider.domain.alarm import Hypothesis, SuperAlarm
from aiops_provider.domain.cluster import ClusterSpec
from aiops_provider.domain.execution import ExecutionRecord
from aiops_provider.domain.plan import Placement

if TYPE_CHECKING:
    from aiops_provider.control.installation import Installation

# Environment that `aiops` needs to find the demo's store; nothing secret is among it.
_NEEDED = ("AIRFLOW_HOME", "AIRFLOW__CORE__EXECUTOR", "AIOPS_CONFIG", "AIOPS__STORE")
_HYPOTHESES = 3


class NamedRun(Protocol):
    """A run that the demo can call by a name."""

    @property
    def run_id(self) -> str:
        """The name."""


_Run = TypeVar("_Run", bound=NamedRun)


class Recorded(Protocol[_Run]):
    """Where runs of either host are recorded."""

    @property
    def runs(self) -> Sequence[_Run]:
        """All of them, in order."""

    @property
    def installation(self) -> Installation:
        """The layer's settings and store."""

    def placements(self, run: _Run) -> list[Placement]:
        """Every placement of a run."""

    def records(self, run: _Run) -> list[ExecutionRecord]:
        """What was measured of every try of a run."""


def task_lines(scene: Recorded[_Run], run_ids: Sequence[str]) -> tuple[tuple[TaskLine, ...], str]:
    """
    One line per task of these runs, mapped tasks together per cluster.

    Args:
        scene: Where the runs are recorded.
        run_ids: Which runs.

    Returns:
        The lines, and the cluster that could have done all of them alone for the least.
    """
    found = [run for run in scene.runs if run.run_id in run_ids]
    pairs = [
        (placement, record)
        for run in found
        for placement, record in _pairs(scene.placements(run), scene.records(run))
    ]
    alone = cheapest_alone([record for _, record in pairs], scene.installation.clusters)
    groups: dict[tuple[str, str, str], list[tuple[Placement, ExecutionRecord]]] = {}
    for placement, record in pairs:
        key = (str(record.run.task), record.run.run_id, record.cluster)
        groups.setdefault(key, []).append((placement, record))
    lines = tuple(_line(group, alone, scene.installation) for group in groups.values())
    return lines, alone.name if alone else ""


def cheapest_alone(
    records: Sequence[ExecutionRecord], clusters: Iterable[ClusterSpec]
) -> ClusterSpec | None:
    """
    The cluster that could have done all of this alone for the least.

    It must have a machine for every run, and as many of them as ran at one time – which a cloud
    can add by the minute and an owner of machines cannot.
    """
    peak = peak_cores(records)
    totals = {}
    for cluster in clusters:
        enough = sum(pool.capacity.cores for pool in cluster.pools) >= peak
        if not enough and cluster.provider == "on_premises":
            continue
        costs = [cost_there(record, cluster) for record in records]
        known = [cost for cost in costs if cost is not None]
        if len(known) == len(costs):
            totals[cluster.name] = (sum(known), cluster)
    return min(totals.values(), key=lambda total: total[0])[1] if totals else None


def peak_cores(records: Iterable[ExecutionRecord]) -> float:
    """The most cores that were held at one time."""
    changes = []
    for record in records:
        cores = record.request.cores if record.request else 0.0
        changes += [(record.started_at, cores), (record.ended_at, -cores)]
    # At one moment, what ends makes room before what starts takes it.
    held = accumulate(cores for _, cores in sorted(changes))
    return max(held, default=0.0)


def cost_there(record: ExecutionRecord, cluster: ClusterSpec) -> float | None:
    """What the run would have cost in that cluster, with the same resources for the same time."""
    if record.request is None:
        return None
    duration_s = (record.ended_at - record.started_at).total_seconds()
    pools = cluster.feasible_pools(record.request)
    costs = [pool.cost_usd(record.request, duration_s) for pool in pools]
    return min((cost for cost in costs if cost is not None), default=None)


def super_alarm_lines(told: Iterable[SuperAlarm]) -> tuple[SuperAlarmLine, ...]:
    """The super-alarms with their best hypotheses."""
    return tuple(
        SuperAlarmLine(
            id=one.id,
            summary=one.summary,
            alarms=len(one.alarms),
            hypotheses=tuple(_sentence(each) for each in one.root_cause.hypotheses[:_HYPOTHESES]),
            response=f"{one.response.action.value}: {one.response.reason}" if one.response else "",
        )
        for one in told
    )


def commands(scene: Scene, told: Sequence[SuperAlarm]) -> tuple[str, ...]:
    """What to type to look further; the first line sets the environment."""
    environment = {**scene.stage.environment, "AIOPS__STORE": scene.stage.config.database_url}
    exports = " ".join(
        f"{name}={shlex.quote(environment[name])}" for name in _NEEDED if name in environment
    )
    incidents = [one.id for one in told if len(one.alarms) > 1] or [one.id for one in told]
    return (
        f"export {exports}",
        "aiops route --why medical/serve",
        "aiops route --why failing/broken",
        "aiops plan --explain",
        "aiops alarms",
        *(f"aiops alarms show {one}" for one in incidents[:1]),
        "aiops doctor",
    )


def _pairs(
    placements: Sequence[Placement], records: Sequence[ExecutionRecord]
) -> list[tuple[Placement, ExecutionRecord]]:
    # The newest placement of a try is the one that held.
    newest = {one.run: one for one in sorted(placements, key=lambda one: one.epoch)}
    return [(newest[record.run], record) for record in records if record.run in newest]


def _line(
    group: Sequence[tuple[Placement, ExecutionRecord]],
    alone: ClusterSpec | None,
    installation: Installation,
) -> TaskLine:
    placement, record = group[0]
    records = [one for _, one in group]
    used = [one.usage for one in records if one.usage is not None]
    request = placement.route.request
    count = f" × {len(group)}" if len(group) > 1 else ""
    return TaskLine(
        task=f"{record.run.task}{count} ({record.run.run_id})",
        runs_known=_runs_known(installation, placement),
        request_reason=request.reason,
        memory_gib_asked=request.memory_gib,
        memory_gib_used=max((one.peak_memory_gib for one in used), default=None),
        cores_asked=request.cores,
        cores_used=max((one.mean_cores for one in used), default=None),
        cluster=record.cluster,
        reason=placement.route.reason.sentence,
        cost_usd=_sum(one.cost_usd for one in records),
        single_cluster_cost_usd=_sum(cost_there(one, alone) for one in records) if alone else None,
    )


def _runs_known(installation: Installation, placement: Placement) -> int:
    """Runs of the task that had ended when it was placed; without any, priors decide."""
    known = installation.require_store().executions(placement.run.task)
    return sum(one.ended_at <= placement.placed_at for one in known)


def _sum(costs: Iterable[float | None]) -> float | None:
    known = list(costs)
    return None if None in known else sum(cost for cost in known if cost is not None)


def _sentence(one: Hypothesis) -> str:
    cause = ", ".join(f"{key}={value}" for key, value in one.cause.items()) or "unknown"
    return (
        f"{cause} ({one.kind.value}): explains {one.support:.0%} of the alarms, "
        f"{one.precision:.0%} of what it covers is alarmed, confidence {one.confidence:.2f}"
    )
