"""
Drift of many numeric features together.

Each feature is compared by itself, and so are fixed random combinations of them: features that keep
their own distributions but move apart from each other (a broken join, a changed correlation) show in a
combination. The smallest p-value is corrected for the number of comparisons (Bonferroni), which is valid
however the features depend on each other.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from aiops_provider.detection.drift.numeric import numeric_drift
from aiops_provider.detection.drift.sketch import Floats
from aiops_provider.detection.drift.verdict import DriftVerdict

_COMBINATIONS = 16


def multivariate_drift(
    reference: Floats,
    current: Floats,
    *,
    level: float = 0.01,
    least_effect: float = 0.1,
    seed: int = 0,
) -> DriftVerdict:
    """
    Compare two tables.

    Args:
        reference: Rows before, shape (rows, features); rows with a missing value are left out.
        current: Rows now.
        level: Largest share of stable comparisons that may be called drift.
        least_effect: Smaller drifts do not matter, in standard deviations of the combination.
        seed: Of the combinations; the same for all comparisons that are to be compared.

    Returns:
        The verdict on the feature or combination that differs most.
    """
    before = reference[np.isfinite(reference).all(axis=1)]
    now = current[np.isfinite(current).all(axis=1)]
    if not len(before) or not len(now):
        return numeric_drift(np.empty(0), np.empty(0))
    # Ranks of the reference's spread: a feature in bytes must not drown one in percent.
    center = np.median(before, axis=0)
    scale = np.maximum(before.std(axis=0), 1e-12)
    directions = _directions(before.shape[1], seed)
    verdicts = [
        numeric_drift(left, right, level=1.0, least_effect=0.0)
        for left, right in zip(
            (((before - center) / scale) @ directions).T,
            (((now - center) / scale) @ directions).T,
            strict=True,
        )
    ]
    worst = min(verdicts, key=lambda one: (one.p_value, -one.effect))
    p_value = min(1.0, len(verdicts) * worst.p_value)
    return replace(
        worst, p_value=p_value, drifted=p_value <= level and worst.effect >= least_effect
    )


def _directions(features: int, seed: int) -> Floats:
    """Each feature by itself, then unit combinations of two or more."""
    if features == 1:
        return np.eye(1)
    rng = np.random.default_rng(seed)
    mixed = rng.normal(size=(features, _COMBINATIONS))
    mixed /= np.linalg.norm(mixed, axis=0)
    return np.hstack((np.eye(features), mixed))
