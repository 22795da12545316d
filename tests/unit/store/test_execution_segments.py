"""The stays of a deferred try on its workers become one run, however they are reported."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import reduce
from itertools import permutations

import pytest

from aiops_provider.domain.execution import ExecutionRecord, Outcome, Usage
from aiops_provider.domain.task import TaskKey, TaskRun
from aiops_provider.store.execution_merge import merge_executions
from aiops_provider.store.execution_segments import MOST_KEPT_APART, joined

NOW = datetime(2026, 1, 1, tzinfo=UTC)
HOUR = timedelta(hours=1)


def stay(number: int, outcome: Outcome = Outcome.SUSPENDED, **others) -> ExecutionRecord:
    """Ten seconds of work, an hour after the one before, on one of two clusters."""
    started = NOW + number * HOUR
    fields = {
        "run": TaskRun(TaskKey("medical", "train"), "r"),
        "cluster": ("eks", "batch")[number % 2],
        "provider": "aws",
        "region": "sa-east-1",
        "queued_at": started - timedelta(seconds=5),
        "started_at": started,
        "ended_at": started + timedelta(seconds=10),
        "outcome": outcome,
        "segment": number,
        "usage": Usage(
            peak_memory_gib=float(number), cpu_seconds=5, duration_s=10, io_read_gib=0.25
        ),
        "cost_usd": 0.125,
    }
    return ExecutionRecord(**(fields | others))


PARTS = (
    stay(1, usage=Usage(peak_memory_gib=7, cpu_seconds=5, duration_s=10), input_rows=12),
    stay(3),  # placed twice: the second placement never ran
    stay(4, Outcome.SUCCESS, operator="WaitsTwice"),
)


@pytest.mark.parametrize("order", list(permutations(range(3))))
def test_the_stays_are_one_run_in_whatever_order_they_are_reported(order: tuple[int, ...]) -> None:
    """Each of them twice: sums of what adds up, the highest memory, first start and last end."""
    reports = [PARTS[index] for index in order for _ in range(2)]
    run = joined(reduce(merge_executions, reports))
    assert (run.outcome, run.cluster, run.segments) == (Outcome.SUCCESS, "eks", 3)
    assert (run.queued_at, run.started_at) == (PARTS[0].queued_at, PARTS[0].started_at)
    assert run.ended_at == PARTS[2].ended_at
    assert run.usage == Usage(
        peak_memory_gib=7, cpu_seconds=15, duration_s=30, io_read_gib=0.5, io_write_gib=None
    )
    assert (run.cost_usd, run.input_rows, run.operator) == (0.375, 12, "WaitsTwice")
    assert run.occupied_s == 30.0


def test_two_reports_of_one_stay_are_one_stay() -> None:
    """The worker knows the usage, the scheduler the price; also when the try has gone on since."""
    worker, scheduler = stay(1, cost_usd=None), stay(1, usage=None)
    for reports in (
        [worker, scheduler, stay(2, Outcome.SUCCESS)],
        [worker, stay(2, Outcome.SUCCESS), scheduler],
        [stay(2, Outcome.SUCCESS), scheduler, worker],
    ):
        run = joined(reduce(merge_executions, reports))
        assert (run.segments, run.cost_usd) == (2, 0.25)
        assert run.usage is not None
        assert run.usage.cpu_seconds == 10


def test_thousands_of_looks_stay_small_and_lose_nothing() -> None:
    """The oldest stays become one; a report of these that comes again is left out."""
    looks = [stay(number) for number in range(1, 501)]
    record = reduce(merge_executions, [*looks, stay(501, Outcome.SUCCESS), looks[3], looks[470]])
    assert len(record.earlier) == MOST_KEPT_APART
    run = joined(record)
    assert (run.segments, run.started_at) == (501, looks[0].started_at)
    assert run.usage == Usage(
        peak_memory_gib=501, cpu_seconds=5 * 501, duration_s=10 * 501, io_read_gib=0.25 * 501
    )


def test_a_stay_that_nobody_measured_lasted_all_the_same() -> None:
    """Its time counts; where nothing at all was measured there is no usage."""
    last = stay(2, Outcome.SUCCESS)
    run = joined(merge_executions(stay(1, usage=None), last))
    assert run.usage is not None
    assert (run.usage.duration_s, run.usage.peak_memory_gib) == (20.0, 2.0)
    unmeasured = merge_executions(stay(1, usage=None), replace(last, usage=None))
    assert joined(unmeasured).usage is None


def test_a_lost_stay_is_no_part_of_the_work() -> None:
    """It was done again: only what was suspended before goes on counting."""
    lost = stay(2, Outcome.CLUSTER_LOST)
    again = stay(3, Outcome.SUCCESS)
    run = joined(reduce(merge_executions, [stay(1), lost, again]))
    assert (run.outcome, run.segments) == (Outcome.SUCCESS, 2)
    assert run.usage is not None
    assert run.usage.duration_s == 20.0


def test_a_run_that_was_read_may_be_written_again() -> None:
    """It stands for all of its stays already."""
    record = reduce(merge_executions, PARTS)
    assert joined(merge_executions(record, joined(record))) == joined(record)
