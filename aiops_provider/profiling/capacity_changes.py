"""
Fewer changes of capacity: what a schedule may smooth away without ever falling below the need.

The action plan of Netflix's Scryer (2013) asks for few scale-ups as well as for enough servers. Here
it is a dynamic programme over the slots of a week, with a price on each change.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Counts = NDArray[np.int64]


def bridge_dips(needs: Counts, hold: int) -> Counts:
    """
    Keep what would soon be needed again: dips shorter than *hold* slots are filled.

    A closing with a flat window (largest, then smallest of neighbours), over a week that repeats.
    Scale-out is never delayed, and what goes down stays down for at least *hold* slots.

    Args:
        needs: Instances per slot, shape (slots,).
        hold: Slots, >= 0; up to one leaves the needs as they are.

    >>> bridge_dips(np.array([4, 4, 1, 4, 4, 1, 1, 1]), 2).tolist()
    [4, 4, 4, 4, 4, 1, 1, 1]
    """
    width = min(hold, len(needs) - 1)
    if width <= 1:
        return needs.copy()
    dilated = rolling_maximum(needs, width)
    # The same window the other way round, so that nothing is shifted.
    return -rolling_maximum(-dilated[::-1], width)[::-1]


def rolling_maximum(values: Counts, width: int) -> Counts:
    """
    Largest of each value and the ``width - 1`` after it, over a cycle.

    >>> rolling_maximum(np.array([1, 5, 2, 3]), 2).tolist()
    [5, 5, 3, 3]
    """
    width = min(max(width, 1), len(values))
    wrapped = np.concatenate((values, values[: width - 1]))
    windows = np.lib.stride_tricks.sliding_window_view(wrapped, width)
    largest: Counts = windows.max(axis=1)
    return largest


def fewest_changes(needs: Counts, change_cost: float) -> Counts:
    """
    The cheapest plan that meets every need, where each change of level costs something too.

    Minimises ``sum(level - need) + change_cost * changes`` over all ways to cut the week into runs of
    slots; within a run the level is its largest need. Exact for a week cut open where the need rises
    most, where a change is wanted in any case.

    Args:
        needs: Instances per slot, shape (slots,), >= 0.
        change_cost: Price of one change, in instances times slots, >= 0.

    Returns:
        Instances per slot, nowhere below the needs.

    >>> fewest_changes(np.array([1, 1, 5, 4, 5, 1, 1, 1]), 2.0).tolist()
    [1, 1, 5, 5, 5, 1, 1, 1]
    """
    slots = len(needs)
    first = int(np.argmax(needs - np.roll(needs, 1)))
    opened = np.roll(needs, -first)
    cheapest = np.zeros(slots + 1)
    begins = np.zeros(slots, dtype=np.int64)
    for last in range(slots):
        # Runs that end here, from the shortest: their largest need times their length.
        levels = np.maximum.accumulate(opened[last::-1])
        costs = levels * np.arange(1, last + 2) + change_cost + cheapest[last::-1]
        shortest = int(np.argmin(costs))
        begins[last], cheapest[last + 1] = last - shortest, costs[shortest]
    planned = opened.copy()
    last = slots - 1
    while last >= 0:
        begin = int(begins[last])
        planned[begin : last + 1] = opened[begin : last + 1].max()
        last = begin - 1
    # One run alone is no change at all, although the programme charged for it; two runs are two.
    if cheapest[slots] >= slots * int(needs.max()):
        planned[:] = needs.max()
    return np.roll(planned, first)
