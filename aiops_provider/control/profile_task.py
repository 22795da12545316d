"""What ``aiops profile`` does: the profile of one task from files, without an installation."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path

from aiops_provider.control.accelerator_advice import with_known_accelerator
from aiops_provider.control.accelerator_offers import accelerator_offers
from aiops_provider.control.history_file import History, read_history_file
from aiops_provider.control.profilers import new_profiler
from aiops_provider.control.task_file import read_task_file
from aiops_provider.domain.profile import WorkloadProfile
from aiops_provider.domain.task import TaskKey
from aiops_provider.domain.workload import TaskDescription
from aiops_provider.profiling.accelerator import with_accelerator
from aiops_provider.profiling.sentence import describe
from aiops_provider.settings.schema import Settings


@dataclass(frozen=True, slots=True, kw_only=True)
class ProfiledTask:
    """
    A profile and what it was made from.

    Attributes:
        profile: What the next run will need.
        runs: Number of finished runs it rests on.
        others: Number of rows in the history that were of other tasks.
        questions: What a sentence left open; empty for a file.
    """

    profile: WorkloadProfile
    runs: int
    others: int
    questions: tuple[str, ...] = ()


def profile_task(
    task_file: Path,
    *,
    history_file: Path | None = None,
    settings: Settings | None = None,
    now: datetime,
) -> ProfiledTask:
    """
    Predict what a described task will need.

    Args:
        task_file: See ``task_file``.
        history_file: Finished runs, see ``history_file``.
        settings: How requests are sized, and which machines there are; default: the defaults.
        now: The present moment.

    Raises:
        DescriptionError: The task file cannot be used.
        DataError: The history cannot be used.
    """
    settings = settings or Settings()
    task, description = read_task_file(task_file, settings.open_catalog)
    return _profiled(task, description, history_file, settings, now)


def profile_sentence(
    sentence: str,
    *,
    history_file: Path | None = None,
    settings: Settings | None = None,
    now: datetime,
) -> ProfiledTask:
    """
    Predict what a task that is described by one sentence will need.

    Args:
        sentence: See ``aiops_provider.describe``.
        history_file: Finished runs, see ``history_file``.
        settings: How requests are sized, and which machines there are; default: the defaults.
        now: The present moment.

    Raises:
        DescriptionError: The sentence is empty or contradicts itself.
        DataError: The history cannot be used.
    """
    said = describe(sentence)
    task = TaskKey("sentence", said.description.kind)
    made = _profiled(task, said.description, history_file, settings or Settings(), now)
    return replace(made, questions=said.questions)


def _profiled(
    task: TaskKey,
    description: TaskDescription,
    history_file: Path | None,
    settings: Settings,
    now: datetime,
) -> ProfiledTask:
    history = History(records=(), others=0)
    if history_file is not None:
        history = read_history_file(history_file, task, now=now)
    profiler = new_profiler(settings.profiling)
    profiler.restore(history.records)
    catalog = settings.open_catalog
    profile = with_known_accelerator(profiler.predict(task, description, now=now), catalog)
    return ProfiledTask(
        profile=with_accelerator(profile, description, accelerator_offers(catalog)),
        runs=len(history.records),
        others=history.others,
    )
