"""
How much longer tasks take when they run beside each other, and what that means for a group.

Measured by pairs, as schedulers of shared accelerators do (Narayanan and others, Heterogeneity-aware
cluster scheduling policies for deep learning workloads, OSDI 2020). A pair that was not measured does not
slow each other, which is what is assumed of all of them without a table.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase

from aiops_provider.domain.profile import WorkloadProfile
from aiops_provider.domain.task import TaskKey
from aiops_provider.placement.demand import Series, expected_duration_s
from aiops_provider.placement.meetings import WeeklyRuns, met_share

_SPECIAL = frozenset("*?[")


@dataclass(frozen=True, slots=True, kw_only=True)
class Slowdown:
    """
    One measurement.

    Attributes:
        task: ``namespace/name``, or a pattern of names such as ``training/*``.
        beside: Name or pattern of the task that ran on the same machine.
        slowdown: Time that *task* takes beside it, as a multiple of its time alone.
        accelerator: On this model; ``None``: on any machine.
    """

    task: str
    beside: str
    slowdown: float
    accelerator: str | None = None


class Interference:
    """
    Measured slowdowns, and how much is bearable.

    A measurement of the two names goes before those of patterns; of several that hold the worst counts,
    also those of models that the task may get.

    Args:
        measured: In any order.
        most: Tasks that slow one another by more than this multiple do not share a reservation; >= 1.
        most_meetings: Unless at most this share of the runs of the one that is slowed are expected to meet
            such a one, of all in its group together, by the hours at which they run. 0: never.
    """

    def __init__(
        self, measured: Iterable[Slowdown], *, most: float, most_meetings: float = 0.0
    ) -> None:
        self.most, self.most_meetings = most, most_meetings
        self._named: dict[tuple[str, str], list[Slowdown]] = defaultdict(list)
        self._patterns: list[Slowdown] = []
        for row in measured:
            if _SPECIAL.isdisjoint(row.task + row.beside):
                self._named[row.task, row.beside].append(row)
            else:
                self._patterns.append(row)
        self._matching: dict[str, tuple[frozenset[int], frozenset[int]]] = {}
        self._known: dict[tuple[TaskKey, TaskKey, str | None], float] = {}
        # By identity, with the profile, so that it stays the identity of that one.
        self._runs: dict[int, tuple[WorkloadProfile, WeeklyRuns]] = {}
        self._shares: dict[tuple[int, int], float] = {}

    def slowdown(self, task: TaskKey, beside: TaskKey, accelerator: str | None) -> float:
        """
        Time that a task takes beside another, as a multiple; 1 where nothing was measured.

        Args:
            task: Which is slowed.
            beside: By which.
            accelerator: That the task asks for; ``None``: any, or none.

        >>> rows = [Slowdown(task="train/*", beside="etl/load", slowdown=1.5)]
        >>> interference = Interference(rows, most=1.2)
        >>> interference.slowdown(TaskKey("train", "net"), TaskKey("etl", "load"), None)
        1.5
        >>> interference.slowdown(TaskKey("etl", "load"), TaskKey("train", "net"), None)
        1.0
        """
        key = (task, beside, accelerator)
        if key not in self._known:
            names = str(task), str(beside)
            rows = self._named.get(names) or self._by_pattern(*names)
            holding = [
                row.slowdown
                for row in rows
                if accelerator is None or row.accelerator in {None, accelerator}
            ]
            self._known[key] = max(1.0, *holding) if holding else 1.0
        return self._known[key]

    def between(self, one: WorkloadProfile, other: WorkloadProfile) -> float:
        """The larger of the slowdowns by which two workloads slow one another."""
        return max(self._between(one, other), self._between(other, one))

    def unbearable(self, one: WorkloadProfile, other: WorkloadProfile) -> float:
        """
        Share of the runs of one workload that meet the other, if that slows it more than is bearable.

        0 if it does not; 1 where no share is bearable, whatever the hours.
        """
        if self._between(one, other) <= self.most:
            return 0.0
        if not self.most_meetings:
            return 1.0
        key = (id(one), id(other))
        if key not in self._shares:
            self._shares[key] = met_share(self._weekly(one), self._weekly(other))
        return self._shares[key]

    def unbearable_in(self, members: Sequence[WorkloadProfile]) -> list[float]:
        """The same of each member with all others of a group."""
        return [
            math.fsum(
                self.unbearable(member, other) for other in members if other.task != member.task
            )
            for member in members
        ]

    def met_beyond(self, members: Sequence[WorkloadProfile]) -> dict[str, float]:
        """The same by name, of those members alone that any other slows unbearably."""
        return {
            str(member.task): share
            for member, share in zip(members, self.unbearable_in(members), strict=True)
            if any(
                self._between(member, other) > self.most
                for other in members
                if other.task != member.task
            )
        }

    def factors(
        self,
        members: Sequence[WorkloadProfile],
        runs: Sequence[Series],
        *,
        with_rare: bool = True,
    ) -> list[Series]:
        """
        Time that runs of each member take in each slot, as a multiple of their time alone.

        Every run of another member that is expected to be in progress adds its own slowdown. Of one that
        is met rarely and slows unbearably no meeting adds more than all the time that the other takes,
        for then it is over.

        Args:
            members: Of one group.
            runs: Expected runs in progress of each member, by slot.
            with_rare: Whether meetings count that are unbearable but so rare that they are allowed.

        Returns:
            As many series as members, of as many slots as the longest of theirs or of one if all are
            alike.
        """
        slots = max(len(series) for series in runs)
        every = [series if len(series) == slots else series * slots for series in runs]
        found: list[Series] = []
        for member, share in zip(members, self.unbearable_in(members), strict=True):
            rare = share <= self.most_meetings
            beside = [
                (excess, series)
                for other, series in zip(members, every, strict=True)
                if other.task != member.task
                and (excess := self._excess(member, other, rare=rare, counts=with_rare)) > 0.0
            ]
            found.append(
                tuple(
                    1.0 + math.fsum(excess * series[slot] for excess, series in beside)
                    for slot in range(slots)
                )
                if beside
                else (1.0,)
            )
        return found

    def _excess(
        self, member: WorkloadProfile, other: WorkloadProfile, *, rare: bool, counts: bool
    ) -> float:
        """What a run of the other that is in progress adds, as a multiple of the time beside it."""
        slowdown = self._between(member, other)
        if slowdown <= self.most or not rare:
            return slowdown - 1.0
        if not counts:
            return 0.0
        # Runs of lengths a and b that meet are beside each other for ab / (a + b) in the mean.
        own_s, other_s = (expected_duration_s(each.duration_s) for each in (member, other))
        longest = 1.0 + other_s / own_s if own_s > 0 else math.inf
        return min(slowdown - 1.0, longest)

    def _weekly(self, profile: WorkloadProfile) -> WeeklyRuns:
        known = self._runs.get(id(profile))
        if known is None:
            known = self._runs[id(profile)] = (profile, WeeklyRuns(profile))
        return known[1]

    def _between(self, one: WorkloadProfile, other: WorkloadProfile) -> float:
        return self.slowdown(one.task, other.task, one.request.accelerator)

    def _by_pattern(self, task: str, beside: str) -> list[Slowdown]:
        if not self._patterns:
            return []
        both = self._rows_of(task)[0] & self._rows_of(beside)[1]
        return [self._patterns[row] for row in sorted(both)]

    def _rows_of(self, name: str) -> tuple[frozenset[int], frozenset[int]]:
        """Numbers of the patterns that a name matches as the task, and as the one beside it."""
        if name not in self._matching:
            rows = list(enumerate(self._patterns))
            self._matching[name] = (
                frozenset(number for number, row in rows if fnmatchcase(name, row.task)),
                frozenset(number for number, row in rows if fnmatchcase(name, row.beside)),
            )
        return self._matching[name]


def multiplied(series: Series, factors: Series) -> Series:
    """A series times another, slot by slot; one that is short holds in every slot."""
    slots = max(len(series), len(factors))
    return tuple(
        series[slot if len(series) > 1 else 0] * factors[slot if len(factors) > 1 else 0]
        for slot in range(slots)
    )


def worst_while_running(runs: Series, factors: Series) -> float:
    """The largest factor in a slot in which something runs; 1 if nothing ever does."""
    slots = max(len(runs), len(factors))
    there = (
        factors[slot if len(factors) > 1 else 0]
        for slot in range(slots)
        if runs[slot if len(runs) > 1 else 0] > 0
    )
    return max(there, default=1.0)
