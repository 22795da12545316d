"""
A mergeable summary of a numeric column.

A histogram over bins that never move, because each holds the values of one sign within 2 % of each
other (as DDSketch, Masson et al., VLDB 2019): sketches of partitions are added bin by bin, in any order,
and give the very sketch of the whole. It holds a few hundred bins whatever the number of rows.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

RELATIVE_ERROR = 0.01
_LOG_BASE = math.log((1.0 + RELATIVE_ERROR) / (1.0 - RELATIVE_ERROR))
# Smaller magnitudes are zero.
_SMALLEST = 1e-9


@dataclass(frozen=True, slots=True)
class Sketch:
    """
    Counts by bin.

    Attributes:
        counts: Rows by number of the bin; 0 is zero, negative numbers are negative values.
        missing: Rows without a finite value.

    >>> left, right = Sketch.of(np.array([1.0, 2.0])), Sketch.of(np.array([2.0, np.nan]))
    >>> whole = left + right
    >>> whole.rows, whole.missing, whole == Sketch.of(np.array([2.0, 1.0, np.nan, 2.0]))
    (3, 1, True)
    """

    counts: Mapping[int, int] = field(default_factory=dict)
    missing: int = 0

    @classmethod
    def of(cls, values: Floats) -> Sketch:
        """Summarise values; NaN and infinities count as missing."""
        finite = values[np.isfinite(values)]
        magnitude = np.abs(finite)
        place = np.ceil(np.log(np.maximum(magnitude, _SMALLEST) / _SMALLEST) / _LOG_BASE) + 1.0
        number = np.where(magnitude <= _SMALLEST, 0.0, np.sign(finite) * place).astype(np.int64)
        bins, counts = np.unique(number, return_counts=True)
        return cls(
            {int(one): int(count) for one, count in zip(bins, counts, strict=True)},
            missing=len(values) - len(finite),
        )

    @classmethod
    def merged(cls, sketches: Iterable[Sketch]) -> Sketch:
        """The sketch of all their rows."""
        counts: Counter[int] = Counter()
        missing = 0
        for one in sketches:
            counts.update(one.counts)
            missing += one.missing
        return cls(dict(sorted(counts.items())), missing)

    def __add__(self, other: Sketch) -> Sketch:
        return Sketch.merged((self, other))

    @property
    def rows(self) -> int:
        """Rows with a value."""
        return sum(self.counts.values())


def value_of(number: int) -> float:
    """
    Middle of a bin.

    >>> number = next(iter(Sketch.of(np.array([1234.5])).counts))
    >>> abs(value_of(number) / 1234.5 - 1.0) <= RELATIVE_ERROR
    True
    """
    if number == 0:
        return 0.0
    upper = _SMALLEST * math.exp(_LOG_BASE * (abs(number) - 1))
    return math.copysign(upper * (1.0 - RELATIVE_ERROR), number)
