"""The part of each pool that this process may spend, and what it wants of the rest."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from aiops_provider.domain.cluster import Capacity
from aiops_provider.domain.task import TaskRun
from aiops_provider.placement.live_load import InUse
from aiops_provider.placement.slicing import Amounts

PoolKey = tuple[str, str]
"""Name of the cluster and name of the pool."""


@dataclass(frozen=True, slots=True)
class Slice:
    """
    The part of a pool that this process may spend; the rest is for other schedulers.

    Attributes:
        amounts: How much.
        kept_for: A try that is too large for a fair part and may have more: others start only
            where its room is left. ``None``: there is none.
    """

    amounts: Amounts
    kept_for: TaskRun | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Need:
    """
    What this process has and wants of a pool.

    Attributes:
        total: The whole pool.
        held: The slice.
        used: By what runs within its limits.
        wanted: By that and by what waits.
        run: The waiting try that is larger than the slice and has waited longest, or ``None``.
        asked: What that one needs.
        asked_since: Since when, in seconds since 1970; 0 without one.
    """

    total: Amounts
    held: Amounts
    used: Amounts
    wanted: Amounts
    run: TaskRun | None = None
    asked: Amounts | None = None
    asked_since: float = 0.0


class Booked(Protocol):
    """Anything that says how much of each resource it takes."""

    @property
    def cores(self) -> float:
        """CPU cores."""

    @property
    def memory_gib(self) -> float:
        """Memory."""

    @property
    def accelerators(self) -> int:
        """Number of GPUs."""


def whole(capacity: Capacity) -> Amounts:
    """All of a pool."""
    return Amounts(capacity.cores, capacity.memory_gib, sum(capacity.accelerators.values()))


def amounts(booked: Booked) -> Amounts:
    """What a request or a sum of them takes."""
    return Amounts(booked.cores, booked.memory_gib, booked.accelerators)


def beside(own: InUse, total: Amounts, given: Amounts) -> InUse:
    """The load of a pool of which others have all but a slice."""
    leased = Amounts(*(max(0.0, whole - part) for whole, part in zip(total, given, strict=True)))
    share = min(
        (part / whole for whole, part in zip(total, given, strict=True) if whole > 0), default=1.0
    )
    return InUse(
        cores=own.cores + leased.cores,
        memory_gib=own.memory_gib + leased.memory_gib,
        accelerators=own.accelerators + round(leased.accelerators),
        waiting=own.waiting,
        # It moves on as fast as the slice allows; without any, as if it were the next renewal's.
        backlog_s=own.backlog_s / share if share > 0 else own.backlog_s,
        leased_cores=leased.cores,
        leased_accelerators=round(leased.accelerators),
    )
