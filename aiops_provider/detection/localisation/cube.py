"""The leaves of a multi-dimensional KPI."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

# The ratio of the whole counts as much as so many observations of a leaf.
_RATIO_PRIOR = 50.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Cube:
    """
    Measured and expected value of every leaf.

    Attributes:
        dimensions: Names.
        values: For each dimension its values.
        codes: Which value a leaf has, shape (leaves, dimensions).
        actual: What was measured, >= 0, additive over leaves.
        expected: What was expected, >= 0.
    """

    dimensions: tuple[str, ...]
    values: tuple[tuple[str, ...], ...]
    codes: NDArray[np.intp]
    actual: Floats
    expected: Floats


def make_cube(columns: Mapping[str, Sequence[str]], actual: Floats, expected: Floats) -> Cube:
    """
    Encode the columns.

    Args:
        columns: Dimension to the value of each leaf.
        actual: What was measured.
        expected: What was expected.

    >>> cube = make_cube({"os": ["ios", "android"]}, np.array([1.0, 2.0]), np.array([2.0, 2.0]))
    >>> cube.values, cube.codes.ravel()
    ((('android', 'ios'),), array([1, 0]))
    """
    values, codes = [], []
    for column in columns.values():
        distinct, encoded = np.unique(
            np.array(column, dtype=object).astype(str), return_inverse=True
        )
        values.append(tuple(str(one) for one in distinct))
        codes.append(encoded)
    return Cube(
        dimensions=tuple(columns),
        values=tuple(values),
        codes=np.column_stack(codes).astype(np.intp),
        actual=actual.astype(np.float64),
        expected=expected.astype(np.float64),
    )


def expected_share(actual_den: Floats, expected_num: Floats, expected_den: Floats) -> Floats:
    """
    What a derived measure lets expect of its numerator, so that it adds up over leaves.

    A ratio (errors per request) does not add up, its numerator does: expected are so many as the
    leaf's usual ratio gives for the denominator it has now. Small leaves have no ratio of their own;
    theirs is drawn to that of the whole.

    Args:
        actual_den: Measured denominators.
        expected_num: Expected numerators.
        expected_den: Expected denominators.

    >>> expected_share(np.array([100.0]), np.array([5.0]), np.array([50.0]))
    array([10.])
    """
    overall = float(expected_num.sum()) / max(float(expected_den.sum()), 1e-12)
    ratio = (expected_num + _RATIO_PRIOR * overall) / (expected_den + _RATIO_PRIOR)
    share: Floats = actual_den * ratio
    return share
