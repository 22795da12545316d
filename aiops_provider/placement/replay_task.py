"""What goes into a replay and comes out of it: tasks, outages, nominations and attempts."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass, replace

from aiops_provider.domain.profile import ResourceRequest
from aiops_provider.domain.separation import AntiAffinityRule, SpreadRule
from aiops_provider.domain.task import TaskRun
from aiops_provider.placement.replay_pool import PlaceKey

_DUST = 1e-9


@dataclass(frozen=True, slots=True, kw_only=True)
class ReplayTask:
    """
    One run that arrived.

    Attributes:
        run: Which; unique in a replay.
        arrival_s: Seconds since the begin of the replay.
        duration_s: That it works, wherever that is.
        request: What it holds meanwhile.
        deadline_s: After its arrival; ``None``: it is never late.
        checkpoint_s: Work between two checkpoints, in seconds; what was done up to the last one
            survives the loss of a cluster. ``None``: it starts anew.
        stored_gib: That it leaves in storage when it ends, in place of what the task's run before left.
        storage_class: Of that, as in :class:`~aiops_provider.domain.profile.StorageNeed`.
        spread: Over which failure domains the task's instances are to be divided.
        anti_affinity: What they share no failure domain with.
    """

    run: TaskRun
    arrival_s: float
    duration_s: float
    request: ResourceRequest
    deadline_s: float | None = None
    checkpoint_s: float | None = None
    stored_gib: float = 0.0
    storage_class: str = "object"
    spread: SpreadRule | None = None
    anti_affinity: tuple[AntiAffinityRule, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Outage:
    """
    A pool that is gone for a while: what runs there is lost with it.

    Attributes:
        place: Name of the cluster and name of the pool.
        begin_s: Seconds since the begin of the replay.
        end_s: Infinite: for good.
    """

    place: PlaceKey
    begin_s: float
    end_s: float = math.inf


@dataclass(frozen=True, slots=True, kw_only=True)
class Nomination:
    """
    Where a task is to wait; the first place with room gets it.

    Attributes:
        places: At least one, all of which can hold the task.
        again_after_s: If it has not started by then it is nominated anew; ``None``: it stays.
        expected_s: How long the policy thinks it will run, for the backlog that others see; seconds.
    """

    places: tuple[PlaceKey, ...]
    again_after_s: float | None = None
    expected_s: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Attempt:
    """
    A task that ran somewhere.

    Attributes:
        task: Which.
        place: Where.
        ready_s: Since when it could have run; seconds since the begin of the replay.
        started_s: Since when it held its request.
        ended_s: Until when.
        finished: Whether it came to its end; otherwise the place was lost, or it was moved.
        moved: Whether the policy moved it.
    """

    task: ReplayTask
    place: PlaceKey
    ready_s: float
    started_s: float
    ended_s: float
    finished: bool
    moved: bool = False

    @property
    def lost(self) -> bool:
        """Whether the place was lost under it."""
        return not (self.finished or self.moved)


@dataclass(frozen=True, slots=True, kw_only=True)
class RunningTask:
    """
    A task that runs now.

    Attributes:
        number: Names it inside its replay.
        task: Which.
        place: Where.
        started_s: Since when; seconds since the begin of the replay.
        kept_s: Work that checkpoints of earlier attempts have kept.
    """

    number: int
    task: ReplayTask
    place: PlaceKey
    started_s: float
    kept_s: float

    def since_checkpoint_s(self, now_s: float) -> float:
        """Work that is lost if it stops now."""
        ran_s, step = now_s - self.started_s, self.task.checkpoint_s
        return ran_s - kept_work_s(ran_s, step)

    def done_s(self, now_s: float) -> float:
        """All its work so far, kept or not."""
        return self.kept_s + now_s - self.started_s


@dataclass(frozen=True, slots=True, kw_only=True)
class Moves:
    """
    What is to be moved.

    Attributes:
        now: Numbers of running tasks, each with the place that it goes to and that has room for it.
        stopped: Numbers of running tasks that are stopped and nominated anew.
        again_after_s: The policy is asked again then at the latest; ``None``: when there is more room.
    """

    now: tuple[tuple[int, PlaceKey], ...] = ()
    stopped: tuple[int, ...] = ()
    again_after_s: float | None = None


NO_MOVES = Moves()


def kept_work_s(ran_s: float, checkpoint_s: float | None) -> float:
    """
    Work that the last checkpoint has kept.

    A checkpoint that is due at this very moment is written: a moment is the sum of floats.

    >>> kept_work_s(3700.0, 1800.0), round(kept_work_s(3600.0 - 1e-10, 1800.0), 3)
    (3600.0, 3600.0)
    >>> kept_work_s(3700.0, None)
    0.0
    """
    if not checkpoint_s:
        return 0.0
    return min(math.floor(ran_s / checkpoint_s + _DUST) * checkpoint_s, ran_s)


def merged_outages(outages: Iterable[Outage]) -> list[Outage]:
    """
    The same outages without overlaps and seams, in order of place and begin.

    Raises:
        ValueError: One ends before it begins.
    """
    merged: list[Outage] = []
    for outage in sorted(outages, key=lambda o: (o.place, o.begin_s, o.end_s)):
        if not outage.begin_s < outage.end_s:
            raise ValueError(f"an outage lasts from {outage.begin_s} to {outage.end_s}")
        last = merged[-1] if merged else None
        if last is not None and last.place == outage.place and outage.begin_s <= last.end_s:
            merged[-1] = replace(last, end_s=max(last.end_s, outage.end_s))
        else:
            merged.append(outage)
    return merged
