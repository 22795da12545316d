"""What a process and its descendants use, measured from inside by a thread."""

from __future__ import annotations

import contextlib
import os
import resource
import threading
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from aiops_provider.domain.execution import Usage
from aiops_provider.domain.units import gib_from_bytes

if TYPE_CHECKING:
    import psutil

# Looking costs more the more processes and memory there are; it never takes more than this
# share of a core.
_LOOK_SHARE = 0.03


@dataclass(frozen=True, slots=True, kw_only=True)
class _Reading:
    memory_bytes: int
    cpu_s: float
    disk_bytes: tuple[int, int] | None


class UsageSampler:
    """
    Measures a process tree from ``start()`` to ``stop()``.

    Memory is the sum of the proportional set sizes (a page shared by n processes counts 1/n in
    each), or of the resident set sizes where the system does not tell them. Processor time and
    disk traffic are what was added since the start; descendants that ended are included once
    their parent has waited for them. A peak between two readings is seen for the process itself,
    by way of the kernel's high-water mark, and missed for its descendants.

    Args:
        pid: Root of the tree; default: this process.
        period_s: Time between readings.
    """

    def __init__(self, pid: int | None = None, period_s: float = 0.25) -> None:
        self._pid = os.getpid() if pid is None else pid
        self._period_s = period_s
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None
        self._started_at = 0.0
        self._duration_s = 0.0
        self._first: _Reading | None = None
        self._last: _Reading | None = None
        self._peak_bytes = 0
        self._high_water_bytes = 0
        self._shared_bytes = 0

    def start(self) -> None:
        """Take the first reading and go on in a thread; a second call changes nothing."""
        if self._thread is not None:
            return
        self._started_at = time.monotonic()
        self._first = self._read()
        self._note_high_water()
        self._thread = threading.Thread(target=self._work, name="aiops-usage", daemon=True)
        self._thread.start()

    def stop(self) -> Usage:
        """
        Take the last reading; what was used since the start.

        Raises:
            RuntimeError: It was never started.
        """
        if self._thread is None or self._first is None:
            raise RuntimeError("the sampler was not started")
        if not self._stop.is_set():
            self._stop.set()
            self._thread.join()
            self._duration_s = time.monotonic() - self._started_at
            self._read()
            self._add_own_peak()
        first, last = self._first, self._last or self._first
        read, written = _since(first.disk_bytes, last.disk_bytes)
        return Usage(
            peak_memory_gib=gib_from_bytes(self._peak_bytes),
            cpu_seconds=max(0.0, last.cpu_s - first.cpu_s),
            duration_s=self._duration_s,
            io_read_gib=read,
            io_write_gib=written,
        )

    def _work(self) -> None:
        cost_s = 0.0
        while not self._stop.wait(max(self._period_s, cost_s / _LOOK_SHARE)):
            began = time.thread_time()
            self._read()
            cost_s = time.thread_time() - began

    def _read(self) -> _Reading:
        import psutil

        members: list[psutil.Process] = []
        with contextlib.suppress(psutil.Error):  # it is over
            root = psutil.Process(self._pid)
            members = [root, *root.children(recursive=True)]
        reading = _sum([each for each in map(_look_at, members) if each is not None])
        self._peak_bytes = max(self._peak_bytes, reading.memory_bytes)
        before = self._last
        if before is None:
            self._last = reading
        else:
            # A process that nobody waited for takes its figures along; they were used all the same.
            self._last = _Reading(
                memory_bytes=reading.memory_bytes,
                cpu_s=max(before.cpu_s, reading.cpu_s),
                disk_bytes=_highest(before.disk_bytes, reading.disk_bytes),
            )
        return reading

    def _note_high_water(self) -> None:
        if self._pid != os.getpid() or self._first is None:
            return
        import psutil

        self._high_water_bytes = _high_water_bytes()
        own = psutil.Process()
        self._shared_bytes = max(0, own.memory_info().rss - _memory_bytes(own))

    def _add_own_peak(self) -> None:
        """Since the start the mark has moved: the process was that large in between."""
        if self._pid == os.getpid() and _high_water_bytes() > self._high_water_bytes > 0:
            own = _high_water_bytes() - self._shared_bytes
            self._peak_bytes = max(self._peak_bytes, own)


def _look_at(process: psutil.Process) -> _Reading | None:
    import psutil

    try:
        with process.oneshot():
            times = process.cpu_times()
            return _Reading(
                memory_bytes=_memory_bytes(process),
                cpu_s=times.user + times.system + times.children_user + times.children_system,
                disk_bytes=_disk_bytes(process),
            )
    except psutil.Error:  # it ended in this moment, or is a zombie
        return None


def _memory_bytes(process: psutil.Process) -> int:
    import psutil

    try:
        full = process.memory_full_info()
    except psutil.AccessDenied:
        return int(process.memory_info().rss)
    return int(getattr(full, "pss", 0) or full.rss)


def _disk_bytes(process: psutil.Process) -> tuple[int, int] | None:
    import psutil

    try:
        counters = process.io_counters()
    except (psutil.AccessDenied, AttributeError):  # AttributeError: macOS has none
        return None
    return counters.read_bytes, counters.write_bytes


def _sum(readings: list[_Reading]) -> _Reading:
    disks = [each.disk_bytes for each in readings if each.disk_bytes is not None]
    return _Reading(
        memory_bytes=sum(each.memory_bytes for each in readings),
        cpu_s=sum(each.cpu_s for each in readings),
        disk_bytes=(sum(r for r, _ in disks), sum(w for _, w in disks)) if disks else None,
    )


def _highest(before: tuple[int, int] | None, now: tuple[int, int] | None) -> tuple[int, int] | None:
    if before is None or now is None:
        return before or now
    return max(before[0], now[0]), max(before[1], now[1])


def _since(
    first: tuple[int, int] | None, last: tuple[int, int] | None
) -> tuple[float | None, float | None]:
    if first is None or last is None:
        return None, None
    read, written = last[0] - first[0], last[1] - first[1]
    return gib_from_bytes(max(0, read)), gib_from_bytes(max(0, written))


def _high_water_bytes() -> int:
    """
    Highest resident size of this process so far.

    Linux carries ``ru_maxrss`` over from the program that started this one, so that a small child
    of a large parent would seem as large as that; ``VmHWM`` starts anew with each program.
    """
    with contextlib.suppress(OSError, StopIteration):
        status = Path("/proc/self/status").read_bytes().splitlines()
        return int(next(line for line in status if line.startswith(b"VmHWM:")).split()[1]) * 1024
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if os.uname().sysname == "Darwin" else peak * 1024
