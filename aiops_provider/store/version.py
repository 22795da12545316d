"""
The counter that routers poll.

It moves, inside the same transaction, with every change of what a router reads: the plan in force,
the responses, the profiles, the state of a cluster's health. What lapses by the clock – a response
that expires – changes no row and does not move it; readers look at the clock themselves.

Every transaction that may move it locks its row before anything else. So these transactions run
one after the other: what they read is still true when they write, and none waits for another in a
circle. They are short and rare.
"""

from __future__ import annotations

from sqlalchemy import Connection, select

from aiops_provider.errors import StoreNotMigratedError
from aiops_provider.store.failures import MIGRATE
from aiops_provider.store.tables import in_force


def current(connection: Connection) -> int:
    """
    The counter.

    Raises:
        StoreNotMigratedError: If the migration that inserts the only row did not run.
    """
    return _only_row(connection.execute(select(in_force.c.version)).scalar())


def lock(connection: Connection) -> None:
    """Keep other transactions from moving it until this one ends."""
    _only_row(connection.execute(select(in_force.c.version).with_for_update()).scalar())


def move(connection: Connection) -> None:
    """Tell the routers that there is something new."""
    connection.execute(in_force.update().values(version=in_force.c.version + 1))


def _only_row(version: int | None) -> int:
    if version is None:
        raise StoreNotMigratedError(f"The store's table aiops_in_force is empty; {MIGRATE}")
    return version
