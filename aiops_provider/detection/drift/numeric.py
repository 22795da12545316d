"""
Numeric drift: Kolmogorov and Smirnov's test for the p-value, the Wasserstein distance for the effect.

The test sees a difference anywhere in the distribution, whatever its shape, and is only more careful
where values are tied (rounded, or binned by a sketch). The
effect is the area between both distribution functions over the reference's spread (from the 5 % to the
95 % quantile, divided by 3.29, which is the standard deviation of a normal distribution): "the typical
row moved by so many standard deviations".
"""

from __future__ import annotations

import numpy as np

from aiops_provider.detection.drift.sketch import Floats, Sketch, value_of
from aiops_provider.detection.drift.verdict import DriftVerdict

MEASURE = "Wasserstein distance in standard deviations of the reference"
_SPREAD = 3.29


def numeric_drift(
    reference: Floats, current: Floats, *, level: float = 0.01, least_effect: float = 0.1
) -> DriftVerdict:
    """
    Compare two samples.

    Args:
        reference: Values before; NaN and infinities are left out.
        current: Values now.
        level: Largest share of stable comparisons that may be called drift.
        least_effect: Smaller drifts do not matter, however certain they are.

    >>> rng = np.random.default_rng(0)
    >>> before, same, moved = rng.normal(size=500), rng.normal(size=500), rng.normal(1.0, size=500)
    >>> numeric_drift(before, same).drifted, numeric_drift(before, moved).drifted
    (False, True)
    """
    return _compare(
        *_weighted(reference[np.isfinite(reference)]),
        *_weighted(current[np.isfinite(current)]),
        level=level,
        least_effect=least_effect,
    )


def sketch_drift(
    reference: Sketch, current: Sketch, *, level: float = 0.01, least_effect: float = 0.1
) -> DriftVerdict:
    """The same of two sketches, whose values are known within a percent."""
    return _compare(
        *_of_sketch(reference),
        *_of_sketch(current),
        level=level,
        least_effect=least_effect,
    )


def _weighted(values: Floats) -> tuple[Floats, Floats]:
    distinct, counts = np.unique(values, return_counts=True)
    return distinct.astype(np.float64), counts.astype(np.float64)


def _of_sketch(sketch: Sketch) -> tuple[Floats, Floats]:
    numbers = sorted(sketch.counts, key=value_of)
    return (
        np.array([value_of(number) for number in numbers]),
        np.array([sketch.counts[number] for number in numbers], dtype=np.float64),
    )


def _compare(
    before: Floats,
    before_counts: Floats,
    now: Floats,
    now_counts: Floats,
    *,
    level: float,
    least_effect: float,
) -> DriftVerdict:
    rows, current_rows = float(before_counts.sum()), float(now_counts.sum())
    if not rows or not current_rows:
        return DriftVerdict(
            drifted=False,
            p_value=1.0,
            effect=0.0,
            measure=MEASURE,
            reference_rows=rows,
            current_rows=current_rows,
        )
    points = np.union1d(before, now)
    shares = [
        _distribution(points, values, counts)
        for values, counts in ((before, before_counts), (now, now_counts))
    ]
    gap = np.abs(shares[0] - shares[1])
    p_value = _kolmogorov_p(float(gap.max()), int(rows), int(current_rows))
    area = float(np.sum(gap[:-1] * np.diff(points)))
    effect = area / _spread(points, shares[0])
    return DriftVerdict(
        drifted=p_value <= level and effect >= least_effect,
        p_value=p_value,
        effect=effect,
        measure=MEASURE,
        reference_rows=rows,
        current_rows=current_rows,
    )


def _distribution(points: Floats, values: Floats, counts: Floats) -> Floats:
    """Share of the rows at or below each point."""
    below = np.concatenate(([0.0], np.cumsum(counts)))
    share: Floats = below[np.searchsorted(values, points, side="right")] / below[-1]
    return share


def _spread(points: Floats, shares: Floats) -> float:
    low, high = (points[int(np.searchsorted(shares, q - 1e-12))] for q in (0.05, 0.95))
    if high > low:
        return float(high - low) / _SPREAD
    # More than nine tenths of the rows are equal: a percent of the level stands in.
    return max(0.01 * abs(float(low)), 1e-9)


def _kolmogorov_p(gap: float, rows: int, current_rows: int) -> float:
    """
    Two-sided p-value of the largest gap between two distribution functions.

    That of one sample of the effective size ``mn / (m + n)``, which errs to the careful side for few
    rows (Massey, 1951).
    """
    from scipy import stats

    size = max(round(rows * current_rows / (rows + current_rows)), 1)
    return float(np.clip(stats.kstwo.sf(gap, size), 0.0, 1.0))
