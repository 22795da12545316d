"""What is booked on a pool, added up as it comes and goes."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from aiops_provider.control.pool_slices import amounts
from aiops_provider.domain.profile import ResourceRequest
from aiops_provider.domain.task import TaskRun
from aiops_provider.placement.slicing import NOTHING, Amounts


@dataclass(slots=True)
class Booking:
    """A try that was given to a pool, and the share of the pool that it takes."""

    cluster: str
    pool: str
    grant: ResourceRequest
    limited: bool
    expected_s: float
    share: float
    running: bool = False
    started_at: float = 0.0


@dataclass(slots=True)
class Sum:
    """
    Of some bookings of one pool, kept up to date.

    Adding all of them up for every task that is placed would take as long as the tasks squared.
    """

    bookings: int = 0
    cores: float = 0.0
    memory_gib: float = 0.0
    accelerators: int = 0

    def add(self, grant: ResourceRequest) -> None:
        """Count one more."""
        self.bookings += 1
        self.cores += grant.cores
        self.memory_gib += grant.memory_gib
        self.accelerators += grant.accelerators

    def subtract(self, grant: ResourceRequest) -> None:
        """Count one that was added no more."""
        self.bookings -= 1
        self.cores -= grant.cores
        self.memory_gib -= grant.memory_gib
        self.accelerators -= grant.accelerators
        if not self.bookings:  # differences of floats are not exactly zero
            self.cores = self.memory_gib = 0.0


@dataclass(slots=True)
class PoolLoad:
    """
    What is booked on one pool.

    Attributes:
        limited: Of bookings that wait for room or run in room they waited for.
        running: Of all that run.
        waiting: Number of limited bookings that have not started.
        waiting_s: Seconds of the pool that these need.
        started: Limited bookings that run.
    """

    limited: Sum = field(default_factory=Sum)
    running: Sum = field(default_factory=Sum)
    waiting: int = 0
    waiting_s: float = 0.0
    started: dict[TaskRun, Booking] = field(default_factory=dict)


def running_part(load: PoolLoad) -> Amounts:
    """Of what runs in room that it waited for."""
    started = [amounts(booking.grant) for booking in load.started.values()]
    return Amounts(*map(sum, zip(*started, strict=True))) if started else NOTHING


def left_s(started: Iterable[Booking], now: float) -> float:
    """Seconds of the pool that what runs still needs."""
    return sum(max(0.0, b.expected_s - (now - b.started_at)) * b.share for b in started)
