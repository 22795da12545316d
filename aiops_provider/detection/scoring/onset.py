"""Which of the samples above a threshold are news."""

from __future__ import annotations

import numpy as np

from aiops_provider.detection.scoring.windows import Flags, Floats


def onsets(scores: Floats, threshold: float, *, rest: int) -> Flags:
    """
    First samples at or above a threshold; a lasting deviation is told again after a rest.

    Args:
        scores: In order of time.
        threshold: From which on a sample counts.
        rest: Samples of silence after each that was told.

    >>> onsets(np.array([0.0, 0.9, 0.9, 0.9, 0.0]), 0.5, rest=1)
    array([False,  True, False,  True, False])
    """
    told = np.zeros(len(scores), dtype=np.bool_)
    next_place = 0
    for place in np.flatnonzero(scores >= threshold):
        if place >= next_place:
            told[place] = True
            next_place = int(place) + rest + 1
    return told
