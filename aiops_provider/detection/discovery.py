"""How many of the alarms may be false: the false-discovery rate across all series of a period."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from datetime import datetime, timedelta


def benjamini_hochberg(
    p_values: Sequence[float], rate: float, *, tests: float | None = None
) -> float:
    """
    The largest p-value that still counts as a discovery; -1 when none does.

    The k-th smallest of m p-values counts when it is at most ``rate · k / m``; the expected share
    of false ones among those that count is then at most *rate* (Benjamini and Hochberg, 1995), for
    independent and for positively dependent series.

    Args:
        p_values: In any order.
        rate: False-discovery rate.
        tests: How many tests there were, if more than those whose p-values are given.

    >>> benjamini_hochberg([0.001, 0.02, 0.03, 0.9], rate=0.05)
    0.03
    """
    threshold, tests = -1.0, tests or float(len(p_values))
    for place, p_value in enumerate(sorted(p_values), start=1):
        if p_value <= rate * place / tests:
            threshold = p_value
    return threshold


class Discoveries:
    """
    The p-values of one sliding period, so that few samples at a time face the same test as many.

    Args:
        rate: False-discovery rate, in (0, 1).
        period: How long samples count as of one period.
        beside: Weight of the tests that are made of each sample beside its value.
    """

    def __init__(self, rate: float, period: timedelta, *, beside: float = 0.0) -> None:
        self._rate, self._period = rate, period
        self._tests_per_sample = 1.0 + beside
        self._limit = 0.0
        self._recent: deque[tuple[datetime, float]] = deque()

    def threshold(self, samples: Sequence[tuple[datetime, float]]) -> float:
        """
        Take in new samples; the largest p-value among the period's that counts.

        Args:
            samples: Moment of observation and p-value of each.
        """
        self._recent.extend(samples)
        if not self._recent:
            return -1.0
        newest = max(at for at, _ in self._recent)
        self._recent = deque(one for one in self._recent if newest - one[0] < self._period)
        tests = len(self._recent) * self._tests_per_sample
        found = benjamini_hochberg(
            [p_value for _, p_value in self._recent], self._rate, tests=tests
        )
        self._limit = max(found, self._rate / max(tests, 1.0))
        return found

    def by_chance(self, samples: int, most_p: float) -> float:
        """
        How many alarms chance alone is expected to raise among as many samples, if all is well with them.

        A sample counts up to the threshold found last, or up to what a first discovery of that period
        needs, with the probability of just that p-value.

        Args:
            samples: Those that the last threshold was found for.
            most_p: No p-value above it raises an alarm.
        """
        return samples * self._tests_per_sample * min(self._limit, most_p)
