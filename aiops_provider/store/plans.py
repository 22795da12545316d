"""Placement plans, all versions of them, and which one is in force."""

from __future__ import annotations

from dataclasses import replace

from sqlalchemy import Connection, Row, select

from aiops_provider.domain.plan import PlacementPlan, PlanVersion
from aiops_provider.domain.units import utc_now
from aiops_provider.errors import DataError
from aiops_provider.store import version as version_counter
from aiops_provider.store.payload import decode, encode
from aiops_provider.store.tables import in_force, plan


def save(connection: Connection, new: PlacementPlan, *, activate: bool) -> int:
    """
    Insert; the version in the plan is ignored, the store counts.

    Returns:
        The version it got.
    """
    if activate:
        version_counter.lock(connection)
    result = connection.execute(
        plan.insert().values(created_at=new.created_at, payload=encode(replace(new, version=0)))
    )
    key = result.inserted_primary_key
    assert key is not None  # noqa: S101 -- one row was inserted, so it has a key
    given: int = key.version
    if activate:
        put_in_force(connection, given)
    return given


def put_in_force(connection: Connection, wanted: int) -> None:
    """
    Make that version the one that routers follow; the counter moves if it was not already.

    Raises:
        DataError: If there is no such version.
    """
    version_counter.lock(connection)
    if connection.execute(select(plan.c.version).where(plan.c.version == wanted)).scalar() is None:
        raise DataError(
            "there is no such plan",
            field="version",
            value=wanted,
            mend="`aiops plan list` has them",
        )
    if connection.execute(select(in_force.c.plan_version)).scalar() == wanted:
        return
    connection.execute(in_force.update().values(plan_version=wanted))
    connection.execute(plan.update().where(plan.c.version == wanted).values(activated_at=utc_now()))
    version_counter.move(connection)


def get(connection: Connection, wanted: int) -> PlacementPlan | None:
    """The plan of that version."""
    return _plan(connection.execute(select(plan).where(plan.c.version == wanted)).one_or_none())


def current(connection: Connection) -> PlacementPlan | None:
    """The plan in force."""
    query = select(plan).join(in_force, in_force.c.plan_version == plan.c.version)
    return _plan(connection.execute(query).one_or_none())


def current_version(connection: Connection) -> int | None:
    """The version of the plan in force."""
    return connection.execute(select(in_force.c.plan_version)).scalar()


def listed(connection: Connection, *, limit: int) -> list[PlanVersion]:
    """The stored plans, latest version first."""
    columns = plan.c.version, plan.c.created_at, plan.c.activated_at
    query = (
        select(*columns, in_force.c.plan_version.is_not(None).label("in_force"))
        .join(in_force, in_force.c.plan_version == plan.c.version, isouter=True)
        .order_by(plan.c.version.desc())
        .limit(limit)
    )
    return [
        PlanVersion(
            version=row.version,
            created_at=row.created_at,
            activated_at=row.activated_at,
            in_force=bool(row.in_force),
        )
        for row in connection.execute(query)
    ]


def _plan(row: Row[tuple[object, ...]] | None) -> PlacementPlan | None:
    return None if row is None else replace(decode(PlacementPlan, row.payload), version=row.version)
