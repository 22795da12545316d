"""
What Airflow itself knows of a task that nobody described, from its serialized DAG.

What an executor is handed names a task and the version of its DAG, no more. The metadata database has the
DAG as it was serialized: one look per version tells the operator and the query of each of its tasks.
"""

from __future__ import annotations

import json
import logging
import time
import zlib
from collections import OrderedDict
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from aiops_provider.airflow.mapped_groups import mapped_groups
from aiops_provider.airflow.task_arguments import TaskArguments, arguments_of
from aiops_provider.domain.workload import Generic

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

log = logging.getLogger(__name__)

# Versions that are remembered; a few kilobytes each.
_MOST_VERSIONS = 2_000
# So much of each second may be spent on looking up in the scheduler's own loop; what is beyond comes
# from a thread, too late for the first task of its DAG but for no other.
_SHARE_S, _PERIOD_S = 0.05, 1.0
# Of a query only its beginning tells what it does; it is kept in memory for each task.
_SQL_CHARACTERS = 500
_SQL, _POOL, _SLOTS = "sql", "pool", "pool_slots"
# Every task is in it unless its author says otherwise.
_DEFAULT_POOL = "default_pool"
_AGAIN_AFTER_S = 60.0


Lineage = Mapping[str, tuple[str, ...]]


@dataclass(frozen=True, slots=True)
class KnownTask:
    """
    What a serialized DAG tells of one of its tasks.

    Attributes:
        description: Of what it does.
        arguments: Of its instances.
        lineage: Tasks directly downstream of each task of its DAG; one object for all of them.
    """

    description: Generic
    arguments: TaskArguments
    lineage: Lineage = field(default_factory=dict)


_Tasks = Mapping[str, KnownTask]
_NOTHING: _Tasks = {}


