"""Pieces of SQL that the tables have in common."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from functools import cache
from typing import Any, TypeVar

from sqlalchemy import Column, ColumnElement, Connection, Row, Table, and_, or_
from sqlalchemy.dialects import postgresql, sqlite

from aiops_provider.domain.task import TaskKey, TaskRun
from aiops_provider.store.payload import exact
from aiops_provider.store.tables import RUN_COLUMNS

T = TypeVar("T")

# Old builds of SQLite take 999 variables in one statement, and six columns name a placement.
CHUNK = 160


def insert_into(connection: Connection, table: Table) -> sqlite.Insert | postgresql.Insert:
    """An insert statement with ``on_conflict_do_…`` for the database of this connection."""
    if connection.dialect.name == "postgresql":
        return postgresql.insert(table)
    return sqlite.insert(table)


def count_inserted(
    connection: Connection,
    statement: sqlite.Insert | postgresql.Insert,
    rows: Sequence[dict[str, Any]] | None = None,
) -> int:
    """Execute an insert; how many rows it really inserted or updated."""
    # SQLAlchemy keeps that number for updates and deletes only, unless asked.
    options = {"preserve_rowcount": True}
    return connection.execute(statement, rows, execution_options=options).rowcount


def insert_new(connection: Connection, table: Table, rows: Sequence[dict[str, Any]]) -> int:
    """
    Insert rows and leave alone what is there.

    On PostgreSQL all of them travel as one value, and one statement takes it apart: binding and sending
    every value by itself costs the client more than all else that it does for a row.

    Args:
        connection: In a transaction that writes.
        table: Whose columns hold text, numbers, truth values and moments.
        rows: All with the same columns.

    Returns:
        How many are new.
    """
    if connection.dialect.name != "postgresql":
        return count_inserted(connection, sqlite.insert(table).on_conflict_do_nothing(), rows)
    return connection.exec_driver_sql(
        _insert_from_json(table, tuple(rows[0])),
        (exact(rows),),
        execution_options={"preserve_rowcount": True},
    ).rowcount


@cache
def _insert_from_json(table: Table, names: tuple[str, ...]) -> str:
    dialect = postgresql.dialect()  # type: ignore[no-untyped-call]
    columns = ", ".join(f'"{name}"' for name in names)
    typed = ", ".join(f'"{name}" {table.c[name].type.compile(dialect)}' for name in names)
    return (
        f'INSERT INTO "{table.name}" ({columns}) '  # noqa: S608 - names of our own tables
        f"SELECT {columns} FROM json_to_recordset(CAST(%s AS json)) AS new({typed}) "
        "ON CONFLICT DO NOTHING"
    )


def chunks(items: Sequence[T], size: int = CHUNK) -> Iterator[Sequence[T]]:
    """
    Cut into pieces of at most that size.

    >>> list(chunks([1, 2, 3], 2))
    [[1, 2], [3]]
    """
    for start in range(0, len(items), size):
        yield items[start : start + size]


def run_values(run: TaskRun) -> dict[str, Any]:
    """The columns that name one try."""
    return {
        "namespace": run.task.namespace,
        "name": run.task.name,
        "run_id": run.run_id,
        "map_index": run.map_index,
        "try_number": run.try_number,
    }


def run_of(row: Row[Any]) -> TaskRun:
    """The try that a row names."""
    return TaskRun(TaskKey(row.namespace, row.name), row.run_id, row.map_index, row.try_number)


def is_about(table: Table, runs: Iterable[TaskRun]) -> ColumnElement[bool]:
    """The condition that a row is about one of those tries."""
    return is_one_of(
        [table.c[name] for name in RUN_COLUMNS],
        [tuple(run_values(run).values()) for run in runs],
    )


def is_one_of(
    columns: Sequence[Column[Any]], keys: Iterable[tuple[Any, ...]]
) -> ColumnElement[bool]:
    """
    The condition that the columns together are one of the keys.

    Spelt out with AND and OR: for ``(a, b) IN (VALUES …)`` SQLite reads the whole table, for this
    it looks each key up in the index.
    """
    return or_(
        *(
            and_(*(column == part for column, part in zip(columns, key, strict=True)))
            for key in keys
        )
    )
