"""A task that fails wherever it runs, while others succeed there, is itself at fault."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass

from aiops_provider.detection.attributes import TASK_FAILED
from aiops_provider.detection.contingency import fisher_greater
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
        if _tries(rows) < _OWN_FAILURES * (_tries(rows) + _tries(fine)):
            continue
        broken, well = (
            _tries(row for row in _outcomes(group) if _is_other(row, task, clusters))
            for group in (alarmed, healthy)
        )
        if broken > _OTHER_FAILURES * (broken + well):
            continue
        table = _Tries(
            failed=_tries(rows), fine=_tries(fine), others_failed=broken, others_fine=well
        )
        yield tuple(rows), _root_cause(task, table, clusters=len(clusters))


def _outcomes(rows: Sequence[Row]) -> list[Row]:
    return [row for row in rows if row.series.name == TASK_FAILED]


def _task(row: Row) -> _Task:
    return row.attributes.get("dag", ""), row.attributes.get("task", "")


def _is_other(row: Row, task: _Task, clusters: Collection[str]) -> bool:
    return _task(row) != task and row.attributes.get("cluster") in clusters


def _tries(rows: Iterable[Row]) -> int:
    """Tries behind the rows: each of them says anew whether the task can run there."""
    return sum(row.times for row in rows)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Tries:
    """Tries of one task, and of the other tasks on the same clusters."""

    failed: int
    fine: int
    others_failed: int
    others_fine: int

    @property
    def precision(self) -> float:
        return self.failed / (self.failed + self.fine)

    @property
    def support(self) -> float:
        return self.failed / (self.failed + self.others_failed)

    @property
    def lift(self) -> float:
        failed = self.failed + self.others_failed
        return self.precision * (failed + self.fine + self.others_fine) / failed


def _root_cause(task: _Task, tries: _Tries, *, clusters: int) -> RootCause:
    hypothesis = Hypothesis(
        cause={name: value for name, value in zip(("dag", "task"), task, strict=True) if value},
        kind=CauseKind.TASK,
        support=tries.support,
        precision=tries.precision,
        lift=tries.lift,
        p_value=fisher_greater(tries.failed, tries.fine, tries.others_failed, tries.others_fine),
        # That so many clusters are all broken by themselves is the other explanation.
        confidence=tries.precision * (1.0 - _BROKEN_CLUSTER**clusters),
        counter_evidence=(
            "" if tries.others_fine else "No other task succeeded on those clusters meanwhile."
        ),
        next_check=f"Read the log of {task[1]}: it fails on {clusters} clusters alike.",
    )
    return RootCause(hypotheses=(hypothesis,))
