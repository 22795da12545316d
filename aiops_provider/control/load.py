"""
What this process has sent where and not heard the end of: the live load the router reads.

Memory only, so that a scheduler never waits for it. Every try is booked when its cluster is chosen
and admitted when there is room to run it, so late tasks see the load of earlier ones at once.
"""

from __future__ import annotations

import math
import threading
import time
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence

from aiops_provider.control.bookings import Booking, PoolLoad, left_s, running_part
from aiops_provider.control.instance_count import InstanceCount
from aiops_provider.control.pool_slices import Need, PoolKey, Slice, amounts, beside, whole
from aiops_provider.domain.cluster import ClusterSpec
from aiops_provider.domain.profile import ResourceRequest, WorkloadProfile
from aiops_provider.domain.separation import AntiAffinityRule
from aiops_provider.domain.task import TaskRun
from aiops_provider.placement.live_instances import LiveInstances
from aiops_provider.placement.live_load import IDLE, InUse, LoadOfThisMoment, fill
from aiops_provider.placement.slicing import NOTHING, Amounts

# So old may the part of a backlog be that runs down with time; it is an estimate of seconds.
_BACKLOG_AGE_S = 0.5


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
        self._totals = {key: whole(capacity) for key, capacity in self._capacities.items()}
        # None: nobody else spends anything.
        self._slices: Mapping[PoolKey, Slice] | None = None
        self._asked_since: dict[TaskRun, float] = {}
        self._bookings: dict[TaskRun, Booking] = {}
        self._loads: defaultdict[tuple[str, str], PoolLoad] = defaultdict(PoolLoad)
        # What load() said: counted anew where something has changed, and as a whole from time to time.
        self._counted: dict[PoolKey, InUse] = {}
        self._counted_at = -math.inf
        self._changed: set[PoolKey] = set()
        self._instances = InstanceCount()
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
        running: bool = False,
        apart: Sequence[AntiAffinityRule] = (),
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
            running: It runs already, whether there is room or not.
            apart: What its task is kept apart from.
        """
        capacity = self._capacities.get((cluster, pool))
        share = fill(grant, capacity, IDLE) if capacity is not None else 0.0
        with self._lock:
            self._forget(run)
            booking = Booking(cluster, pool, grant, limited, expected_s, share)
            self._bookings[run] = booking
            self._instances.add(run.task, cluster, apart)
            self._changed.add((cluster, pool))
            if limited:
                load = self._loads[cluster, pool]
                load.limited.add(grant)
                load.waiting += 1
                load.waiting_s += expected_s * share
            if running:
                self._start(run, booking)

    def admit(self, run: TaskRun) -> bool:
        """Whether the try may start now or has been admitted before; it counts as running from then on."""
        with self._lock:
            booking = self._bookings.get(run)
            if booking is None or booking.running:
                return True
            if booking.limited and not self._has_room(run, booking):
                return False
            self._start(run, booking)
            return True

    def release(self, run: TaskRun) -> None:
        """Forget a try that ended or was given elsewhere."""
        with self._lock:
            self._forget(run)

    def load(self) -> LoadOfThisMoment:
        """
        Resources booked by pool, running and waiting together, and how long they will take.

        The backlog takes every task for one that can be cut to fill each gap; tasks that cannot, and
        durations that are not known, make the real queue longer or shorter than this.
        """
        now = self._clock()
        with self._lock:
            if now - self._counted_at >= _BACKLOG_AGE_S:
                self._counted, self._counted_at = {}, now
                self._changed = {*self._loads, *(self._slices or ())}
            for key in self._changed:
                in_use = self._in_use(key, now)
                if in_use is None:
                    self._counted.pop(key, None)
                else:
                    self._counted[key] = in_use
            self._changed.clear()
            return LoadOfThisMoment(self._counted)

    def _in_use(self, key: PoolKey, now: float) -> InUse | None:
        load, total, given = self._loads.get(key), self._totals.get(key), self._slice(key).amounts
        own = None
        if load is not None and load.limited.bookings:
            own = InUse(
                cores=load.limited.cores,
                memory_gib=load.limited.memory_gib,
                accelerators=load.limited.accelerators,
                waiting=load.waiting,
                backlog_s=load.waiting_s + left_s(load.started.values(), now),
            )
        return own if total is None or given == total else beside(own or IDLE, total, given)

    def instances(self, profile: WorkloadProfile) -> LiveInstances | None:
        """Of a task and those it is kept apart from, by cluster; ``None`` if it need not be known."""
        if profile.spread is None and not self._instances.concerns(profile):
            return None
        with self._lock:
            return self._instances.of(profile)

    def needs(self) -> dict[PoolKey, Need]:
        """What this process has and wants of each pool."""
        with self._lock:
            asking = self._asking()
            needs: dict[PoolKey, Need] = {}
            for key, total in self._totals.items():
                load = self._loads.get(key)
                run = asking.get(key)
                needs[key] = Need(
                    total=total,
                    held=self._slice(key).amounts,
                    used=running_part(load) if load is not None else NOTHING,
                    wanted=amounts(load.limited) if load is not None else NOTHING,
                    run=run,
                    asked=amounts(self._bookings[run].grant) if run is not None else None,
                    asked_since=self._asked_since[run] if run is not None else 0.0,
                )
            return needs

    def narrow(self, slices: Mapping[PoolKey, Slice]) -> dict[PoolKey, Amounts]:
        """
        Spend no more than these slices from now on, but no more than so far either.

        Returns:
            What is held now: at least what runs, which cannot be given back.
        """
        with self._lock:
            held: dict[PoolKey, Amounts] = {}
            narrowed: dict[PoolKey, Slice] = {}
            for key, given in slices.items():
                used = running_part(self._loads[key]) if key in self._loads else NOTHING
                held[key] = Amounts(*map(max, given.amounts, used))
                least = map(min, held[key], self._slice(key).amounts)
                narrowed[key] = Slice(Amounts(*least), given.kept_for)
            self._slices, self._counted_at = narrowed, -math.inf
            return held

    def set_slices(self, slices: Mapping[PoolKey, Slice] | None) -> None:
        """Spend these slices from now on; ``None``: everything is for this process."""
        with self._lock:
            self._slices, self._counted_at = slices, -math.inf

    def _slice(self, key: PoolKey) -> Slice:
        given = self._slices.get(key) if self._slices is not None else None
        return given if given is not None else Slice(self._totals.get(key, NOTHING))

    def _asking(self) -> dict[PoolKey, TaskRun]:
        """The longest waiting try of each pool that its slice could not hold even if idle."""
        since: dict[TaskRun, float] = {}
        for run, booking in self._bookings.items():
            key = booking.cluster, booking.pool
            if booking.running or not booking.limited or key not in self._totals:
                continue
            grant, total = amounts(booking.grant), self._totals[key]
            # Who has asked goes on asking until it runs: with the room there it would lose it.
            small = self._slice(key).amounts.covers(grant) or not total.covers(grant)
            if run in self._asked_since or not small:
                since[run] = self._asked_since.get(run, time.time())
        self._asked_since = since
        asking: dict[PoolKey, TaskRun] = {}
        for run in sorted(since, key=since.__getitem__):
            booking = self._bookings[run]
            asking.setdefault((booking.cluster, booking.pool), run)
        return asking

    def _start(self, run: TaskRun, booking: Booking) -> None:
        booking.running, booking.started_at = True, self._clock()
        self._changed.add((booking.cluster, booking.pool))
        load = self._loads[booking.cluster, booking.pool]
        load.running.add(booking.grant)
        if booking.limited:
            self._wait_no_more(load, booking)
            load.started[run] = booking

    def _forget(self, run: TaskRun) -> None:
        booking = self._bookings.pop(run, None)
        if booking is None:
            return
        self._instances.remove(run.task, booking.cluster)
        self._changed.add((booking.cluster, booking.pool))
        load = self._loads[booking.cluster, booking.pool]
        if booking.running:
            load.running.subtract(booking.grant)
            load.started.pop(run, None)
        elif booking.limited:
            self._wait_no_more(load, booking)
        if booking.limited:
            load.limited.subtract(booking.grant)

    def _wait_no_more(self, load: PoolLoad, booking: Booking) -> None:
        load.waiting -= 1
        load.waiting_s -= booking.expected_s * booking.share
        if not load.waiting:
            load.waiting_s = 0.0

    def _has_room(self, run: TaskRun, wanted: Booking) -> bool:
        key = wanted.cluster, wanted.pool
        if key not in self._totals:
            return True
        given, running = self._slice(key), self._loads[key].running
        needed = [amounts(running), amounts(wanted.grant)]
        if given.kept_for is not None and given.kept_for != run:
            first = self._bookings.get(given.kept_for)
            if first is not None and not first.running:
                needed.append(amounts(first.grant))
        return given.amounts.covers(Amounts(*map(sum, zip(*needed, strict=True))))
