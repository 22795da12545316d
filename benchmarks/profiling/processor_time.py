"""
How long work would have taken had nobody else used the processors.

The kernel tells for each thread how long it ran and how long it was ready to run but had to wait
(``/proc/PID/task/TID/schedstat``; Linux, "Documentation/scheduler/sched-stats.rst"). Only running
counts; where two threads were busy at once, each with a processor would have done it in half the time.
Waiting for a disk is left out as well: what this measures must stay in the page cache.
"""

from __future__ import annotations

import threading
from pathlib import Path
from types import TracebackType
from typing import Self

_PERIOD_S = 0.004
_THREADS = Path("/proc/self/task")


class ProcessorTime:
    """
    Measures a block that runs native code of up to two threads.

    The block must let go of the interpreter's lock, as DuckDB does: the watching thread needs it.

    Attributes:
        seconds: Without the waiting, once the block has ended.
    """

    def __init__(self) -> None:
        self.seconds = 0.0
        self._done = threading.Event()
        self._watcher = threading.Thread(target=self._watch, daemon=True)
        self._own = 0

    def __enter__(self) -> Self:
        self._seen = self._read()
        self._watcher.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._done.set()
        self._watcher.join()
        self._count()

    def _watch(self) -> None:
        self._own = threading.get_native_id()
        while not self._done.wait(_PERIOD_S):
            self._count()

    def _read(self) -> dict[int, tuple[int, int]]:
        found = {}
        for folder in _THREADS.iterdir():
            thread = int(folder.name)
            if thread == self._own:
                continue
            try:
                ran, waited, _ = (folder / "schedstat").read_text().split()
            except (FileNotFoundError, ProcessLookupError):
                continue  # a thread that has just ended
            found[thread] = (int(ran), int(waited))
        return found

    def _count(self) -> None:
        seen = self._read()
        busy = []
        for thread, (ran, waited) in seen.items():
            ran_before, waited_before = self._seen.get(thread, (0, 0))
            busy.append((ran - ran_before + waited - waited_before, ran - ran_before))
        self.seconds += undisturbed_ns(busy) / 1e9
        self._seen = seen


def undisturbed_ns(busy: list[tuple[int, int]]) -> float:
    """
    Time that a short while would have taken undisturbed.

    Args:
        busy: For each thread how long it ran or waited for a processor, and how long it ran.

    >>> undisturbed_ns([(100, 40)])  # one thread that had to wait
    40.0
    >>> undisturbed_ns([(100, 50), (100, 50)])  # two that took turns
    50.0
    """
    active = sorted(busy, reverse=True)[:2]
    if not active or active[0][0] <= 0:
        return 0.0
    most, ran = active[0]
    other, other_ran = active[1] if len(active) > 1 else (0, 0)
    together = min(1.0, other / most)
    return ran * (1 - together) + (ran * together + other_ran) / 2
