"""A real Prefect for some minutes: server, worker and the layer's own API on loopback."""

from __future__ import annotations

import os
import shutil
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

import psutil

from aiops_provider.cli.demo.data import DATA_VARIABLE
from aiops_provider.cli.demo.prefect_api import PrefectApi, PrefectApiError
from aiops_provider.cli.demo.processes import Troupe, free_port

# On two cores that others use too; alone it is a sixth of this.
_START_TIMEOUT_S = 180.0

WORK_POOL = "aiops"


class PrefectStage:
    """
    Starts Prefect, ends it again; a context manager.

    Args:
        home: A folder of its own; everything is written there.
        examples: Folder with the flows, ``prefect.yaml`` and ``aiops.yaml``.
        token_secret: Signs the tokens that flow runs report with.
        ui: Serve Prefect's pages as well.
    """

    def __init__(self, home: Path, examples: Path, *, token_secret: str, ui: bool = False) -> None:
        self.home = home
        self._ui = ui
        self.phases_s: dict[str, float] = {}
        self._examples = examples
        self._secret = token_secret
        self._port = free_port()
        self._ingest_port = free_port()
        self._troupe: Troupe | None = None
        self._worker_runs = False
        self.api = PrefectApi(f"{self.url}/api", check=self.check)

    @property
    def url(self) -> str:
        """Where Prefect's server answers."""
        return f"http://127.0.0.1:{self._port}"

    @property
    def store_url(self) -> str:
        """The layer's store."""
        return f"sqlite:///{self.home / 'aiops.db'}"

    @property
    def flows(self) -> Path:
        """The demo's own copy of the flows."""
        return self.home / "flows"

    @property
    def aiops_config(self) -> Path:
        """The demo's own copy of aiops.yaml."""
        return self.flows / "aiops.yaml"

    @property
    def data(self) -> Path:
        """Where the pipelines keep their data."""
        return self.home / "data"

    @property
    def public_variables(self) -> dict[str, str]:
        """What a user needs to look further; nothing secret is among it."""
        return {
            "PREFECT_HOME": str(self.home / "prefect"),
            "PREFECT_API_URL": f"{self.url}/api",
            "AIOPS_CONFIG": str(self.aiops_config),
            "AIOPS__STORE": self.store_url,
        }

    def __enter__(self) -> PrefectStage:
        (self.home / "logs").mkdir(parents=True)
        ignored = shutil.ignore_patterns("__pycache__")
        shutil.copytree(self._examples, self.flows, ignore=ignored)
        self._troupe = Troupe(self.home / "logs", self._environment(os.environ))
        return self

    def __exit__(self, *_: object) -> None:
        self.api.close()
        if self._troupe is None:
            return
        # The worker first: it tells the server how its flow runs ended.
        if self._worker_runs:
            self._troupe.stop("worker")
        self._troupe.stop_all()

    def start_server(self) -> None:
        """Start Prefect's server and the layer's API, and wait for both."""
        ui = "--ui" if self._ui else "--no-ui"
        arguments = ("server", "start", ui, "--host", "127.0.0.1", "--port", f"{self._port}")
        self._running.start("server", self._prefect(*arguments))
        with self.timed("store is created"):
            self._running.run("store", self._aiops("db", "upgrade"), timeout_s=_START_TIMEOUT_S)
        self._running.start("aiops-server", self._aiops("server", "--no-cycle"))
        with self.timed("server answers"):
            self._until("the server answers", self.api.answers)

    def deploy(self) -> None:
        """Make the work pool, start a worker and deploy what prefect.yaml says, as a user would."""
        with self.timed("work pool is created"):
            create = self._prefect("work-pool", "create", "--type", "aiops", WORK_POOL)
            self._running.run("work-pool", create, timeout_s=_START_TIMEOUT_S)
        # Worker and deployment know nothing of each other: both at once on two cores.
        worker = self._prefect("worker", "start", "--pool", WORK_POOL, "--name", "demo")
        self._running.start("worker", _inside(self.home, worker))
        self._worker_runs = True
        with self.timed("flows are deployed"):
            deploy = _inside(self.flows, self._prefect("--no-prompt", "deploy", "--all"))
            self._running.run("deploy", deploy, timeout_s=_START_TIMEOUT_S)
        with self.timed("worker polls"):
            self._until("the worker polls", lambda: self.api.workers_online(WORK_POOL) > 0)

    def pool_process(self, cluster: str) -> psutil.Process | None:
        """The pool process of a cluster that has a flow run: the parent of that run's process."""
        worker = psutil.Process(self._running.pid("worker"))
        for process in worker.children(recursive=True):
            try:
                if process.environ().get("AIOPS_CLUSTER") == cluster:
                    return _top(process, worker, cluster)
            except psutil.Error:
                continue
        return None

    def check(self) -> None:
        """Raise when a process has died."""
        if self._troupe is not None:
            self._troupe.check()

    @contextmanager
    def timed(self, phase: str) -> Iterator[None]:
        """Note how long something takes."""
        began = time.monotonic()
        yield
        self.phases_s[phase] = round(time.monotonic() - began, 2)

    @property
    def _running(self) -> Troupe:
        if self._troupe is None:
            raise PrefectApiError("the stage is used outside of its `with` block")
        return self._troupe

    def _environment(self, inherited: Mapping[str, str]) -> dict[str, str]:
        kept = {k: v for k, v in inherited.items() if not k.startswith(("AIOPS", "PREFECT"))}
        return {
            **kept,
            **self.public_variables,
            DATA_VARIABLE: str(self.data),
            "AIOPS_TOKEN_SECRET": self._secret,
            "AIOPS__SERVER__PORT": str(self._ingest_port),
            "AIOPS__SERVER__URL": f"http://127.0.0.1:{self._ingest_port}",
            "PREFECT_CLI_PROMPT": "false",
            "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
            "DO_NOT_TRACK": "1",
            # The default of ten seconds suits flows that run for hours.
            "PREFECT_WORKER_QUERY_SECONDS": "1",
        }

    def _prefect(self, *arguments: str) -> list[str]:
        return [sys.executable, "-m", "prefect", *arguments]

    def _aiops(self, *arguments: str) -> list[str]:
        return [sys.executable, "-m", "aiops_provider.cli.app", *arguments]

    def _until(self, what: str, condition: Callable[[], bool]) -> None:
        self.api.wait_until(what, condition, timeout_s=_START_TIMEOUT_S)


def _inside(folder: Path, command: Sequence[str]) -> list[str]:
    """The same command, run in that folder."""
    return ["/bin/sh", "-c", 'cd "$1" && shift && exec "$@"', "sh", str(folder), *command]


def _top(process: psutil.Process, worker: psutil.Process, cluster: str) -> psutil.Process | None:
    """The last ancestor below the worker that is not part of the flow run itself."""
    for ancestor in process.parents():
        if ancestor == worker:
            return None
        if ancestor.environ().get("AIOPS_CLUSTER") != cluster:
            return ancestor
    return None
