"""The rule beside the schedule: room for what may come before a new instance serves."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import numpy as np
import pytest

from aiops_provider.errors import DataError
from aiops_provider.profiling.capacity_reaction import Reaction, reaction_for

START = datetime(2026, 1, 5, tzinfo=UTC)
TIMES = [START + timedelta(minutes=5 * n) for n in range(600)]


def growing(factor: float) -> list[float]:
    """Every fifth step grows by a factor, the next one falls back."""
    return [10.0 * (factor if n % 5 == 4 else 1.0) for n in range(600)]


def test_a_steady_demand_needs_little_room():
    assert reaction_for([5.0] * 600, TIMES, 300.0).target_utilisation == 0.9


def test_a_restless_one_needs_more():
    """A fifth of the steps grows by a half: two thirds of use leave room for it."""
    made = reaction_for(growing(1.5), TIMES, 0.0)
    assert made.target_utilisation == pytest.approx(1 / 1.5, abs=0.001)
    assert (made.sample_count, made.scale_in_after_s) == (599, 300.0)
    assert "300 s" in made.reason


def test_a_longer_cold_start_looks_further_ahead():
    rising = [10.0 * 1.02**n for n in range(600)]
    quick, slow = (reaction_for(rising, TIMES, cold) for cold in (0.0, 3000.0))
    assert quick.target_utilisation > slow.target_utilisation
    assert slow.scale_in_after_s == 3000.0


def test_disorder_gaps_and_zeros_are_no_rises():
    order = np.random.default_rng(0).permutation(600)
    values = np.array(growing(1.5))
    values[300:310] = np.nan
    values[50] = 0.0
    shuffled = reaction_for(values[order].tolist(), [TIMES[index] for index in order], 0.0)
    assert shuffled.target_utilisation == pytest.approx(1 / 1.5, abs=0.001)


@pytest.mark.parametrize("count", [0, 1, 20])
def test_too_few_values_leave_the_usual_share(count):
    made = reaction_for([5.0] * count, TIMES[:count], 60.0)
    assert (made.target_utilisation, made.sample_count) == (0.7, 0)


RULE = Reaction(target_utilisation=0.8, scale_in_after_s=300.0, sample_count=0, reason="")


def test_the_schedule_is_never_undercut_and_the_maximum_never_exceeded():
    assert RULE.wanted([], scheduled=3, capacity_per_instance=10.0) == 3
    assert RULE.wanted([8.0], scheduled=3, capacity_per_instance=10.0) == 3
    assert RULE.wanted([80.0], scheduled=3, capacity_per_instance=10.0) == 10
    assert RULE.wanted([80.0], scheduled=3, capacity_per_instance=10.0, maximum=5) == 5


def test_scale_in_waits_until_the_peak_has_left_the_window():
    assert RULE.wanted([80.0, 8.0, 8.0], scheduled=1, capacity_per_instance=10.0) == 10


def test_a_demand_that_is_none_is_refused():
    with pytest.raises(DataError, match="recent"):
        RULE.wanted([float("nan")], scheduled=1, capacity_per_instance=1.0)
