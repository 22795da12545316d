from __future__ import annotations

import json
import logging
import math
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from fractions import Fraction

import pytest

from aiops_provider.domain.execution import ExecutionRecord, Outcome, Usage
from aiops_provider.domain.profile import ResourceRequest
from aiops_provider.domain.task import TaskKey, TaskRun
from aiops_provider.telemetry import report as report_module
from aiops_provider.telemetry.report import (
    begin_task,
    flush,
    report,
    report_execution,
    reported_input_size,
)

_TASK = {
    "namespace": "medical",
    "name": "train",
    "run_id": "scheduled__1",
    "map_index": -1,
    "try_number": 2,
}


@pytest.fixture(autouse=True)
def _fresh(monkeypatch):
    """Clients and warnings of other tests are none of this one's."""
    monkeypatch.setattr(report_module, "_clients", {})
    monkeypatch.setattr(report_module, "_warned", set())
    yield
    for client in report_module._clients.values():
        client.close(0.5)


@pytest.fixture
def in_task(monkeypatch, server, spool_dir):
    """Be in a task that was told where to report to."""

    def enter(**task):
        for key, value in {
            "AIOPS_INGEST_URL": server.url,
            "AIOPS_TOKEN": "token",
            "AIOPS_SPOOL": str(spool_dir),
            "AIOPS_CLUSTER": "eks",
            "AIOPS_PROVIDER": "aws",
            "AIOPS_REGION": "eu-central-1",
            "AIOPS_POOL": "default",
            "AIOPS_TASK": json.dumps({**_TASK, **task}),
        }.items():
            monkeypatch.setenv(key, value)

    return enter


