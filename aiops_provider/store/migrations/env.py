"""
What Alembic runs for each command.

The connection comes from the caller, in a transaction and under a lock, so that no URL and no
password ever enters Alembic's configuration; see :mod:`aiops_provider.store.schema`.
"""

from __future__ import annotations

from typing import Any

from alembic import context

from aiops_provider.store.tables import TABLE_PREFIX, VERSION_TABLE, metadata


def _is_ours(name: str | None, kind: str, parents: Any) -> bool:
    table = name if kind == "table" else parents.get("table_name")
    return kind == "schema" or bool(table and table.startswith(TABLE_PREFIX))


context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=metadata,
    version_table=VERSION_TABLE,
    include_name=_is_ours,
    compare_type=True,
    render_as_batch=True,  # SQLite cannot alter most things in place
    transactional_ddl=True,  # the caller's transaction holds all of it, on SQLite too
)
with context.begin_transaction():
    context.run_migrations()
