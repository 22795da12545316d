"""
What Airflow knows of the input of a task instance that is about to be placed.

Asked in the scheduler's own loop: the XComs that a task reads, or that it or its group expands over, are
read once for all of its instances, by one statement that brings no more than a bounded size of them, and
within a share of the time.
"""

from __future__ import annotations

import logging
import time
from collections import OrderedDict
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from aiops_provider.airflow.task_arguments import TaskArguments
from aiops_provider.airflow.xcom_references import OfInstances, XComs
from aiops_provider.control.argument_facts import facts_of
from aiops_provider.control.file_sizes import FileSizes
from aiops_provider.domain.input_facts import InputFacts

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

    from aiops_provider.domain.workload import TaskDescription

log = logging.getLogger(__name__)

# So much of each second may be spent on reading XComs; what is beyond is placed without.
_SHARE_S, _PERIOD_S = 0.05, 1.0
# A task upstream may be cleared and return something else.
_BELIEVED_S = 60.0
_MOST_KEPT = 64
# More than this is not read: a hundredth of a second to decode.
_MOST_BYTES = 256 * 1024
_MOST_ROWS = 2_000

_OWN_BACKEND = "BaseXCom"

_Source = tuple[str, str, str, str]
"""DAG, run, task and key of an XCom."""


class InstanceInputs:
    """
    Inputs of task instances; used from the scheduler's main thread only.

    Args:
        read: Reads one XCom, of a mapped task those of all instances, with the scheduler's session.
        file_sizes: Looks at local files.
        clock: Seconds that never go back.
    """

    def __init__(
        self,
        read: Callable[[_Source, Session], Any] | None = None,
        *,
        file_sizes: FileSizes | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._read = read or (read_xcom if keeps_what_was_returned() else _nothing)
        self._file_sizes = file_sizes or FileSizes()
        self._clock = clock
        self._known: OrderedDict[tuple[_Source, bool], tuple[float, Any]] = OrderedDict()
        self._period_began, self._spent_s = clock(), 0.0

    def of(
        self,
        ti: Any,
        arguments: TaskArguments | None,
        session: Session | None,
        description: TaskDescription | None = None,
    ) -> InputFacts:
        """
        What is known of the input of an instance; never raises.

        Args:
            ti: With ``dag_id``, ``run_id`` and ``map_index``.
            arguments: Of its task.
            session: The scheduler's own. Without one no XCom is read.
            description: What its author said, such as which argument tells the size.
        """
        try:
            given: Mapping[str, Any] = {}
            if arguments:
                place = ti.map_index if ti.map_index is not None else -1
                xcoms: XComs = {
                    key: self._xcom((ti.dag_id, ti.run_id, *key), session, place if own else None)
                    for key, own in arguments.upstream.items()
                }
                given = arguments.of(place, xcoms)
            if not given and description is None:
                return ()
            return facts_of(given, description, file_sizes=self._file_sizes)
        except Exception:
            # Facts are a help, never a condition: the task is placed as one of any input.
            log.warning("Nothing is known of the input of %s", ti.task_id, exc_info=True)
            return ()

    def _xcom(self, source: _Source, session: Session | None, index: int | None) -> Any:
        """
        One XCom, from memory or from the database.

        Args:
            source: Which.
            session: The scheduler's own.
            index: That of the only instance it is needed of, of which others may still run; ``None``:
                of all, which have ended.
        """
        now = self._clock()
        # One who needs all must not believe what was read when some were still running.
        key = source, index is not None
        read_at, value = self._known.get(key) or (None, None)
        there = index is None or not isinstance(value, OfInstances) or index in value
        if read_at is not None and now - read_at < _BELIEVED_S and there:
            return value
        if now - self._period_began >= _PERIOD_S:
            self._period_began, self._spent_s = now, 0.0
        if session is None or self._spent_s >= _SHARE_S:
            return value
        try:
            value = self._read(source, session)
        except Exception:
            # Of whichever database; not to be tried again by every instance of the same moment.
            log.warning("The XCom of %s cannot be read", source[2], exc_info=True)
            value = None
        self._spent_s += self._clock() - now
        self._known[key] = self._clock(), value
        self._known.move_to_end(key)
        while len(self._known) > _MOST_KEPT:
            self._known.popitem(last=False)
        return value


def read_xcom(source: _Source, session: Session) -> Any:
    """
    An XCom as it stands in Airflow's database; ``None`` if there is none, or too much of it.

    Of a mapped task, or one in a mapped group, those of all instances that have returned something.

    Args:
        source: Which.
        session: The scheduler's, of which nothing is flushed.
    """
    from airflow.models.xcom import XComModel
    from sqlalchemy import Text, case, cast, func, select

    dag_id, run_id, task_id, key = source
    value = XComModel.value
    connection = session.connection()
    size: Any = func.length(cast(value, Text))
    if connection.dialect.name == "postgresql":
        # It is compressed there; of what is large even so nothing need be unpacked to be measured.
        stored = func.pg_column_size(value)
        size = case((stored > _MOST_BYTES, stored), else_=size)
    these = (
        XComModel.dag_id == dag_id,
        XComModel.run_id == run_id,
        XComModel.task_id == task_id,
        XComModel.key == key,
    )
    # On the connection, so that nothing of the session is flushed; and in a savepoint, since on PostgreSQL
    # an error would end the scheduler's own transaction.
    with connection.begin_nested():
        count, weight = connection.execute(select(func.count(), func.sum(size)).where(*these)).one()
        if not count or count > _MOST_ROWS or (weight or 0) > _MOST_BYTES:
            return None
        query = select(XComModel.map_index, value).where(*these).order_by(XComModel.map_index)
        rows = connection.execute(query).all()
    if not rows:
        return None
    if rows[0].map_index < 0:
        return _plain(rows[0].value)
    return OfInstances({row.map_index: _plain(row.value) for row in rows})


def keeps_what_was_returned() -> bool:
    """Whether Airflow's database has the XComs themselves, not what a backend of one's own wrote there."""
    from airflow.configuration import conf

    backend = str(conf.get("core", "xcom_backend", fallback=_OWN_BACKEND))
    return backend.startswith("airflow.") and backend.endswith(f".{_OWN_BACKEND}")


def _nothing(source: _Source, session: Session) -> None:
    """Of any XCom."""


def _plain(value: Any) -> Any:
    """What a task returned, without the envelopes of what JSON does not know."""
    if isinstance(value, Mapping):
        if "__classname__" in value and "__data__" in value:
            return _plain(value["__data__"])
        return {name: _plain(each) for name, each in value.items()}
    if isinstance(value, list):
        return [_plain(each) for each in value]
    return value