class DagFacts:
    """
    Tasks by version of their DAG; used from the scheduler's main thread only.

    Args:
        read: Reads one version, with the scheduler's session or, without, with one of its own; ``None``
            where there is no such version.
        clock: Seconds that never go back.
    """

    def __init__(
        self,
        read: Callable[[Any, Session | None], Mapping[str, Any] | None] | None = None,
        *,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._read = read or read_serialized
        self._clock = clock
        self._known: OrderedDict[Any, _Tasks] = OrderedDict()
        self._coming: dict[Any, Future[_Tasks | None]] = {}
        self._failed: dict[Any, float] = {}
        self._reader: ThreadPoolExecutor | None = None
        self._period_began, self._spent_s = clock(), 0.0

    def of(self, ti: Any, session: Session | None) -> KnownTask | None:
        """
        What is known of a task, ``None`` if nothing is, or not yet; never raises.

        Args:
            ti: With ``dag_version_id`` and ``task_id``.
            session: The scheduler's own. Without one nothing is looked up here, only in the thread.
        """
        version = getattr(ti, "dag_version_id", None)
        if version is None:
            return None
        tasks = self._known.get(version)
        if tasks is None:
            tasks = self._looked_up(version, session)
        return tasks.get(ti.task_id)

    def _looked_up(self, version: Any, session: Session | None) -> _Tasks:
        coming = self._coming.get(version)
        if coming is not None:
            if not coming.done():
                return _NOTHING
            del self._coming[version]
            return self._keep(version, coming.result())
        begun = self._clock()
        if begun < self._failed.get(version, begun):
            return _NOTHING
        if begun - self._period_began >= _PERIOD_S:
            self._period_began, self._spent_s = begun, 0.0
        if session is None or self._spent_s >= _SHARE_S:
            if self._reader is None:
                self._reader = ThreadPoolExecutor(1, thread_name_prefix="aiops dag facts")
            self._coming[version] = self._reader.submit(self._tasks, version, None)
            return _NOTHING
        tasks = self._keep(version, self._tasks(version, session))
        self._spent_s += self._clock() - begun
        return tasks

    def _tasks(self, version: Any, session: Session | None) -> _Tasks | None:
        """``None`` if they could not be read this time."""
        try:
            return dict(known_tasks(self._read(version, session) or {}))
        except Exception:
            # Facts are a help, never a condition: the task is placed as one of which nothing is known.
            log.warning("Nothing is known of DAG version %s", version, exc_info=True)
            return None

    def _keep(self, version: Any, tasks: _Tasks | None) -> _Tasks:
        if tasks is None:
            # To be looked up again, but not by every task of the same moment.
            self._failed[version] = self._clock() + _AGAIN_AFTER_S
            return _NOTHING
        self._failed.pop(version, None)
        self._known[version] = tasks
        if len(self._known) > _MOST_VERSIONS:
            self._known.popitem(last=False)
        return tasks


def read_serialized(version: Any, session: Session | None) -> Mapping[str, Any] | None:
    """
    A serialized DAG as it stands in Airflow's database, by one query on a unique index.

    Args:
        version: Id of the DAG version.
        session: The scheduler's, of which nothing is flushed; without one a new one is opened.
    """
    from airflow.models.serialized_dag import SerializedDagModel
    from airflow.utils.session import create_session
    from sqlalchemy import select

    if session is None:
        with create_session() as own:
            return read_serialized(version, own)
    model = SerializedDagModel
    query = select(model._data, model._data_compressed)  # noqa: SLF001 -- its property reads a whole row
    # On the connection, so that nothing of the session is flushed; and in a savepoint, since on PostgreSQL
    # an error would end the scheduler's own transaction.
    connection = session.connection()
    with connection.begin_nested():
        found = connection.execute(query.where(model.dag_version_id == version)).one_or_none()
    if found is None:
        return None
    data, compressed = found
    if compressed:
        data = json.loads(zlib.decompress(compressed))
    plain: Mapping[str, Any] | None = json.loads(data) if isinstance(data, str) else data
    return plain


def known_tasks(serialized: Mapping[str, Any]) -> Iterator[tuple[str, KnownTask]]:
    """
    The tasks of a serialized DAG.

    Args:
        serialized: As Airflow's serialization has it, both of 3.2 and 3.3.

    Returns:
        Ids, each with the operator and, where it has them, its query, pool and slots, and the lineage of them all.
    """
    dag = serialized.get("dag") or {}
    dag_id, groups = str(dag.get("dag_id") or ""), mapped_groups(dag)
    tasks = [_plain(task) for task in dag.get("tasks") or ()]
    lineage = {
        str(told["task_id"]): tuple(map(str, _plain(told.get("downstream_task_ids")) or ()))
        for told in tasks
    }
    for told in tasks:
        name = str(told["task_id"])
        arguments = arguments_of(told, dag_id=dag_id, group=groups.get(name))
        yield name, KnownTask(_described(told), arguments, lineage)


def known_operator(task: Any) -> Generic:
    """
    What the serialized DAG would tell of an operator that is at hand, mapped or not.

    Args:
        task: An operator of a DAG that was imported here.
    """
    told = {"task_type": task.task_type, _POOL: task.pool, _SLOTS: task.pool_slots}
    given = getattr(task, "partial_kwargs", None) or {}
    return _described({**told, _SQL: given.get(_SQL, getattr(task, _SQL, None))})


def _described(told: Mapping[str, Any]) -> Generic:
    given = _mapped(told)
    parameters: dict[str, Any] = {}
    sql = _text(told.get(_SQL)) or _text(given.get(_SQL))
    if sql:
        parameters[_SQL] = sql[:_SQL_CHARACTERS]
    pool = told.get(_POOL) or given.get(_POOL)
    if isinstance(pool, str) and pool != _DEFAULT_POOL:
        parameters[_POOL] = pool
    slots = told.get(_SLOTS) or given.get(_SLOTS)
    if isinstance(slots, int) and slots > 1:
        parameters[_SLOTS] = slots
    return Generic(operator=told.get("task_type"), parameters=parameters)


def _mapped(told: Mapping[str, Any]) -> Mapping[str, Any]:
    """What a mapped task is given: the same for all of its instances, else for each."""
    same = _plain(told.get("partial_kwargs") or {})
    each = _plain((told.get("expand_input") or {}).get("value") or {})
    return {**(each if isinstance(each, Mapping) else {}), **same}


def _plain(thing: Any) -> Any:
    """Without the envelope that names the type."""
    return thing["__var"] if isinstance(thing, Mapping) and "__var" in thing else thing


def _text(said: Any) -> str:
    """One text of a query or of several."""
    said = _plain(said)
    if isinstance(said, str):
        return said
    if isinstance(said, (list, tuple)):
        return ";\n".join(text for each in said if (text := _text(each)))
    return ""
