"""What ``aiops profile`` does: the profile of one task from files, without an installation."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from aiops_provider.control.history_file import History, read_history_file
from aiops_provider.control.task_file import read_task_file
from aiops_provider.domain.profile import WorkloadProfile
from aiops_provider.profiling.profiler import Profiler
from aiops_provider.settings.schema import ProfilingSettings


@dataclass(frozen=True, slots=True, kw_only=True)
class ProfiledTask:
    """
    A profile and what it was made from.

    Attributes:
        profile: What the next run will need.
        runs: Number of finished runs it rests on.
        others: Number of rows in the history that were of other tasks.
    """

    profile: WorkloadProfile
    runs: int
    others: int


def profile_task(
    task_file: Path,
    *,
    history_file: Path | None = None,
    settings: ProfilingSettings | None = None,
    now: datetime,
) -> ProfiledTask:
    """
    Predict what a described task will need.

    Args:
        task_file: See ``task_file``.
        history_file: Finished runs, see ``history_file``.
        settings: How requests are sized; default: the defaults.
        now: The present moment.

    Raises:
        DescriptionError: The task file cannot be used.
        DataError: The history cannot be used.
    """
    task, description = read_task_file(task_file)
    history = History(records=(), others=0)
    if history_file is not None:
        history = read_history_file(history_file, task, now=now)
    chosen = settings or ProfilingSettings()
    profiler = Profiler(
        failure_cost_factor=chosen.failure_cost_factor,
        half_life_days=chosen.history_half_life_days,
        minimum_runs=chosen.minimum_runs,
    )
    profiler.restore(history.records)
    return ProfiledTask(
        profile=profiler.predict(task, description, now=now),
        runs=len(history.records),
        others=history.others,
    )
