from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from aiops_provider.domain.kpi import KpiSample
from aiops_provider.telemetry.client import KpiClient

DEADLINE_S = 30.0


@dataclass(frozen=True)
class Received:
    path: str
    authorization: str
    body: dict[str, Any]


class Server:
    """A real server on a port of its own that does as the test says."""

    def __init__(self) -> None:
        self.received: list[Received] = []
        self.judge: Callable[[Received], tuple[int, str]] = lambda _: (202, "{}")
        self.port = 0
        self._http: ThreadingHTTPServer | None = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/aiops"

    def start(self) -> Server:
        server = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                received = Received(self.path, self.headers["Authorization"], body)
                server.received.append(received)
                status, text = server.judge(received)
                try:
                    self.send_response(status)
                    self.send_header("Content-Length", str(len(text)))
                    self.end_headers()
                    self.wfile.write(text.encode())
                except OSError:  # who asked is gone
                    self.close_connection = True

            def log_message(self, *_: object) -> None:
                pass

        self._http = ThreadingHTTPServer(("127.0.0.1", self.port), Handler)
        self._http.daemon_threads = True
        self.port = self._http.server_port
        threading.Thread(target=self._http.serve_forever, args=(0.01,), daemon=True).start()
        return self

    def stop(self) -> None:
        if self._http is not None:
            self._http.shutdown()
            self._http.server_close()
            self._http = None

    @property
    def samples(self) -> list[dict[str, Any]]:
        """All samples of all requests, in order."""
        return [s for each in list(self.received) for s in each.body.get("samples", [])]

    @property
    def values(self) -> list[float]:
        return [sample["value"] for sample in self.samples]

    @property
    def keys(self) -> list[str]:
        return [sample["idempotency_key"] for sample in self.samples]


@pytest.fixture
def server() -> Iterator[Server]:
    server = Server().start()
    yield server
    server.stop()


@pytest.fixture
def spool_dir(tmp_path: Path) -> Path:
    return tmp_path / "spool"


@pytest.fixture
def make_client(server: Server, spool_dir: Path) -> Iterator[Callable[..., KpiClient]]:
    """Make a client of the server; it is closed afterwards."""
    made = []

    def make(
        token: str = "token-1",  # noqa: S107 - of a test
        *,
        url: str | None = None,
        **options: Any,
    ) -> KpiClient:
        client = KpiClient(url or server.url, token, spool_dir, **options)
        made.append(client)
        return client

    yield make
    for client in made:
        client.close(0.5)


@pytest.fixture
def client(make_client: Callable[..., KpiClient]) -> KpiClient:
    return make_client()


@pytest.fixture
def sample() -> Callable[[float], KpiSample]:
    def make(value: float) -> KpiSample:
        return KpiSample(name="precision", observed_at=datetime.now(UTC), value=value)

    return make


@pytest.fixture
def wait_until() -> Callable[[Callable[[], object]], None]:
    """Come back when the condition holds; fail after the deadline."""

    def wait(condition: Callable[[], object]) -> None:
        end = time.monotonic() + DEADLINE_S
        while not condition():
            assert time.monotonic() < end, "it did not happen in time"
            time.sleep(0.005)

    return wait


@pytest.fixture
def reported(
    monkeypatch: pytest.MonkeyPatch, server: Server, spool_dir: Path
) -> Iterator[Callable[[], list[dict[str, Any]]]]:
    """Be in a task of a real server; what was reported until now, as the server got it."""
    from aiops_provider.telemetry import report as report_module

    monkeypatch.setattr(report_module, "_clients", {})
    monkeypatch.setattr(report_module, "_warned", set())
    task = {"namespace": "medical", "name": "train", "run_id": "r1"}
    for key, value in {
        "AIOPS_INGEST_URL": server.url,
        "AIOPS_TOKEN": "token",
        "AIOPS_SPOOL": str(spool_dir),
        "AIOPS_CLUSTER": "eks",
        "AIOPS_TASK": json.dumps(task),
    }.items():
        monkeypatch.setenv(key, value)

    def samples() -> list[dict[str, Any]]:
        assert report_module.flush(30)
        return server.samples

    yield samples
    for client in report_module._clients.values():
        client.close(0.5)
