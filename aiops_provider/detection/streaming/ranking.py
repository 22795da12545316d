"""
How abnormal is each moment of a series, compared with its other moments?

A p-value decides about one sample, and right after the onset of a lasting trouble the series is as it has
been lately. Whoever reads a series as a whole wants all of the trouble, the worst first. So the surprise of
a sample is raised where the last hours have a shape that the series has not had before, and by the surprise
of the samples before it. Nothing here raises an alarm.
"""

from __future__ import annotations

import math

import numpy as np

from aiops_provider.detection.reference import summarise
from aiops_provider.detection.scoring.windows import Floats
from aiops_provider.detection.seasonal import two_sided_p
from aiops_provider.detection.streaming.novelty import WindowNovelty
from aiops_provider.detection.streaming.tails import WARM_UP

# Samples before anything is said about one.
_LEAST = 8
# While a series is young, what is usual is known from a few samples: more than one in a hundred is
# claimed of none.
_MOST_YOUNG = 2.0
# What carries the surprise on, however often one looks: a moving mean, for what lasts outranks what is as far
# out once; and the largest so far, halved every day, for hardly a trouble is over with its first samples.
_SPAN_S = 4 * 3600.0
_CARRIED = 5.0
_HALVED_S = 24 * 3600.0
_HELD = 4.0
# A trouble of an hour shows in the one, a day out of order in the other.
_WINDOWS_H = (6, 16)
# Samples of one moment follow one another; before the first there is nothing to carry on.
_LEAST_GAP_S = 1e-3
# Doubles end near 1e-308.
_SMALLEST_P = 1e-300


def abnormality(times: Floats, values: Floats, p_values: Floats) -> Floats:
    """
    Scores that put the moments of one series in order; each by what came up to it only.

    ``s + 5 mean(s) + 4 held(s)``, where ``s`` is ``-log10 p + log(1 + novelty)``, the mean of the logarithms
    over windows of six and of sixteen hours, see
    :class:`~aiops_provider.detection.streaming.novelty.WindowNovelty`; the mean of ``s`` is exponentially
    weighted over four hours (a single sample where they are further apart), and what is held is the largest so
    far, half of it after a day. A sample without a p-value – the series is young – is compared with the median of all before
    it, by Student's t, and 2 at most stands for its ``-log10 p``. Constant time and memory per sample.

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
    novelties = [WindowNovelty(hours) for hours in _WINDOWS_H]
    scores = np.empty(len(surprise))
    mean = held = 0.0
    before = float(times[0]) if len(times) else 0.0
    for place, (time, value) in enumerate(zip(times.tolist(), values.tolist(), strict=True)):
        new = sum(math.log1p(novelty.advance(time, value)) for novelty in novelties)
        one = float(surprise[place]) + new / len(novelties)
        gap, before = max(time - before, _LEAST_GAP_S), time
        mean += 2.0 / (max(_SPAN_S / gap, 1.0) + 1.0) * (one - mean)
        held = max(one, held * 0.5 ** (gap / _HALVED_S))
        scores[place] = one + _CARRIED * mean + _HELD * held
    return scores


def _young_surprise(values: Floats) -> Floats:
    """Surprise of the first samples, zero of all others."""
    found = np.zeros(len(values))
    for place in range(_LEAST, min(WARM_UP, len(values))):
        usual = summarise("so far", values[:place], place)
        p_value = two_sided_p(usual.deviation(float(values[place])), usual.freedom)
        found[place] = min(-np.log10(max(p_value, _SMALLEST_P)), _MOST_YOUNG)
    return found
