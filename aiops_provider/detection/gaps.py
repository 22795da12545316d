"""How long a series usually lets one wait for its next sample, and how odd a longer wait is."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

# Bins of the histogram for each doubling of the gap: 9 % wide each.
_PER_OCTAVE = 8
_BIN_WIDTH = math.log(2.0) / _PER_OCTAVE
_SHORTEST_S, _LONGEST_S = 1e-3, 1e9
# Half of what is known is forgotten when it comes from so many gaps.
_MEMORY = 2_000.0
# Tail index beyond a bin that no gap was seen to pass, which weighs so many gaps: the larger, the fewer
# gaps are known. And the least index: of a series like clockwork but for a sample that gets lost;
# and the largest: one long gap among many short ones must not excuse every silence from then on.
_PRIOR_INDEX, _PRIOR_DOUBT, _PRIOR_GAPS = 0.15, 0.5, 3.0
_LEAST_INDEX, _LARGEST_INDEX = 0.1, 0.8
# A tail begins where no more than this share of the gaps is, or so many of them; what is before says
# how gaps spread, which is no tail.
_TAIL_SHARE, _TAIL_GAPS = 0.2, 5.0


class Gaps:
    """
    Gaps between the arrivals of one series, as a histogram over their logarithms.

    Memory is constant, a gap costs O(1). The tail beyond each bin is a power law whose index is Hill's
    estimate (1975) with a prior: heavier than that of any timetable, Poisson or log-normal arrivals, and
    of all bins the one that finds a gap the likeliest counts. So a series that loses samples now and
    then, or is silent every night, is not odd when it does so again.

    >>> gaps = Gaps()
    >>> for _ in range(50):
    ...     gaps.add(300.0)
    >>> gaps.p_value(290.0), gaps.p_value(1_200.0) < 1e-5
    (1.0, True)
    """

    __slots__ = ("_counts", "_tail", "total")

    def __init__(self) -> None:
        self.total = 0.0
        self._counts: dict[int, float] = {}
        self._tail: tuple[_Tail, float] | None = None

    def add(self, gap_s: float) -> None:
        """Take in a gap that is over, in seconds."""
        number = _bin(gap_s)
        if number not in self._counts:
            self._tail = None  # its shape has changed
        self._counts[number] = self._counts.get(number, 0.0) + 1.0
        self.total += 1.0
        if self.total >= _MEMORY:
            self._scale(0.5)

    def extend(self, gaps_s: NDArray[np.float64]) -> None:
        """Take in many at once."""
        clipped = np.clip(gaps_s[gaps_s > 0.0], _SHORTEST_S, _LONGEST_S)
        bins, counts = np.unique(np.floor(np.log2(clipped) * _PER_OCTAVE), return_counts=True)
        for number, count in zip(bins, counts, strict=True):
            self._counts[int(number)] = self._counts.get(int(number), 0.0) + float(count)
        self.total += len(clipped)
        self._tail = None
        if self.total >= _MEMORY:
            self._scale(_MEMORY / 2.0 / self.total)

    def p_value(self, gap_s: float) -> float:
        """Probability that a gap becomes as long as this one already is, or longer."""
        if not self._counts:
            return 1.0
        tail = self._known_tail()
        within = np.minimum(tail.edges / max(gap_s, _SHORTEST_S), 1.0)
        return float(np.max(tail.shares * within ** (1.0 / tail.indices)))

    def reach(self, p_value: float) -> float:
        """The gap in seconds that has this p-value; infinite while nothing is known."""
        if not self._counts:
            return math.inf
        tail = self._known_tail()
        known = tail.reaches.get(p_value)
        if known is None:
            rarer = np.maximum(tail.shares / p_value, 1.0)
            gaps = np.where(tail.shares > p_value, tail.edges * rarer**tail.indices, 0.0)
            known = tail.reaches[p_value] = float(np.max(gaps))
        return known

    def quantile(self, passed_by: float) -> float:
        """The gap in seconds that at most this share of those that were seen passes; 0 for none."""
        left = self.total * passed_by
        for number in sorted(self._counts, reverse=True):
            left -= self._counts[number]
            if left < 0.0:
                return math.exp((number + 1) * _BIN_WIDTH)
        return 0.0

    def _known_tail(self) -> _Tail:
        # As long as no new bin appears its shape changes slowly.
        if self._tail is None or self.total > 1.1 * self._tail[1] or self.total < self._tail[1]:
            self._tail = _Tail(self._counts, self.total), self.total
        return self._tail[0]

    def _scale(self, factor: float) -> None:
        self._counts = {key: count * factor for key, count in self._counts.items()}
        self.total *= factor
        self._tail = None


class _Tail:
    """
    Of each bin: its upper edge, the share of the gaps that reach it, and the index of the tail there.

    With *N* of *n* gaps at or beyond an edge *u*, ``P(G ≥ g) = (N+1)/(n+1) · (u/g)^(1/η)`` with
    ``η = (3 · (0.15 + 0.5/n) + Σ log(Gᵢ/u)) / (3 + N)``. Gaps inside a bin are taken to be at its upper edge;
    each edge is there with them, and without them for what none was seen to pass.
    """

    __slots__ = ("edges", "indices", "reaches", "shares")

    def __init__(self, counts: dict[int, float], total: float) -> None:
        bins = sorted(counts)
        logs = (np.array(bins) + 1.0) * _BIN_WIDTH
        held = np.array([counts[number] for number in bins])
        reached = np.cumsum(held[::-1])[::-1]
        passed = reached - held
        summed = np.cumsum((held * logs)[::-1])[::-1] - reached * logs
        beyond = np.concatenate((reached, passed))
        prior = _PRIOR_GAPS * (_PRIOR_INDEX + _PRIOR_DOUBT / total)
        self.edges = np.tile(np.exp(logs), 2)
        self.shares = (beyond + 1.0) / (total + 1.0)
        index = (prior + np.tile(summed, 2)) / (_PRIOR_GAPS + beyond)
        index[beyond > max(_TAIL_SHARE * total, _TAIL_GAPS)] = _LEAST_INDEX
        self.indices = np.clip(index, _LEAST_INDEX, _LARGEST_INDEX)
        self.reaches: dict[float, float] = {}


def _bin(gap_s: float) -> int:
    return math.floor(math.log2(min(max(gap_s, _SHORTEST_S), _LONGEST_S)) * _PER_OCTAVE)
