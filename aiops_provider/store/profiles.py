"""The latest profile of each task."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, select

from aiops_provider.domain.profile import WorkloadProfile
from aiops_provider.domain.task import TaskKey
from aiops_provider.store import version as version_counter
from aiops_provider.store.payload import decode, encode
from aiops_provider.store.statements import chunks, insert_into, is_one_of
from aiops_provider.store.tables import profile


@dataclass(frozen=True, slots=True)
class StoredProfile:
    """
    A profile as it lies in the store, which most readers never open.

    Attributes:
        task: Whose.
        predicted_at: When it was made.
        payload: The profile as text.
    """

    task: TaskKey
    predicted_at: datetime
    payload: str

    def read(self) -> WorkloadProfile:
        """
        The profile.

        Raises:
            StoreError: It was written by an incompatible version.
        """
        return decode(WorkloadProfile, self.payload)


def save(connection: Connection, profiles: Iterable[WorkloadProfile]) -> None:
    """Insert or replace; the counter moves if one of them is not what is stored already."""
    by_task = {item.task: item for item in profiles}
    version_counter.lock(connection)
    changed = False
    for chunk in chunks(sorted(by_task)):
        stored = _payloads(connection, chunk)
        rows = [
            {
                "namespace": task.namespace,
                "name": task.name,
                "predicted_at": by_task[task].predicted_at,
                "payload": payload,
            }
            for task in chunk
            if (payload := encode(by_task[task])) != stored.get(task)
        ]
        if rows:
            changed = True
            statement = insert_into(connection, profile)
            connection.execute(
                statement.on_conflict_do_update(
                    index_elements=["namespace", "name"],
                    set_={
                        "predicted_at": statement.excluded.predicted_at,
                        "payload": statement.excluded.payload,
                    },
                ),
                rows,
            )
    if changed:
        version_counter.move(connection)


def _payloads(connection: Connection, tasks: Sequence[TaskKey]) -> dict[TaskKey, str]:
    keys = [(task.namespace, task.name) for task in tasks]
    query = select(profile).where(is_one_of([profile.c.namespace, profile.c.name], keys))
    return {TaskKey(row.namespace, row.name): row.payload for row in connection.execute(query)}


def listed(connection: Connection) -> list[WorkloadProfile]:
    """All of them, by task."""
    query = select(profile.c.payload).order_by(profile.c.namespace, profile.c.name)
    return [decode(WorkloadProfile, payload) for payload in connection.execute(query).scalars()]


def stored(connection: Connection, *, since: datetime | None) -> list[StoredProfile]:
    """Those made at *since* or later, unopened; all of them without it."""
    query = select(profile)
    if since is not None:
        query = query.where(profile.c.predicted_at >= since)
    return [
        StoredProfile(TaskKey(row.namespace, row.name), row.predicted_at, row.payload)
        for row in connection.execute(query)
    ]


def get(connection: Connection, task: TaskKey) -> WorkloadProfile | None:
    """The profile of one task."""
    payload = _payloads(connection, [task]).get(task)
    return None if payload is None else decode(WorkloadProfile, payload)
