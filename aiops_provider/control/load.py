"""
What this process has sent where and not heard the end of: the live load the router reads.

Memory only, so that a scheduler never waits for it. Every try is booked when its cluster is chosen
and admitted when there is room to run it, so late tasks see the load of earlier ones at once.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

from aiops_provider.domain.cluster import ClusterSpec
from aiops_provider.domain.profile import ResourceRequest
from aiops_provider.domain.workload import TaskRun
from aiops_provider.placement.live_load import IDLE, InUse, fill


@dataclass(slots=True)
class _Booking:
    cluster: str
    pool: str
    grant: ResourceRequest
    limited: bool
    expected_s: float
    running: bool = False
    started_at: float = 0.0


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
        self._pools = {(c.name, pool.name): pool for c in clusters for pool in c.pools}
        self._bookings: dict[TaskRun, _Booking] = {}
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
        with self._lock:
            self._bookings[run] = _Booking(cluster, pool, grant, limited, expected_s)

    def admit(self, run: TaskRun) -> bool:
        """Whether the try may start now; it counts as running from then on."""
        with self._lock:
            booking = self._bookings.get(run)
            if booking is None:
                return True
            if booking.limited and not self._has_room(booking):
                return False
            if not booking.running:
                booking.running, booking.started_at = True, self._clock()
            return True

    def release(self, run: TaskRun) -> None:
        """Forget a try that ended or was given elsewhere."""
        with self._lock:
            self._bookings.pop(run, None)

    def load(self) -> Mapping[tuple[str, str], InUse]:
        """
        Resources booked by pool, running and waiting together, and how long they will take.

        The backlog takes every task for one that can be cut to fill each gap; tasks that cannot, and
        durations that are not known, make the real queue longer or shorter than this.
        """
        now = self._clock()
        with self._lock:
            bookings = [booking for booking in self._bookings.values() if booking.limited]
        totals: dict[tuple[str, str], InUse] = {}
        for booking in bookings:
            key = (booking.cluster, booking.pool)
            total = _plus(totals.get(key, InUse()), booking)
            ahead_s = self._ahead_s(booking, now)
            totals[key] = replace(total, backlog_s=total.backlog_s + ahead_s) if ahead_s else total
        return totals

    def _ahead_s(self, booking: _Booking, now: float) -> float:
        pool = self._pools.get((booking.cluster, booking.pool))
        left_s = booking.expected_s - (now - booking.started_at if booking.running else 0.0)
        if pool is None or left_s <= 0:
            return 0.0
        return left_s * fill(booking.grant, pool.capacity, IDLE)

    def _has_room(self, wanted: _Booking) -> bool:
        pool = self._pools.get((wanted.cluster, wanted.pool))
        if pool is None:
            return True
        capacity = pool.capacity
        running = InUse()
        for booking in self._bookings.values():
            if booking.running and (booking.cluster, booking.pool) == (wanted.cluster, wanted.pool):
                running = _plus(running, booking)
        grant = wanted.grant
        slack = 1e-9
        return (
            running.cores + grant.cores <= capacity.cores + slack
            and running.memory_gib + grant.memory_gib <= capacity.memory_gib + slack
            and running.accelerators + grant.accelerators <= sum(capacity.accelerators.values())
        )


def _plus(total: InUse, booking: _Booking) -> InUse:
    return InUse(
        cores=total.cores + booking.grant.cores,
        memory_gib=total.memory_gib + booking.grant.memory_gib,
        accelerators=total.accelerators + booking.grant.accelerators,
        waiting=total.waiting + (0 if booking.running else 1),
        backlog_s=total.backlog_s,
    )
