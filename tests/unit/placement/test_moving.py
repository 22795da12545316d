"""When a running task is moved: never at a loss, never against its deadline, not back and forth."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aiops_provider.placement.moving import Running, Target, worth_moving
from aiops_provider.placement.rework import rework_factor

LONG = Running(remaining_s=100_000.0, since_checkpoint_s=0.0, checkpoint_interval_s=1800.0)
CHEAP = Target(usd_per_hour=1.0, restart_s=60.0)


def test_long_work_is_moved_at_once_right_after_a_checkpoint():
    """The gain is the price difference over what is left, less the restart."""
    verdict = worth_moving(LONG, 3.0, CHEAP)
    assert verdict is not None
    assert verdict.after_s == 0.0
    assert verdict.gain_usd == pytest.approx((2.0 * 100_000 - 60) / 3600)


def test_just_before_a_checkpoint_it_is_waited_for():
    """Ten seconds more at the dear place are cheaper than half an hour of work done again."""
    verdict = worth_moving(replace(LONG, since_checkpoint_s=1790.0), 3.0, CHEAP)
    assert verdict is not None
    assert verdict.after_s == 10.0


def test_what_is_nearly_done_stays():
    """A restart would cost more than the rest of the work saves."""
    assert worth_moving(replace(LONG, remaining_s=30.0), 3.0, CHEAP) is None


def test_a_place_that_goes_at_once_is_left_alone():
    """Its price with the work that is done again is above that of the dear place."""
    flapping = replace(CHEAP, mean_up_s=300.0)
    assert rework_factor(1800.0, 300.0) > 3.0
    assert worth_moving(LONG, 3.0, flapping) is None


def test_it_moves_to_a_steadier_place_of_the_same_price():
    """And not the other way."""
    here = replace(LONG, mean_up_s=3600.0)
    steady = replace(CHEAP, mean_up_s=36_000.0)
    assert worth_moving(here, 1.0, steady) is not None
    back = replace(LONG, mean_up_s=36_000.0)
    assert worth_moving(back, 1.0, replace(CHEAP, mean_up_s=3600.0)) is None


def test_no_move_that_another_loss_would_make_late():
    """Time for two changeovers must be left."""
    enough = 1800.0 + 2 * 60.0
    assert worth_moving(replace(LONG, slack_s=enough), 3.0, CHEAP) is not None
    assert worth_moving(replace(LONG, slack_s=enough - 1.0), 3.0, CHEAP) is None


prices = st.floats(0.01, 100.0)
times = st.floats(1.0, 1e6)


@given(
    left=times, step=times, share=st.floats(0, 1), here=prices, there=prices, up=times, away=times
)
def test_a_move_always_gains_and_is_never_undone_at_once(left, step, share, here, there, up, away):
    """Whatever the figures: the expected gain is positive, and the way back is not worth it."""
    run = Running(
        remaining_s=left,
        since_checkpoint_s=share * step,
        checkpoint_interval_s=step,
        mean_up_s=up,
    )
    target = Target(usd_per_hour=there, mean_up_s=away, restart_s=30.0)
    verdict = worth_moving(run, here, target)
    if verdict is None:
        return
    assert 0.0 <= verdict.after_s <= step
    moved = replace(run, since_checkpoint_s=0.0, mean_up_s=away)
    back = Target(usd_per_hour=here, mean_up_s=up, restart_s=30.0)
    assert worth_moving(moved, there, back) is None


@given(interval=times, up=times, restart=st.floats(0, 1e4))
def test_rework_never_makes_work_shorter_and_rises_with_the_piece(interval, up, restart):
    """The factor is a number, at least 1, and larger for longer pieces."""
    factor = rework_factor(interval, up, restart_s=restart)
    assert math.isfinite(factor)
    assert factor >= 1.0
    assert rework_factor(interval * 2, up) >= rework_factor(interval, up) * (1 - 1e-12)
