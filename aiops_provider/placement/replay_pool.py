"""What runs and waits on one pool during a replay, kept so that each step costs little."""

from __future__ import annotations

import heapq
from dataclasses import dataclass, field

from aiops_provider.domain.cluster import Pool
from aiops_provider.domain.profile import ResourceRequest
from aiops_provider.placement.live_load import IDLE, InUse, fill, has_room

PlaceKey = tuple[str, str]
"""Name of the cluster and name of the pool."""


@dataclass(slots=True)
class _Sums:
    """Resources of several requests."""

    cores: float = 0.0
    memory_gib: float = 0.0
    accelerators: int = 0
    count: int = 0

    def add(self, request: ResourceRequest, sign: int) -> None:
        self.count += sign
        if not self.count:
            # What is added and taken away in another order leaves dust; an idle pool has none.
            self.cores = self.memory_gib = 0.0
            self.accelerators = 0
            return
        self.cores += sign * request.cores
        self.memory_gib += sign * request.memory_gib
        self.accelerators += sign * request.accelerators


@dataclass(slots=True)
class _Line:
    """Those that wait with like requests; who has left is dropped from the heap when it is met."""

    members: set[int] = field(default_factory=set)
    heap: list[int] = field(default_factory=list)

    def join(self, number: int) -> None:
        self.members.add(number)
        heapq.heappush(self.heap, number)

    def head(self) -> int:
        while self.heap[0] not in self.members:
            heapq.heappop(self.heap)
        return self.heap[0]


class ReplayPool:
    """
    One pool; tasks are known by their number.

    Args:
        pool: Whose capacity is never exceeded.
    """

    def __init__(self, pool: Pool) -> None:
        self.pool = pool
        self.capacity = pool.capacity
        self._running: dict[int, ResourceRequest] = {}
        self._used = _Sums()
        # By request: those that ask for the same stand in one line, so only its head is looked at.
        self._lines: dict[ResourceRequest, _Line] = {}
        self._booked = _Sums()
        self._waiting_s = 0.0
        # Running ones that are expected to go on: their share of the pool and expected end.
        self._expected: dict[int, tuple[float, float]] = {}
        self._expected_ends: list[tuple[float, int]] = []
        self._share = self._share_times_end = 0.0

    @property
    def is_busy(self) -> bool:
        """Whether anything runs or waits."""
        return self._used.count + self._booked.count > 0

    def in_use(self, now_s: float) -> InUse:
        """As the router reads it."""
        while self._expected_ends and self._expected_ends[0][0] <= now_s:
            end_s, number = heapq.heappop(self._expected_ends)
            if self._expected.get(number, (0.0, 0.0))[1] == end_s:
                self._expect_no_more(number)
        running_s = max(0.0, self._share_times_end - self._share * now_s)
        return InUse(
            cores=self._used.cores + self._booked.cores,
            memory_gib=self._used.memory_gib + self._booked.memory_gib,
            accelerators=self._used.accelerators + self._booked.accelerators,
            waiting=self._booked.count,
            backlog_s=running_s + self._waiting_s,
        )

    def held(self) -> InUse:
        """What runs, without what waits."""
        return InUse(
            cores=self._used.cores,
            memory_gib=self._used.memory_gib,
            accelerators=self._used.accelerators,
        )

    def running(self) -> list[int]:
        """Those that run, in the order in which they started."""
        return list(self._running)

    def waiting(self) -> list[int]:
        """Those that wait, the lowest number first."""
        return sorted(number for line in self._lines.values() for number in line.members)

    def wait(self, number: int, request: ResourceRequest, expected_s: float) -> None:
        """Stand in line; the lowest number is its head."""
        self._lines.setdefault(request, _Line()).join(number)
        self._booked.add(request, 1)
        self._waiting_s += expected_s * fill(request, self.capacity, IDLE)

    def leave(self, number: int, request: ResourceRequest, expected_s: float) -> None:
        """Leave the line."""
        line = self._lines[request]
        line.members.remove(number)
        if not line.members:
            del self._lines[request]
        self._booked.add(request, -1)
        self._waiting_s -= expected_s * fill(request, self.capacity, IDLE)
        if not self._booked.count:
            self._waiting_s = 0.0

    def next_fitting(self) -> int | None:
        """Of those that wait and fit now, the one with the lowest number."""
        now = self.held()
        fitting = (
            line.head()
            for request, line in self._lines.items()
            if has_room(request, self.capacity, now)
        )
        return min(fitting, default=None)

    def start(self, number: int, request: ResourceRequest, now_s: float, expected_s: float) -> None:
        """Run; the caller has taken it out of the line and knows that it fits."""
        self._running[number] = request
        self._used.add(request, 1)
        if expected_s > 0:
            share, end_s = fill(request, self.capacity, IDLE), now_s + expected_s
            self._expected[number] = (share, end_s)
            self._share += share
            self._share_times_end += share * end_s
            heapq.heappush(self._expected_ends, (end_s, number))

    def stop(self, number: int, request: ResourceRequest) -> None:
        """Run no more."""
        del self._running[number]
        self._used.add(request, -1)
        if number in self._expected:
            self._expect_no_more(number)

    def _expect_no_more(self, number: int) -> None:
        share, end_s = self._expected.pop(number)
        self._share -= share
        self._share_times_end -= share * end_s
        if not self._expected:
            self._share = self._share_times_end = 0.0
