"""Profiles of tasks that have none in the store yet."""

from __future__ import annotations

from collections.abc import Container, Sequence
from dataclasses import replace
from datetime import datetime
from typing import TYPE_CHECKING

from aiops_provider.domain.profile import WorkloadProfile
from aiops_provider.domain.task import TaskKey
from aiops_provider.domain.workload import Generic
from aiops_provider.profiling.similarity import words_of

if TYPE_CHECKING:
    from aiops_provider.control.accelerator_advice import AcceleratorAdvisor
    from aiops_provider.control.decision import TaskRequest
    from aiops_provider.control.lessons import Lesson
    from aiops_provider.profiling.profiler import Profiler

_Known = tuple[Generic | None, WorkloadProfile]


class UnseenTasks:
    """
    Judges them by what is said and known of them, and by what tasks like them needed.

    Args:
        profiler: Has seen no run of theirs.
    """

    def __init__(self, profiler: Profiler) -> None:
        self._profiler = profiler
        self._has_heard = False
        # With what the host knew when it was made.
        self._by_task: dict[TaskKey, _Known] = {}
        self._by_facts: dict[tuple[object, ...], _Known] = {}

    def hear(self, lessons: Sequence[Lesson]) -> None:
        """Take in what other tasks needed; who has not run yet is judged anew by that."""
        if lessons:
            self._profiler.hear(lessons)
            self._has_heard, self._by_task, self._by_facts = True, {}, {}

    def leave(self, known: Container[TaskKey]) -> None:
        """Forget those that have a profile in the store by now."""
        self._by_task = {task: told for task, told in self._by_task.items() if task not in known}

    def profile(
        self, request: TaskRequest, advisor: AcceleratorAdvisor, now: datetime
    ) -> WorkloadProfile:
        """
        What a task needs that has no profile.

        Args:
            request: The task, with what is said and known of it.
            advisor: Says on which accelerator.
            now: Decides which runs of others have ended.
        """
        task, description = request.run.task, request.description
        told, profile = self._by_task.get(task, (None, None))
        if profile is None or description is not None or told is not request.known:
            predicted = (
                self._by_known(task, request.known, now)
                if description is None
                else self._profiler.predict(task, description, now=now)
            )
            profile = advisor.advise(predicted, description)
            self._by_task[task] = request.known, profile
        return profile

    def _by_known(self, task: TaskKey, known: Generic | None, now: datetime) -> WorkloadProfile:
        """
        What the last task of the same facts was given, and of the same words in its name where others have run.

        A DAG brings its tasks by the hundred, and each prediction costs more than all else about a choice.
        """
        operator = known.operator if known is not None else None
        name = (task.namespace, words_of(task.name)) if self._has_heard else ()
        facts, profile = self._by_facts.get((operator, *name), (None, None))
        if profile is None or facts != known:
            profile = self._profiler.predict(task, known, now=now)
            self._by_facts[operator, *name] = known, profile
        return replace(profile, task=task, predicted_at=now)
