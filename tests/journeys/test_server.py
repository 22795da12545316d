"""A real ``aiops server``: workers report, strangers are refused, people read."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

import httpx
import psutil
import pytest
from pydantic_core import to_jsonable_python

from aiops_provider.domain.execution import ExecutionRecord, Outcome, Usage
from aiops_provider.domain.kpi import KpiSample
from aiops_provider.domain.profile import ResourceRequest
from aiops_provider.domain.task import TaskKey, TaskRun
from aiops_provider.telemetry.client import KpiClient

_PATIENCE_S = 120.0


@dataclass(frozen=True)
class Server:
    """A server that runs, and the folder of its installation."""

    url: str
    folder: Path
    process: subprocess.Popen[str]

    tokens: dict[str, str] = field(default_factory=dict)

    def token(self, scope: str) -> str:
        """A token made by the command line of the same installation."""
        if scope not in self.tokens:
            made = aiops(self.folder, "token", "create", "--scope", scope)
            self.tokens[scope] = made.strip()
        return self.tokens[scope]

    def headers(self, scope: str) -> dict[str, str]:
        """Headers of a caller with that right."""
        return {"Authorization": f"Bearer {self.token(scope)}"}


def environment(folder: Path) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith("AIOPS")}
    return kept | {
        "XDG_DATA_HOME": str(folder / "data"),
        "PYTHONPATH": os.pathsep.join(sys.path),
        "AIOPS__CYCLE_PERIOD_S": "0.5",
        "AIOPS__PLANNING__PERIOD_S": "1",
    }


def aiops(folder: Path, *arguments: str) -> str:
    return subprocess.run(
        [sys.executable, "-m", "aiops_provider.cli.app", *arguments],
        cwd=folder, env=environment(folder), capture_output=True, text=True, check=True,
    ).stdout  # fmt: skip


def start(folder: Path, *arguments: str) -> Server:
    process = subprocess.Popen(
        [sys.executable, "-m", "aiops_provider.cli.app", "server", "--port", "0", "--output", "json",
         *arguments],
        cwd=folder, env=environment(folder), stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    assert process.stdout is not None
    told = ""
    while not told.rstrip().endswith("}"):
        line = process.stdout.readline()
        assert line, "the server ended before it told where it listens"
        told += line
    server = Server(json.loads(told)["url"], folder, process)
    deadline = time.monotonic() + _PATIENCE_S
    while time.monotonic() < deadline:
        try:
            httpx.get(server.url)
        except httpx.ConnectError:
            time.sleep(0.05)
        else:
            return server
    raise AssertionError("the server does not answer")


def stop(process: subprocess.Popen[str]) -> int:
    process.send_signal(signal.SIGTERM)
    try:
        return process.wait(_PATIENCE_S)
    finally:
        process.kill()
        if process.stdout is not None:
            process.stdout.close()


@pytest.fixture(scope="module")
def server(tmp_path_factory) -> Iterator[Server]:
    """One server for the tests that only send and read."""
    folder = tmp_path_factory.mktemp("server")
    aiops(folder, "db", "upgrade")
    running = start(folder, "--no-cycle")
    yield running
    stop(running.process)


def record(now: datetime) -> ExecutionRecord:
    return ExecutionRecord(
        run=TaskRun(TaskKey("medical", "train"), "manual__1"),
        cluster="local",
        provider="on_premises",
        region="local",
        started_at=now,
        ended_at=now,
        outcome=Outcome.SUCCESS,
        request=ResourceRequest(cores=1, memory_gib=1),
        usage=Usage(peak_memory_gib=0.5, cpu_seconds=1, duration_s=2),
    )


def test_worker_reports_and_people_read(server, tmp_path):
    """What a worker's client sends is stored, and can be read by whoever may."""
    now = datetime.now(UTC)
    client = KpiClient(server.url, server.token("ingest"), tmp_path / "spool")
    client.send(
        [KpiSample(name="row_count", observed_at=now, value=5, dimensions={"dag": "medical"})]
    )
    client.send_executions([record(now)])
    assert client.flush(_PATIENCE_S)

    read = server.headers("read")
    answer = httpx.get(f"{server.url}/api/v1/health", headers=read)
    assert (answer.status_code, answer.json()["status"]) == (200, "ok")
    page = httpx.get(server.url, headers=read)
    assert page.status_code == 200
    assert "<h2>Super-alarms</h2>" in page.text


