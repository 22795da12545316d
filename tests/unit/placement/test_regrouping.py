"""Workloads change groups while that lowers the sum of the groups' peaks."""

from __future__ import annotations

import math

from hypothesis import given
from hypothesis import strategies as st

from aiops_provider.placement.regrouping import regroup


def peaks(loads, groups, count):
    sums = [[0.0] * len(loads[0]) for _ in range(count)]
    for load, group in zip(loads, groups, strict=True):
        sums[group] = [a + b for a, b in zip(sums[group], load, strict=True)]
    return [max(total) for total in sums]


def test_two_that_peak_together_are_parted_by_an_exchange():
    """No single move is allowed by the limits."""
    day, night = (2.0, 0.0), (0.0, 2.0)
    found = regroup([day, day, night, night], [0, 0, 1, 1], [2.0, 2.0])
    assert [2.0, 2.0] == peaks([day, day, night, night], found, 2)


def test_a_move_beyond_the_limit_is_not_made():
    """Both in one group would save, but reach 3."""
    loads = [(2.0, 1.0), (1.0, 2.0)]
    assert [0, 1] == regroup(loads, [0, 1], [2.5, 2.5])
    assert 1 == len(set(regroup(loads, [0, 1], [3.0, 3.0])))


@given(
    loads=st.lists(st.tuples(*[st.floats(0, 10)] * 3), min_size=1, max_size=8),
    limit=st.floats(0, 30),
)
def test_the_sum_of_peaks_never_rises_nor_a_peak_above_its_limit(loads, limit):
    """A peak that is above its limit at the start does not rise further."""
    start = [number % 3 for number in range(len(loads))]
    before = peaks(loads, start, 3)
    after = peaks(loads, regroup(loads, start, [limit] * 3), 3)
    assert math.fsum(after) <= math.fsum(before) + 1e-6
    assert all(a <= max(b, limit) + 1e-6 for a, b in zip(after, before, strict=True))
