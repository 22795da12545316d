"""Whether the data of a task may be used: no response holds them, and they have been looked at."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from aiops_provider.control.watch_position import Position
from aiops_provider.domain.task import TaskKey

if TYPE_CHECKING:
    from aiops_provider.store import Store

_MOST_RESPONSES = 1000


@dataclass(frozen=True, slots=True, kw_only=True)
class DataHold:
    """
    What is known of the data of a task.

    Attributes:
        task: Whose data.
        held: Whether a response holds them now.
        reason: Why, empty if nothing holds them.
        super_alarm: Id of the super-alarm that is answered by it.
        judged_at: When the detection last looked at what was reported by then; ``None``: never.
    """

    task: TaskKey
    held: bool
    reason: str = ""
    super_alarm: str | None = None
    judged_at: datetime | None = None


def data_hold(store: Store, task: TaskKey, now: datetime) -> DataHold:
    """
    Whether the data of a task may be used.

    Args:
        store: The installation's.
        task: Whose data.
        now: The present moment.

    Raises:
        StoreError: The store does not answer.
    """
    judged_at = Position.read(store).watched_at
    for response in store.responses(active_at=now, limit=_MOST_RESPONSES):
        if response.active(now) and task in response.data_of:
            return DataHold(
                task=task,
                held=True,
                reason=response.reason,
                super_alarm=response.super_alarm,
                judged_at=judged_at,
            )
    return DataHold(task=task, held=False, judged_at=judged_at)