def test_strangers_are_refused(server):
    """Without a token, or with one that lacks the right, nothing is told and nothing is taken."""
    sample = {"name": "x", "observed_at": "2026-01-01T00:00:00Z", "value": 1}
    for method, path in [("GET", "/"), ("GET", "/openapi.json"), ("POST", "/api/v1/kpis")]:
        assert httpx.request(method, server.url + path).status_code == 401
    reader = server.headers("read")
    answer = httpx.post(f"{server.url}/api/v1/kpis", json={"samples": [sample]}, headers=reader)
    assert answer.status_code == 403
    sender = server.headers("ingest")
    answer = httpx.post(f"{server.url}/api/v1/kpis", json={"samples": [sample]}, headers=sender)
    assert answer.json() == {"accepted": 1, "duplicates": 0}, "only the right was missing"


def test_bad_sample_changes_nothing(server):
    """A NaN is refused with field, value and mend, over a real connection."""
    headers = server.headers("ingest")
    content = '{"samples": [{"name": "x", "observed_at": "2026-01-01T00:00:00Z", "value": NaN}]}'
    answer = httpx.post(f"{server.url}/api/v1/kpis", content=content, headers=headers)
    assert answer.status_code == 422
    assert answer.json()["error"]["message"].startswith(
        "samples[0].value: is not a finite number (got nan). Leave the sample out"
    )


def test_what_workers_report_becomes_a_plan(tmp_path):
    """With the cycle beside it, a server learns, plans and shows the plan; SIGTERM ends both."""
    aiops(tmp_path, "db", "upgrade")
    running = start(tmp_path, "--cycle")
    try:
        sender, reader = running.headers("ingest"), running.headers("read")
        sent = {"records": [to_jsonable_python(record(datetime.now(UTC)))]}
        answer = httpx.post(f"{running.url}/api/v1/executions", json=sent, headers=sender)
        assert answer.status_code == 202, answer.text
        deadline = time.monotonic() + _PATIENCE_S
        while (plan := httpx.get(f"{running.url}/api/v1/plan", headers=reader).json()) is None:
            assert time.monotonic() < deadline, "no plan was made"
            time.sleep(0.2)
        assert plan["groups"][0]["tasks"] == [{"namespace": "medical", "name": "train"}]
        assert [share["cluster"] for share in plan["assignments"]] == ["local"]
        assert "medical/train" in httpx.get(running.url, headers=reader).text
    finally:
        status = stop(running.process)
    assert status == 0


def test_cycle_ends_with_a_server_that_was_killed(tmp_path):
    """No process is left behind."""
    aiops(tmp_path, "db", "upgrade")
    running = start(tmp_path, "--cycle")
    try:
        (child,) = psutil.Process(running.process.pid).children()
        assert "aiops_provider.control.cycle" in child.cmdline()
        running.process.kill()
        running.process.wait()
        gone, _ = psutil.wait_procs([child], timeout=_PATIENCE_S)
        assert gone
    finally:
        running.process.kill()
        if running.process.stdout is not None:
            running.process.stdout.close()


def test_server_without_tables_says_what_to_do(tmp_path):
    """A store that is not migrated is told at the start, with status 2."""
    answer = subprocess.run(
        [sys.executable, "-m", "aiops_provider.cli.app", "server", "--port", "0"],
        cwd=tmp_path, env=environment(tmp_path), capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert answer.returncode == 2
    assert "aiops db upgrade" in answer.stderr
