"""What users said about their tasks, as it was stored last."""

from __future__ import annotations

import json
import logging
from typing import TYPE_CHECKING, Any

from pydantic import ValidationError

from aiops_provider.domain.task import TaskKey
from aiops_provider.domain.workload import TASK_DESCRIPTION, TaskDescription

if TYPE_CHECKING:
    from aiops_provider.store import Store

log = logging.getLogger(__name__)


def store_description(store: Store, task: TaskKey, description: TaskDescription) -> bool:
    """
    Keep what a user says about a task.

    Returns:
        Whether it is another one than before.

    Raises:
        StoreError: The store does not answer.
    """
    # Parameters may hold objects of the user's; for planning their text is as good.
    said = json.loads(TASK_DESCRIPTION.dump_json(description, fallback=str))
    if store.get_state(_key(task)) == said:
        return False
    store.set_state(_key(task), said)
    return True


def stored_description(store: Store, task: TaskKey) -> TaskDescription | None:
    """
    What was last said about a task; ``None`` if nothing.

    Raises:
        StoreError: The store does not answer.
    """
    said: Any = store.get_state(_key(task))
    if said is None:
        return None
    try:
        return TASK_DESCRIPTION.validate_python(said)
    except ValidationError as error:
        # Written by another version of ours: the next run of the task writes it anew.
        log.warning("The stored description of %s cannot be read: %s", task, error)
        return None


def _key(task: TaskKey) -> str:
    return f"description:{task}"
