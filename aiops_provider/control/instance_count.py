"""How many instances of each task this process has booked where; not safe to share without a lock."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from aiops_provider.domain.profile import WorkloadProfile
from aiops_provider.domain.separation import AntiAffinityRule
from aiops_provider.domain.task import TaskKey
from aiops_provider.placement.live_instances import LiveInstances, Neighbour


class InstanceCount:
    """Kept up to date as instances come and go."""

    def __init__(self) -> None:
        self._by_task: dict[TaskKey, Counter[str]] = {}
        # Of tasks that are booked and keep away from others: anti-affinity holds in both directions.
        self._apart: dict[TaskKey, Sequence[AntiAffinityRule]] = {}

    def add(self, task: TaskKey, cluster: str, apart: Sequence[AntiAffinityRule]) -> None:
        """Count one more."""
        self._by_task.setdefault(task, Counter())[cluster] += 1
        if apart:
            self._apart[task] = apart

    def remove(self, task: TaskKey, cluster: str) -> None:
        """Count one that was added no more."""
        counts = self._by_task[task]
        counts[cluster] -= 1
        if not counts[cluster]:
            del counts[cluster]
        if not counts:
            del self._by_task[task]
            self._apart.pop(task, None)

    def concerns(self, profile: WorkloadProfile) -> bool:
        """Whether anything that is booked may have to be kept apart from a task."""
        return bool(profile.anti_affinity or self._apart)

    def of(self, profile: WorkloadProfile) -> LiveInstances:
        """Of a task and of those it is kept apart from, whoever of both says so."""
        own = profile.task
        rules = [(other, rule) for rule in profile.anti_affinity for other in rule.tasks]
        rules += [
            (other, rule)
            for other, theirs in self._apart.items()
            for rule in theirs
            if own in rule.tasks
        ]
        return LiveInstances(
            own=dict(self._by_task.get(own, {})),
            neighbours=tuple(
                Neighbour(other, frozenset(self._by_task[other]), rule.domain, rule.strictness)
                for other, rule in rules
                if other != own and other in self._by_task
            ),
        )
