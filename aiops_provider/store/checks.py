"""Results of cluster checks, which routers read: small JSON values by key, beside the state."""

from __future__ import annotations

import json
from typing import Any

from sqlalchemy import Connection, select

from aiops_provider.store import state as state_rows
from aiops_provider.store import version as version_counter
from aiops_provider.store.tables import state


def put(connection: Connection, key: str, value: Any) -> None:
    """Insert or replace, and tell the routers."""
    version_counter.lock(connection)
    state_rows.put(connection, key, value)
    version_counter.move(connection)


def listed(connection: Connection, prefix: str) -> dict[str, Any]:
    """Values by key, of all keys that start so."""
    query = select(state.c.key, state.c.value).where(
        state.c.key.startswith(prefix, autoescape=True)
    )
    return {key: json.loads(text) for key, text in connection.execute(query)}
