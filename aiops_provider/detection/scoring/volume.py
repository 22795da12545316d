"""
VUS-PR: the volume under the surface of precision, recall and label tolerance.

Paparrizos et al., Volume Under the Surface, PVLDB 15(11), 2022. Labels get slopes of a growing
width on either side, so that a detection a little early or late is worth a little less; for every
width the area under precision over recall is taken, and the mean over the widths is the score. It
needs no threshold and no alignment; a random score reaches about the share of anomalous samples.

In what the paper leaves open this follows its authors' own implementation (``RangeAUC_volume_opt`` of
the package vus), with which published tables were made: recall counts of the slopes what was passed, so a
score is not blamed for missing what was no anomaly, and the area is a sum of steps.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from aiops_provider.detection.scoring.windows import Floats, Window, flags_of

_THRESHOLDS = 250
_WIDTHS = 8


def vus_pr(scores: Floats, windows: Sequence[Window], *, buffer: int | None = None) -> float:
    """
    The score of one series.

    Args:
        scores: One per sample, higher is more anomalous.
        windows: Labelled anomalies.
        buffer: Widest slope, in samples; default: the median length of the anomalies. The widths
            are nine from 0 to this, evenly spaced.

    Returns:
        In [0, 1]; NaN without any anomaly.
    """
    if not windows:
        return float("nan")
    if buffer is None:
        buffer = int(np.median([last - first + 1 for first, last in windows]))
    widths = sorted({round(buffer * step / _WIDTHS) for step in range(_WIDTHS + 1)})
    order = np.argsort(-scores, kind="stable")
    # Samples with equal scores pass a threshold together.
    descending = scores[order]
    ranks = np.unique(np.linspace(0, len(scores) - 1, _THRESHOLDS).astype(np.intp))
    passed = np.searchsorted(-descending, -descending[ranks], side="right")
    areas = [_area(order, np.unique(passed), windows, len(scores), width) for width in widths]
    return float(np.mean(areas))


def _area(
    order: np.ndarray, passed: np.ndarray, windows: Sequence[Window], length: int, width: int
) -> float:
    """Area under precision over recall at one slope width."""
    labels = sloped_labels(windows, length, width)
    inside = flags_of(windows, length)
    found = np.cumsum(labels[order])[passed - 1]
    on_slopes = np.cumsum(np.where(inside, 0.0, labels)[order])[passed - 1]
    positives = float(inside.sum()) + on_slopes / 2.0
    place = np.empty(length, dtype=np.intp)
    place[order] = np.arange(length)
    first_hit = np.array(
        [place[first : last + 1].min() for first, last in _segments(windows, length, width)]
    )
    existence = (first_hit[None, :] < passed[:, None]).mean(axis=1)
    recall = np.minimum(found / positives, 1.0) * existence
    precision = found / passed
    return float(np.sum(np.diff(recall, prepend=0.0) * precision))


def sloped_labels(windows: Sequence[Window], length: int, width: int) -> Floats:
    """
    Labels that fall off with the square root over half the width on either side; slopes add up to 1.

    >>> sloped_labels([(2, 2)], 5, 2).round(2)
    array([0.  , 0.71, 1.  , 0.71, 0.  ])
    """
    labels: Floats = flags_of(windows, length).astype(np.float64)
    reach = width // 2
    for first, last in windows:
        for step in range(1, reach + 1):
            slope = np.sqrt(1.0 - step / width)
            for place in (first - step, last + step):
                if 0 <= place < length:
                    labels[place] += slope
    return np.minimum(labels, 1.0)


def _segments(windows: Sequence[Window], length: int, width: int) -> list[Window]:
    """Windows with their slopes; those that overlap are one."""
    reach = width // 2
    merged: list[Window] = []
    for first, last in sorted(windows):
        begin, end = max(first - reach, 0), min(last + reach, length - 1)
        if merged and begin <= merged[-1][1]:
            merged[-1] = (merged[-1][0], max(merged[-1][1], end))
        else:
            merged.append((begin, end))
    return merged
