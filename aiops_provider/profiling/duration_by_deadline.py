"""
How long a run takes, by the deadline that was declared for it.

Where runs of one task differ much in size, whoever gives each its own deadline knows something about
that size. What carries over from run to run is then the share of its deadline that a run needs. With
one deadline for all runs of a task the shares say the same as the durations. Quantiles are those of
split-conformal prediction (Vovk et al.; the k-th smallest of n with k = ceil((n + 1) × level)), so that
too few runs give no answer rather than a bold one.
"""

from __future__ import annotations

import math
from bisect import bisect_right, insort
from collections import defaultdict

from aiops_provider.domain.task import TaskKey

# Enough for a quantile of 99.9 %; shares of older runs are thinned out, not forgotten at once.
_MOST_RUNS = 2_000


class DurationByDeadline:
    """Shares of their deadlines that finished runs needed, per task and of all tasks together."""

    def __init__(self) -> None:
        self._shares: defaultdict[TaskKey, list[float]] = defaultdict(list)
        self._all: list[float] = []

    def learn(self, task: TaskKey, *, duration_s: float, deadline_s: float) -> None:
        """
        Take in a run that has ended well.

        Args:
            task: Which.
            duration_s: That it worked.
            deadline_s: That was declared for it, > 0.
        """
        for shares in (self._shares[task], self._all):
            insort(shares, duration_s / deadline_s)
            if len(shares) > _MOST_RUNS:
                # Every second one, the largest always stays: the distribution is kept.
                del shares[-2::-2]

    def quantile_s(
        self, task: TaskKey, *, deadline_s: float, level: float, done_s: float = 0.0
    ) -> float | None:
        """
        Duration of a whole run that is not exceeded with this probability.

        Args:
            task: Which; where its own runs are too few, those of all tasks are taken.
            deadline_s: Declared for the run.
            level: In (0, 1).
            done_s: What it has worked already: shorter runs do not count any more.

        Returns:
            Seconds, or ``None`` when there are too few runs for such a level.
        """
        for shares in (self._shares.get(task, []), self._all):
            longer = len(shares) - bisect_right(shares, done_s / deadline_s)
            rank = math.ceil((longer + 1) * level)
            if 0 < rank <= longer:
                return shares[len(shares) - longer + rank - 1] * deadline_s
        return None

    def mean_s(self, task: TaskKey, *, deadline_s: float, done_s: float = 0.0) -> float | None:
        """
        Expected duration of a whole run, given what it has worked already.

        Args:
            task: As above.
            deadline_s: As above.
            done_s: As above.

        Returns:
            Seconds, or ``None`` when no run is known that was longer.
        """
        for shares in (self._shares.get(task, []), self._all):
            longer = shares[bisect_right(shares, done_s / deadline_s) :]
            if longer:
                return sum(longer) / len(longer) * deadline_s
        return None