@pytest.mark.usefixtures("_fresh")
class TestReport:
    def test_who_and_where_are_added(self, in_task, server):
        """A sample tells which task it is of as its dimensions, and where it ran as its context."""
        in_task()
        before = datetime.now(UTC)
        report("precision", 0.93, feature="age", model_version=7, missing=None)
        assert flush(30)
        [sample] = server.samples
        observed_at = datetime.fromisoformat(sample.pop("observed_at"))
        assert before <= observed_at <= datetime.now(UTC)
        assert sample.pop("idempotency_key")
        assert sample == {
            "name": "precision",
            "value": 0.93,
            "dimensions": {"dag": "medical", "task": "train", "feature": "age"},
            "context": {
                "cluster": "eks",
                "provider": "aws",
                "region": "eu-central-1",
                "pool": "default",
                "run_id": "scheduled__1",
                "try_number": "2",
                "model_version": "7",
            },
        }

    def test_mapped_task(self, in_task, server):
        """Each member of a mapped task is a series of its own."""
        in_task(map_index=4)
        report("row_count", 10)
        flush(30)
        assert server.samples[0]["dimensions"]["partition"] == "4"

    def test_who_and_where_cannot_be_forged(self, in_task, server, caplog):
        """A dimension that names another task or cluster is overruled, with one warning."""
        in_task()
        for _ in range(2):
            report("row_count", 1, task="other", cluster="elsewhere", dag="medical")
        flush(30)
        assert server.samples[0]["dimensions"] == {"dag": "medical", "task": "train"}
        assert server.samples[0]["context"]["cluster"] == "eks"
        warnings = [r.getMessage() for r in caplog.records if r.levelno >= logging.WARNING]
        assert sorted(warnings) == [
            "The dimension cluster of a KPI is set by the layer",
            "The dimension task of a KPI is set by the layer",
        ]

    @pytest.mark.parametrize(
        "value", [math.nan, math.inf, -math.inf, "many", None, [1], 10**400, Decimal("NaN")]
    )
    def test_value_that_is_no_number(self, in_task, server, caplog, value):
        """What is no finite number is dropped, with one warning that names KPI and value."""
        in_task()
        report("precision", value)
        report("precision", value)
        flush(30)
        assert server.samples == []
        [warning] = [r.getMessage() for r in caplog.records if r.levelno >= logging.WARNING]
        assert warning.startswith("The KPI precision is not reported: value is not a finite number")
        assert repr(value)[:100] in warning

    @pytest.mark.parametrize(
        ("value", "sent"), [(True, 1.0), (3, 3.0), (Decimal("0.5"), 0.5), (Fraction(1, 4), 0.25), ("2.5", 2.5)]
    )  # fmt: skip
    def test_value_that_can_be_a_number(self, in_task, server, value, sent):
        """Whatever can be made a finite number is one."""
        in_task()
        report("k", value)
        flush(30)
        assert server.values == [sent]

    def test_outside_of_a_task(self, monkeypatch, caplog, server):
        """Where nobody said where to report to, nothing happens but a line for debugging."""
        caplog.set_level(logging.DEBUG, "aiops_provider")
        monkeypatch.delenv("AIOPS_INGEST_URL", raising=False)
        report("precision", 1)
        assert flush(30)
        assert report_module._clients == {}
        [record] = caplog.records
        assert record.levelno == logging.DEBUG

    def test_process_without_a_task(self, in_task, server, monkeypatch, caplog):
        """An identity that cannot be read costs the dimensions, not the sample."""
        in_task()
        for text in ("no json", "[]", '{"name": "x"}'):
            monkeypatch.setenv("AIOPS_TASK", text)
            report("k", 1, feature="age")
        flush(30)
        assert [each["dimensions"] for each in server.samples] == [{"feature": "age"}] * 3
        assert caplog.text.count("AIOPS_TASK cannot be read") == 3

    def test_nothing_is_ever_raised(self, in_task, monkeypatch, caplog):
        """Whatever is wrong with the telemetry, the task goes on."""
        in_task()

        class Hostile:
            def __str__(self):
                raise RuntimeError("no")

        report("k", 1, feature=Hostile())
        monkeypatch.setattr(report_module, "_client", lambda _: 1 / 0)
        report("other", 1)
        assert caplog.text.count("could not be reported") == 2

    def test_execution(self, in_task, server):
        """A record of an execution arrives with all of its figures, without a further flush."""
        in_task()
        start = datetime(2026, 1, 1, tzinfo=UTC)
        report_execution(
            ExecutionRecord(
                run=TaskRun(TaskKey("medical", "train"), "scheduled__1", -1, 2),
                cluster="eks",
                provider="aws",
                region="eu-central-1",
                started_at=start,
                ended_at=start + timedelta(seconds=5),
                outcome=Outcome.SUCCESS,
                request=ResourceRequest(cores=1, memory_gib=2),
                usage=Usage(peak_memory_gib=1, cpu_seconds=4, duration_s=5),
            ),
            timeout_s=30,
        )
        [request] = server.received
        assert request.path == "/aiops/api/v1/executions"
        [record] = request.body["records"]
        assert record["run"] == {
            "task": {"namespace": "medical", "name": "train"},
            "run_id": "scheduled__1",
            "map_index": -1,
            "try_number": 2,
        }
        assert record["outcome"] == "success"
        assert record["ended_at"] == "2026-01-01T00:00:05+00:00"
        assert record["usage"]["cpu_seconds"] == 4
        assert record["queued_at"] is None

    def test_execution_and_samples_of_a_server_that_was_down(self, in_task, server):
        """Records and samples that were spooled together are told apart when they are sent."""
        in_task()
        server.stop()
        report("k", 1)
        report_execution(
            ExecutionRecord(
                run=TaskRun(TaskKey("medical", "train"), "r"),
                cluster="eks",
                provider="aws",
                region="x",
                started_at=datetime.now(UTC),
                ended_at=datetime.now(UTC),
                outcome=Outcome.FAILED,
            ),
            timeout_s=30,
        )
        server.start()
        assert flush(30)
        assert sorted(next(iter(each.body)) for each in server.received) == ["records", "samples"]

    def test_execution_outside_of_a_task(self, monkeypatch, server):
        """Without an address nothing is sent."""
        monkeypatch.delenv("AIOPS_TOKEN", raising=False)
        record = ExecutionRecord(
            run=TaskRun(TaskKey("a", "b"), "r"),
            cluster="c",
            provider="p",
            region="r",
            started_at=datetime.now(UTC),
            ended_at=datetime.now(UTC),
            outcome=Outcome.SUCCESS,
        )
        report_execution(record)
        assert server.received == []


def test_the_size_of_the_input_is_remembered_for_the_end_of_the_run(in_task):
    """The last word counts, whatever is said of a part, and the next task begins without one."""
    in_task()
    report("input_rows", 10)
    report("input_rows", 20.0)
    report("input_rows", 7, part="a")
    report("input_gib", 0.5)
    assert (0.5, 20) == reported_input_size()
    begin_task()
    assert (None, None) == reported_input_size()


def test_what_is_no_size_is_left_out(caplog):
    """It is told, with its name, and what was known stays."""
    begin_task()
    report("input_rows", 3)
    report("input_rows", -1)
    report("input_gib", float("nan"))
    assert (None, 3) == reported_input_size()
    assert "The size input_rows of the input is left out: it is negative (-1.0)" in caplog.text


def test_import_is_light():
    """Importing report, and calling it outside of a task, loads neither httpx nor pydantic."""
    script = (
        "import sys\n"
        "from aiops_provider import report\n"
        "report('precision', 1.0)\n"
        "print(sorted({'httpx', 'pydantic', 'psutil', 'ssl', 'asyncio'} & sys.modules.keys()))\n"
    )
    result = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )
    assert result.stdout == "[]\n"
