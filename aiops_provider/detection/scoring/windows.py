"""Labelled anomalies of one series as ranges of its samples."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Flags = NDArray[np.bool_]

# First and last sample of a labelled anomaly, both included.
Window = tuple[int, int]


def runs_of(flags: Flags) -> list[Window]:
    """
    Ranges of samples in which the flag is set.

    >>> runs_of(np.array([False, True, True, False, True]))
    [(1, 2), (4, 4)]
    """
    places = np.flatnonzero(flags)
    if len(places) == 0:
        return []
    breaks = np.flatnonzero(np.diff(places) > 1)
    firsts = places[np.concatenate(([0], breaks + 1))]
    lasts = places[np.concatenate((breaks, [len(places) - 1]))]
    return [(int(first), int(last)) for first, last in zip(firsts, lasts, strict=True)]


def windows_between(times: Floats, spans: Sequence[tuple[float, float]]) -> list[Window]:
    """
    Ranges of samples from ranges of time.

    Args:
        times: Moment of each sample in seconds, ascending.
        spans: Begin and end of each anomaly in seconds, both included.

    Returns:
        In order of time; a span without any sample has no range.

    >>> windows_between(np.array([0.0, 60.0, 120.0]), [(50.0, 130.0), (500.0, 600.0)])
    [(1, 2)]
    """
    found = []
    for begin, end in sorted(spans):
        first = int(np.searchsorted(times, begin, side="left"))
        last = int(np.searchsorted(times, end, side="right")) - 1
        if first <= last:
            found.append((first, last))
    return found


def flags_of(windows: Sequence[Window], length: int) -> Flags:
    """One flag per sample: whether it lies in a window."""
    flags = np.zeros(length, dtype=np.bool_)
    for first, last in windows:
        flags[first : last + 1] = True
    return flags
