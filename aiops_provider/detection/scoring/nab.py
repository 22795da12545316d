"""
The score of the Numenta Anomaly Benchmark (Lavin and Ahmad, ICMLA 2015; NAB v1.1).

A labelled window is worth up to one point, the more the earlier its first detection; a window
without detection costs one, every detection outside costs a share of a point, less just behind a
window than far from any. 0 is the detector that never alarms, 100 the perfect one. The score is no
measure of usefulness by itself: it counts one detection per window, and random detections reach 11.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from aiops_provider.detection.scoring.windows import Flags, Window

_PROBATION_SHARE = 0.15
_PROBATION_LONGEST = 5_000
# Further behind a window than so many of its widths a detection is as false as anywhere.
_FAR = 3.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Profile:
    """
    What a detection is worth.

    Attributes:
        found: Points for a window detected at its first sample.
        false: Points that a detection far from any window costs.
        missed: Points that a window without detection costs.
    """

    found: float = 1.0
    false: float = 0.11
    missed: float = 1.0


PROFILES: Mapping[str, Profile] = {
    "standard": Profile(),
    "low_fp": Profile(false=0.22),
    "low_fn": Profile(missed=2.0),
}


def probation(length: int) -> int:
    """
    Samples at the begin of a series whose detections do not count.

    >>> probation(4032), probation(20000)
    (604, 750)
    """
    return int(_PROBATION_SHARE * min(length, _PROBATION_LONGEST))


def nab_points(detected: Flags, windows: Sequence[Window], profile: Profile) -> float:
    """
    Points of one series.

    Args:
        detected: One flag per sample, those of the probation included (they are ignored).
        windows: Labelled anomalies, in order of time.
        profile: What a detection is worth.
    """
    begin = probation(len(detected))
    best = [-profile.missed] * len(windows)
    false = 0.0
    place = 0  # the first window that does not end before the sample
    for sample in np.flatnonzero(detected[begin:]) + begin:
        while place < len(windows) and windows[place][1] < sample:
            place += 1
        if place < len(windows) and windows[place][0] <= sample:
            first, last = windows[place]
            position = -(last - sample + 1) / (last - first + 1)
            points = profile.found * _worth(position) / _worth(-1.0)
            best[place] = max(best[place], points)
        elif place == 0:
            false -= profile.false
        else:
            first, last = windows[place - 1]
            behind = (sample - last) / max(last - first, 1)
            false += profile.false * _worth(behind)
    return sum(best) + false


def nab_score(points: float, windows: int, profile: Profile) -> float:
    """
    Points of all series on the scale on which 0 is to detect nothing and 100 is perfect.

    Args:
        points: Sum over all series.
        windows: Number of windows of all series; NaN comes back for none.
        profile: What a detection is worth.
    """
    if windows == 0:
        return math.nan
    nothing, perfect = -profile.missed * windows, profile.found * windows
    return 100.0 * (points - nothing) / (perfect - nothing)


def _worth(position: float) -> float:
    """From nearly 1 at the begin of a window (-1) over 0 at its end to -1 far behind it."""
    if position > _FAR:
        return -1.0
    return 2.0 / (1.0 + math.exp(5.0 * position)) - 1.0
