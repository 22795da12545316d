"""How a figure grows with the size of the input, learned robustly from few runs."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median

from aiops_provider.profiling.quantiles import SMALLEST

# Fewer runs, or inputs of nearly one size, prove nothing about the size.
_FEWEST_RUNS = 4
_FEWEST_SIZES = 3
_SMALLEST_RANGE = 1.25
# The size explains a figure when it takes away this share of its log deviation. A line through
# few points always takes some away, so that a small gain is none.
_NEEDED_GAIN = 0.3
# All pairs of this many runs are 780 slopes, a fifth of a millisecond.
_MOST_RUNS = 40
# Once inputs have varied this much without effect, the size is known not to matter.
_WIDE_RANGE = 2.0
# Beyond the largest input seen the line may bend (sorting is n log n, hash tables double): the
# upper quantiles grow by this power of the factor of extrapolation.
_BEND = 0.25
# Smaller inputs than half the smallest one seen are not believed to need less still.
_BELOW = 0.5


@dataclass(frozen=True, slots=True)
class SizeEffect:
    """
    What the size of the input does to a figure.

    Attributes:
        constant: Part that does not depend on the size, >= 0.
        slope: Growth per unit of size, >= 0.
        smallest: Smallest size seen.
        usual: Median size seen.
        largest: Largest size seen.
        proven: Whether the history shows it; else it is assumed, for growth beyond the largest.
    """

    constant: float
    slope: float
    smallest: float
    usual: float
    largest: float
    proven: bool

    def factor(self, *, seen: float | None, wanted: float) -> float:
        """
        By how much a figure seen at one size changes at another.

        Whatever the size to come, the factors of any two runs keep their ratio: their order, and
        with it what lower bounds mean, must not depend on it.

        Args:
            seen: Size of the run that was seen, > 0; ``None``: unknown, taken to be the usual one.
            wanted: Size of the run to come, > 0.
        """
        if not self.proven:
            return max(1.0, self._at(wanted) / self._at(self.largest))
        wanted = max(wanted, self.smallest * _BELOW)
        return self._at(wanted) / self._at(seen or self.usual)

    def bend(self, wanted: float) -> float:
        """Factor for the upper quantiles beyond the largest input seen, >= 1."""
        return math.pow(max(1.0, wanted / self.largest), _BEND)

    def _at(self, size: float) -> float:
        return max(self.constant + self.slope * size, SMALLEST)


def size_effect(
    points: Sequence[tuple[float, float]], *, constant_if_unknown: float
) -> SizeEffect | None:
    """
    Learn the effect of the input's size from runs that ended well.

    The line is Theil–Sen's (median of the slopes of all pairs, median of the intercepts), which
    up to 29 % of wild points do not move (Sen, JASA 1968). Slope and constant are kept >= 0:
    no task needs less for more input. It is used when it takes away enough of the deviation.
    Otherwise, unless sizes have varied widely without effect, growth in proportion to the size is
    *assumed* beyond the largest seen, above a constant part; within what was seen, and below, the
    runs stand as they are.

    Args:
        points: (size, figure) of each run, newest last, both > 0.
        constant_if_unknown: Part of the figure that no input needs, in its unit.

    Returns:
        ``None`` when the size is known not to matter, or no size is known.

    >>> effect = size_effect([(1, 3), (2, 5), (3, 7), (4, 9)], constant_if_unknown=0.1)
    >>> effect.constant, effect.slope, effect.proven
    (1.0, 2.0, True)
    """
    if not points:
        return None
    points = points[-_MOST_RUNS:]
    sizes = [size for size, _ in points]
    smallest, largest = min(sizes), max(sizes)
    range_seen = largest / smallest
    enough = len(points) >= _FEWEST_RUNS and len(set(sizes)) >= _FEWEST_SIZES
    if enough and range_seen >= _SMALLEST_RANGE:
        constant, slope = _theil_sen(points)
        if slope > 0 and _gain(points, constant, slope) >= _NEEDED_GAIN:
            return SizeEffect(constant, slope, smallest, median(sizes), largest, proven=True)
    if enough and range_seen >= _WIDE_RANGE:
        return None
    typical = median(figure for _, figure in points)
    constant = min(constant_if_unknown, typical)
    slope = max(0.0, typical - constant) / median(sizes)
    return SizeEffect(constant, slope, smallest, median(sizes), largest, proven=False)


def _theil_sen(points: Sequence[tuple[float, float]]) -> tuple[float, float]:
    slopes = [
        (y2 - y1) / (x2 - x1)
        for i, (x1, y1) in enumerate(points)
        for x2, y2 in points[i + 1 :]
        if x1 != x2
    ]
    slope = median(slopes)
    constant = median(y - slope * x for x, y in points)
    if constant < 0:
        return 0.0, median(y / x for x, y in points)
    return constant, slope


def _gain(points: Sequence[tuple[float, float]], constant: float, slope: float) -> float:
    """Share of the log deviation that the line takes away."""
    before = _deviation([math.log(y) for _, y in points])
    after = _deviation([math.log(y / max(constant + slope * x, SMALLEST)) for x, y in points])
    # Two parameters were fitted to the points: with four of them half of the deviation is gone.
    freedom = len(points) / (len(points) - 2)
    return 1 - after * freedom / before if before > 0 else 0.0


def _deviation(logs: Sequence[float]) -> float:
    """Mean absolute deviation from the median, the largest quarter left out as wild."""
    centre = median(logs)
    distances = sorted(abs(value - centre) for value in logs)
    kept = distances[: math.ceil(0.75 * len(distances))]
    return math.fsum(kept) / len(kept)
