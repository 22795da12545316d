"""
How often each run of a task has been moved, and how much of its work its earlier tries have kept.

A scheduler knows its own moves at once. The next try may be another one's, and the one after that its own
again, so that what it knows counts only if no try is missing; else the store is asked.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime

from aiops_provider.domain.execution import ExecutionRecord
from aiops_provider.domain.plan import Placement, PlacementState
from aiops_provider.domain.task import TaskKey, TaskRun
from aiops_provider.placement.replay_task import kept_work_s

_REMEMBERED = 100_000
# Tries before these are too long ago to matter.
_TRIES_BACK = 20

_Work = tuple[TaskKey, str, int]


@dataclass(frozen=True, slots=True, kw_only=True)
class MovedBefore:
    """
    The past of a try.

    Attributes:
        moves: How often earlier tries were moved.
        kept_s: Work that those have kept in checkpoints, in seconds.
        through: The last try that is counted.
    """

    moves: int = 0
    kept_s: float = 0.0
    through: int = 0


class PastMoves:
    """Bounded, the oldest forgotten first; whoever owns it has a lock."""

    def __init__(self) -> None:
        self._known: OrderedDict[_Work, MovedBefore] = OrderedDict()

    def before(self, run: TaskRun) -> MovedBefore | None:
        """
        What is known of the tries before this one.

        Returns:
            ``None`` if something is missing, which the store knows.
        """
        if run.try_number <= 1:
            return MovedBefore()
        known = self._known.get(_work(run))
        return known if known is not None and known.through >= run.try_number - 1 else None

    def moved(self, run: TaskRun, kept_s: float) -> None:
        """
        Count one more move.

        Args:
            run: The try that is being ended; its past is known.
            kept_s: Work that it has kept.
        """
        before = self.before(run)
        if before is not None:
            self._keep(run, before.moves + 1, before.kept_s + kept_s, run.try_number)

    def hear(
        self,
        run: TaskRun,
        placements: Mapping[TaskRun, Placement],
        records: Mapping[TaskRun, ExecutionRecord],
        checkpoint_s: float,
    ) -> None:
        """
        Take over what the store says of the tries before this one.

        Args:
            run: Whose past it is.
            placements: The last one of each of :func:`earlier_tries`.
            records: How those ended.
            checkpoint_s: Work between two checkpoints, in seconds.
        """
        moved = [
            each
            for each in earlier_tries(run)
            if each in placements and placements[each].state is PlacementState.MOVED
        ]
        kept_s = sum(
            kept_work_s(records[each].occupied_s, checkpoint_s) for each in moved if each in records
        )
        self._keep(run, len(moved), kept_s, run.try_number - 1)

    def _keep(self, run: TaskRun, moves: int, kept_s: float, through: int) -> None:
        work = _work(run)
        self._known[work] = MovedBefore(moves=moves, kept_s=kept_s, through=through)
        self._known.move_to_end(work)
        while len(self._known) > _REMEMBERED:
            self._known.popitem(last=False)


def earlier_tries(run: TaskRun) -> list[TaskRun]:
    """
    The tries before this one, the first one first.

    Args:
        run: A try.
    """
    first = max(run.try_number - _TRIES_BACK, 1)
    return [replace(run, try_number=number) for number in range(first, run.try_number)]


def first_placed_at(run: TaskRun, placements: Mapping[TaskRun, Placement]) -> datetime | None:
    """
    Since when the deadline of a try runs that was moved here, for a move gives no more time.

    Args:
        run: The try.
        placements: The last one of each of :func:`earlier_tries`.

    Returns:
        ``None`` if the try before it was not moved.
    """
    first = None
    for each in reversed(earlier_tries(run)):
        if each not in placements or placements[each].state is not PlacementState.MOVED:
            break
        first = placements[each].placed_at
    return first


def _work(run: TaskRun) -> _Work:
    return run.task, run.run_id, run.map_index
