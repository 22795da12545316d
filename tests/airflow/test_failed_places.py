"""Where a task of a run has failed."""

from dataclasses import replace

from aiops_provider.airflow.failed_places import FailedPlaces
from aiops_provider.domain.execution import ExecutionRecord, Outcome
from aiops_provider.domain.task import TaskKey, TaskRun
from aiops_provider.domain.units import utc_now

FIRST = TaskRun(TaskKey("medical", "train"), "r1")
SECOND = replace(FIRST, try_number=2)


def record(outcome: Outcome, message: str = "") -> ExecutionRecord:
    return ExecutionRecord(
        run=FIRST,
        cluster="eks",
        provider="aws",
        region="r",
        started_at=utc_now(),
        ended_at=utc_now(),
        outcome=outcome,
        message=message,
    )


def test_a_failure_is_remembered_with_its_reason_until_a_success():
    """For that task of that run, and for no other."""
    places = FailedPlaces()
    places.learn(record(Outcome.FAILED, "ValueError"))
    assert {"eks": "try 1 failed there: ValueError"} == places.avoid(SECOND)
    assert {} == places.avoid(replace(SECOND, run_id="r2"))
    places.learn(record(Outcome.SUCCESS))
    assert {} == places.avoid(SECOND)


def test_a_suspended_try_tells_nothing():
    """It has neither failed nor succeeded: what was known of the place stays."""
    places = FailedPlaces()
    places.learn(record(Outcome.SUSPENDED))
    assert {} == places.avoid(SECOND)
    places.learn(record(Outcome.FAILED, "ValueError"))
    places.learn(record(Outcome.SUSPENDED))
    assert {"eks": "try 1 failed there: ValueError"} == places.avoid(SECOND)


def test_a_next_try_tells_that_the_last_one_failed():
    """Where only the worker knows how a try ended."""
    places = FailedPlaces()
    places.sent(FIRST, "eks")
    assert {} == places.avoid(FIRST)
    assert {"eks": "try 1 ran there and has to be run again"} == places.avoid(SECOND)


def test_refusals_are_counted_by_try():
    """A new try may be refused as often again."""
    places = FailedPlaces()
    assert [1, 2] == [places.refused(FIRST, name, "no room") for name in ("eks", "eks")]
    assert 1 == places.refused(SECOND, "eks", "no room")
    assert {"eks": "it refused the task: no room"} == places.avoid(SECOND)
