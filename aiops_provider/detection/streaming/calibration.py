"""
One p-value from many that depend on each other.

The features of a sample share their data, so neither Fisher's sum nor Bonferroni's minimum fits. The
statistic is the mean of ``-log10 p`` over the features; how often it exceeds a value on noise was
simulated, and the table below is the largest exceedance over the kinds of noise that the docstring
of :func:`p_value_of` names. That needs several features to agree; one that is far out by itself (a
line gone flat) is given a twentieth of the error. ``tests/unit/detection/streaming/test_calibration.py`` repeats it.
"""

from __future__ import annotations

import numpy as np

from aiops_provider.detection.scoring.windows import Floats

_SURPRISE = np.array([0.0, 0.3, 0.5, 0.8, 1.0, 1.3, 1.6, 1.8, 2.0, 2.3, 3.0, 4.0])
_LOG10_P = np.array([0.0, -0.6, -0.82, -1.08, -1.25, -1.63, -2.11, -2.46, -2.63, -2.9, -3.5, -4.4])

# Share of the error that a single feature may spend, corrected for their number by Bonferroni.
_ALONE = 0.05


def combined_p(surprise: Floats) -> Floats:
    """
    p-value of samples from the surprise of their features.

    Args:
        surprise: ``-log10 p`` of each feature, shape (samples, features).
    """
    together = p_value_of(surprise.mean(axis=1)) / (1.0 - _ALONE)
    alone = surprise.shape[1] * np.power(10.0, -surprise.max(axis=1)) / _ALONE
    least: Floats = np.minimum(np.minimum(together, alone), 1.0)
    return least


def p_value_of(mean_surprise: Floats) -> Floats:
    """
    Probability that the mean surprise of a sample is as large, or larger, when all is well.

    The largest over normal noise, Student's t with 4 degrees of freedom, log-normal noise (σ = 0.5),
    Poisson counts (mean 3) and autoregressive noise (φ = 0.9 and 0.99), 200,000 samples each; between
    the points of the table and beyond its end the logarithm is linear. A random walk, which has no
    "as usual", exceeds it threefold.

    >>> p_value_of(np.array([0.0, 1.8, 10.0])).round(7)
    array([1.       , 0.0034674, 0.       ])
    """
    slope = (_LOG10_P[-1] - _LOG10_P[-2]) / (_SURPRISE[-1] - _SURPRISE[-2])
    beyond = np.maximum(mean_surprise - _SURPRISE[-1], 0.0)
    log10_p = np.interp(mean_surprise, _SURPRISE, _LOG10_P) + slope * beyond
    p_values: Floats = np.power(10.0, np.maximum(log10_p, -300.0))
    return p_values
