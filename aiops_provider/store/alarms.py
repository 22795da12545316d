"""
Alarms and super-alarms.

The detection saves its own copy again and again while people mark alarms on the page, so a state
that a person gave is not undone by a stale copy: *false positive* stays, and *acknowledged* does
not become *open* again.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Connection, Row, Table, case, select

from aiops_provider.domain.alarm import Alarm, AlarmState, SuperAlarm
from aiops_provider.store import responses
from aiops_provider.store.payload import decode, encode
from aiops_provider.store.statements import insert_into
from aiops_provider.store.tables import alarm, super_alarm

_STILL_OPEN = (AlarmState.OPEN.value, AlarmState.ACKNOWLEDGED.value)


def save(connection: Connection, alarms: Iterable[Alarm]) -> None:
    """Insert or replace by id."""
    rows = {
        item.id: {
            "id": item.id,
            "state": item.state.value,
            "super_alarm": item.super_alarm,
            "last_seen_at": item.last_seen_at or item.observed_at,
            "payload": encode(item),
        }
        for item in alarms
    }
    _upsert(connection, alarm, rows)


def save_super(connection: Connection, super_alarms: Iterable[SuperAlarm]) -> None:
    """Insert or replace by id."""
    rows = {
        item.id: {
            "id": item.id,
            "state": item.state.value,
            "opened_at": item.opened_at,
            "updated_at": item.updated_at,
            "payload": encode(item),
        }
        for item in super_alarms
    }
    _upsert(connection, super_alarm, rows)


def _upsert(connection: Connection, table: Table, rows: dict[str, dict[str, Any]]) -> None:
    statement = insert_into(connection, table)
    changes: dict[str, Any] = {
        column.name: statement.excluded[column.name] for column in table.c if column.name != "id"
    }
    changes["state"] = _state_to_keep(table.c.state, statement.excluded.state)
    connection.execute(
        statement.on_conflict_do_update(index_elements=["id"], set_=changes),
        [rows[row_id] for row_id in sorted(rows)],  # in one order for all writers
    )


def _state_to_keep(stored: ColumnElement[str], new: ColumnElement[str]) -> ColumnElement[str]:
    acknowledged = (stored == AlarmState.ACKNOWLEDGED.value) & (new == AlarmState.OPEN.value)
    return case(
        (stored == AlarmState.FALSE_POSITIVE.value, stored), (acknowledged, stored), else_=new
    )


def listed(
    connection: Connection,
    *,
    open_only: bool = False,
    super_alarm: str | None = None,
    since: datetime | None = None,
    limit: int = 1000,
) -> list[Alarm]:
    """
    Last seen first.

    Args:
        connection: In a transaction.
        open_only: Only those whose series is not normal again, acknowledged or not.
        super_alarm: Only the members of that one.
        since: Only those seen deviating at that moment or later.
        limit: At most so many.
    """
    query = select(alarm).order_by(alarm.c.last_seen_at.desc(), alarm.c.id)
    if open_only:
        query = query.where(alarm.c.state.in_(_STILL_OPEN))
    if super_alarm is not None:
        query = query.where(alarm.c.super_alarm == super_alarm)
    if since is not None:
        query = query.where(alarm.c.last_seen_at >= since)
    return [
        replace(decode(Alarm, row.payload), state=AlarmState(row.state))
        for row in connection.execute(query.limit(limit))
    ]


def listed_super(
    connection: Connection, *, open_only: bool = False, limit: int = 100
) -> list[SuperAlarm]:
    """Newest first, each with its response as it is now."""
    query = select(super_alarm).order_by(super_alarm.c.opened_at.desc(), super_alarm.c.id)
    if open_only:
        query = query.where(super_alarm.c.state.in_(_STILL_OPEN))
    return _super_alarms(connection, connection.execute(query.limit(limit)).all())


def get_super(connection: Connection, wanted: str) -> SuperAlarm | None:
    """The super-alarm of that id."""
    rows = connection.execute(select(super_alarm).where(super_alarm.c.id == wanted)).all()
    return next(iter(_super_alarms(connection, rows)), None)


def _super_alarms(connection: Connection, rows: Iterable[Row[Any]]) -> list[SuperAlarm]:
    found = [replace(decode(SuperAlarm, row.payload), state=AlarmState(row.state)) for row in rows]
    # A response may have been released since the super-alarm was written.
    current = responses.by_id(
        connection, [item.response.id for item in found if item.response is not None]
    )
    return [
        replace(item, response=current.get(item.response.id, item.response))
        if item.response is not None
        else item
        for item in found
    ]
