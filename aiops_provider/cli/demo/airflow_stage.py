"""A real Airflow for some minutes: API server, scheduler and DAG processor on loopback."""

from __future__ import annotations

import os
import shutil
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from aiops_provider.cli.demo.airflow_api import AirflowApi, AirflowApiError
from aiops_provider.cli.demo.airflow_config import USER, AirflowConfig
from aiops_provider.cli.demo.processes import Troupe

# On two cores that others use too; alone it is a third of this.
_START_TIMEOUT_S = 180.0
_MIGRATE_TIMEOUT_S = 120.0

LOCAL_EXECUTOR = "LocalExecutor"
AIOPS_EXECUTOR = "aiops_provider.airflow.AiopsExecutor"


class AirflowStage:
    """
    Starts Airflow, ends it again; a context manager.

    Args:
        home: A folder of its own; everything is written there.
        examples: Folder with the DAGs and, for our executor, ``aiops.yaml``.
        executor: Class path of the executor.
        variables: Further environment variables for every process.
        database: URL of the metadata database, with the driver psycopg; default: SQLite.
    """

    def __init__(
        self,
        home: Path,
        examples: Path,
        *,
        executor: str = AIOPS_EXECUTOR,
        variables: Mapping[str, str] | None = None,
        database: str | None = None,
    ) -> None:
        self.home = home
        self.phases_s: dict[str, float] = {}
        self._examples = examples
        self.config = AirflowConfig(
            home=home, dags=home / "dags", executor=executor, database=database
        )
        self._inherited = os.environ
        self._variables = dict(variables or {})
        self._troupe: Troupe | None = None
        self.api = AirflowApi(self.config.url, check=self.check)

    @property
    def environment(self) -> dict[str, str]:
        """The environment of every process, also what a user needs to look further."""
        return {
            **self.config.environment(self._inherited),
            "AIOPS_CONFIG": str(self.aiops_config),
            **self._variables,
        }

    @property
    def aiops_config(self) -> Path:
        """The demo's own copy of aiops.yaml."""
        return self.home / "aiops.yaml"

    @property
    def scheduler_pid(self) -> int:
        """Process id of the scheduler, parent of the clusters' pools."""
        return self._running.pid("scheduler")

    def __enter__(self) -> AirflowStage:
        self._lay_out()
        self._troupe = Troupe(self.home / "logs", self.environment)
        return self

    def __exit__(self, *_: object) -> None:
        self.api.close()
        self._running.stop_all()

    def migrate(self) -> None:
        """Create the tables: Airflow's, and by the same command the layer's beside them."""
        with self.timed("airflow db migrate"):
            self._running.run(
                "airflow-migrate", self.command("db", "migrate"), timeout_s=_MIGRATE_TIMEOUT_S
            )

    def start(self, dag_ids: Sequence[str]) -> None:
        """Start the three processes and wait until the DAGs are there; then log in."""
        for component in ("api-server", "scheduler", "dag-processor"):
            self._running.start(component, self.command(component))
        with self.timed("api-server answers"):
            self._until("the API server answers", self.api.answers)
        self.api.log_in(USER, self.config.password)
        with self.timed("DAGs are parsed"):
            self._until_parsed(set(dag_ids))
        with self.timed("scheduler is healthy"):
            self._until("scheduler and DAG processor report", self.api.healthy)

    def restart_scheduler(self, variables: Mapping[str, str] | None = None) -> None:
        """
        End the scheduler and start it again.

        Args:
            variables: Environment of this scheduler alone, over the common one.
        """
        self._running.stop("scheduler")
        self._running.start("scheduler", self.command("scheduler"), variables=variables)

    def start_beside(
        self, name: str, command: Sequence[str], variables: Mapping[str, str] | None = None
    ) -> int:
        """Start a further process that ends with the stage; its process id."""
        return self._running.start(name, command, variables=variables)

    def run(self, name: str, command: Sequence[str]) -> None:
        """Run a command of this environment to its end; it must succeed."""
        self._running.run(name, command, timeout_s=_MIGRATE_TIMEOUT_S)

    def pid(self, name: str) -> int:
        """Process id of one of the processes, by the name of its log."""
        return self._running.pid(name)

    def kill(self, name: str) -> None:
        """End a process as a crash would."""
        self._running.kill(name)

    def kill_scheduler(self) -> None:
        """End the scheduler as a crash would, and start another one."""
        self.kill("scheduler")
        self._running.start("scheduler", self.command("scheduler"))

    def check(self) -> None:
        """Raise when a process has died."""
        if self._troupe is not None:
            self._troupe.check()

    def command(self, *arguments: str) -> list[str]:
        """A command line of this environment's Airflow."""
        return [sys.executable, "-m", "airflow", *arguments]

    @contextmanager
    def timed(self, phase: str) -> Iterator[None]:
        """Note how long something takes."""
        began = time.monotonic()
        yield
        self.phases_s[phase] = round(time.monotonic() - began, 2)

    @property
    def _running(self) -> Troupe:
        if self._troupe is None:
            raise AirflowApiError("the stage is used outside of its `with` block")
        return self._troupe

    def _lay_out(self) -> None:
        (self.home / "logs").mkdir(parents=True)
        shutil.copytree(
            self._examples, self.config.dags, ignore=shutil.ignore_patterns("*.yaml", "__pycache__")
        )
        if (self._examples / "aiops.yaml").is_file():
            shutil.copy(self._examples / "aiops.yaml", self.aiops_config)
        self.config.write_password()

    def _until(self, what: str, condition: Callable[[], bool]) -> None:
        self.api.wait_until(what, condition, timeout_s=_START_TIMEOUT_S)

    def _until_parsed(self, wanted: set[str]) -> None:
        def parsed() -> bool:
            errors = self.api.import_errors()
            if errors:
                raise AirflowApiError("DAG files cannot be imported: " + "\n".join(errors))
            return wanted <= self.api.dag_ids()

        self._until(f"DAGs {', '.join(sorted(wanted))}", parsed)
