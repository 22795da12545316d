"""A real Prefect server for the tests that need one, and a worker of ours beside it."""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx
import psutil
import pytest

from aiops_provider.domain.execution import ExecutionRecord
from aiops_provider.domain.plan import Placement
from aiops_provider.store import Store

# Before Prefect is imported: it reads its settings then.
os.environ.setdefault("PREFECT_SERVER_ANALYTICS_ENABLED", "false")
os.environ["PREFECT_LOGGING_TO_API_WHEN_MISSING_FLOW"] = "ignore"

_START_TIMEOUT_S = 120.0
_END_TIMEOUT_S = 20.0


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@dataclass(frozen=True)
class Server:
    """A running Prefect server."""

    api: str
    home: Path

    @property
    def environment(self) -> dict[str, str]:
        """What a program needs to use it."""
        return {
            **{k: v for k, v in os.environ.items() if not k.startswith(("AIOPS_", "PREFECT"))},
            "PREFECT_HOME": str(self.home),
            "PREFECT_API_URL": self.api,
            "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
            "PREFECT_CLI_PROMPT": "false",
            "PREFECT_WORKER_QUERY_SECONDS": "1",
            "DO_NOT_TRACK": "1",
        }

    def request(self, method: str, path: str, json: Any = None) -> Any:
        """Call the REST API."""
        for _ in range(20):
            answer = httpx.request(method, f"{self.api}{path}", json=json, timeout=30.0)
            if answer.status_code != 503:
                break
            time.sleep(0.5)  # its SQLite is busy; every client of Prefect tries again
        answer.raise_for_status()
        return answer.json() if answer.content else None

    def create_pool(self, name: str) -> None:
        """A work pool of type aiops with our own template, as `prefect work-pool create` makes it."""
        from aiops_provider.prefect import AiopsWorker

        body = {
            "name": name,
            "type": "aiops",
            "base_job_template": AiopsWorker.get_default_base_job_template(),
        }
        self.request("POST", "/work_pools/", body)

    def deploy(
        self,
        entrypoint: str,
        *,
        flow: str,
        name: str,
        pool: str,
        job_variables: Mapping[str, Any] | None = None,
    ) -> str:
        """A deployment of code that lies on this machine."""
        folder, _, rest = entrypoint.rpartition("/")
        flow_id = self.request("POST", "/flows/", {"name": flow})["id"]
        body = {
            "name": name,
            "flow_id": flow_id,
            "work_pool_name": pool,
            "entrypoint": rest,
            "pull_steps": [
                {"prefect.deployments.steps.set_working_directory": {"directory": folder}}
            ],
            "job_variables": dict(job_variables or {}),
            "enforce_parameter_schema": False,
        }
        deployment: str = self.request("POST", "/deployments/", body)["id"]
        return deployment

    def start_run(self, deployment: str, **parameters: Any) -> str:
        """Start a run of a deployment."""
        body = {"parameters": parameters, "state": {"type": "SCHEDULED"}}
        run: str = self.request("POST", f"/deployments/{deployment}/create_flow_run", body)["id"]
        return run

    def flow_run(self, run: str) -> dict[str, Any]:
        """A flow run as the server knows it."""
        found: dict[str, Any] = self.request("GET", f"/flow_runs/{run}")
        return found

    def wait(self, run: str, *states: str, timeout_s: float = 120.0) -> dict[str, Any]:
        """Wait until the run is in one of the states (types), and return it."""
        wanted = states or ("COMPLETED", "FAILED", "CRASHED", "CANCELLED")
        found: dict[str, Any] = {}

        def there() -> bool:
            nonlocal found
            found = self.flow_run(run)
            return found["state_type"] in wanted

        until(there, f"{run} to become {wanted}", timeout_s=timeout_s)
        return found

    def history(self, run: str) -> list[str]:
        """Names of the states that the run was in, in order."""
        states = self.request("GET", f"/flow_run_states/?flow_run_id={run}")
        return [state["name"] for state in sorted(states, key=lambda one: one["timestamp"])]


def until(there: Callable[[], object], what: str, *, timeout_s: float = 60.0) -> None:
    """Wait for something, which must happen in time."""
    deadline = time.monotonic() + timeout_s
    while not there():
        if time.monotonic() > deadline:
            pytest.fail(f"waited {timeout_s:.0f} s for {what}")
        time.sleep(0.2)


