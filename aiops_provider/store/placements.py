"""Where each try was sent; rows are written with, and vanish with, the host's own transaction."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any

from sqlalchemy import Connection, Row, select

from aiops_provider.domain.plan import Mode, Placement, PlacementState, Route
from aiops_provider.domain.task import TaskKey, TaskRun
from aiops_provider.errors import StoreError
from aiops_provider.store.payload import decode, encode, encode_natively
from aiops_provider.store.statements import (
    chunks,
    insert_new,
    is_about,
    is_one_of,
    run_of,
    run_values,
)
from aiops_provider.store.tables import RUN_COLUMNS, placement

if TYPE_CHECKING:
    from sqlalchemy.orm import Session, scoped_session

    HostTransaction = Connection | Session | scoped_session[Any]


def record(connection: Connection, placements: Sequence[Placement]) -> None:
    """
    Insert; a placement that is already there, unchanged, is left alone.

    Raises:
        StoreError: If an epoch of a try is taken by another placement. No statement fails for it,
            so that a host's transaction stays usable.
    """
    inserted = insert_new(connection, placement, [_values(item) for item in placements])
    if inserted < len(placements):
        _refuse_taken_epochs(connection, placements)


def record_for_host(host: HostTransaction, placements: Sequence[Placement]) -> None:
    """
    Insert in a transaction that is not ours: never committed and never rolled back here.

    On PostgreSQL a failed statement would spoil the whole transaction of the host, so ours runs
    behind a savepoint. SQLite needs none, and its driver commits a savepoint that comes first.

    Args:
        host: A connection, or a session of the ORM.
        placements: What to insert.
    """
    connection = host if isinstance(host, Connection) else host.connection()
    if connection.dialect.name != "postgresql":
        record(connection, placements)
        return
    with connection.begin_nested():
        record(connection, placements)


def _values(item: Placement) -> dict[str, Any]:
    # The only moment in a route, which must be in UTC.
    write = encode_natively if item.route.wait is None else encode
    return run_values(item.run) | {
        "epoch": item.epoch,
        "cluster": item.cluster,
        "mode": item.mode.value,
        "applied": item.applied,
        "state": item.state.value,
        "placed_at": item.placed_at,
        "route": write(item.route),
    }


def _refuse_taken_epochs(connection: Connection, placements: Sequence[Placement]) -> None:
    stored: dict[tuple[TaskRun, int], Placement] = {}
    key_columns = [placement.c[name] for name in (*RUN_COLUMNS, "epoch")]
    for chunk in chunks(placements):
        keys = [(*run_values(item.run).values(), item.epoch) for item in chunk]
        for row in connection.execute(select(placement).where(is_one_of(key_columns, keys))):
            stored[run_of(row), row.epoch] = _placement(row)
    for item in placements:
        there = stored[item.run, item.epoch]
        if (there.route, there.cluster) != (item.route, item.cluster):
            raise StoreError(
                f"Epoch {item.epoch} of {item.run} is taken: it was sent to {there.cluster} at "
                f"{there.placed_at.isoformat()}. Read the latest placement and count on from it"
            )


def _placement(row: Row[Any]) -> Placement:
    return Placement(
        run=run_of(row),
        epoch=row.epoch,
        route=decode(Route, row.route),
        mode=Mode(row.mode),
        applied=row.applied,
        cluster=row.cluster,
        placed_at=row.placed_at,
        state=PlacementState(row.state),
    )


def latest(connection: Connection, runs: Sequence[TaskRun]) -> dict[TaskRun, Placement]:
    """The placement with the highest epoch of each try that has one."""
    rows: dict[TaskRun, Row[Any]] = {}
    for chunk in chunks(runs):
        query = select(placement).where(is_about(placement, chunk)).order_by(placement.c.epoch)
        rows.update((run_of(row), row) for row in connection.execute(query))
    return {run: _placement(row) for run, row in rows.items()}


def listed(
    connection: Connection,
    *,
    task: TaskKey | None = None,
    run_id: str | None = None,
    run: TaskRun | None = None,
    since: datetime | None = None,
    state: PlacementState | None = None,
    limit: int = 100,
) -> list[Placement]:
    """Newest first."""
    query = select(placement).order_by(placement.c.placed_at.desc(), placement.c.id.desc())
    if task is not None:
        query = query.where(placement.c.namespace == task.namespace, placement.c.name == task.name)
    if run_id is not None:
        query = query.where(placement.c.run_id == run_id)
    if run is not None:
        query = query.where(is_about(placement, [run]))
    if since is not None:
        query = query.where(placement.c.placed_at >= since)
    if state is not None:
        query = query.where(placement.c.state == state.value)
    return [_placement(row) for row in connection.execute(query.limit(limit))]


def set_state(connection: Connection, run: TaskRun, epoch: int, state: PlacementState) -> None:
    """Move one placement on; unknown ones are left to whoever rolled them back."""
    connection.execute(
        placement.update()
        .where(is_about(placement, [run]), placement.c.epoch == epoch)
        .values(state=state.value)
    )
