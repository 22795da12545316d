"""How a workload finds the group whose peak it raises least, if there is one that it may join."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field

from aiops_provider.domain.profile import WorkloadProfile
from aiops_provider.domain.units import HOURS_PER_WEEK
from aiops_provider.placement.demand import Series
from aiops_provider.placement.interference import (
    Interference,
    multiplied,
    worst_while_running,
)

# A workload joins a group if that raises the group's peak by at most this share of its own peak.
# At one half a shared reservation saves as much as it may cost in freedom to go separate ways.
JOINING_PEAK_SHARE = 0.5


@dataclass(frozen=True, slots=True)
class Measured:
    """
    A workload with its load.

    Attributes:
        profile: Whose load it is.
        runs: Expected runs in progress, by slot.
        load: In machines where clusters are known, else in what is scarce, by slot.
        limit: Peak that a group of it may reach.
    """

    profile: WorkloadProfile
    runs: Series
    load: Series
    limit: float

    @property
    def peak(self) -> float:
        """The highest load of a slot."""
        return max(self.load)

    @property
    def weekly(self) -> Series:
        """The load of every hour of the week, also if all are alike."""
        return self.load if len(self.load) > 1 else self.load * HOURS_PER_WEEK


@dataclass(slots=True)
class Draft:
    """
    A group in the making.

    Attributes:
        members: So far.
        load: Of all of them beside each other, by hour of the week.
        peak: The highest entry of it.
        peak_slot: Where that is.
        largest: The highest peak of a member.
        slowed: Whether any two members slow one another.
        met: Share of the runs of each member that meet another which slows it unbearably.
    """

    members: list[Measured] = field(default_factory=list)
    load: list[float] = field(default_factory=lambda: [0.0] * HOURS_PER_WEEK)
    peak: float = 0.0
    peak_slot: int = 0
    largest: float = 0.0
    slowed: bool = False
    met: list[float] = field(default_factory=list)

    def sum_with(self, workload: Measured) -> list[float]:
        """The load with one more member, if it slowed nobody."""
        return [a + b for a, b in zip(self.load, workload.weekly, strict=True)]

    def add(self, workload: Measured, together: list[float]) -> None:
        """Take in a member; *together* is the load with it."""
        self.members.append(workload)
        self.load = together
        self.peak = max(together)
        self.peak_slot = together.index(self.peak)
        self.largest = max(self.largest, workload.peak)


def join(
    workload: Measured,
    drafts: list[Draft],
    largest_peak: float | None,
    interference: Interference | None,
) -> None:
    """
    Put a workload into the draft whose peak it raises least, or into a new one.

    Args:
        workload: Of the drafts' kind.
        drafts: Of groups; a new one is appended where none suits.
        largest_peak: That a group may reach whatever it ties together; ``None``: its members' limits.
        interference: By how much workloads slow one another, if that is known.
    """
    best: tuple[float, Draft, list[float]] | None = None
    load = workload.weekly
    bearable = workload.peak * (JOINING_PEAK_SHARE if largest_peak is None else 1.0)
    if len(workload.load) > 1 or largest_peak is not None:
        for draft in drafts:
            # Where the group peaks already is the cheapest place to see that it does not fit.
            if load[draft.peak_slot] > bearable:
                continue
            limit = max(workload.limit, draft.largest, largest_peak or 0.0)
            together = draft.sum_with(workload)
            if not _suits(together, draft, bearable, limit, best):
                continue
            if interference is not None:
                # Slowdowns only add to the sum: what is too much without them was passed over.
                slowed = _slowed_with(draft, workload, interference)
                if slowed is None or not _suits(slowed, draft, bearable, limit, best):
                    continue
                together = slowed
            best = (max(together) - draft.peak, draft, together)
    if best is None:
        drafts.append(Draft())
        best = (0.0, drafts[-1], list(load))
    _, draft, together = best
    if interference is not None:
        draft.slowed = draft.slowed or any(
            interference.between(workload.profile, other.profile) > 1.0 for other in draft.members
        )
        draft.met = _met_with(draft, workload, interference)
    draft.add(workload, together)


def _suits(
    together: Sequence[float],
    draft: Draft,
    bearable: float,
    limit: float,
    best: tuple[float, Draft, list[float]] | None,
) -> bool:
    """Whether a group of this load raises its peak by little enough, and by less than the best so far."""
    peak = max(together)
    rise = peak - draft.peak
    return rise <= bearable and peak <= limit and (best is None or rise < best[0])


def _slowed_with(
    draft: Draft, workload: Measured, interference: Interference
) -> list[float] | None:
    """The load of the draft with one more member; ``None`` where somebody would be slowed too much."""
    slowed = draft.slowed
    for other in draft.members:
        worst = interference.between(workload.profile, other.profile)
        if worst > interference.most and not interference.most_meetings:
            return None
        slowed = slowed or worst > 1.0
    if not slowed:
        return draft.sum_with(workload)
    if max(_met_with(draft, workload, interference)) > interference.most_meetings:
        return None
    members = [*draft.members, workload]
    runs, profiles = [member.runs for member in members], [member.profile for member in members]
    usual = interference.factors(profiles, runs, with_rare=False)
    if max(map(worst_while_running, runs, usual)) > interference.most:
        return None
    factors = interference.factors(profiles, runs)
    loads = map(multiplied, (member.weekly for member in members), factors)
    return [math.fsum(values) for values in zip(*loads, strict=True)]


def _met_with(draft: Draft, workload: Measured, interference: Interference) -> list[float]:
    """Share of the runs that meet another which slows them unbearably, of the members and the workload."""
    own = workload.profile
    with_it = [
        met + interference.unbearable(other.profile, own)
        for met, other in zip(draft.met, draft.members, strict=True)
    ]
    return [
        *with_it,
        math.fsum(interference.unbearable(own, other.profile) for other in draft.members),
    ]
