"""
Whether the newest runs of a task are at another level than those before: its code or its input changed.

No record tells of an image or of code, but what they do shows in the figures. The test rests on ranks
alone, so that neither the spread of a figure nor single wild runs matter.
"""

from __future__ import annotations

import math
from bisect import bisect_left, bisect_right, insort
from collections.abc import Sequence
from statistics import median

# False alarms among histories without a change, over all places that are tried.
_FALSE_ALARMS = 0.01
# A change of less than a fifth is not worth forgetting runs for: sizes have that much room.
_SMALLEST_CHANGE = math.log(1.2)
# From so many runs on each side the normal approximation of the rank sum holds
# (Mann and Whitney, "On a Test of Whether one of Two Random Variables is Stochastically Larger", 1947).
_NORMAL_FROM = 8
# With fewer runs no place can be told from chance.
_FEWEST = 6


def runs_since_change(values: Sequence[float]) -> int | None:
    """
    How many of the newest values belong to the new level; ``None`` where there was no change.

    For each place the newest *m* of *N* values are compared with the others, once by the exact
    probability that they are all among the ``m + j`` largest (or smallest), ``C(m+j, m) / C(N, m)``,
    and once by their rank sum. The least likely place counts, if it is less likely than a false alarm
    divided by the number of trials (Bonferroni), and if the two medians differ by a fifth.

    Args:
        values: Oldest first, > 0.

    >>> runs_since_change([1.0, 1.1] * 10 + [2.0, 2.1, 2.0, 2.2])
    4
    >>> runs_since_change([1.0, 1.1] * 12) is None
    True
    """
    count = len(values)
    if count < _FEWEST:
        return None
    trials = 2 * (count - 1)
    best, since = _FALSE_ALARMS / trials, None
    older, newer = sorted(values), list[float]()
    # Twice the number of pairs in which the newer value is the larger one; ties count half.
    above = 0
    for m in range(1, count):
        value = values[count - m]
        del older[bisect_left(older, value)]
        above -= 2 * len(newer) - bisect_left(newer, value) - bisect_right(newer, value)
        insort(newer, value)
        above += bisect_left(older, value) + bisect_right(older, value)
        chance = _chance(older, newer, above / 2)
        if chance < best and _differ(older, newer):
            best, since = chance, m
    return since


def _chance(older: Sequence[float], newer: Sequence[float], above: float) -> float:
    n, m = len(older), len(newer)
    over = n - bisect_left(older, newer[0])
    under = bisect_right(older, newer[-1])
    mixed = min(over, under)
    chance = math.comb(m + mixed, m) / math.comb(n + m, m)
    if min(n, m) >= _NORMAL_FROM:
        deviation = math.sqrt(n * m * (n + m + 1) / 12)
        z = max(0.0, abs(above - n * m / 2) - 0.5) / deviation
        chance = min(chance, 0.5 * math.erfc(z / math.sqrt(2)))
    return chance


def _differ(older: Sequence[float], newer: Sequence[float]) -> bool:
    return abs(math.log(median(newer) / median(older))) >= _SMALLEST_CHANGE
