"""Two reports of one try become one record, by rules."""

from __future__ import annotations

from dataclasses import fields, replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aiops_provider.domain.execution import ExecutionRecord, Outcome, Usage
from aiops_provider.domain.profile import ResourceRequest
from aiops_provider.domain.task import TaskKey, TaskRun
from aiops_provider.store.execution_merge import merge_executions
from aiops_provider.store.execution_segments import joined

NOW = datetime(2026, 1, 1, tzinfo=UTC)
USAGE = Usage(peak_memory_gib=1.5, cpu_seconds=60, duration_s=30)
BARE = ExecutionRecord(
    run=TaskRun(TaskKey("medical", "train"), "r"),
    cluster="eks",
    provider="aws",
    region="sa-east-1",
    started_at=NOW,
    ended_at=NOW + timedelta(minutes=1),
    outcome=Outcome.SUCCESS,
)
OPTIONAL = {
    "queued_at": NOW - timedelta(minutes=1),
    "request": ResourceRequest(cores=1, memory_gib=2),
    "usage": USAGE,
    "input_gib": 0.5,
    "input_rows": 10,
    "inputs": (("files.length", 4.0), ("model", "5d41402abc4b")),
    "operator": "PythonOperator",
    "code_hash": "5d41402abc4b2a76",
    "image": "registry.example.com/etl:7",
    "cost_usd": 0.01,
    "exit_code": 0,
    "message": "done",
}

RECORDS = st.builds(
    lambda cluster, minutes, outcome, segment, given_fields: replace(
        BARE,
        cluster=cluster,
        segment=segment,
        started_at=NOW + timedelta(minutes=minutes),
        ended_at=NOW + timedelta(minutes=minutes + 5),
        outcome=outcome,
        **{name: OPTIONAL[name] for name in given_fields},
    ),
    st.sampled_from(["eks", "batch"]),
    st.integers(0, 3),
    st.sampled_from(Outcome),
    st.integers(0, 3),
    st.sets(st.sampled_from(sorted(OPTIONAL))),
)


@pytest.mark.parametrize("name", OPTIONAL)
def test_nothing_known_is_wiped(name: str) -> None:
    """A later report without a fact keeps the fact; one with it brings it."""
    knowing = replace(BARE, **{name: OPTIONAL[name]})
    assert merge_executions(knowing, BARE) == knowing
    assert merge_executions(BARE, knowing) == knowing


@given(RECORDS)
def test_a_repeated_report_changes_nothing(record: ExecutionRecord) -> None:
    """Merging a record with itself gives the record."""
    assert merge_executions(record, record) == record


@given(RECORDS, RECORDS)
def test_reporting_twice_is_reporting_once(known: ExecutionRecord, new: ExecutionRecord) -> None:
    """The same report again, after it was merged, changes nothing."""
    once = merge_executions(known, new)
    assert merge_executions(once, new) == once


@given(RECORDS, RECORDS)
def test_facts_of_the_task_are_never_lost(known: ExecutionRecord, new: ExecutionRecord) -> None:
    """Input sizes, the operator and when it was queued stay for whoever reads the whole try."""
    merged = joined(merge_executions(known, new))
    for name in ("input_gib", "input_rows", "operator", "queued_at"):
        if getattr(known, name) is not None or getattr(new, name) is not None:
            assert getattr(merged, name) is not None
    assert bool(merged.inputs) == bool(known.inputs or new.inputs)


@pytest.mark.parametrize(
    ("known", "new", "stands"),
    [
        (Outcome.OUT_OF_MEMORY, Outcome.FAILED, Outcome.OUT_OF_MEMORY),
        (Outcome.FAILED, Outcome.OUT_OF_MEMORY, Outcome.OUT_OF_MEMORY),
        (Outcome.SUCCESS, Outcome.FAILED, Outcome.FAILED),
        (Outcome.KILLED, Outcome.FAILED, Outcome.KILLED),
        (Outcome.KILLED, Outcome.CLUSTER_LOST, Outcome.CLUSTER_LOST),
        (Outcome.SUSPENDED, Outcome.OUT_OF_MEMORY, Outcome.OUT_OF_MEMORY),
    ],
)
def test_the_more_specific_outcome_stands(known: Outcome, new: Outcome, stands: Outcome) -> None:
    """Whoever knows why it failed is believed, and the words that go with it are kept."""
    records = {outcome: replace(BARE, outcome=outcome, message=outcome) for outcome in (known, new)}
    merged = merge_executions(records[known], records[new])
    assert (merged.outcome, merged.message) == (stands, stands.value)


def test_times_come_from_whoever_was_there() -> None:
    """The one that measured the usage saw the task begin and end."""
    worker = replace(BARE, usage=USAGE, pool="gpu")
    scheduler = replace(
        BARE, started_at=NOW - timedelta(seconds=9), ended_at=BARE.ended_at + timedelta(seconds=9)
    )
    for merged in (merge_executions(worker, scheduler), merge_executions(scheduler, worker)):
        assert merged == worker


def test_gaps_of_the_usage_are_filled() -> None:
    """A later measurement without disk figures keeps those of the earlier."""
    earlier = replace(USAGE, io_read_gib=1.0)
    later = replace(USAGE, peak_memory_gib=2.0, io_write_gib=3.0)
    merged = merge_executions(replace(BARE, usage=earlier), replace(BARE, usage=later))
    assert merged.usage == replace(later, io_read_gib=1.0)


@pytest.mark.parametrize("in_order", [True, False])
def test_another_cluster_is_another_execution(in_order: bool) -> None:
    """When a cluster was lost and the try placed anew, the execution that started later counts."""
    lost = replace(
        BARE,
        outcome=Outcome.CLUSTER_LOST,
        usage=USAGE,
        message="gone",
        exit_code=1,
        input_rows=5,
        inputs=(("n", 5.0),),
    )
    again = replace(BARE, cluster="batch", started_at=NOW + timedelta(minutes=5))
    known, new = (lost, again) if in_order else (again, lost)
    assert merge_executions(known, new) == replace(again, input_rows=5, inputs=(("n", 5.0),))


def test_every_field_has_a_rule() -> None:
    """A field that is added to the record must be thought of here."""
    required = {"run", "cluster", "provider", "region", "pool", "started_at", "ended_at", "outcome"}
    stays = {"segment", "segments", "earlier"}
    assert {field.name for field in fields(ExecutionRecord)} == required | stays | set(OPTIONAL)
