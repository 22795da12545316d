"""
Categorical drift: a chi-square test of homogeneity, the total variation distance for the effect.

Values that are too rare for the test (fewer than five rows expected) are pooled; a value that was never
seen before counts among them. The effect is the share of rows that would have to change their value for
both tables to agree.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from aiops_provider.detection.drift.verdict import DriftVerdict

MEASURE = "total variation distance"
_LEAST_EXPECTED = 5.0


def categorical_drift(
    reference: Mapping[str, int],
    current: Mapping[str, int],
    *,
    level: float = 0.01,
    least_effect: float = 0.05,
) -> DriftVerdict:
    """
    Compare two tables of counts; those of partitions are added before.

    Args:
        reference: Rows by value before.
        current: Rows by value now.
        level: Largest share of stable comparisons that may be called drift.
        least_effect: Smaller drifts do not matter, however certain they are.

    >>> categorical_drift({"a": 500, "b": 500}, {"a": 300, "b": 700}).drifted
    True
    >>> categorical_drift({"a": 500_000, "b": 500_000}, {"a": 498_000, "b": 502_000}).drifted
    False
    """
    from scipy import special

    names = sorted({*reference, *current})
    table = np.array(
        [[counts.get(name, 0) for name in names] for counts in (reference, current)],
        dtype=np.float64,
    ).reshape(2, len(names))
    rows = table.sum(axis=1)
    if not rows.all():
        distance, p_value = 0.0, 1.0
    else:
        shares = table / rows[:, None]
        distance = 0.5 * float(np.abs(shares[0] - shares[1]).sum())
        pooled = _pooled(table)
        expected = rows[:, None] * pooled.sum(axis=0) / rows.sum()
        statistic = float(((pooled - expected) ** 2 / np.maximum(expected, 1e-300)).sum())
        freedom = pooled.shape[1] - 1
        p_value = float(special.chdtrc(freedom, statistic)) if freedom else 1.0
    return DriftVerdict(
        drifted=p_value <= level and distance >= least_effect,
        p_value=p_value,
        effect=distance,
        measure=MEASURE,
        reference_rows=float(rows[0]),
        current_rows=float(rows[1]),
    )


def _pooled(table: np.ndarray) -> np.ndarray:
    """Columns with enough rows in both tables; the others as one, if that is enough."""
    rows = table.sum(axis=1)
    least = rows.min() / rows.sum() * table.sum(axis=0)
    common = table[:, least >= _LEAST_EXPECTED]
    rare: np.ndarray = table[:, least < _LEAST_EXPECTED].sum(axis=1, keepdims=True)
    if rare.sum() * rows.min() / rows.sum() >= _LEAST_EXPECTED:
        return np.hstack((common, rare))
    if common.shape[1] == 0:
        return rare
    # Too few even together: they join the smallest column, so that no row is lost.
    smallest = int(np.argmin(common.sum(axis=0)))
    common = common.copy()
    common[:, smallest] += rare[:, 0]
    return common
