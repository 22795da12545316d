"""
Detectors that see a whole series before they score any of it, written anew from their descriptions.

That is an advantage over every causal detector, which judges a sample by earlier ones alone. Parameters
are those with which the TSB-AD benchmark (Liu and Paparrizos, NeurIPS 2024) ranks them.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np

from aiops_provider.detection.scoring.windows import Floats

OfflineScorer = Callable[[Floats, int], Floats]

_LONGEST_LAG = 400
_FIRST_LAG = 3
_LONGEST_PERIOD = 300
_NO_PERIOD = 125
_ACF_SAMPLES = 20_000


def period_of(values: Floats) -> int:
    """
    The lag of the highest local maximum of the autocorrelation, 125 where it has none up to 300.

    TSB-AD takes it for the length of windows and for the widest slope of VUS.
    """
    centred = values[:_ACF_SAMPLES] - values[:_ACF_SAMPLES].mean()
    spectrum = np.fft.rfft(centred, 2 * len(centred))
    correlation = np.fft.irfft(np.abs(spectrum) ** 2)[: _LONGEST_LAG + 1]
    if correlation[0] <= 0.0:
        return _NO_PERIOD
    tail = correlation[_FIRST_LAG:] / correlation[0]
    peaks = 1 + np.flatnonzero((tail[1:-1] > tail[:-2]) & (tail[1:-1] > tail[2:]))
    if not len(peaks):
        return _NO_PERIOD
    best = int(peaks[np.argmax(tail[peaks])])
    return best + _FIRST_LAG if _FIRST_LAG <= best <= _LONGEST_PERIOD else _NO_PERIOD


def sub_pca(values: Floats, seed: int) -> Floats:
    """Sub-PCA: distances of windows to all principal axes, each over its share of the variance."""
    del seed
    from scipy.spatial.distance import cdist
    from sklearn.decomposition import PCA

    width = min(period_of(values), len(values) // 2)
    windows = _standardised_columns(_windows(values, width))
    found = PCA().fit(windows)
    # Axes without variance would weigh infinitely much.
    used = found.explained_variance_ratio_ > 1e-12
    distances = cdist(windows, found.components_[used]) / found.explained_variance_ratio_[used]
    return _centred(distances.sum(axis=1), len(values))


def poly(values: Floats, seed: int, power: int = 2) -> Floats:
    """
    POLY: how far each stretch of one period is from a polynomial through its neighbourhood.

    The stretch itself does not take part in the fit; its neighbourhood are ten periods, half on either
    side. The distance is that of the spectra, which by Parseval is that of the values.
    """
    del seed
    width = period_of(values)
    reach = max(10 * width, 100) // 2
    scores = np.zeros(len(values))
    for begin in range(0, len(values), width):
        end = min(begin + width, len(values))
        low, high = max(begin - reach, 0), min(begin + reach, len(values))
        around = np.concatenate((np.arange(low, begin), np.arange(end, high)))
        if len(around) <= power:
            continue
        scale = (around - begin) / max(reach, 1)
        fitted = np.polyfit(scale, values[around], power)
        gap = values[begin:end] - np.polyval(fitted, (np.arange(begin, end) - begin) / reach)
        scores[begin:end] = math.sqrt(len(gap)) * np.linalg.norm(gap) / len(gap)
    return scores


def k_means(values: Floats, seed: int, clusters: int = 20) -> Floats:
    """KMeansAD: distance of each window to its cluster's centre, each sample the mean of its windows."""
    from sklearn.cluster import KMeans

    width = min(period_of(values), len(values) // 2)
    windows = _windows(values, width)
    model = KMeans(n_clusters=clusters, n_init=1, random_state=seed).fit(windows)
    gaps = np.linalg.norm(windows - model.cluster_centers_[model.labels_], axis=1)
    sums = np.concatenate(([0.0], np.cumsum(gaps)))
    place = np.arange(len(values))
    first, last = np.maximum(place - width + 1, 0), np.minimum(place, len(gaps) - 1)
    scores: Floats = (sums[last + 1] - sums[first]) / (last + 1 - first)
    return scores


def matrix_profile(values: Floats, seed: int) -> Floats:
    """MatrixProfile (STUMP): distance of each window to the one most like it, standardised."""
    del seed
    import stumpy

    width = min(period_of(values), len(values) // 4)
    # A line that is quite flat is like every other one, and distances to it are not numbers.
    profile = stumpy.stump(values.astype(np.float64), m=max(width, 3))[:, 0].astype(np.float64)
    profile[~np.isfinite(profile)] = 0.0
    return _centred(profile, len(values))


def _windows(values: Floats, width: int) -> Floats:
    return np.lib.stride_tricks.sliding_window_view(values, width).astype(np.float64)


def _standardised_columns(windows: Floats) -> Floats:
    spread = windows.std(axis=0)
    columns: Floats = (windows - windows.mean(axis=0)) / np.where(spread > 0, spread, 1)
    return columns


def _centred(scores: Floats, length: int) -> Floats:
    """Scores of windows as scores of the samples in their middle."""
    missing = length - len(scores)
    return np.pad(scores, (math.ceil(missing / 2), missing // 2), mode="edge")


OFFLINE: dict[str, OfflineScorer] = {
    "POLY": poly,
    "Sub-PCA": sub_pca,
    "MatrixProfile (stumpy)": matrix_profile,
    "KMeansAD": k_means,
}
