"""
What each scheduler holds of the pools: one row for each, renewed as a whole.

Renewals come one after the other, so that each sees what all others hold. Time is that of the
database, as for :mod:`aiops_provider.store.leases`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from sqlalchemy import Connection, select, text

from aiops_provider.store.leases import now_and_until
from aiops_provider.store.statements import insert_into
from aiops_provider.store.tables import pool_lease

# Any number that nobody else locks in that database.
_LOCK = 0x61696F70736C6561


def renew(
    connection: Connection, holder: str, ttl_s: float, claim: Callable[[Mapping[str, str]], str]
) -> None:
    """
    Write what a scheduler holds from now on, knowing what the others hold; lapsed rows go.

    Args:
        connection: In a transaction that writes.
        holder: Who; unique to the process.
        ttl_s: Seconds until it lapses by itself, > 0.
        claim: Given the texts of the others by holder, makes the own one; it may be called again if
            the transaction has to be repeated.
    """
    if not ttl_s > 0:
        raise ValueError(f"ttl_s must be > 0, got {ttl_s}")
    if connection.dialect.name == "postgresql":
        connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _LOCK})
    now, until = now_and_until(connection, ttl_s)
    connection.execute(pool_lease.delete().where(pool_lease.c.expires_at <= now))
    rows = connection.execute(
        select(pool_lease.c.holder, pool_lease.c.payload).where(pool_lease.c.holder != holder)
    )
    payload = claim({row.holder: row.payload for row in rows})
    statement = insert_into(connection, pool_lease).values(
        holder=holder, expires_at=until, payload=payload
    )
    connection.execute(
        statement.on_conflict_do_update(
            index_elements=["holder"],
            set_={
                "expires_at": statement.excluded.expires_at,
                "payload": statement.excluded.payload,
            },
        )
    )


def release(connection: Connection, holder: str) -> None:
    """Give everything back."""
    connection.execute(pool_lease.delete().where(pool_lease.c.holder == holder))
