"""
Folds alarmed observations into few groups of one cause each.

Sequential covering: the best cause takes the observations that it explains; what is left is
explained again, until nothing significant is left. So two causes at once become two super-alarms.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass, replace

from aiops_provider.detection.ailing_clusters import ailing_clusters, own_rows
from aiops_provider.detection.attributes import INFRASTRUCTURE, has, kind_of, witness_of, work_of
from aiops_provider.detection.chance import BUDGET_P, Chance
from aiops_provider.detection.evidence import Row, of_the_time, onset_of_rows
from aiops_provider.detection.failing_tasks import failing_tasks
from aiops_provider.detection.root_cause import MAXIMUM_P, rank_root_causes
from aiops_provider.domain.alarm import CauseKind, RootCause
from aiops_provider.domain.change import PrecedingChange

# A super-alarm needs witnesses: so many different tasks (partitions, regions that report by themselves),
# or one on as many clusters as it takes to hold it.
MINIMUM_WITNESSES = 2
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
        changes: What was changed shortly before, the likeliest first.
    """

    rows: tuple[Row, ...]
    root_cause: RootCause
    changes: tuple[PrecedingChange, ...] = ()

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
    alarmed: Sequence[Row],
    healthy: Sequence[Row],
    *,
    hold_after_clusters: int,
    chance: Chance | None = None,
) -> list[Fold]:
    """
    Group alarmed observations by cause.

    Args:
        alarmed: Observations in alarm, of one alarm cluster.
        healthy: Observations of the same time that are not.
        hold_after_clusters: A task that fails on so many clusters is itself at fault.
        chance: What false alarms bring together in this installation.

    Returns:
        One fold per cause. Observations that no cause with enough witnesses explains are in none.
    """
    chance = chance or Chance()
    own_alarmed, alarmed = own_rows(alarmed)
    own_healthy, healthy = own_rows(healthy)
    ailing = [
        Fold(rows=rows, root_cause=cause)
        for rows, cause in ailing_clusters(
            own_alarmed, own_healthy, alarmed, healthy, share=chance.share, most_p=BUDGET_P
        )
    ]
    folds = _of_tasks(alarmed, healthy, hold_after_clusters=hold_after_clusters, chance=chance)
    return [_with_own(one, own_alarmed) for one in _united(folds, ailing)]


def fold_alone(
    alarmed: Sequence[Row], healthy: Sequence[Row], folds: Sequence[Fold], *, alone: Set[str]
) -> list[Fold]:
    """
    Groups of one task, of alarms that the rules want told though no group has them.

    Args:
        alarmed: Observations in alarm, of one alarm cluster.
        healthy: Observations of the same time that are not.
        folds: The groups that were found among them.
        alone: Ids of the alarms that are told by themselves.
    """
    taken = {id(row) for fold in folds for row in fold.rows}
    left: defaultdict[object, list[Row]] = defaultdict(list)
    for row in alarmed:
        if row.alarm in alone and id(row) not in taken:
            left[work_of(row.attributes)].append(row)
    return [Fold(rows=tuple(rows), root_cause=_rank(rows, healthy)) for rows in left.values()]


def _of_tasks(
    alarmed: Sequence[Row], healthy: Sequence[Row], *, hold_after_clusters: int, chance: Chance
) -> list[Fold]:
    """The groups of what is observed of tasks and data."""
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
        found = _clearest(left, healthy)
        if not found.best.cause:
            break
        found = _refined(found, left, healthy)
        cause = found.best.cause
        covered = [row for row in left if has(row.attributes, cause)]
        too_few = _witnesses(covered) < MINIMUM_WITNESSES and _places(covered) < hold_after_clusters
        too_few = too_few or chance.explains(cause, left, healthy)
        left = [row for row in left if not has(row.attributes, cause)]
        if too_few:
            lone.extend(covered)
            continue
        folds.append(Fold(rows=tuple(covered), root_cause=_alone(found, covered, healthy)))
        healthy = [row for row in healthy if not has(row.attributes, cause)]
    unexplained = chance.leaves([*left, *lone], healthy)
    if unexplained:
        folds.append(Fold(rows=unexplained, root_cause=_rank(unexplained, healthy)))
    return folds


def _united(folds: Sequence[Fold], ailing: Sequence[Fold]) -> list[Fold]:
    """
    Groups of tasks and groups of clusters' own metrics, those of one cause together.

    What explains alarms on several clusters takes in those of them that are unwell, unless their own
    metrics say more about one than the tasks say about all.
    """
    found, left = [], list(ailing)
    for fold in folds:
        best = fold.root_cause.best
        same = [
            one
            for one in left
            if best.kind is CauseKind.CLUSTER
            and has(one.rows[0].attributes, best.cause)
            and (
                one.root_cause.best.cause == best.cause
                or one.root_cause.best.confidence <= best.confidence
            )
        ]
        left = [one for one in left if one not in same]
        clearest = max((fold, *same), key=lambda one: one.root_cause.best.confidence)
        rows = (*fold.rows, *(row for one in same for row in one.rows))
        found.append(Fold(rows=rows, root_cause=clearest.root_cause))
    return [*found, *left]


def _with_own(fold: Fold, own: Sequence[Row]) -> Fold:
    """With all metrics in alarm of the clusters at fault: they show it, though they prove nothing."""
    best = fold.root_cause.best
    if best.kind is not CauseKind.CLUSTER:
        return fold
    there = {id(row) for row in fold.rows}
    shown = [row for row in own if id(row) not in there and has(row.attributes, best.cause)]
    return replace(fold, rows=(*fold.rows, *shown))


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
    inside = [row for row in alarmed if has(row.attributes, best.cause)]
    within = _meanwhile([row for row in healthy if has(row.attributes, best.cause)], inside)
    if best.precision >= _MIXED or len(inside) >= _MIXED * (len(inside) + len(within)):
        return found
    further = _rank(inside, within).best
    if not further.cause or further.precision < _PURE or further.p_value > _CERTAIN_P:
        return found
    cause = _without_implied(best.cause, further.cause, [*alarmed, *healthy])
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


def _without_implied(
    wider: Mapping[str, str], narrower: Mapping[str, str], rows: Sequence[Row]
) -> dict[str, str]:
    """Both conditions as one, without those of the wider that the narrower has anyway."""
    inside = [row for row in rows if has(row.attributes, narrower)]
    kept = {
        name: value
        for name, value in wider.items()
        if not all(row.attributes.get(name) == value for row in inside)
    }
    return {**kept, **narrower}


def _alone(found: RootCause, covered: Sequence[Row], healthy: Sequence[Row]) -> RootCause:
    """The ranking by the observations of its own time that no other cause explains, if it agrees."""
    again = _rank(covered, _meanwhile(healthy, covered))
    return again if again.best.cause == found.best.cause else found


def _meanwhile(healthy: Sequence[Row], alarmed: Sequence[Row]) -> list[Row]:
    """
    What was healthy since the onset of just these alarms.

    Of several troubles the first began before the last: what was healthy in between speaks against
    the first only.
    """
    return list(of_the_time(healthy, alarmed, onset=onset_of_rows(alarmed)))


def _witnesses(rows: Sequence[Row]) -> int:
    return len({witness_of(row.series, row.attributes) for row in rows})


def _places(rows: Sequence[Row]) -> int:
    return len({tuple(row.attributes.get(name, "") for name in INFRASTRUCTURE) for row in rows})
