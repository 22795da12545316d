"""The profiles of all known tasks, as one immutable value that can be swapped as a whole."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from types import MappingProxyType

from aiops_provider.domain.profile import WorkloadProfile
from aiops_provider.domain.task import TaskKey


class ProfileBook(Mapping[TaskKey, WorkloadProfile]):
    """
    Immutable mapping from task to profile; safe to share between threads.

    Args:
        profiles: Of several for one task the last counts.
    """

    __slots__ = ("_profiles",)

    def __init__(self, profiles: Iterable[WorkloadProfile] = ()) -> None:
        self._profiles = MappingProxyType({profile.task: profile for profile in profiles})

    def __getitem__(self, task: TaskKey) -> WorkloadProfile:
        return self._profiles[task]

    def __iter__(self) -> Iterator[TaskKey]:
        return iter(self._profiles)

    def __len__(self) -> int:
        return len(self._profiles)

    def __repr__(self) -> str:
        return f"ProfileBook({len(self)} tasks)"

    def with_profile(self, profile: WorkloadProfile) -> ProfileBook:
        """A new book in which this profile stands for its task."""
        return ProfileBook([*self._profiles.values(), profile])
