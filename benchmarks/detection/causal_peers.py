"""
Causal detectors to compare with, re-implemented from their descriptions, and ours.

Each maps series to scores in [0, 1] of every sample, judged by earlier samples only.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import numpy as np

from aiops_provider.detection.scoring.windows import Floats
from aiops_provider.detection.streaming.bank import StreamBank
from aiops_provider.detection.verdict import ALARM_P
from benchmarks.detection.labelled_series import LabelledSeries

Scorer = Callable[[LabelledSeries, int], Floats]

_WINDOW = 300
_LEAST = 24


def stream_p_values(series: Sequence[LabelledSeries]) -> list[Floats]:
    """p-values of the streaming bank, all series together; 1 during its warm-up."""
    bank = StreamBank(len(series))
    lengths = np.array([len(one.values) for one in series])
    found = [np.ones(length) for length in lengths]
    for place in range(int(lengths.max())):
        rows = np.flatnonzero(lengths > place)
        p_values = bank.score(
            rows,
            np.array([series[row].times[place] for row in rows]),
            np.array([series[row].values[place] for row in rows]),
        )
        for row, p_value in zip(rows, p_values, strict=True):
            found[row][place] = 1.0 if math.isnan(p_value) else p_value
    return found


def as_scores(p_values: Floats) -> Floats:
    """The package's score of p-values, see :func:`aiops_provider.detection.verdict.score_of`."""
    surprise = -np.log10(np.maximum(p_values, 1e-300))
    scores: Floats = surprise / (surprise - math.log10(ALARM_P))
    return scores


def windowed_gaussian(series: LabelledSeries, seed: int) -> Floats:
    """Two-sided normal p-value against mean and deviation of the last 300 samples."""
    del seed
    from scipy import special

    values = series.values
    scores = np.zeros(len(values))
    for place in range(_LEAST, len(values)):
        window = values[max(place - _WINDOW, 0) : place]
        z = abs(values[place] - window.mean()) / max(float(window.std()), 1e-9)
        scores[place] = as_scores(np.array([2.0 * special.ndtr(-z)]))[0]
    return scores


def peaks_over_threshold(series: LabelledSeries, seed: int) -> Floats:
    """
    SPOT by moments: generalised Pareto tails of the excesses over the 98 % quantile of the past.

    Siffer et al., KDD 2017; the past are the last 2,000 samples, refitted every 50.
    """
    del seed
    values = series.values
    scores = np.zeros(len(values))
    tails: tuple[tuple[float, float, float], ...] = ()
    for place in range(_LEAST, len(values)):
        if place % 50 == 0 or not tails:
            past = values[max(place - 2_000, 0) : place]
            tails = tuple(_fit_tail(sign * past) for sign in (1.0, -1.0))
        p_values = [
            _tail_p(sign * values[place], tail)
            for sign, tail in zip((1.0, -1.0), tails, strict=True)
        ]
        scores[place] = as_scores(np.array([min(1.0, 2.0 * min(p_values))]))[0]
    return scores


def _fit_tail(past: Floats) -> tuple[float, float, float]:
    threshold = float(np.quantile(past, 0.98))
    excess = past[past > threshold] - threshold
    if len(excess) < 2 or excess.std() == 0.0:
        return threshold, max(float(past.std()), 1e-9), 0.0
    ratio = float(excess.mean() ** 2 / excess.var())
    return threshold, 0.5 * float(excess.mean()) * (ratio + 1.0), 0.5 * (1.0 - ratio)


def _tail_p(value: float, tail: tuple[float, float, float]) -> float:
    threshold, scale, shape = tail
    excess = (value - threshold) / scale
    if excess <= 0.0:
        return 1.0
    if abs(shape) < 1e-6:
        return 0.02 * math.exp(-excess)
    base = 1.0 + shape * excess
    return 0.02 * base ** (-1.0 / shape) if base > 0.0 else 1e-300


def random_scores(series: LabelledSeries, seed: int) -> Floats:
    """Uniform p-values: what chance reaches."""
    rng = np.random.default_rng([seed, len(series.values)])
    return as_scores(rng.random(len(series.values)))


PEERS: dict[str, Scorer] = {
    "windowed Gaussian (300)": windowed_gaussian,
    "peaks over threshold (SPOT, moments)": peaks_over_threshold,
    "random": random_scores,
}
