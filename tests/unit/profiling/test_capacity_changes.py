"""Few changes, never below the need."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from aiops_provider.profiling.capacity_changes import (
    bridge_dips,
    fewest_changes,
    rolling_maximum,
)

NEEDS = st.lists(st.integers(0, 9), min_size=2, max_size=9).map(np.array)


def price(plan: np.ndarray, needs: np.ndarray, change_cost: float) -> float:
    return float((plan - needs).sum()) + change_cost * int((plan != np.roll(plan, 1)).sum())


def cheapest(needs: np.ndarray, change_cost: float) -> float:
    """By trying every way to cut the circle."""
    found = price(np.full(len(needs), needs.max()), needs, change_cost)
    for count in range(2, len(needs) + 1):
        for cuts in combinations(range(len(needs)), count):
            plan = np.empty_like(needs)
            for begin, end in zip(cuts, (*cuts[1:], cuts[0] + len(needs)), strict=True):
                run = np.arange(begin, end) % len(needs)
                plan[run] = needs[run].max()
            found = min(found, price(plan, needs, change_cost))
    return found


@settings(deadline=None)
@given(needs=NEEDS, change_cost=st.sampled_from([0.0, 0.5, 1.0, 3.0, 100.0]))
def test_no_need_is_undercut_and_the_plan_is_cheap(needs, change_cost):
    """The best of all plans, but for a week that is better cut elsewhere than at its largest rise."""
    plan = fewest_changes(needs, change_cost)
    assert np.all(plan >= needs)
    assert price(plan, needs, change_cost) <= cheapest(needs, change_cost) + 2 * change_cost


def test_the_best_plan_of_an_ordinary_day():
    needs = np.array([1, 1, 4, 5, 4, 2, 2, 1])
    for change_cost in (0.0, 0.9, 2.0, 5.0, 50.0):
        plan = fewest_changes(needs, change_cost)
        assert price(plan, needs, change_cost) == pytest.approx(cheapest(needs, change_cost))


def test_a_dear_change_is_never_made():
    assert fewest_changes(np.array([1, 5, 1, 1]), 100.0).tolist() == [5, 5, 5, 5]


def test_a_free_change_follows_every_need():
    needs = np.array([3, 1, 4, 1, 5])
    assert fewest_changes(needs, 0.0).tolist() == needs.tolist()


@settings(deadline=None)
@given(needs=NEEDS, hold=st.integers(0, 5))
def test_what_goes_down_stays_down_for_the_hold(needs, hold):
    held = bridge_dips(needs, hold)
    assert np.all(held >= needs)
    assert held.max() == needs.max()
    assert np.array_equal(bridge_dips(held, hold), held)


def test_the_hold_sees_over_the_end_of_the_week():
    assert bridge_dips(np.array([1, 3, 3, 3, 3, 3]), 2).tolist() == [3] * 6


def test_a_window_longer_than_the_week():
    assert rolling_maximum(np.array([1, 2, 3]), 10).tolist() == [3, 3, 3]
