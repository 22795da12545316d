"""What can be known in a replay about how long a run still takes, before it has ended."""

from __future__ import annotations

from aiops_provider.domain.profile import WorkloadProfile
from aiops_provider.placement.demand import expected_left_s
from aiops_provider.placement.replay_task import ReplayTask
from aiops_provider.profiling.duration_by_deadline import DurationByDeadline

# A deadline is a promise: the duration it is compared with is exceeded by one run in twenty at most.
_LEAST_LEVEL = 0.95


class Durations:
    """
    Durations of whole runs, from the profile and from the runs that have ended so far.

    Args:
        trust_deadlines: Whether the deadline of a run may say something about its duration.
    """

    def __init__(self, *, trust_deadlines: bool = True) -> None:
        self._trust_deadlines = trust_deadlines
        self._ended = DurationByDeadline()

    def learn(self, task: ReplayTask) -> None:
        """A run has come to its end, so its duration is known now."""
        scale_s = self._scale_s(task)
        if scale_s is not None:
            self._ended.learn(task.run.task, duration_s=task.duration_s, deadline_s=scale_s)

    def at_most_s(
        self, task: ReplayTask, profile: WorkloadProfile, *, done_s: float
    ) -> float | None:
        """
        Upper quantile of a run's whole duration, at the level that was promised for the task.

        Args:
            task: The run.
            profile: Of its task.
            done_s: Work that it has done already.

        Returns:
            Seconds, or ``None`` when nothing can be promised: too few runs took longer than this
            one has worked already.
        """
        scale_s = self._scale_s(task)
        if scale_s is not None:
            level = max(_LEAST_LEVEL, profile.sla_attainment)
            found = self._ended.quantile_s(
                task.run.task, deadline_s=scale_s, level=level, done_s=done_s
            )
            if found is not None:
                return found
        known = profile.duration_s
        return known.p95 if known.sample_count and done_s < known.p50 else None

    def left_s(self, task: ReplayTask, profile: WorkloadProfile, *, done_s: float) -> float:
        """
        Expected work that is left.

        Args:
            task: The run.
            profile: Of its task.
            done_s: Work that it has done already.

        Returns:
            Seconds. A run that has lasted longer than all before is expected to last as long again, as
            durations without a scale do (Harchol-Balter and Downey 1997).
        """
        scale_s = self._scale_s(task)
        if scale_s is not None:
            found = self._ended.mean_s(task.run.task, deadline_s=scale_s, done_s=done_s)
            if found is not None:
                return found - done_s
        return expected_left_s(profile.duration_s, done_s)

    def _scale_s(self, task: ReplayTask) -> float | None:
        """What the run's duration is compared with; the same for all runs if deadlines say nothing."""
        if task.deadline_s is None or task.deadline_s <= 0:
            return None
        return task.deadline_s if self._trust_deadlines else 1.0
