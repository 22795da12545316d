"""
Forgetting what is old.

In small transactions: deleting a year of samples in one would keep a shared SQLite file locked for
longer than its other users wait.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

from sqlalchemy import ColumnElement, Connection, Table, delete, exists, select

from aiops_provider.domain.alarm import AlarmState
from aiops_provider.store import kpis
from aiops_provider.store.database import Database
from aiops_provider.store.tables import (
    alarm,
    execution,
    in_force,
    placement,
    plan,
    response,
    sample,
    series,
    super_alarm,
)

ROWS_AT_ONCE = 5000
SERIES_AT_ONCE = 500

_CLOSED = (AlarmState.RESOLVED.value, AlarmState.FALSE_POSITIVE.value)


def purge(database: Database, *, before: datetime) -> dict[str, int]:
    """
    Delete what ended, was observed or lapsed before that moment.

    Kept whatever their age: open alarms, responses that have not lapsed, the plan in force, the
    profiles.

    Returns:
        Rows deleted, by what they were.
    """
    counts = {
        name: _in_small_steps(database, _delete_some, table, condition)
        for name, (table, condition) in _conditions(before).items()
    }
    samples = 0
    for ids in database.read(_series_id_chunks):
        condition = sample.c.series_id.in_(ids) & (sample.c.observed_at < before)
        samples += _in_small_steps(database, _delete_some, sample, condition)
    counts["samples"] = samples
    counts["series"] = database.write(_delete_empty_series) if samples else 0
    return counts


def _conditions(before: datetime) -> dict[str, tuple[Table, ColumnElement[bool]]]:
    not_in_force = ~exists(select(in_force.c.id).where(in_force.c.plan_version == plan.c.version))
    return {
        "executions": (execution, execution.c.ended_at < before),
        "placements": (placement, placement.c.placed_at < before),
        "alarms": (alarm, alarm.c.state.in_(_CLOSED) & (alarm.c.last_seen_at < before)),
        "super_alarms": (
            super_alarm,
            super_alarm.c.state.in_(_CLOSED) & (super_alarm.c.updated_at < before),
        ),
        "responses": (response, response.c.expires_at < before),
        "plans": (plan, (plan.c.created_at < before) & not_in_force),
    }


def _in_small_steps(
    database: Database,
    step: Callable[[Connection, Table, ColumnElement[bool]], int],
    table: Table,
    condition: ColumnElement[bool],
) -> int:
    total = 0
    while deleted := database.write(step, table, condition):
        total += deleted
        if deleted < ROWS_AT_ONCE:
            break
    return total


def _delete_some(connection: Connection, table: Table, condition: ColumnElement[bool]) -> int:
    key = next(iter(table.primary_key))
    some = select(key).where(condition).limit(ROWS_AT_ONCE)
    return connection.execute(delete(table).where(key.in_(some))).rowcount


def _series_id_chunks(connection: Connection) -> list[list[int]]:
    ids = list(connection.execute(select(series.c.id).order_by(series.c.id)).scalars())
    return [ids[start : start + SERIES_AT_ONCE] for start in range(0, len(ids), SERIES_AT_ONCE)]


def _delete_empty_series(connection: Connection) -> int:
    # Ingest looks a series up and then refers to it; it must not vanish in between.
    kpis.lock_ingest(connection)
    empty = ~exists(select(sample.c.id).where(sample.c.series_id == series.c.id))
    return connection.execute(delete(series).where(empty)).rowcount
