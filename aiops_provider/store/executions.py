"""The table of finished tries: one row per try, however often and by whomever it is reported."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, bindparam, func, select

from aiops_provider.domain.execution import ExecutionRecord, Outcome
from aiops_provider.domain.task import TaskKey, TaskRun
from aiops_provider.store.execution_merge import merge_executions
from aiops_provider.store.execution_segments import joined
from aiops_provider.store.payload import decode, encode
from aiops_provider.store.statements import (
    chunks,
    insert_new,
    is_about,
    run_of,
    run_values,
)
from aiops_provider.store.tables import RUN_COLUMNS, execution


def record(connection: Connection, records: Iterable[ExecutionRecord]) -> int:
    """
    Insert what is new, merge the rest into what is known.

    Returns:
        Tries that are new or of which more is known now.
    """
    by_run: dict[TaskRun, ExecutionRecord] = {}
    for item in records:
        known = by_run.get(item.run)
        by_run[item.run] = item if known is None else merge_executions(known, item)
    # In one order for all writers: two that lock the same rows must not wait for each other.
    ordered = [
        by_run[run] for run in sorted(by_run, key=lambda run: tuple(run_values(run).values()))
    ]
    return sum(_record_chunk(connection, chunk) for chunk in chunks(ordered))


def _record_chunk(connection: Connection, records: Sequence[ExecutionRecord]) -> int:
    # Most ends are told once: then this one statement is all. What was there already – also what
    # another writer inserted in this moment – can be seen and locked after it.
    inserted = _insert(connection, records)
    if inserted == len(records):
        return inserted
    known = _locked(connection, [item.run for item in records])
    merged = [
        after
        for item in records
        if (before := known.get(item.run)) is not None
        and (after := merge_executions(before, item)) != before
    ]
    if merged:
        statement = execution.update().where(
            *(execution.c[name] == bindparam(f"of_{name}") for name in RUN_COLUMNS)
        )
        connection.execute(
            statement,
            [
                {f"of_{name}": value for name, value in run_values(item.run).items()}
                | _values(item)
                for item in merged
            ],
        )
    return inserted + len(merged)


def _locked(connection: Connection, runs: Sequence[TaskRun]) -> dict[TaskRun, ExecutionRecord]:
    rows = connection.execute(
        select(execution)
        .where(is_about(execution, runs))
        .order_by(*(execution.c[name] for name in RUN_COLUMNS))
        .with_for_update()
    )
    return {run_of(row): decode(ExecutionRecord, row.payload) for row in rows}


def _insert(connection: Connection, records: Sequence[ExecutionRecord]) -> int:
    rows = [run_values(item.run) | _values(item) for item in records]
    return insert_new(connection, execution, rows)


def _values(item: ExecutionRecord) -> dict[str, Any]:
    return {
        "cluster": item.cluster,
        "outcome": item.outcome.value,
        "ended_at": item.ended_at,
        "code_hash": item.code_hash,
        "image": item.image,
        "payload": encode(item),
    }


def after(connection: Connection, cursor: int, limit: int) -> tuple[list[ExecutionRecord], int]:
    """Rows above that id in their order, at most so many, and the highest id among them."""
    query = (
        select(execution.c.id, execution.c.payload)
        .where(execution.c.id > cursor)
        .order_by(execution.c.id)
        .limit(limit)
    )
    rows = connection.execute(query).all()
    records = [decode(ExecutionRecord, row.payload) for row in rows]
    return records, rows[-1].id if rows else cursor


def newest(connection: Connection) -> int:
    """The highest id of all rows; 0 without any."""
    return connection.execute(select(func.max(execution.c.id))).scalar() or 0


def listed(
    connection: Connection,
    task: TaskKey | None = None,
    *,
    since: datetime | None = None,
    limit: int | None = None,
) -> list[ExecutionRecord]:
    """Newest end first, each try as one run; those that go on later are none yet."""
    query = (
        select(execution.c.payload)
        .where(execution.c.outcome != Outcome.SUSPENDED.value)
        .order_by(execution.c.ended_at.desc(), execution.c.id.desc())
    )
    if task is not None:
        query = query.where(execution.c.namespace == task.namespace, execution.c.name == task.name)
    if since is not None:
        query = query.where(execution.c.ended_at >= since)
    payloads = connection.execute(query.limit(limit)).scalars()
    return [joined(decode(ExecutionRecord, payload)) for payload in payloads]


def of_runs(connection: Connection, runs: Sequence[TaskRun]) -> dict[TaskRun, ExecutionRecord]:
    """What is known of these tries, each as one run; those that go on later are none yet."""
    found = {}
    for chunk in chunks(runs):
        query = select(execution).where(
            is_about(execution, chunk), execution.c.outcome != Outcome.SUSPENDED.value
        )
        for row in connection.execute(query):
            found[run_of(row)] = joined(decode(ExecutionRecord, row.payload))
    return found
