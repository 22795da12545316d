"""What other tasks needed, for those that have not run yet."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from aiops_provider.control.stored_descriptions import stored_description
from aiops_provider.domain.execution import ExecutionRecord
from aiops_provider.domain.task import TaskKey
from aiops_provider.domain.workload import TaskDescription

if TYPE_CHECKING:
    from aiops_provider.profiling.profiler import Profiler
    from aiops_provider.store import Store

Lesson = tuple[ExecutionRecord, TaskDescription | None]
"""A finished try, and what was said about its task."""

# Of the newest tries; those before tell little more about which tasks are alike.
_MOST = 5_000
# At a time, so that no look at the store is long.
_PAGE = 1_000
# A task that has not run seldom depends on what ended within the last half minute.
_EVERY = timedelta(seconds=30)


class LessonReader:
    """
    Reads finished tries once each: the newest of the past first time, then what has come since.

    Args:
        store: Where they are.
    """

    def __init__(self, store: Store) -> None:
        self._store = store
        self._cursor: int | None = None
        self._read_at: datetime | None = None
        self._more = True
        self._described: dict[TaskKey, TaskDescription | None] = {}

    def due(self, now: datetime) -> bool:
        """Whether it is time to look again."""
        return self._more or self._read_at is None or now - self._read_at >= _EVERY

    def read(self, now: datetime) -> list[Lesson]:
        """
        The next page of them; see :meth:`due`.

        Raises:
            StoreError: The store does not answer; what was not read is read next time.
        """
        cursor = self._cursor
        if cursor is None:
            cursor = max(self._store.newest_execution() - _MOST, 0)
        records, self._cursor = self._store.executions_after(cursor, _PAGE)
        self._more, self._read_at = len(records) == _PAGE, now
        return [(record, self._description(record.run.task)) for record in records]

    def read_due(self, now: datetime) -> list[Lesson]:
        """
        All pages that are due.

        Raises:
            StoreError: The store does not answer; what was not read is read next time.
        """
        found: list[Lesson] = []
        while self.due(now):
            found += self.read(now)
        return found

    def _description(self, task: TaskKey) -> TaskDescription | None:
        if task not in self._described:
            self._described[task] = stored_description(self._store, task)
        return self._described[task]


def hear_of_others(profiler: Profiler, store: Store, now: datetime) -> None:
    """
    Teach a profiler that is to judge tasks without runs what other tasks needed.

    Raises:
        StoreError: The store does not answer.
    """
    profiler.hear(LessonReader(store).read_due(now))
