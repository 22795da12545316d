"""How far the layer may go for a task: by its DAG, its team and the share of tasks."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

from aiops_provider.domain.plan import Mode

if TYPE_CHECKING:
    from aiops_provider.domain.task import TaskKey
    from aiops_provider.settings.schema import ModeSettings

_ALL = 100.0


def mode_of(modes: ModeSettings, task: TaskKey, team: str | None) -> Mode:
    """
    The mode of a task; that of its DAG wins over that of its team.

    Args:
        modes: As configured.
        task: Which.
        team: Of its DAG, or ``None``.
    """
    mode = modes.dags.get(task.namespace) or modes.teams.get(team or "") or modes.default
    share = modes.enforce_percentage
    # Nothing to work out where all of them are.
    if mode is Mode.ENFORCE and share < _ALL and _percentile(task) >= share:
        return Mode.OBSERVE
    return mode


def _percentile(task: TaskKey) -> float:
    """Stable place of a task in [0, 100), the same in every process."""
    digest = hashlib.sha256(str(task).encode()).digest()
    return int.from_bytes(digest[:4], "big") / 2**32 * 100
