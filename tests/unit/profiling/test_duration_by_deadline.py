"""Durations told by the deadlines that were declared for the runs."""

from __future__ import annotations

import random

import pytest

from aiops_provider.domain.task import TaskKey
from aiops_provider.profiling.duration_by_deadline import DurationByDeadline

TASK, OTHER = TaskKey("d", "t"), TaskKey("d", "other")


def learned(count: int = 99, task: TaskKey = TASK) -> DurationByDeadline:
    known = DurationByDeadline()
    for number in range(1, count + 1):
        # Runs need 1 % to 99 % of a deadline that is another one each time.
        known.learn(task, duration_s=number * number, deadline_s=number * 100.0)
    return known


def test_the_share_of_the_deadline_carries_over():
    """Twice the deadline, twice the duration."""
    known = learned()
    half = known.quantile_s(TASK, deadline_s=1000.0, level=0.5)
    assert half == pytest.approx(500.0)
    assert known.quantile_s(TASK, deadline_s=2000.0, level=0.5) == pytest.approx(2 * half)


def test_too_few_runs_promise_nothing():
    """The 99th percentile needs 99 runs."""
    assert learned(98).quantile_s(TASK, deadline_s=1000.0, level=0.99) is None
    assert learned(99).quantile_s(TASK, deadline_s=1000.0, level=0.99) == pytest.approx(990.0)


def test_what_is_over_does_not_count_any_more():
    """A run that has worked half of its deadline is none of the short ones."""
    known = learned()
    assert known.quantile_s(TASK, deadline_s=1000.0, level=0.5, done_s=500.0) == pytest.approx(750)
    assert known.mean_s(TASK, deadline_s=1000.0, done_s=500.0) == pytest.approx(750.0)
    assert known.mean_s(TASK, deadline_s=1000.0, done_s=995.0) is None


def test_a_new_task_goes_by_all_tasks():
    """Until it has runs of its own."""
    assert learned().quantile_s(OTHER, deadline_s=1000.0, level=0.5) == pytest.approx(500.0)


def test_promises_hold_as_often_as_they_say():
    """Fresh runs of the same kind exceed the 90th percentile in about one of ten cases."""
    draw = random.Random(5)  # noqa: S311 - must be repeatable
    known = DurationByDeadline()
    exceeded = 0
    for number in range(6000):
        deadline_s = draw.uniform(100.0, 10_000.0)
        duration_s = deadline_s * draw.betavariate(2.0, 3.0)
        if number >= 3000:
            limit = known.quantile_s(TASK, deadline_s=deadline_s, level=0.9)
            assert limit is not None
            exceeded += duration_s > limit
        known.learn(TASK, duration_s=duration_s, deadline_s=deadline_s)
    assert 0.08 < exceeded / 3000 < 0.12
