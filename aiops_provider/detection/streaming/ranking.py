"""
How abnormal is each moment of a series, compared with its other moments?

A p-value decides about one sample, and right after the onset of a lasting trouble the series is as it has
been lately. Whoever reads a series as a whole wants all of the trouble, the worst first. So the surprise of
a sample is raised by that of the samples before it. Nothing here raises an alarm.
"""

from __future__ import annotations

import numpy as np

from aiops_provider.detection.reference import summarise
from aiops_provider.detection.scoring.windows import Floats
from aiops_provider.detection.seasonal import two_sided_p
from aiops_provider.detection.streaming.tails import WARM_UP

# Samples before anything is said about one.
_LEAST = 8
# While a series is young, what is usual is known from a few samples: more than one in a hundred is
# claimed of none.
_MOST_YOUNG = 2.0
# Of the moving mean that carries the surprise on: troubles last for hours, however often one looks. And
# how much that mean weighs: what lasts outranks what is as far out once.
_SPAN_S = 8 * 3600.0
_CARRIED = 5.0
# Doubles end near 1e-308.
_SMALLEST_P = 1e-300


def abnormality(times: Floats, values: Floats, p_values: Floats) -> Floats:
    """
    Scores that put the moments of one series in order; each by what came up to it only.

    ``s + 5 mean(s)``, where ``s`` is ``-log10 p`` and the mean is exponentially weighted over eight hours (a
    single sample where they are further apart). A sample without a p-value – the series is young – is
    compared with the median of all before it, by Student's t, and ``s`` is 2 at most.

    Args:
        times: Moment of each sample, seconds, ascending.
        values: Of the series.
        p_values: Of each sample, NaN where there is none.

    Returns:
        At least 0, higher is more abnormal; unlike p-values they cannot be compared with a threshold.
    """
    surprise = np.where(
        np.isnan(p_values),
        _young_surprise(values),
        -np.log10(np.clip(np.nan_to_num(p_values, nan=1.0), _SMALLEST_P, 1.0)),
    )
    gaps = np.maximum(np.diff(times, prepend=times[:1]), 1e-3)  # the first one carries nothing on
    spans = np.maximum(_SPAN_S / gaps, 1.0)
    scores = np.empty(len(surprise))
    mean = 0.0
    for place, (one, span) in enumerate(zip(surprise, spans, strict=True)):
        mean += 2.0 / (span + 1.0) * (one - mean)
        scores[place] = one + _CARRIED * mean
    return scores


def _young_surprise(values: Floats) -> Floats:
    """Surprise of the first samples, zero of all others."""
    found = np.zeros(len(values))
    for place in range(_LEAST, min(WARM_UP, len(values))):
        usual = summarise("so far", values[:place], place)
        p_value = two_sided_p(usual.deviation(float(values[place])), usual.freedom)
        found[place] = min(-np.log10(max(p_value, _SMALLEST_P)), _MOST_YOUNG)
    return found
