"""
Policies to compare with, re-implemented from their descriptions: Random and BestFit.

Both are of FGD's published experiments, whose simulator takes the first of equal machines.
"""

from __future__ import annotations

import random

import numpy as np

from aiops_provider.placement.fleet import GPU_MILLI, Fleet, TaskKind
from aiops_provider.placement.packing import Placement

_MOST_GPU_MILLI = 8_000


class Random:
    """A random machine of those that fit, a random GPU of those with enough free."""

    def __init__(self, seed: int) -> None:
        self._chance = random.Random(seed)  # noqa: S311 - no secret

    def choose(self, fleet: Fleet, kind: TaskKind) -> Placement | None:
        """See the class."""
        rows = np.flatnonzero(fleet.fitting(kind))
        if not len(rows):
            return None
        row = int(self._chance.choice(rows))
        if 0 < kind.gpu_milli < GPU_MILLI:
            device = self._chance.choice(np.flatnonzero(fleet.gpus[row] >= kind.gpu_milli).tolist())
            return Placement(row, (device,))
        return Placement(row, tuple(fleet.whole_gpus(row, kind.gpus).tolist()))


class BestFit:
    """The machine, and on it the GPU, with the least left over: cores and GPUs weigh the same."""

    def choose(self, fleet: Fleet, kind: TaskKind) -> Placement | None:
        """See the class."""
        fits = fleet.fitting(kind)
        if not fits.any():
            return None
        left = (fleet.cores - kind.cores_milli) / fleet.most_cores + (
            fleet.gpus.sum(axis=1) - kind.total_gpu_milli
        ) / fleet.most_gpus
        score = np.trunc(100.0 * (1.0 - left / 2.0))
        score[fits] = _to_percent(score[fits])
        row = int(np.where(fits, score, -np.inf).argmax())
        if 0 < kind.gpu_milli < GPU_MILLI:
            free = fleet.gpus[row]
            device = int(np.where(free >= kind.gpu_milli, free, GPU_MILLI + 1).argmin())
            return Placement(row, (device,))
        return Placement(row, tuple(fleet.whole_gpus(row, kind.gpus).tolist()))


def _to_percent(scores: np.ndarray) -> np.ndarray:
    spread = scores.max() - scores.min()
    return np.floor((scores - scores.min()) * 100 / spread) if spread else scores * 0.0
