"""What workers report is stored as a whole or refused as a whole, with field, value and mend."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone

import pytest

from aiops_provider.control.ingest import accept_executions, accept_samples
from aiops_provider.control.installation import Installation
from aiops_provider.control.tokens import Scope, TokenClaims
from aiops_provider.domain.execution import ExecutionRecord, Outcome, Usage
from aiops_provider.domain.kpi import KpiSample
from aiops_provider.domain.profile import ResourceRequest
from aiops_provider.domain.task import TaskKey, TaskRun
from aiops_provider.errors import DataError, KpiRejectedError, StoreUnreachableError
from aiops_provider.settings.schema import Settings

NOW = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)
RUN = TaskRun(TaskKey("medical", "train"), "manual__1", try_number=2)
ANYBODY = TokenClaims(subject="x", scopes=frozenset({Scope.INGEST}), expires_at=NOW)
TRY = replace(ANYBODY, run=RUN)
GOOD = KpiSample(
    name="row_count", observed_at=NOW, value=5.0, dimensions={"dag": "medical", "task": "train"}
)
RECORD = ExecutionRecord(
    run=RUN,
    cluster="onprem",
    provider="on_premises",
    region="local",
    started_at=NOW - timedelta(minutes=2),
    ended_at=NOW - timedelta(minutes=1),
    outcome=Outcome.SUCCESS,
    request=ResourceRequest(cores=1, memory_gib=1),
    usage=Usage(peak_memory_gib=0.5, cpu_seconds=10, duration_s=60),
)


@pytest.fixture
def installation(tmp_path) -> Iterator[Installation]:
    settings = Settings.model_validate(
        {"store": f"sqlite:///{tmp_path}/aiops.db", "server": {"max_batch": 50}}
    )
    opened = Installation.open(settings)
    opened.require_store().upgrade()
    yield opened
    opened.close()


def stored(installation: Installation) -> list[KpiSample]:
    return installation.require_store().samples_after(0, 1000)[0]


def test_good_samples_are_stored(installation):
    """Samples that nothing speaks against are stored as they were sent."""
    receipt = accept_samples(installation, [GOOD], ANYBODY, NOW)
    assert (receipt.accepted, receipt.duplicates) == (1, 0)
    (found,) = stored(installation)
    assert (found.name, found.value, found.dimensions) == (GOOD.name, 5.0, GOOD.dimensions)


def test_same_sample_twice_is_one(installation):
    """Sending again after a lost answer counts nothing twice."""
    accept_samples(installation, [GOOD], ANYBODY, NOW)
    receipt = accept_samples(installation, [GOOD], ANYBODY, NOW)
    assert (receipt.accepted, receipt.duplicates) == (0, 1)
    assert len(stored(installation)) == 1


def test_labels_of_the_place_do_not_make_a_series(installation):
    """The cluster goes into the context, however it was sent."""
    labelled = replace(GOOD, dimensions={**GOOD.dimensions, "cluster": "eks", "run_id": "r"})
    accept_samples(installation, [labelled], ANYBODY, NOW)
    (found,) = stored(installation)
    assert found.series == GOOD.series
    assert found.context == {"cluster": "eks", "run_id": "r"}


def test_moments_are_kept_in_utc(installation):
    """The zone of the sender does not matter."""
    there = NOW.astimezone(timezone(timedelta(hours=9)))
    accept_samples(installation, [replace(GOOD, observed_at=there)], ANYBODY, NOW)
    assert stored(installation)[0].observed_at == NOW


def test_clocks_may_differ_a_little(installation):
    """A sample that is less than the tolerance ahead is no sample from the future."""
    ahead = replace(GOOD, observed_at=NOW + timedelta(seconds=59))
    assert accept_samples(installation, [ahead], ANYBODY, NOW).accepted == 1


BAD_SAMPLES = {
    "not a number": ({"value": math.nan}, "samples[1].value", "is not a finite number (got nan)"),
    "infinite": ({"value": -math.inf}, "samples[1].value", "is not a finite number (got -inf)"),
    "from the future": (
        {"observed_at": NOW + timedelta(seconds=61)},
        "samples[1].observed_at",
        "lies in the future of this server, where it is 2026-03-02T12:00:00+00:00 "
        "(got '2026-03-02T12:01:01+00:00'). Set the sender's clock; 60 s are tolerated",
    ),
    "from a clock never set": (
        {"observed_at": datetime(1970, 1, 1, tzinfo=UTC)},
        "samples[1].observed_at",
        "before the year 2000",
    ),
    "without zone": (
        {"observed_at": NOW.replace(tzinfo=None)},
        "samples[1].observed_at",
        "has no time zone (got '2026-03-02T12:00:00'). Append the offset",
    ),
    "without name": ({"name": ""}, "samples[1].name", "is no name of a KPI"),
    "bad name": ({"name": "row count"}, "samples[1].name", "(got 'row count')"),
    "long name": ({"name": "n" * 65}, "samples[1].name", "is no name of a KPI"),
    "bad label name": ({"dimensions": {"a b": "x"}}, "samples[1].dimensions", "(got 'a b')"),
    "long label": (
        {"dimensions": {"a": "x" * 257}},
        "samples[1].dimensions.a",
        "longer than 256 characters",
    ),
    "many labels": (
        {"dimensions": {f"d{i}": "x" for i in range(33)}},
        "samples[1].dimensions",
        "more than 32 labels (got 33)",
    ),
    "nul": ({"context": {"a": "x\0"}}, "samples[1].context.a", "control character"),
    "surrogate": ({"context": {"a": "\ud800"}}, "samples[1].context.a", "control character"),
    "long key": ({"idempotency_key": "k" * 257}, "samples[1].idempotency_key", "longer than 256"),
}  # fmt: skip


@pytest.mark.parametrize("case", BAD_SAMPLES)
def test_one_bad_sample_refuses_the_batch(case, installation):
    """The message names field, value and mend, and nothing of the batch is stored."""
    changes, field, message = BAD_SAMPLES[case]
    with pytest.raises(KpiRejectedError) as caught:
        accept_samples(installation, [GOOD, replace(GOOD, **changes)], ANYBODY, NOW)
    assert str(caught.value).startswith(f"{field}: ")
    assert message in str(caught.value)
    assert caught.value.mend
    assert caught.value.exit_status == 2
    assert stored(installation) == []


def test_batch_that_is_too_large_is_refused(installation):
    """More samples than the setting allows are refused before they are looked at."""
    with pytest.raises(DataError, match=r"samples: are more than 50 in one request \(got 51\)"):
        accept_samples(installation, [GOOD] * 51, ANYBODY, NOW)


def test_try_reports_for_itself(installation):
    """The token of a try opens the way for samples of that try."""
    own = replace(GOOD, context={"run_id": "manual__1", "try_number": "2"})
    assert accept_samples(installation, [own], TRY, NOW).accepted == 1


@pytest.mark.parametrize(
    ("dimensions", "context", "field"),
    [
        ({"dag": "medical", "task": "other"}, {}, "task"),
        ({"dag": "other", "task": "train"}, {}, "dag"),
        ({"task": "train"}, {}, "dag"),
        ({}, {}, "dag"),
        ({"dag": "medical", "task": "train"}, {"run_id": "manual__2"}, "run_id"),
        ({"dag": "medical", "task": "train"}, {"try_number": "1"}, "try_number"),
        ({"dag": "medical", "task": "train", "map_index": "4"}, {}, "map_index"),
    ],
)
def test_try_cannot_report_for_another(dimensions, context, field, installation):
    """A worker's token is of no use against other tasks' series."""
    foreign = replace(GOOD, dimensions=dimensions, context=context)
    with pytest.raises(KpiRejectedError, match=r"may only report for medical/train") as caught:
        accept_samples(installation, [foreign], TRY, NOW)
    assert caught.value.field == f"samples[0].{field}"
    assert stored(installation) == []


def test_mapped_try_reports_for_its_partition(installation):
    """One partition cannot report for another."""
    mapped = replace(ANYBODY, run=replace(RUN, map_index=3))
    own = replace(GOOD, dimensions={**GOOD.dimensions, "partition": "3"})
    assert accept_samples(installation, [own], mapped, NOW).accepted == 1
    foreign = replace(GOOD, dimensions={**GOOD.dimensions, "partition": "4"})
    with pytest.raises(KpiRejectedError, match=r"samples\[0\]\.partition"):
        accept_samples(installation, [foreign], mapped, NOW)


def test_without_store_the_sender_is_told_to_try_again():
    """An installation without a store accepts nothing silently."""
    with pytest.raises(StoreUnreachableError):
        accept_samples(Installation.without_store(Settings()), [GOOD], ANYBODY, NOW)


def test_records_are_learned_from(installation):
    """What happened to a try is in the history."""
    assert accept_executions(installation, [RECORD], TRY, NOW) == 1
    assert [record.run for record in installation.require_store().executions()] == [RUN]


BAD_RECORDS = {
    "ends in the future": (
        {"ended_at": NOW + timedelta(minutes=5)},
        "records[1].ended_at",
        "lies in the future",
    ),
    "ends before it starts": (
        {"ended_at": NOW - timedelta(minutes=3)},
        "records[1].ended_at",
        "lies before started_at",
    ),
    "queued without zone": (
        {"queued_at": NOW.replace(tzinfo=None)},
        "records[1].queued_at",
        "has no time zone",
    ),
    "negative memory": (
        {"usage": Usage(peak_memory_gib=-1, cpu_seconds=1, duration_s=1)},
        "records[1].usage.peak_memory_gib",
        "is not a finite number >= 0 (got -1)",
    ),
    "endless duration": (
        {"usage": Usage(peak_memory_gib=1, cpu_seconds=1, duration_s=math.inf)},
        "records[1].usage.duration_s",
        "is not a finite number >= 0 (got inf)",
    ),
    "bad request": (
        {"request": ResourceRequest(cores=math.nan, memory_gib=1)},
        "records[1].request.cores",
        "is not a finite number",
    ),
    "bad cost": ({"cost_usd": -0.1}, "records[1].cost_usd", "(got -0.1)"),
    "nul": ({"cluster": "a\0"}, "records[1].cluster", "control character"),
    "endless input": ({"inputs": (("n", math.inf),)}, "records[1].inputs[0]", "(got inf)"),
    "nul in a kind": ({"inputs": (("n", "a\0"),)}, "records[1].inputs[0]", "control character"),
    "too much of the input": (
        {"inputs": tuple((f"n{number}", 1.0) for number in range(17))},
        "records[1].inputs",
        "(got 17)",
    ),
}


@pytest.mark.parametrize("case", BAD_RECORDS)
def test_one_bad_record_refuses_the_batch(case, installation):
    """The message names field and value, and nothing of the batch is stored."""
    changes, field, message = BAD_RECORDS[case]
    with pytest.raises(DataError) as caught:
        accept_executions(installation, [RECORD, replace(RECORD, **changes)], ANYBODY, NOW)
    assert str(caught.value).startswith(f"{field}: ")
    assert message in str(caught.value)
    assert caught.value.mend
    assert installation.require_store().executions() == []


def test_try_cannot_tell_the_end_of_another(installation):
    """A worker's token is of no use against other tries' history."""
    foreign = replace(RECORD, run=replace(RUN, try_number=1))
    with pytest.raises(DataError, match=r"records\[0\]\.run: this token may only report for"):
        accept_executions(installation, [foreign], TRY, NOW)
    assert installation.require_store().executions() == []
