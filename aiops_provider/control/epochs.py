"""How often each try was placed: the newest placement of a try is the one that counts."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Mapping

from aiops_provider.domain.task import TaskRun

_MOST_REMEMBERED = 100_000


class EpochBook:
    """Gives out the epochs of one process; safe to use from several threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._newest: OrderedDict[TaskRun, int] = OrderedDict()

    def remember(self, epochs: Mapping[TaskRun, int]) -> None:
        """Take over the epochs that an earlier process gave, so that later ones are higher."""
        with self._lock:
            for run, epoch in epochs.items():
                self._newest[run] = max(epoch, self._newest.get(run, 0))

    def newest(self, run: TaskRun) -> int:
        """The newest epoch given to a try; 0 if none."""
        return self._newest.get(run, 0)

    def next(self, run: TaskRun) -> int:
        """Give a try its next epoch; those of the tries that were placed longest ago are forgotten."""
        with self._lock:
            epoch = self._newest.pop(run, 0) + 1
            self._newest[run] = epoch
            while len(self._newest) > _MOST_REMEMBERED:
                self._newest.popitem(last=False)
            return epoch
