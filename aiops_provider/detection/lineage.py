"""
Upstream before downstream: what a task spoils shows in the tasks that use what it makes.

What runs where it is spoiled tells the upstream task from a cluster at fault, so groups whose cause is
known otherwise – a cluster, data, a version – are left as they are.
"""

from __future__ import annotations

from collections import defaultdict, deque
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime

from aiops_provider.detection.attributes import execution_of, has
from aiops_provider.detection.chance import Chance
from aiops_provider.detection.contingency import fisher_greater
from aiops_provider.detection.evidence import Row
from aiops_provider.detection.fold import Fold
from aiops_provider.domain.alarm import CauseKind, Hypothesis, RootCause
from aiops_provider.domain.task import TaskKey

_HYPOTHESES = 8
# Of a long chain nobody reads all names.
_NAMED = 3


class Lineage:
    """
    Which tasks use what a task makes.

    Args:
        edges: Pairs of a task and one that is directly downstream of it.
    """

    def __init__(self, edges: Iterable[tuple[TaskKey, TaskKey]] = ()) -> None:
        self._downstream: defaultdict[TaskKey, set[TaskKey]] = defaultdict(set)
        for upstream, downstream in edges:
            if upstream != downstream:
                self._downstream[upstream].add(downstream)

    def __bool__(self) -> bool:
        return bool(self._downstream)

    def reached(self, task: TaskKey, *, well: frozenset[TaskKey] = frozenset()) -> set[TaskKey]:
        """
        All tasks downstream of one; in a circle they are downstream of each other.

        Args:
            task: Where to begin.
            well: Tasks that are healthy: what is beyond them is not spoiled through them.
        """
        found: set[TaskKey] = set()
        waiting = deque([task])
        while waiting:
            for one in self._downstream.get(waiting.popleft(), ()):
                if one not in found and one not in well and one != task:
                    found.add(one)
                    waiting.append(one)
        return found


def told_upstream(
    folds: Sequence[Fold],
    alarmed: Sequence[Row],
    healthy: Sequence[Row],
    lineage: Lineage,
    *,
    chance: Chance,
) -> list[Fold]:
    """
    The groups, with those of an upstream task and its downstream tasks as one of that task.

    Args:
        folds: As they were found without lineage.
        alarmed: Observations in alarm, of one alarm cluster.
        healthy: Observations of the same time that are not.
        lineage: What is downstream of what.
        chance: What false alarms bring together; it keeps out what no group has so far.
    """
    if not lineage:
        return list(folds)
    found = list(folds)
    open_to_it = [one for one in found if _open_to_lineage(one)]
    taken = {id(row) for fold in found for row in fold.rows}
    alone = [row for row in alarmed if id(row) not in taken]
    onsets = _onsets([*alone, *(row for fold in open_to_it for row in fold.rows)])
    in_alarm = {task for row in alarmed if (task := task_of(row.attributes))}
    well = frozenset(task for row in healthy if (task := task_of(row.attributes))) - in_alarm
    for root, spoiled in _trees(onsets, lineage, well):
        tree = {root, *spoiled}
        mine = [one for one in open_to_it if all(task_of(r.attributes) in tree for r in one.rows)]
        lone = [row for row in alone if task_of(row.attributes) in tree]
        rows = [*(row for one in mine for row in one.rows), *lone]
        there = {task_of(row.attributes) for row in rows}
        if root not in there or len(there) == 1:
            continue
        within = [row for row in healthy if task_of(row.attributes) in tree]
        if not mine and chance.brings(rows, within, tests=len(onsets)):
            continue
        cause = _root_cause(root, there - {root, None}, rows, mine, (alarmed, healthy))
        place = min((found.index(one) for one in mine), default=len(found))
        found = [one for one in found if not any(one is each for each in mine)]
        found.insert(place, Fold(rows=tuple(rows), root_cause=cause))
        open_to_it = [one for one in open_to_it if not any(one is each for each in mine)]
        used = {id(row) for row in lone}
        alone = [row for row in alone if id(row) not in used]
    return found


def task_of(attributes: Mapping[str, str]) -> TaskKey | None:
    """The task that an observation is of, ``None`` if it names none."""
    dag, task = attributes.get("dag"), attributes.get("task")
    return TaskKey(dag, task) if dag and task else None


