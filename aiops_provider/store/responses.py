"""Responses: data that the routers read, such as the quarantine of a cluster."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row, select

from aiops_provider.domain.alarm import Response
from aiops_provider.errors import DataError
from aiops_provider.store import version as version_counter
from aiops_provider.store.payload import decode, encode
from aiops_provider.store.statements import chunks, insert_into
from aiops_provider.store.tables import response


def save(connection: Connection, new: Response) -> None:
    """
    Insert or replace; what was released stays released, whatever a stale copy says.

    The counter moves if it is not what is stored already.
    """
    version_counter.lock(connection)
    before = by_id(connection, [new.id]).get(new.id)
    if before is not None and before.released_at is not None:
        new = replace(new, released_at=before.released_at)
    if new == before:
        return
    values = {
        "super_alarm": new.super_alarm,
        "action": new.action.value,
        "dry_run": new.dry_run,
        "starts_at": new.starts_at,
        "expires_at": new.expires_at,
        "released_at": new.released_at,
        "payload": encode(new),
    }
    connection.execute(
        insert_into(connection, response)
        .values(id=new.id, **values)
        .on_conflict_do_update(index_elements=["id"], set_=values)
    )
    version_counter.move(connection)


def release(connection: Connection, wanted: str, at: datetime) -> None:
    """
    Lift it; the counter moves unless it was lifted already.

    Raises:
        DataError: If there is no such response.
    """
    version_counter.lock(connection)
    if wanted not in by_id(connection, [wanted]):
        raise DataError(
            "there is no such response", field="id", value=wanted, mend="`aiops alarms` has them"
        )
    lifted = connection.execute(
        response.update()
        .where(response.c.id == wanted, response.c.released_at.is_(None))
        .values(released_at=at)
    )
    if lifted.rowcount:
        version_counter.move(connection)


def listed(
    connection: Connection, *, active_at: datetime | None = None, limit: int = 100
) -> list[Response]:
    """
    Latest start first.

    Args:
        connection: In a transaction.
        active_at: Only those that routers must honour at that moment, as ``Response.active`` says.
        limit: At most so many.
    """
    query = select(response).order_by(response.c.starts_at.desc(), response.c.id)
    if active_at is not None:
        query = query.where(
            response.c.expires_at > active_at,
            response.c.starts_at <= active_at,
            response.c.released_at.is_(None),
            response.c.dry_run.is_(False),
        )
    return [_response(row) for row in connection.execute(query.limit(limit))]


def by_id(connection: Connection, ids: Sequence[str]) -> dict[str, Response]:
    """Those of the ids that are stored."""
    found: dict[str, Response] = {}
    for chunk in chunks(ids):
        rows = connection.execute(select(response).where(response.c.id.in_(chunk)))
        found.update((row.id, _response(row)) for row in rows)
    return found


def _response(row: Row[Any]) -> Response:
    return replace(decode(Response, row.payload), released_at=row.released_at)
