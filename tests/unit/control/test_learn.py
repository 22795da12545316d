"""What the end of a try tells."""

from datetime import UTC, datetime, timedelta

import pytest

from aiops_provider.control.learn import outcome_samples
from aiops_provider.domain.execution import ExecutionRecord, Outcome, Usage
from aiops_provider.domain.workload import TaskKey, TaskRun

NOW = datetime(2026, 3, 2, 12, tzinfo=UTC)


def record(outcome: Outcome) -> ExecutionRecord:
    return ExecutionRecord(
        run=TaskRun(TaskKey("medical", "train"), "r1", 3, 2),
        cluster="eks",
        provider="aws",
        region="sa-east-1",
        started_at=NOW,
        ended_at=NOW + timedelta(seconds=90),
        outcome=outcome,
        usage=Usage(peak_memory_gib=1.5, cpu_seconds=60.0, duration_s=90.0),
    )


def values(outcome: Outcome) -> dict[str, float]:
    return {sample.name: sample.value for sample in outcome_samples(record(outcome))}


def test_a_run_that_ended_well_tells_duration_and_memory():
    """All three KPIs, in their units."""
    expected = {"task_failed": 0.0, "duration_s": 90.0, "peak_memory_gib": 1.5}
    assert expected == values(Outcome.SUCCESS)


@pytest.mark.parametrize("outcome", [Outcome.FAILED, Outcome.OUT_OF_MEMORY])
def test_a_failure_tells_only_that_it_failed(outcome):
    """A run that failed early is no short run."""
    assert {"task_failed": 1.0} == values(outcome)


@pytest.mark.parametrize("outcome", [Outcome.CLUSTER_LOST, Outcome.KILLED])
def test_what_ended_a_task_from_outside_is_no_failure_of_it(outcome):
    """A lost cluster is left out and taken back by its health, not quarantined on top of that."""
    assert {} == values(outcome)


def test_samples_say_which_series_they_belong_to_and_where_they_ran():
    """The partition identifies the series, the cluster does not."""
    (sample,) = outcome_samples(record(Outcome.FAILED))
    assert {"dag": "medical", "task": "train", "partition": "3"} == dict(sample.dimensions)
    assert "eks" == sample.context["cluster"]
    assert sample.idempotency_key
