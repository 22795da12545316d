"""
Connections to the database, set up so that they harm neither the host nor one another.

SQLite is often shared with other processes (Airflow's scheduler and API server): writers take the
write lock at once with ``BEGIN IMMEDIATE``, because a transaction that first reads and then writes
would fail with "database is locked" whenever another wrote in between, whatever the time-out. No
connection outlives its transaction there, so that none is carried over a fork.
"""

from __future__ import annotations

import os
import sqlite3
from typing import Any
from weakref import WeakSet

from sqlalchemy import Connection, Engine, create_engine, event
from sqlalchemy.engine import URL
from sqlalchemy.pool import NullPool, Pool

from aiops_provider.errors import ConfigurationError

BUSY_TIMEOUT_S = 30.0
WRITES = "aiops_writes"  # execution option: this transaction will write

_CONNECT_TIMEOUT_S = 10
_RECYCLE_S = 1800  # shorter than the idle time-outs of common proxies and firewalls

_engines: WeakSet[Engine] = WeakSet()
_inherited: list[Pool] = []


def open_engine(url: URL, *, busy_timeout_s: float = BUSY_TIMEOUT_S) -> Engine:
    """
    An engine for the store; nothing is connected yet.

    Args:
        url: As :func:`aiops_provider.store.url.parse_url` returns it.
        busy_timeout_s: How long a transaction waits for the locks of others.

    Raises:
        ConfigurationError: If the driver is not installed.
    """
    try:
        engine = (
            _open_sqlite(url, busy_timeout_s)
            if url.get_backend_name() == "sqlite"
            else _open_postgresql(url, busy_timeout_s)
        )
    except ModuleNotFoundError as error:
        raise ConfigurationError(
            "the driver of PostgreSQL is not installed",
            field="store",
            mend="pip install 'aiops-provider[postgres]'",
        ) from error
    _engines.add(engine)
    return engine


def _open_sqlite(url: URL, busy_timeout_s: float) -> Engine:
    engine = create_engine(
        url, poolclass=NullPool, connect_args={"timeout": busy_timeout_s}, hide_parameters=True
    )

    @event.listens_for(engine, "connect")
    def _set_up(connection: sqlite3.Connection, _record: Any) -> None:
        connection.isolation_level = None  # we begin transactions ourselves, below
        connection.execute("PRAGMA foreign_keys = ON")

    @event.listens_for(engine, "begin")
    def _begin(connection: Connection) -> None:
        writes = connection.get_execution_options().get(WRITES, False)
        connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")

    return engine


def _open_postgresql(url: URL, busy_timeout_s: float) -> Engine:
    defaults: dict[str, Any] = {
        "connect_timeout": _CONNECT_TIMEOUT_S,
        "fallback_application_name": "aiops_provider",
    }
    engine = create_engine(
        url,
        connect_args={key: value for key, value in defaults.items() if key not in url.query},
        isolation_level="READ COMMITTED",  # our upserts and leases are written for it
        pool_pre_ping=True,
        pool_recycle=_RECYCLE_S,
        hide_parameters=True,
    )

    @event.listens_for(engine, "begin")
    def _begin(connection: Connection) -> None:
        # For this transaction only: a pooler may hand the session to somebody else.
        if connection.get_execution_options().get(WRITES, False):
            connection.exec_driver_sql(f"SET LOCAL lock_timeout = '{int(busy_timeout_s * 1000)}ms'")

    return engine


def _forget_inherited_connections() -> None:
    """Leave the parent's connections to the parent: closing them here would end its sessions."""
    for engine in _engines:
        _inherited.append(engine.pool)  # referenced for ever, so that nothing closes them
        engine.dispose(close=False)


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget_inherited_connections)
