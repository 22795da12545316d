"""Causal detectors of other libraries, each with its own defaults; scores of every sample."""

from __future__ import annotations

import random

import numpy as np

from aiops_provider.detection.scoring.windows import Floats
from benchmarks.detection.causal_peers import Scorer
from benchmarks.detection.labelled_series import LabelledSeries

_SHINGLE = 10
_TREES, _TREE_SIZE = 40, 256
_LEFT_WINDOW = 100


def half_space_trees(series: LabelledSeries, seed: int) -> Floats:
    """Half-space trees of river on the last ten values, scaled by what was seen before."""
    from river import anomaly, preprocessing

    scaler = preprocessing.MinMaxScaler()
    model = anomaly.HalfSpaceTrees(seed=seed)
    scores = np.zeros(len(series.values))
    for place, window in enumerate(_shingles(series.values)):
        features = dict(enumerate(window.tolist()))
        scaler.learn_one(features)
        scaled = scaler.transform_one(features)
        scores[place] = model.score_one(scaled)
        model.learn_one(scaled)
    return scores


def robust_random_cut_forest(series: LabelledSeries, seed: int) -> Floats:
    """Robust random cut forest of rrcf on the last ten values: forty trees of 256 windows."""
    import rrcf

    # The library draws from numpy's global generator.
    np.random.seed(seed)
    random.seed(seed)
    forest = [rrcf.RCTree() for _ in range(_TREES)]
    scores = np.zeros(len(series.values))
    for place, window in enumerate(_shingles(series.values)):
        for tree in forest:
            if len(tree.leaves) >= _TREE_SIZE:
                tree.forget_point(place - _TREE_SIZE)
            tree.insert_point(window, index=place)
            scores[place] += tree.codisp(place) / _TREES
    return scores


def left_matrix_profile(series: LabelledSeries, seed: int) -> Floats:
    """Left matrix profile of stumpy: distance of the newest hundred values to their like before."""
    del seed
    import stumpy

    values = series.values.astype(np.float64)
    width = min(_LEFT_WINDOW, len(values) // 8)
    begin = 2 * width
    stream = stumpy.stumpi(values[:begin], m=width, egress=False)
    scores = np.zeros(len(values))
    for place in range(begin, len(values)):
        stream.update(values[place])
    found = stream.left_P_.astype(np.float64)
    found[~np.isfinite(found)] = 0.0
    scores[begin:] = found[begin - width + 1 :]
    return scores


def _shingles(values: Floats) -> Floats:
    padded = np.concatenate((np.full(_SHINGLE - 1, values[0]), values))
    return np.lib.stride_tricks.sliding_window_view(padded, _SHINGLE)


LIBRARIES: dict[str, Scorer] = {
    "half-space trees (river)": half_space_trees,
    "robust random cut forest (rrcf)": robust_random_cut_forest,
    "left matrix profile (stumpy)": left_matrix_profile,
}
