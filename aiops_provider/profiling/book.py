"""The profiles of all known tasks, as one immutable value that can be swapped as a whole."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping

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
        self._profiles: dict[TaskKey, WorkloadProfile | Callable[[], WorkloadProfile]] = {
            profile.task: profile for profile in profiles
        }

    def __getitem__(self, task: TaskKey) -> WorkloadProfile:
        profile = self._profiles[task]
        if not isinstance(profile, WorkloadProfile):
            # Two threads may both read it: they read the same.
            profile = self._profiles[task] = profile()
        return profile

    def __contains__(self, task: object) -> bool:
        return task in self._profiles

    def __iter__(self) -> Iterator[TaskKey]:
        return iter(self._profiles)

    def __len__(self) -> int:
        return len(self._profiles)

    def __repr__(self) -> str:
        return f"ProfileBook({len(self)} tasks)"

    def with_profile(self, profile: WorkloadProfile) -> ProfileBook:
        """A new book in which this profile stands for its task."""
        return self.with_unread({profile.task: lambda: profile})

    def with_unread(self, profiles: Mapping[TaskKey, Callable[[], WorkloadProfile]]) -> ProfileBook:
        """
        A new book in which these stand for their tasks, each read when it is looked at first.

        Args:
            profiles: What reads the profile of each task.
        """
        book = ProfileBook()
        book._profiles = {**self._profiles, **profiles}
        return book
