"""A task that fails wherever it runs, while others succeed there, is itself at fault."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence

from aiops_provider.detection.attributes import TASK_FAILED
from aiops_provider.detection.contingency import Observations
from aiops_provider.detection.evidence import Row
from aiops_provider.domain.alarm import CauseKind, Hypothesis, RootCause

# Odds that a given cluster is broken at a given time: rather high, so that the confidence is not.
_BROKEN_CLUSTER = 0.05
# Of the task's own tries so many must have failed: one that succeeds elsewhere is not to blame.
_OWN_FAILURES = 0.8
# Of the other tasks' tries on those clusters at most so many may have failed.
_OTHER_FAILURES = 0.5

_Task = tuple[str, str]


def failing_tasks(
    alarmed: Sequence[Row], healthy: Sequence[Row], *, hold_after_clusters: int
) -> Iterator[tuple[tuple[Row, ...], RootCause]]:
    """
    Tasks that failed on many clusters.

    Args:
        alarmed: Observations in alarm.
        healthy: Observations that are not.
        hold_after_clusters: Distinct clusters that the task must have failed on.

    Yields:
        The failed tries of each such task, and the root cause that names it.
    """
    failed: dict[_Task, list[Row]] = defaultdict(list)
    for row in _outcomes(alarmed):
        failed[_task(row)].append(row)
    for task, rows in failed.items():
        clusters = {row.attributes.get("cluster", "") for row in rows} - {""}
        if len(clusters) < hold_after_clusters or not task[1]:
            continue
        fine = [row for row in _outcomes(healthy) if _task(row) == task]
        if len(rows) < _OWN_FAILURES * (len(rows) + len(fine)):
            continue
        others = [
            (row, bad)
            for bad, group in ((True, alarmed), (False, healthy))
            for row in _outcomes(group)
            if _task(row) != task and row.attributes.get("cluster") in clusters
        ]
        broken = sum(bad for _, bad in others)
        if broken > _OTHER_FAILURES * len(others):
            continue
        yield tuple(rows), _root_cause(task, rows, fine, others=others, clusters=len(clusters))


def _outcomes(rows: Sequence[Row]) -> list[Row]:
    return [row for row in rows if row.series.name == TASK_FAILED]


def _task(row: Row) -> _Task:
    return row.attributes.get("dag", ""), row.attributes.get("task", "")


def _root_cause(
    task: _Task,
    rows: Sequence[Row],
    fine: Sequence[Row],
    *,
    others: Sequence[tuple[Row, bool]],
    clusters: int,
) -> RootCause:
    observations = Observations(
        [row.attributes for row in rows],
        [row.attributes for row in fine] + [row.attributes for row, bad in others if not bad],
    )
    evidence = observations.measure(observations.having("task", task[1]))
    well = sum(not bad for _, bad in others)
    hypothesis = Hypothesis(
        cause={name: value for name, value in zip(("dag", "task"), task, strict=True) if value},
        kind=CauseKind.TASK,
        support=evidence.support,
        precision=evidence.precision,
        lift=evidence.lift,
        p_value=evidence.p_value,
        # That so many clusters are all broken by themselves is the other explanation.
        confidence=evidence.precision * (1.0 - _BROKEN_CLUSTER**clusters),
        counter_evidence="" if well else "No other task succeeded on those clusters meanwhile.",
        next_check=f"Read the log of {task[1]}: it fails on {clusters} clusters alike.",
    )
    return RootCause(hypotheses=(hypothesis,))
