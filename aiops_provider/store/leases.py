"""
Leases: of several processes, one does the work, and another takes over when it dies.

A lease is judged by one clock: PostgreSQL's own, or, for SQLite, that of the one machine on which
all its processes run. The holder must finish, or acquire again, before the time is up; a process
that was stopped for longer than that must not assume that it still holds the lease.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from sqlalchemy import Connection, Interval, func, literal, or_

from aiops_provider.domain.units import utc_now
from aiops_provider.store.columns import UtcDateTime
from aiops_provider.store.statements import count_inserted, insert_into
from aiops_provider.store.tables import lease


def acquire(connection: Connection, name: str, holder: str, ttl_s: float) -> bool:
    """
    Take a lease that is free, lapsed or already ours; one statement, hence atomic.

    Args:
        connection: In a transaction that writes.
        name: What is leased.
        holder: Who wants it; unique to the process.
        ttl_s: Seconds until it lapses by itself, > 0.
    """
    if not ttl_s > 0:
        raise ValueError(f"ttl_s must be > 0, got {ttl_s}")
    now, until = now_and_until(connection, ttl_s)
    statement = insert_into(connection, lease).values(name=name, holder=holder, expires_at=until)
    statement = statement.on_conflict_do_update(
        index_elements=["name"],
        set_={"holder": statement.excluded.holder, "expires_at": statement.excluded.expires_at},
        where=or_(lease.c.holder == statement.excluded.holder, lease.c.expires_at <= now),
    )
    return count_inserted(connection, statement) == 1


def now_and_until(connection: Connection, ttl_s: float) -> tuple[Any, Any]:
    """The present moment by the clock that judges leases, and when one of that length ends."""
    if connection.dialect.name == "postgresql":
        # Not now(), which stands still at the beginning of the transaction.
        now = func.clock_timestamp(type_=UtcDateTime())
        return now, now + literal(timedelta(seconds=ttl_s), Interval())
    # The write lock is held already, so nobody can be between this moment and the statement.
    moment = utc_now()
    return moment, moment + timedelta(seconds=ttl_s)


def release(connection: Connection, name: str, holder: str) -> None:
    """Give it back; nothing happens when somebody else has it by now."""
    connection.execute(lease.delete().where(lease.c.name == name, lease.c.holder == holder))
