"""
How rare is a figure in its own series? Two adaptive tails per figure, in constant memory.

Beyond a threshold that 2 % of the figures pass, the excess follows a generalised Pareto distribution
(Pickands, Balkema and de Haan), as in SPOT (Siffer et al., KDD 2017). Threshold and mean excess are
learned by stochastic approximation; the shape is fixed at 0.2, heavier than exponential: estimated
from a handful of excesses it would be noise. Inside the threshold the p-value is 1, which is honest
(conservative) and costs nothing: only tails matter.
"""

from __future__ import annotations

import math

import numpy as np

from aiops_provider.detection.scoring.windows import Floats
from aiops_provider.detection.streaming.features import Rows

# Samples that the first thresholds come from; before them nothing is judged.
WARM_UP = 150

_OUTSIDE = 0.02
_FIRST_OUTSIDE = 4.0 / WARM_UP  # four excesses on either side begin the tails
_SHAPE = 0.2
_MEMORY = 2_000.0
# One sample teaches no more than an excess of so many mean excesses: the samples of a burst depend on
# each other, and a tail that followed them would call a fault normal within minutes.
_WILDEST = 3.0
# The tails of a figure are no narrower than this share of its body.
_NARROWEST = 0.02


class TailState:
    """
    Tails of the features of many series.

    Args:
        series: How many series.
        features: How many features each.
    """

    def __init__(self, series: int, features: int) -> None:
        self.count = np.zeros(series, dtype=np.int64)
        self.body = np.ones((series, features))
        # The last axis is the side: above, then below with the sign turned.
        self.threshold = np.zeros((series, features, 2))
        self.excess = np.ones((series, features, 2))

    def begin(self, rows: Rows, figures: Floats) -> None:
        """
        Start the tails.

        Args:
            rows: Which series.
            figures: Their first figures, shape (rows, features, samples).
        """
        spread = np.quantile(figures, 0.9, axis=2) - np.quantile(figures, 0.1, axis=2)
        # The first figure is the value itself: what is smaller than its rounding is no deviation.
        rounding = 1e-6 + 1e-9 * np.abs(figures[:, :1]).max(axis=2)
        floor = rounding + 0.01 * np.abs(np.median(figures, axis=2)) + 0.25 * figures.std(axis=2)
        body = np.maximum(spread, floor)
        sides = np.stack((figures, -figures), axis=2)
        threshold = np.quantile(sides, 1.0 - _FIRST_OUTSIDE, axis=3)
        beyond = np.maximum(sides - threshold[..., None], 0.0)
        excess = beyond.sum(axis=3) / np.maximum((beyond > 0.0).sum(axis=3), 1)
        self.count[rows] = figures.shape[2]
        self.body[rows], self.threshold[rows] = body, threshold
        self.excess[rows] = np.maximum(excess, 0.1 * body[..., None])

    def surprise(self, rows: Rows, figures: Floats) -> Floats:
        """
        Judge figures by the tails as they are, then let the tails learn.

        Args:
            rows: Which series, begun before.
            figures: Shape (rows, features).

        Returns:
            ``-log10 p`` with the two-sided p-value of each figure, same shape.
        """
        threshold, excess = self.threshold[rows], self.excess[rows]
        beyond = np.stack((figures, -figures), axis=-1) - threshold
        over = beyond > 0.0
        relative = beyond[over] / excess[over]
        # Both sides were looked at, hence twice the share outside.
        rarity = np.log1p(_SHAPE / (1.0 - _SHAPE) * relative) / (_SHAPE * math.log(10.0))
        surprise = np.zeros(beyond.shape)
        surprise[over] = rarity - math.log10(2.0 * _OUTSIDE)
        # The threshold hovers this closely around a value that a series keeps returning to.
        step = self._step(rows)
        surprise[beyond <= 2.0 * _OUTSIDE * step] = 0.0
        self._learn(rows, step, over, relative)
        told: Floats = surprise.max(axis=-1)
        return told

    def _step(self, rows: Rows) -> Floats:
        memory = np.minimum(self.count[rows], _MEMORY)[:, None]
        step: Floats = self.body[rows] * np.minimum(10.0 / memory, 0.05)
        return step[..., None]

    def _learn(self, rows: Rows, step: Floats, over: np.ndarray, relative: Floats) -> None:
        # Robbins and Monro: up by 98 parts when passed, down by 2 when not; still where 2 % pass.
        self.threshold[rows] += np.where(over, 1.0 - _OUTSIDE, -_OUTSIDE) * step
        excess = self.excess[rows]
        memory = np.minimum(self.count[rows], _MEMORY)[:, None, None]
        weight = np.broadcast_to(np.minimum(1.0 / (_OUTSIDE * memory + 4.0), 0.2), over.shape)[over]
        old = excess[over]
        learned = old + weight * (np.minimum(relative, _WILDEST) * old - old)
        least = np.broadcast_to(_NARROWEST * self.body[rows][..., None], over.shape)[over]
        excess[over] = np.maximum(learned, least)
        self.excess[rows] = excess
        self.count[rows] += 1