def _open_to_lineage(fold: Fold) -> bool:
    """Whether nothing but a task is accused so far, and all is of tasks."""
    best = fold.root_cause.best
    return (not best.cause or best.kind is CauseKind.TASK) and all(
        task_of(row.attributes) for row in fold.rows
    )


def _onsets(rows: Iterable[Row]) -> dict[TaskKey, datetime]:
    found: dict[TaskKey, datetime] = {}
    for row in rows:
        task = task_of(row.attributes)
        if task is not None:
            found[task] = min(found.get(task, row.observed_at), row.observed_at)
    return found


def _trees(
    onsets: Mapping[TaskKey, datetime], lineage: Lineage, well: frozenset[TaskKey]
) -> list[tuple[TaskKey, set[TaskKey]]]:
    """
    Tasks in alarm that have others in alarm downstream and none upstream, the earliest first.

    What was in alarm before a task was not spoiled by it.
    """
    spoiled = {
        task: {
            one
            for one in lineage.reached(task, well=well)
            if one in onsets and onsets[one] >= onset
        }
        for task, onset in onsets.items()
    }
    beneath = set().union(*spoiled.values())
    roots = [task for task, below in spoiled.items() if below and task not in beneath]
    return [(task, spoiled[task]) for task in sorted(roots, key=lambda one: (onsets[one], one))]


def _root_cause(
    root: TaskKey,
    spoiled: Iterable[TaskKey | None],
    rows: Sequence[Row],
    folds: Sequence[Fold],
    everything: tuple[Sequence[Row], Sequence[Row]],
) -> RootCause:
    cause = {"dag": root.namespace, "task": root.name}
    downstream = sorted(one for one in spoiled if one is not None)
    found = _by_itself(root, folds) or _of_the_tree(cause, {root, *downstream}, rows, everything)
    names = ", ".join(map(str, downstream[:_NAMED]))
    rest = f" and {len(downstream) - _NAMED} more" if len(downstream) > _NAMED else ""
    best = replace(
        found,
        cause=cause,
        kind=CauseKind.TASK,
        support=1.0,
        downstream=tuple(downstream),
        next_check=f"Read what {root} made: {names}{rest} downstream of it use it.",
        depth=0,
        parent=None,
    )
    others = [one for fold in folds for one in fold.root_cause.hypotheses if one.cause]
    kept = {tuple(sorted(one.cause.items())): one for one in reversed(others) if one.cause != cause}
    return RootCause(hypotheses=(best, *reversed(kept.values()))[:_HYPOTHESES])


def _by_itself(root: TaskKey, folds: Sequence[Fold]) -> Hypothesis | None:
    """What speaks for the upstream task where it was accused without its lineage."""
    told = {"dag": root.namespace, "task": root.name}
    bests = [one.root_cause.best for one in folds]
    return next((one for one in bests if "task" in one.cause and has(told, one.cause)), None)


def _of_the_tree(
    cause: Mapping[str, str],
    tree: set[TaskKey],
    rows: Sequence[Row],
    everything: tuple[Sequence[Row], Sequence[Row]],
) -> Hypothesis:
    """What speaks for a tree of tasks: how many of its executions are in alarm, and of the others."""
    bad = len({execution_of(row.attributes) for row in rows})
    all_bad, all_fine = (
        {execution_of(row.attributes): task_of(row.attributes) for row in group}
        for group in everything
    )
    well = {key: task for key, task in all_fine.items() if key not in all_bad}
    fine = sum(task in tree for task in well.values())
    p_value = fisher_greater(bad, fine, max(len(all_bad) - bad, 0), len(well) - fine)
    precision = bad / (bad + fine)
    return Hypothesis(
        cause=cause,
        kind=CauseKind.TASK,
        support=1.0,
        precision=precision,
        lift=precision * (len(all_bad) + len(well)) / max(len(all_bad), 1),
        p_value=p_value,
        confidence=(bad + 0.5) / (bad + fine + 1) * (1.0 - p_value),
        counter_evidence="" if well else "No execution was healthy at that time.",
    )
