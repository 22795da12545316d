"""
What we remember: executions, placements, KPIs, alarms, plans, profiles – in SQLite or PostgreSQL.

The room knows tables and transactions and nothing of what the rows mean to the other rooms. It may
live inside a host's metadata database: every table starts with ``aiops_`` and no other table is
ever touched. Importing it costs nothing; SQLAlchemy is loaded when :class:`Store` is first used.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from aiops_provider.store.kpis import IngestReceipt
    from aiops_provider.store.store import Store

__all__ = ["IngestReceipt", "Store"]

_HOMES = {
    "IngestReceipt": "aiops_provider.store.kpis",
    "Store": "aiops_provider.store.store",
}


def __getattr__(name: str) -> object:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    value: object = getattr(import_module(_HOMES[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *_HOMES})
