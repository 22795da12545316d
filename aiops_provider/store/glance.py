"""What every process that decides looks at every few seconds, in one statement."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

from sqlalchemy import Connection, Select, bindparam, exists, func, select

from aiops_provider.domain.units import utc_now
from aiops_provider.errors import StoreNotMigratedError
from aiops_provider.store.columns import UtcDateTime
from aiops_provider.store.failures import MIGRATE
from aiops_provider.store.tables import in_force, lease, pool_lease


@dataclass(frozen=True, slots=True, kw_only=True)
class Glance:
    """
    The store at one moment.

    Attributes:
        version: As of :mod:`aiops_provider.store.version`.
        lease_is_held: Whether anybody has the lease that was asked for.
        pool_lease_holders: Who holds a part of the pools.
    """

    version: int
    lease_is_held: bool
    pool_lease_holders: frozenset[str]


def glance(connection: Connection, lease_name: str) -> Glance:
    """
    Look.

    Args:
        connection: In any transaction.
        lease_name: Of the lease that is wanted to know of.

    Raises:
        StoreNotMigratedError: If the migration that inserts the only row did not run.
    """
    values: dict[str, object] = {"lease_name": lease_name}
    postgresql = connection.dialect.name == "postgresql"
    if not postgresql:
        values["moment"] = utc_now()
    rows = connection.execute(_query(postgresql), values).all()
    if not rows:
        raise StoreNotMigratedError(f"The store's table aiops_in_force is empty; {MIGRATE}")
    return Glance(
        version=rows[0].version,
        lease_is_held=bool(rows[0].held),
        pool_lease_holders=frozenset(row.holder for row in rows if row.holder is not None),
    )


@cache
def _query(postgresql: bool) -> Select[tuple[int, str | None, bool]]:
    # By the clock that judges leases; not now(), which stands still at the beginning of a transaction.
    moment = (
        func.clock_timestamp(type_=UtcDateTime())
        if postgresql
        else bindparam("moment", type_=UtcDateTime())
    )
    held = exists().where(lease.c.name == bindparam("lease_name"), lease.c.expires_at > moment)
    others = in_force.outerjoin(pool_lease, pool_lease.c.expires_at > moment)
    return select(in_force.c.version, pool_lease.c.holder, held.label("held")).select_from(others)