@pytest.fixture(scope="session")
def prefect_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A real server on loopback, one for each process of the tests."""
    home = tmp_path_factory.mktemp("prefect-server")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    server = Server(api=f"http://127.0.0.1:{port}/api", home=home)
    command = ["server", "start", "--no-ui", "--host", "127.0.0.1", "--port", str(port)]
    with running_program(command, server.environment, home / "server.log") as process:
        deadline = time.monotonic() + _START_TIMEOUT_S
        while not _healthy(server.api):
            if process.poll() is not None or time.monotonic() > deadline:
                pytest.fail(
                    f"the server did not start:\n{(home / 'server.log').read_text()[-3000:]}"
                )
            time.sleep(0.3)
        yield server


def _healthy(api: str) -> bool:
    try:
        return httpx.get(f"{api}/health", timeout=2.0).status_code == 200
    except httpx.HTTPError:
        return False


class running_program:  # noqa: N801 - used like a function
    """Runs ``python -m prefect …`` until the block ends, then ends it and all below it."""

    def __init__(self, arguments: list[str], environment: Mapping[str, str], log: Path) -> None:
        self._command = [sys.executable, "-m", "prefect", *arguments]
        self._environment = dict(environment)
        self._log = log

    def __enter__(self) -> subprocess.Popen[bytes]:
        with self._log.open("ab") as out:
            self._process = subprocess.Popen(
                self._command,
                env=self._environment,
                cwd=self._log.parent,
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        return self._process

    def __exit__(self, *error: object) -> None:
        if self._process.poll() is not None:
            return
        below = psutil.Process(self._process.pid).children(recursive=True)
        self._process.send_signal(signal.SIGTERM)
        try:
            self._process.wait(_END_TIMEOUT_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        for member in below:
            try:
                member.kill()
            except psutil.NoSuchProcess:
                continue


class Site:
    """A worker with its work pool, its flows and its store."""

    def __init__(self, server: Server, home: Path, process: psutil.Process, pool: str) -> None:
        self.server, self.home, self.process, self.pool = server, home, process, pool
        self.deployments = 0

    @property
    def store(self) -> Store:
        return Store.open(f"sqlite:///{self.home / 'aiops.db'}")

    @property
    def log(self) -> str:
        return (self.home / "worker.log").read_text()

    def start(self, flow: str, parameters: Mapping[str, Any], **job_variables: Any) -> str:
        """Deploy a flow of example_flows.py, with a history of its own, and start it."""
        self.deployments += 1
        deployment = self.server.deploy(
            f"{self.home}/example_flows.py:{flow}",
            flow=flow,
            name=f"{self.pool}-{self.deployments}",
            pool=self.pool,
            job_variables=job_variables,
        )
        return self.server.start_run(deployment, **parameters)

    def records(self, run: str, count: int) -> list[ExecutionRecord]:
        """The records of a flow run, oldest first, once there are so many."""
        found: list[ExecutionRecord] = []

        def there() -> bool:
            nonlocal found
            found = [one for one in self.store.executions() if one.run.run_id == run]
            return len(found) >= count

        until(there, f"{count} records of {run}", timeout_s=30.0)
        return sorted(found, key=lambda one: one.run.try_number)

    def placements(self, run: str) -> list[Placement]:
        found = self.store.placements(run_id=run)
        return sorted(found, key=lambda one: (one.run.try_number, one.epoch))


@contextmanager
def site(
    server: Server,
    home: Path,
    settings: Mapping[str, Any] | str | None,
    environment: Mapping[str, str] | None = None,
    *,
    pool: str = "",
) -> Iterator[Site]:
    """A worker with these settings, or without any; *pool*: an old one, with whatever waits there."""
    if not pool:
        pool = f"pool-{uuid4().hex[:8]}"
        server.create_pool(pool)
    shutil.copy(Path(__file__).with_name("example_flows.py"), home)
    variables = {**server.environment, **(environment or {})}
    if settings is not None:
        text = settings if isinstance(settings, str) else json.dumps(settings)
        (home / "aiops.yaml").write_text(text)
        variables.setdefault("AIOPS_CONFIG", str(home / "aiops.yaml"))
        variables.setdefault("AIOPS__STORE", f"sqlite:///{home / 'aiops.db'}")
    command = ["worker", "start", "--pool", pool, "--type", "aiops", "--name", pool]
    with running_program(command, variables, home / "worker.log") as process:
        yield Site(server, home, psutil.Process(process.pid), pool)


@pytest.fixture(scope="session")
def wait_until() -> Callable[..., None]:
    """Waits for something, which must happen in time."""
    return until


@pytest.fixture(scope="session")
def open_site(prefect_server: Server) -> Callable[..., AbstractContextManager[Site]]:
    """Starts a worker with settings of its own."""
    return partial(site, prefect_server)


CLUSTERS = [
    {
        "name": "cheap",
        "kind": "local",
        "capacity": {"cores": 4, "memory_gib": 6},
        "price_usd_per_hour": 0.1,
    },
    {
        "name": "dear",
        "kind": "local",
        "provider": "aws",
        "region": "sa-east-1",
        "capacity": {"cores": 4, "memory_gib": 8},
        "price_usd_per_hour": 5.0,
    },
]
ROUTING = {"refresh_s": 0.5, "probe_period_s": 0.5, "breaker_open_s": 600}


@pytest.fixture(scope="session")
def enforcing() -> dict[str, Any]:
    """Settings of a worker that really places: a cheap and a dear cluster."""
    return {
        "mode": "enforce",
        "clusters": CLUSTERS,
        "routing": ROUTING,
        "run_cycle": False,
        # Nobody listens there: what flows report is none of these tests' business.
        "server": {"url": "http://127.0.0.1:9/aiops"},
    }
