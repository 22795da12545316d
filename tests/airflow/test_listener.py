"""What a worker on a remote cluster tells of its own task; read from what it leaves to be sent."""

import json
import os
from types import SimpleNamespace

import pytest

from aiops_provider.airflow import listener
from aiops_provider.airflow.description import describe
from aiops_provider.airflow.inner.workload import OUTCOME_VARIABLE
from aiops_provider.domain.workload import Dataset, Etl
from aiops_provider.telemetry import report as report_module
from aiops_provider.telemetry.report import report

TASK = {"namespace": "medical", "name": "train", "run_id": "r1", "try_number": 1, "segment": 2}


class WaitsTwice:
    """An operator, as far as the listener looks at it."""

    def __init__(self, config=None) -> None:
        self.executor_config = config or {}


@pytest.fixture
def worker(monkeypatch, tmp_path):
    """A process on a cluster whose server does not answer."""
    for name, value in {
        "AIOPS_INGEST_URL": "http://127.0.0.1:1/aiops",
        "AIOPS_TOKEN": "token",
        "AIOPS_SPOOL": str(tmp_path / "spool"),
        "AIOPS_CLUSTER": "eks",
        "AIOPS_PROVIDER": "aws",
        "AIOPS_REGION": "sa-east-1",
        "AIOPS_POOL": "burst",
        "AIOPS_TASK": json.dumps(TASK),
    }.items():
        monkeypatch.setenv(name, value)
    monkeypatch.delenv(OUTCOME_VARIABLE, raising=False)
    monkeypatch.setattr(report_module, "_clients", {})
    yield
    for client in report_module._clients.values():
        client.close(0.5)


def begun(config=None) -> SimpleNamespace:
    ti = SimpleNamespace(
        task=WaitsTwice(config), context_carrier=None, start_date=None, task_id="train"
    )
    listener.on_task_instance_running(previous_state=None, task_instance=ti)
    return ti


def told(tmp_path) -> list[dict]:
    """The executions that wait to be sent."""
    lines = [
        json.loads(line)
        for file in sorted((tmp_path / "spool").rglob("*.jsonl"))
        for line in file.read_text().splitlines()
    ]
    found: list[dict] = []
    for line in lines:
        found += _records(line)
    return found


def _records(node) -> list[dict]:
    if isinstance(node, dict):
        own = [node] if "outcome" in node else []
        return own + [each for value in node.values() for each in _records(value)]
    return [each for value in node for each in _records(value)] if isinstance(node, list) else []


def test_a_task_that_leaves_without_an_end_is_suspended(worker, tmp_path):
    """Deferred, or a sensor between two looks: Airflow says only that the process stops."""
    begun()
    listener.before_stopping(component=None)
    (record,) = told(tmp_path)
    assert ("suspended", 2, "eks") == (record["outcome"], record["segment"], record["cluster"])
    assert record["usage"]["peak_memory_gib"] > 0
    assert "WaitsTwice" == record["operator"]


@pytest.mark.parametrize("state", ["success", "failed", "skipped"])
def test_a_task_that_ended_is_told_once(worker, tmp_path, state):
    """The process stops after that as well."""
    ti = begun()
    if state == "failed":
        listener.on_task_instance_failed(previous_state=None, task_instance=ti, error=ValueError())
    elif state == "skipped":
        listener.on_task_instance_skipped(previous_state=None, task_instance=ti)
    else:
        listener.on_task_instance_success(previous_state=None, task_instance=ti)
    listener.before_stopping(component=None)
    (record,) = told(tmp_path)
    assert ("failed" if state == "failed" else "success") == record["outcome"]


def test_the_size_of_the_input_is_what_was_reported_else_what_was_described(worker, tmp_path):
    """The task itself knows better than its author did."""
    described = describe(Etl(source=Dataset(volume_gib=2.0, rows=10)))
    listener.on_task_instance_success(previous_state=None, task_instance=begun(described))
    ti = begun(described)
    report("input_rows", 12)
    listener.on_task_instance_success(previous_state=None, task_instance=ti)
    assert [(2.0, 10), (None, 12)] == [(r["input_gib"], r["input_rows"]) for r in told(tmp_path)]


def test_what_was_known_before_is_told_with_what_was_needed(worker, tmp_path, monkeypatch):
    """The size that an argument told counts where neither task nor author said one."""
    known = [["input_rows", 50.0], ["model", "5d41402abc4b"], ["part.rows", 50.0]]
    monkeypatch.setenv("AIOPS_INPUTS", json.dumps(known))
    listener.on_task_instance_success(previous_state=None, task_instance=begun())
    ti = begun()
    report("input_rows", 49)
    listener.on_task_instance_success(previous_state=None, task_instance=ti)
    records = told(tmp_path)
    assert [record["inputs"] for record in records] == [known, known]
    assert [record["input_rows"] for record in records] == [50, 49]


def test_a_description_that_cannot_be_used_costs_nothing_but_the_size(worker, tmp_path):
    """The scheduler has told it already."""
    ti = begun({"aiops": {"kind": "nonsense"}})
    listener.on_task_instance_success(previous_state=None, task_instance=ti)
    (record,) = told(tmp_path)
    assert (None, None) == (record["input_gib"], record["input_rows"])


def test_a_process_that_nobody_placed_tells_nothing(monkeypatch, tmp_path):
    """Another executor's task, or Airflow's own process that stops."""
    monkeypatch.delenv("AIOPS_CLUSTER", raising=False)
    monkeypatch.setenv("AIOPS_SPOOL", str(tmp_path / "spool"))
    listener.before_stopping(component=None)
    begun()
    listener.before_stopping(component=None)
    assert [] == told(tmp_path)
    assert "AIOPS_RUN_KIND" not in os.environ
