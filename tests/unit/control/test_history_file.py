"""Histories in files."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from aiops_provider.control import history_file
from aiops_provider.control.history_file import COLUMNS, read_history_file
from aiops_provider.domain.execution import Outcome
from aiops_provider.domain.task import TaskKey
from aiops_provider.errors import DataError

NOW = datetime(2026, 1, 5, 12, tzinfo=UTC)
TASK = TaskKey("medical", "train")


@pytest.fixture
def read(tmp_path):
    def from_text(text: str, name: str = "runs.csv"):
        file = tmp_path / name
        file.write_text(text, encoding="utf-8")
        return read_history_file(file, TASK, now=NOW)

    return from_text


def test_csv_is_read(read):
    """All columns find their place."""
    (record,) = read(
        "started_at,ended_at,duration_s,outcome,peak_memory_gib,cpu_seconds,io_read_gib,io_write_gib,"
        "requested_cores,requested_memory_gib,input_gib,input_rows,task,run_id,map_index,try_number,"
        "operator,cluster,provider,region,pool,cost_usd,exit_code\n"
        "2026-01-05T07:00:00+01:00,2026-01-05T06:00:30Z,20,out_of_memory,0.5,18,1,2,2,0.5,3,4,"
        "medical/train,r1,5,2,PythonOperator,eks,aws,sa-east-1,m7i,0.01,137\n"
    ).records
    assert record.started_at == datetime(2026, 1, 5, 6, tzinfo=UTC)
    assert record.ended_at - record.started_at == timedelta(seconds=30)
    assert record.outcome is Outcome.OUT_OF_MEMORY
    assert (record.usage.peak_memory_gib, record.usage.duration_s) == (0.5, 20)
    assert (record.usage.io_read_gib, record.usage.io_write_gib) == (1, 2)
    assert (record.request.cores, record.request.memory_gib) == (2, 0.5)
    assert (record.input_gib, record.input_rows) == (3, 4)
    assert (record.run.run_id, record.run.map_index, record.run.try_number) == ("r1", 5, 2)
    assert (record.cluster, record.provider, record.region) == ("eks", "aws", "sa-east-1")
    assert (record.pool, record.operator, record.cost_usd, record.exit_code) == (
        "m7i", "PythonOperator", 0.01, 137,
    )  # fmt: skip


def test_two_of_three_moments_suffice(read):
    """The third follows; unknown cells stay unknown; each line is a run of its own."""
    first, second = read(
        "started_at,ended_at,duration_s\n2026-01-05T06:00:00Z,,30\n,2026-01-05T06:00:30Z,30\n"
    ).records
    assert (first.started_at, first.ended_at) == (second.started_at, second.ended_at)
    assert first.run != second.run
    assert (first.usage, first.request, first.input_gib) == (None, None, None)
    assert first.outcome is Outcome.SUCCESS


def test_json_lines_are_read(read):
    """One object per line, ``null`` is unknown, empty lines are nothing."""
    line = {
        "started_at": "2026-01-05T06:00:00Z",
        "duration_s": 30,
        "peak_memory_gib": 0.2,
        "input_gib": None,
    }
    (record,) = read(json.dumps(line) + "\n\n", "runs.jsonl").records
    assert record.usage.peak_memory_gib == 0.2
    assert record.usage.duration_s == 30


def test_other_tasks_are_left_out(read):
    """One file may hold the history of a whole installation."""
    history = read(
        "task,started_at,duration_s\n"
        "medical/train,2026-01-05T06:00:00Z,30\nmedical/load,2026-01-05T06:00:00Z,30\n"
    )
    assert (len(history.records), history.others) == (1, 1)


def test_a_byte_order_mark_is_no_column(read):
    """Spreadsheets write one."""
    assert len(read("\ufeffstarted_at,duration_s\n2026-01-05T06:00:00Z,30\n").records) == 1


@pytest.mark.parametrize(
    ("row", "field", "said"),
    [
        ({"started_at": "yesterday"}, "started_at", "got 'yesterday'"),
        ({"started_at": "2026-01-05T06:00:00"}, "started_at", "has no time zone"),
        ({"started_at": "2026-01-05T13:00:00Z"}, "started_at", "ends in the future"),
        ({"started_at": None}, "ended_at", "Give two of"),
        ({"ended_at": "2026-01-05T05:00:00Z"}, "ended_at", "is before started_at"),
        ({"duration_s": -1}, "duration_s", "is no number >= 0 (got -1)"),
        ({"duration_s": "long"}, "duration_s", "got 'long'"),
        ({"duration_s": True}, "duration_s", "is no number"),
        ({"peak_memory_gib": float("nan")}, "peak_memory_gib", "is no number"),
        ({"peak_memory_gib": [1]}, "peak_memory_gib", "is no number"),
        ({"input_rows": 1.5}, "input_rows", "is no whole number"),
        ({"try_number": 0}, "try_number", "is below 1"),
        ({"outcome": "sucess"}, "outcome", "Did you mean 'success'?"),
        ({"memory": 5}, "memory", "unknown column"),
    ],
)
def test_what_cannot_be_used_is_named(read, row, field, said):
    """File, line, column, value and mend."""
    good = {"started_at": "2026-01-05T06:00:00Z", "duration_s": 30}
    lines = [good, {k: v for k, v in (good | row).items() if v is not None}]
    with pytest.raises(DataError) as refused:
        read("\n".join(json.dumps(line) for line in lines), "runs.jsonl")
    error = refused.value
    assert (error.exit_status, error.line, error.field) == (2, 2, field)
    assert error.file.endswith("runs.jsonl")
    assert said in str(error)
    assert error.mend


@pytest.mark.parametrize(
    ("name", "text", "said"),
    [
        ("runs.txt", "", "neither CSV nor JSON lines"),
        ("runs.csv", "started_at,duration_s\n2026-01-05T06:00:00Z\n", "not as many cells"),
        ("runs.csv", 'started_at,duration_s\n"2026,30\n', "not valid CSV"),
        ("runs.jsonl", "{", "not valid JSON"),
        ("runs.jsonl", "[1]", "no JSON object"),
    ],
)
def test_broken_files_are_refused(read, name, text, said):
    """A file that is no table at all."""
    with pytest.raises(DataError, match=said):
        read(text, name)


def test_files_that_cannot_be_read_are_named(tmp_path):
    """Absent, or no text."""
    with pytest.raises(DataError, match="does not exist"):
        read_history_file(tmp_path / "runs.csv", TASK, now=NOW)
    (tmp_path / "runs.csv").write_bytes(b"\xff\xfe\xff")
    with pytest.raises(DataError, match="UTF-8"):
        read_history_file(tmp_path / "runs.csv", TASK, now=NOW)


def test_whatever_was_known_of_the_input_is_read(read):
    """Numbers and kinds; what is unknown of a run is left out."""
    first, second = read(
        "started_at,duration_s,input.n,input.model\n"
        "2026-01-05T06:00:00Z,30,50,bert\n2026-01-05T06:00:00Z,30,,7b\n"
    ).records
    assert first.inputs == (("model", "bert"), ("n", 50.0))
    assert second.inputs == (("model", "7b"),)


def test_every_column_is_documented():
    """What may stand in the file is in the module's description and in the guide."""
    guide = (Path(__file__).parents[3] / "docs" / "describing.md").read_text(encoding="utf-8")
    assert [name for name in COLUMNS if name not in history_file.__doc__] == []
    assert [name for name in COLUMNS if f"`{name}`" not in guide] == []
