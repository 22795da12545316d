"""
Memory of accelerators: what weights, optimizer states, key-value caches and batches take.

The sums are exact where the architecture is known; what a library adds on top – context, fragments,
workspaces – is learned from runs that were measured. It knows nothing of clusters or prices.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from aiops_provider.domain.units import BYTES_PER_GIB

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

# Bytes of an optimizer per trained weight. Adam: two moments in fp32; SGD: a momentum; Adafactor:
# rows and columns only, next to nothing (Shazeer & Stern 2018); 8-bit Adam: two moments of a byte
# (Dettmers et al. 2022).
OPTIMIZER_BYTES = {
    "adam": 8.0,
    "adamw": 8.0,
    "lamb": 8.0,
    "lion": 4.0,
    "momentum": 4.0,
    "sgd": 0.0,
    "adafactor": 0.0,
    "adam8bit": 2.0,
    "adamw8bit": 2.0,
}
_PARTS_OF_SHARDING = 3
_FOLDS = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainingStates:
    """
    What training holds per weight, in bytes.

    Attributes:
        weights: As computed with.
        gradients: Of the same width.
        optimizer: Moments, and the fp32 copy of mixed precision.
    """

    weights: float
    gradients: float
    optimizer: float

    @property
    def per_weight(self) -> float:
        """All of them."""
        return self.weights + self.gradients + self.optimizer

    def gib(self, parameters: float, *, devices: int = 1, stage: int = 0) -> float:
        """
        Memory of one device when states are sharded (ZeRO, Rajbhandari et al. 2020).

        Args:
            parameters: Number of weights.
            devices: Over which states are sharded.
            stage: 0: nothing is; 1: optimizer; 2: gradients too; 3: weights too.

        Raises:
            ValueError: No such stage.
        """
        if not 0 <= stage <= _PARTS_OF_SHARDING:
            raise ValueError(f"stage must be 0 to 3, got {stage}")
        parts = (self.optimizer, self.gradients, self.weights)
        held = sum(part / (devices if at < stage else 1) for at, part in enumerate(parts))
        return parameters * held / BYTES_PER_GIB


def training_states(precision: str, optimizer: str = "adam") -> TrainingStates:
    """
    Bytes per weight while training.

    Mixed precision keeps an fp32 copy of the weights beside the moments: 2 + 2 + 12 with Adam; in
    fp32 there is none: 4 + 4 + 8. ``pure_bf16`` and ``pure_fp16`` keep no copy either: 2 + 2 + 8.

    Args:
        precision: fp32, tf32, a narrower one (mixed), pure_bf16 or pure_fp16.
        optimizer: One of :data:`OPTIMIZER_BYTES`; an unknown one counts as Adam.

    >>> training_states("bf16").per_weight
    16.0
    """
    moments = OPTIMIZER_BYTES.get(optimizer.lower().replace("_", "").replace("-", ""), 8.0)
    if precision in {"fp32", "tf32"}:
        return TrainingStates(weights=4.0, gradients=4.0, optimizer=moments)
    copy = 0.0 if precision.startswith("pure_") else 4.0
    return TrainingStates(weights=2.0, gradients=2.0, optimizer=moments + copy)


def key_value_cache_gib(
    *,
    layers: float,
    kv_heads: float,
    head_width: float,
    tokens: float,
    bytes_per_value: float = 2.0,
) -> float:
    """
    Keys and values of all tokens that are kept: ``2 * layers * heads * width * tokens * bytes``.

    With grouped queries (Ainslie et al. 2023) only the key-value heads count. Kwon et al. (vLLM,
    SOSP 2023) give 800 KB a token for OPT-13B:

    >>> round(key_value_cache_gib(layers=40, kv_heads=40, head_width=128, tokens=1) * 2**20)
    800

    Args:
        layers: Number of them.
        kv_heads: Key-value heads of a layer.
        head_width: Values of a head.
        tokens: Of all sequences together.
        bytes_per_value: 2 in fp16.
    """
    return 2 * layers * kv_heads * head_width * tokens * bytes_per_value / BYTES_PER_GIB


@dataclass(frozen=True, slots=True, kw_only=True)
class MemoryAnswer:
    """
    Memory of a device for a run.

    Attributes:
        expected_gib: As likely too little as too much.
        enough_gib: What to ask for; too little in about one run of a hundred.
    """

    expected_gib: float
    enough_gib: float


class LearnedMemory:
    """
    What libraries make of the sums: a non-negative weight per part and a constant, from past runs.

    Fitted to relative errors, so that small runs count as much as large ones. The margin is a
    conformal quantile of the relative errors (Vovk et al. 2005) of five folds, each predicted by
    the other four.

    Args:
        parts: Per run, GiB by name of the part, such as states, inputs, activations.
        peaks_gib: What each run took at most, > 0.
        unsafe_share: Runs that may exceed :attr:`MemoryAnswer.enough_gib`.

    Raises:
        ValueError: Fewer than twice as many runs as parts, or a peak that is not positive.
    """

    def __init__(
        self,
        parts: Sequence[Mapping[str, float]],
        peaks_gib: Sequence[float],
        *,
        unsafe_share: float = 0.01,
    ) -> None:
        import numpy as np

        self._names = sorted({name for run in parts for name in run})
        peaks = np.asarray(peaks_gib, dtype=np.float64)
        if len(peaks) != len(parts) or len(peaks) < 2 * (len(self._names) + 1):
            raise ValueError(
                f"{len(peaks)} peaks of {len(parts)} runs are too few for {len(self._names)} parts"
            )
        if not (np.isfinite(peaks).all() and (peaks > 0).all()):
            raise ValueError("a peak must be positive and finite")
        rows = np.array([self._row(run) for run in parts])
        self._weights = _fitted(rows, peaks)
        fold = np.arange(len(peaks)) % _FOLDS
        ratios = np.empty(len(peaks))
        for held in range(_FOLDS):
            away = fold == held
            ratios[away] = peaks[away] / (rows[away] @ _fitted(rows[~away], peaks[~away]))
        at = min(len(peaks) - 1, math.ceil((len(peaks) + 1) * (1 - unsafe_share)) - 1)
        self._margin = float(max(1.0, np.sort(ratios)[at]))

    def predict(self, parts: Mapping[str, float]) -> MemoryAnswer:
        """
        Memory of a run.

        Args:
            parts: As of the runs it was fitted to; a part that none of them had counts as it is.
        """
        known = sum(w * x for w, x in zip(self._weights, self._row(parts), strict=True))
        foreign = sum(value for name, value in parts.items() if name not in self._names)
        expected = float(known) + foreign
        return MemoryAnswer(expected_gib=expected, enough_gib=expected * self._margin)

    def _row(self, parts: Mapping[str, float]) -> list[float]:
        return [1.0, *(float(parts.get(name, 0.0)) for name in self._names)]


def _fitted(rows: NDArray[np.float64], peaks: NDArray[np.float64]) -> NDArray[np.float64]:
    import numpy as np
    from scipy.optimize import nnls

    weights: NDArray[np.float64] = nnls(rows / peaks[:, None], np.ones(len(peaks)))[0]
    return weights
