"""Measures one job: memory of its process tree against its limit, CPU time, disk traffic."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from resource import struct_rusage

from aiops_provider.clusters.local import proc
from aiops_provider.clusters.local.proc import ProcessStat
from aiops_provider.domain.execution import Usage
from aiops_provider.domain.units import gib_from_bytes

# Reading a proportional set size walks the page tables, a millisecond for a few hundred MiB; the
# resident set size is free. So PSS is read when it may be news: near the limit, from time to time near a
# new peak, and once in a while because pages stop being shared without the resident size moving.
_NEAR_LIMIT = 0.9
_NEWS_BYTES = 1 << 20
_NEWS_SHARE = 0.02
_NEWS_EVERY_S = 0.5
_STALE_S = 2.0
_STALE_NEAR_LIMIT_S = 0.2


@dataclass(slots=True)
class JobMeter:
    """
    Follows a job from its fork to its end.

    Attributes:
        limit_bytes: Memory that it was granted.
        inherited_bytes: Anonymous memory of the pool when it forked the job.
        pool_resident_bytes: Resident memory of the pool then.
        members: Its living processes when they were last looked for, by id.
        memory_bytes: Proportional set size of its tree when it was last read.
        peak_bytes: Highest so far.
    """

    limit_bytes: int
    inherited_bytes: int
    pool_resident_bytes: int
    members: dict[int, ProcessStat] = field(default_factory=dict)
    memory_bytes: int = 0
    peak_bytes: int = 0
    _resident_bytes: int = 0
    _read_at: float = float("-inf")
    _cpu_s: float = 0.0
    _read_bytes: int | None = None
    _written_bytes: int | None = None

    @property
    def exceeded(self) -> bool:
        """Whether the last reading was above the limit."""
        return self.memory_bytes > self.limit_bytes

    def begin_as_copy(self, now: float, *, copies: int) -> None:
        """
        Take note of what a fork of the pool occupies before it has done anything, without reading it.

        Every page of the pool is shared then. So a short job need not be read twice, and one that is over
        before it was read at all is not taken for as large as the pool.

        Args:
            now: Monotonic clock, seconds.
            copies: Forks of the pool that live, this one included.
        """
        self.memory_bytes = self.peak_bytes = self.inherited_bytes // (copies + 1)
        self._resident_bytes, self._read_at = self.pool_resident_bytes, now

    def observe(self, members: Sequence[ProcessStat], now: float, *, exec_ed: bool = False) -> None:
        """
        Take a reading.

        Args:
            members: Living processes of the job.
            now: Monotonic clock, seconds.
            exec_ed: Whether they run a program of their own rather than a fork of the pool.
        """
        self.members = {process.pid: process for process in members}
        if exec_ed:
            # What the kernel tells at the end is hidden below the size of the pool they came from.
            own = max(map(proc.high_water_bytes, self.members), default=0)
            self.peak_bytes = max(self.peak_bytes, own)
        resident = sum(proc.resident_bytes(pid) for pid in self.members)
        if self._is_news(resident, now):
            self.memory_bytes = sum(
                proc.memory_bytes(pid, inherited_bytes=self.inherited_bytes) for pid in self.members
            )
            self.peak_bytes = max(self.peak_bytes, self.memory_bytes)
            # In the middle of an exec a process has no memory to show: that was no reading.
            if self.memory_bytes:
                self._resident_bytes, self._read_at = resident, now

    def reaped(self, usage: struct_rusage, disk: tuple[int, int] | None, *, exec_ed: bool) -> None:
        """
        Add a process of the job that has ended, with all its dead descendants.

        Args:
            usage: What the kernel says it used.
            disk: Bytes read and written.
            exec_ed: Whether it ran a program of its own rather than a fork of the pool.
        """
        self._cpu_s += usage.ru_utime + usage.ru_stime
        if disk is not None:
            self._read_bytes = (self._read_bytes or 0) + disk[0]
            self._written_bytes = (self._written_bytes or 0) + disk[1]
        self._add_peak(usage.ru_maxrss * 1024, exec_ed=exec_ed)

    def usage(self, duration_s: float) -> Usage:
        """What the job used in all."""
        return Usage(
            peak_memory_gib=gib_from_bytes(self.peak_bytes),
            cpu_seconds=self._cpu_s,
            duration_s=duration_s,
            io_read_gib=None if self._read_bytes is None else gib_from_bytes(self._read_bytes),
            io_write_gib=None
            if self._written_bytes is None
            else gib_from_bytes(self._written_bytes),
        )

    def owns(self, process: ProcessStat) -> bool:
        """Whether the process was seen among the job's."""
        known = self.members.get(process.pid)
        return known is not None and known.started == process.started

    def _add_peak(self, resident: int, *, exec_ed: bool) -> None:
        """
        Take in the highest resident size that the kernel saw in the largest process.

        Readings miss a short peak; the kernel does not, but counts what the job inherited from the
        pool as well. What is left without that is a lower bound. Of a job that was over before any
        reading only the upper bound is known, and that is better than nothing.
        """
        if not self.peak_bytes:
            self.peak_bytes = resident
        elif resident > self.pool_resident_bytes:
            own = resident if exec_ed else resident - self.pool_resident_bytes
            self.peak_bytes = max(self.peak_bytes, own)

    def _is_news(self, resident: int, now: float) -> bool:
        estimate = self.memory_bytes + max(0, resident - self._resident_bytes)
        near = min(estimate, resident) > self.limit_bytes * _NEAR_LIMIT
        age_s = now - self._read_at
        if age_s >= (_STALE_NEAR_LIMIT_S if near else _STALE_S):
            return True
        if age_s < _NEWS_EVERY_S:
            return False
        return estimate > self.peak_bytes * (1 + _NEWS_SHARE) + _NEWS_BYTES
