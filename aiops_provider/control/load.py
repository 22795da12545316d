"""
What this process has sent where and not heard the end of: the live load the router reads.

Memory only, so that a scheduler never waits for it. Every try is booked when its cluster is chosen
and admitted when there is room to run it, so late tasks see the load of earlier ones at once.
"""

from __future__ import annotations

import threading
import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field

from aiops_provider.domain.cluster import ClusterSpec
from aiops_provider.domain.profile import ResourceRequest
from aiops_provider.domain.task import TaskRun
from aiops_provider.placement.live_load import IDLE, InUse, fill


@dataclass(slots=True)
class _Booking:
    cluster: str
    pool: str
    grant: ResourceRequest
    limited: bool
    expected_s: float
    share: float
    running: bool = False
    started_at: float = 0.0


@dataclass(slots=True)
class _Sum:
    """
    Of some bookings of one pool, kept up to date.

    Adding all of them up for every task that is placed would take as long as the tasks squared.
    """

    bookings: int = 0
    cores: float = 0.0
    memory_gib: float = 0.0
    accelerators: int = 0

    def add(self, grant: ResourceRequest) -> None:
        self.bookings += 1
        self.cores += grant.cores
        self.memory_gib += grant.memory_gib
        self.accelerators += grant.accelerators

    def subtract(self, grant: ResourceRequest) -> None:
        self.bookings -= 1
        self.cores -= grant.cores
        self.memory_gib -= grant.memory_gib
        self.accelerators -= grant.accelerators
        if not self.bookings:  # differences of floats are not exactly zero
            self.cores = self.memory_gib = 0.0


@dataclass(slots=True)
class _PoolLoad:
    """
    What is booked on one pool.

    Attributes:
        limited: Of bookings that wait for room or run in room they waited for.
        running: Of all that run.
        waiting: Number of limited bookings that have not started.
        waiting_s: Seconds of the pool that these need.
        started: Limited bookings that run.
    """

    limited: _Sum = field(default_factory=_Sum)
    running: _Sum = field(default_factory=_Sum)
    waiting: int = 0
    waiting_s: float = 0.0
    started: dict[TaskRun, _Booking] = field(default_factory=dict)


class LoadLedger:
    """
    Bookings of this process by cluster and pool.

    Args:
        clusters: The clusters whose capacity limits what may run at once.
        clock: Seconds that never go back.
    """

    def __init__(
        self, clusters: tuple[ClusterSpec, ...], *, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._clock = clock
        self._capacities = {
            (c.name, pool.name): pool.capacity for c in clusters for pool in c.pools
        }
        self._bookings: dict[TaskRun, _Booking] = {}
        self._loads: defaultdict[tuple[str, str], _PoolLoad] = defaultdict(_PoolLoad)
        self._lock = threading.Lock()

    def book(
        self,
        run: TaskRun,
        *,
        cluster: str,
        pool: str,
        grant: ResourceRequest,
        limited: bool,
        expected_s: float = 0.0,
    ) -> None:
        """
        Note that a try was given to a pool; an earlier booking of the try is replaced.

        Args:
            run: Which try.
            cluster: Name of the cluster.
            pool: Name of its pool.
            grant: What it may use.
            limited: Whether the pool's capacity decides when it may start.
            expected_s: How long it will run; 0 where nobody knows.
        """
        capacity = self._capacities.get((cluster, pool))
        share = fill(grant, capacity, IDLE) if capacity is not None else 0.0
        with self._lock:
            self._forget(run)
            booking = _Booking(cluster, pool, grant, limited, expected_s, share)
            self._bookings[run] = booking
            if limited:
                load = self._loads[cluster, pool]
                load.limited.add(grant)
                load.waiting += 1
                load.waiting_s += expected_s * share

    def admit(self, run: TaskRun) -> bool:
        """Whether the try may start now; it counts as running from then on."""
        with self._lock:
            booking = self._bookings.get(run)
            if booking is None:
                return True
            if booking.limited and not self._has_room(booking):
                return False
            if not booking.running:
                self._start(run, booking)
            return True

    def release(self, run: TaskRun) -> None:
        """Forget a try that ended or was given elsewhere."""
        with self._lock:
            self._forget(run)

    def load(self) -> Mapping[tuple[str, str], InUse]:
        """
        Resources booked by pool, running and waiting together, and how long they will take.

        The backlog takes every task for one that can be cut to fill each gap; tasks that cannot, and
        durations that are not known, make the real queue longer or shorter than this.
        """
        now = self._clock()
        with self._lock:
            return {
                key: InUse(
                    cores=load.limited.cores,
                    memory_gib=load.limited.memory_gib,
                    accelerators=load.limited.accelerators,
                    waiting=load.waiting,
                    backlog_s=load.waiting_s + _left_s(load.started.values(), now),
                )
                for key, load in self._loads.items()
                if load.limited.bookings
            }

    def _start(self, run: TaskRun, booking: _Booking) -> None:
        booking.running, booking.started_at = True, self._clock()
        load = self._loads[booking.cluster, booking.pool]
        load.running.add(booking.grant)
        if booking.limited:
            self._wait_no_more(load, booking)
            load.started[run] = booking

    def _forget(self, run: TaskRun) -> None:
        booking = self._bookings.pop(run, None)
        if booking is None:
            return
        load = self._loads[booking.cluster, booking.pool]
        if booking.running:
            load.running.subtract(booking.grant)
            load.started.pop(run, None)
        elif booking.limited:
            self._wait_no_more(load, booking)
        if booking.limited:
            load.limited.subtract(booking.grant)

    def _wait_no_more(self, load: _PoolLoad, booking: _Booking) -> None:
        load.waiting -= 1
        load.waiting_s -= booking.expected_s * booking.share
        if not load.waiting:
            load.waiting_s = 0.0

    def _has_room(self, wanted: _Booking) -> bool:
        capacity = self._capacities.get((wanted.cluster, wanted.pool))
        if capacity is None:
            return True
        running, grant = self._loads[wanted.cluster, wanted.pool].running, wanted.grant
        slack = 1e-9
        return (
            running.cores + grant.cores <= capacity.cores + slack
            and running.memory_gib + grant.memory_gib <= capacity.memory_gib + slack
            and running.accelerators + grant.accelerators <= sum(capacity.accelerators.values())
        )


def _left_s(started: Iterable[_Booking], now: float) -> float:
    """Seconds of the pool that what runs still needs."""
    return sum(max(0.0, b.expected_s - (now - b.started_at)) * b.share for b in started)
