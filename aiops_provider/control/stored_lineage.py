"""Which tasks of a DAG use what others make, as its host told last."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from aiops_provider.domain.task import TaskKey

if TYPE_CHECKING:
    from aiops_provider.store import Store

# A DAG whose tasks are in alarm may be changed meanwhile.
_AGAIN = timedelta(minutes=10)


def store_lineage(store: Store, dag: str, downstream: Mapping[str, Sequence[str]]) -> None:
    """
    Keep the lineage of a DAG, in place of what was known.

    Args:
        store: The installation's.
        dag: Its id.
        downstream: Names of the tasks directly downstream, by the name of the task.

    Raises:
        StoreError: The store does not answer.
    """
    told = {task: list(names) for task, names in downstream.items() if names}
    if (store.get_state(_key(dag)) or {}) != told:
        store.set_state(_key(dag), told)


def stored_lineage(store: Store, dags: Iterable[str]) -> Iterator[tuple[TaskKey, TaskKey]]:
    """
    Pairs of a task and one directly downstream of it, of these DAGs.

    Raises:
        StoreError: The store does not answer.
    """
    for dag in dags:
        found: Any = store.get_state(_key(dag)) or {}
        for task, names in found.items():
            for name in names:
                yield TaskKey(dag, task), TaskKey(dag, name)


@dataclass(slots=True)
class LineageReader:
    """
    What one process knows of the DAGs in alarm; can be thrown away at any time.

    Attributes:
        dags: Those whose lineage was read.
        read_at: When; ``None``: never.
    """

    dags: frozenset[str] = field(default_factory=frozenset)
    read_at: datetime | None = None

    def news(
        self, store: Store, dags: frozenset[str], now: datetime
    ) -> list[tuple[TaskKey, TaskKey]] | None:
        """
        The lineage of these DAGs, ``None`` where it was read already.

        Raises:
            StoreError: The store does not answer.
        """
        if dags <= self.dags and (
            not dags or (self.read_at is not None and now - self.read_at < _AGAIN)
        ):
            return None
        edges = list(stored_lineage(store, sorted(dags)))
        self.dags, self.read_at = dags, now
        return edges


def _key(dag: str) -> str:
    return f"lineage:{dag}"
