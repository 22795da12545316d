"""
Folds alarmed observations into few groups of one cause each.

Sequential covering: the best cause takes the observations that it explains; what is left is
explained again, until nothing significant is left. So two causes at once become two super-alarms.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, replace

from aiops_provider.detection.attributes import INFRASTRUCTURE, execution_of, has, kind_of, work_of
from aiops_provider.detection.evidence import Row
from aiops_provider.detection.failing_tasks import failing_tasks
from aiops_provider.detection.failures import at_least
from aiops_provider.detection.root_cause import MAXIMUM_P, rank_root_causes
from aiops_provider.domain.alarm import RootCause

# A super-alarm needs witnesses: so many different tasks (or partitions), or one on as many clusters
# as it takes to hold it.
MINIMUM_TASKS = 2
# Without a known cause it needs more: so many, and most of what ran must be in alarm …
UNKNOWN_TASKS = 3
UNKNOWN_SHARE = 0.5
# … or so many KPIs of one execution, which chance does not bring together.
UNKNOWN_KPIS = 5
# Two folds of unknown cause a week may be chance, with one evaluation a minute. Of the KPIs of an
# execution this share may be in false alarm at a time, and an execution is abnormal when chance
# would have brought as many together in at most one of twenty.
FALSE_PER_WEEK = 2.0
_EVALUATIONS_PER_WEEK = 7 * 24 * 60
_BUDGET_P = FALSE_PER_WEEK / _EVALUATIONS_PER_WEEK / 2  # half for each of the two tests
_FALSE_ALARM_SHARE = 0.02
_ABNORMAL_P = 0.05
# A cause that may hide another one spoils most of what has it.
_LIKELY = 0.8
# Of what a cause covers at least so much must be in alarm, or a further condition is looked for inside
# it; that condition must leave this much in alarm, and chance at most this probability.
_MIXED = 0.7
_PURE = 0.8
_CERTAIN_P = 0.01
# No installation has more causes at one time that a person could act on.
_CAUSES = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Fold:
    """
    Alarmed observations of one cause.

    Attributes:
        rows: The observations.
        root_cause: Its ranked hypotheses.
    """

    rows: tuple[Row, ...]
    root_cause: RootCause

    @property
    def alarms(self) -> frozenset[str]:
        """Ids of their alarms."""
        return frozenset(row.alarm for row in self.rows if row.alarm is not None)

    @property
    def clusters(self) -> frozenset[str]:
        """Clusters on which they were made."""
        return frozenset(
            row.attributes["cluster"] for row in self.rows if "cluster" in row.attributes
        )


def fold_alarms(
    alarmed: Sequence[Row], healthy: Sequence[Row], *, hold_after_clusters: int
) -> list[Fold]:
    """
    Group alarmed observations by cause.

    Args:
        alarmed: Observations in alarm, of one alarm cluster.
        healthy: Observations of the same time that are not.
        hold_after_clusters: A task that fails on so many clusters is itself at fault.

    Returns:
        One fold per cause. Observations that no cause with enough witnesses explains are in none.
    """
    folds = [
        Fold(rows=rows, root_cause=cause)
        for rows, cause in failing_tasks(alarmed, healthy, hold_after_clusters=hold_after_clusters)
    ]
    taken = {id(row) for fold in folds for row in fold.rows}
    left = [row for row in alarmed if id(row) not in taken]
    lone: list[Row] = []
    for _ in range(_CAUSES):
        if not left:
            break
        found = _refined(_clearest(left, healthy), left, healthy)
        cause = found.best.cause
        if not cause:
            break
        covered = [row for row in left if has(row.attributes, cause)]
        left = [row for row in left if not has(row.attributes, cause)]
        if _tasks(covered) < MINIMUM_TASKS and _places(covered) < hold_after_clusters:
            lone.extend(covered)
            continue
        folds.append(Fold(rows=tuple(covered), root_cause=_alone(covered, healthy, found)))
        healthy = [row for row in healthy if not has(row.attributes, cause)]
    unexplained = _worth_telling([*left, *lone], healthy)
    if unexplained:
        folds.append(Fold(rows=unexplained, root_cause=_rank(unexplained, healthy)))
    return folds


def _rank(alarmed: Sequence[Row], healthy: Sequence[Row]) -> RootCause:
    return rank_root_causes(
        [row.attributes for row in alarmed], [row.attributes for row in healthy]
    )


def _clearest(alarmed: Sequence[Row], healthy: Sequence[Row]) -> RootCause:
    """
    The ranking whose best cause is known, looking past one other cause if need be.

    Two causes of equal size hide each other: what the one spoils speaks against the other. So what
    a likely cause explains is left aside for once; if another cause is clear then, it is told
    first, and the likely one is judged without it.
    """
    found = _rank(alarmed, healthy)
    if found.best.cause:
        return found
    likely = [one.cause for one in found.hypotheses if one.cause and one.precision >= _LIKELY]
    for cause in likely:
        rest = [row for row in alarmed if not has(row.attributes, cause)]
        if not rest:
            continue
        again = _rank(rest, [row for row in healthy if not has(row.attributes, cause)])
        if again.best.cause and again.best.p_value <= MAXIMUM_P / len(likely):
            return again
    return found


def _refined(found: RootCause, alarmed: Sequence[Row], healthy: Sequence[Row]) -> RootCause:
    """
    The ranking with a further condition, where the best cause covers many that are healthy.

    Where several causes are at work, what they share explains more alarms than any of them by itself:
    versions 3.0 and 3.1 both fail on iOS, and iOS is told although 3.2 is fine there.
    """
    best = found.best
    if not best.cause or best.precision >= _MIXED:
        return found
    inside = [row for row in alarmed if has(row.attributes, best.cause)]
    within = [row for row in healthy if has(row.attributes, best.cause)]
    further = _rank(inside, within).best
    if not further.cause or further.precision < _PURE or further.p_value > _CERTAIN_P:
        return found
    cause = {**best.cause, **further.cause}
    narrowed = replace(
        further,
        cause=cause,
        kind=kind_of(cause),
        support=best.support * further.support,
        lift=best.lift * further.lift,
        parent=best.cause,
        depth=1,
    )
    return RootCause(hypotheses=(narrowed, *found.hypotheses[:-1]))


def _alone(covered: Sequence[Row], healthy: Sequence[Row], found: RootCause) -> RootCause:
    """The ranking without the observations that other causes explain, where it agrees."""
    again = _rank(covered, healthy)
    return again if again.best.cause == found.best.cause else found


def _tasks(rows: Sequence[Row]) -> int:
    return len({work_of(row.attributes) for row in rows})


def _places(rows: Sequence[Row]) -> int:
    return len({tuple(row.attributes.get(name, "") for name in INFRASTRUCTURE) for row in rows})


def _worth_telling(rows: Sequence[Row], healthy: Sequence[Row]) -> tuple[Row, ...]:
    """
    Of the rows that nothing explains, those that are too many to be chance.

    An execution of a hundred KPIs has one in false alarm most of the time, so how many of its KPIs
    are in alarm is weighed by how many it has. Both tests keep within :data:`FALSE_PER_WEEK`.
    """
    alarmed, fine = _by_execution(rows), _by_execution(healthy)
    odds = {
        key: at_least(len(group), len(group) + len(fine.get(key, ())), _FALSE_ALARM_SHARE)
        for key, group in alarmed.items()
    }
    executions = len(alarmed.keys() | fine.keys())
    abnormal = [key for key in alarmed if odds[key] <= _ABNORMAL_P]
    witnesses = [row for key in abnormal for row in alarmed[key]]
    if (
        _tasks(witnesses) >= UNKNOWN_TASKS
        and len(abnormal) >= UNKNOWN_SHARE * executions
        and at_least(len(abnormal), executions, _ABNORMAL_P) <= _BUDGET_P
    ):
        return tuple(rows)
    return tuple(
        row
        for key, group in alarmed.items()
        if len(group) >= UNKNOWN_KPIS and odds[key] * executions <= _BUDGET_P
        for row in group
    )


def _by_execution(rows: Sequence[Row]) -> dict[object, list[Row]]:
    found: dict[object, list[Row]] = defaultdict(list)
    for row in rows:
        found[execution_of(row.attributes)].append(row)
    return dict(found)
