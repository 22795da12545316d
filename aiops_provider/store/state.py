"""Small JSON values by key, such as the cursor of the detection."""

from __future__ import annotations

import json
from typing import Any

from sqlalchemy import Connection, select

from aiops_provider.domain.units import utc_now
from aiops_provider.store.payload import encode
from aiops_provider.store.statements import insert_into
from aiops_provider.store.tables import state


def get(connection: Connection, key: str) -> Any | None:
    """The value, or ``None``; tuples come back as lists."""
    text = connection.execute(select(state.c.value).where(state.c.key == key)).scalar()
    return None if text is None else json.loads(text)


def put(connection: Connection, key: str, value: Any) -> None:
    """Insert or replace."""
    values = {"value": encode(value), "updated_at": utc_now()}
    connection.execute(
        insert_into(connection, state)
        .values(key=key, **values)
        .on_conflict_do_update(index_elements=["key"], set_=values)
    )
