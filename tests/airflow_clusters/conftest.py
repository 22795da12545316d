"""A real Airflow on PostgreSQL with remote clusters, each of them real processes on loopback."""

import os
import shutil
import signal
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

import pytest

# Airflow writes to its home as soon as it is imported; it must be no home of anybody's.
if "AIRFLOW_HOME" not in os.environ:
    os.environ["AIRFLOW_HOME"] = tempfile.mkdtemp(prefix="aiops-airflow-")

from aiops_provider.cli.demo.airflow_stage import AirflowStage
from aiops_provider.control.installation import Installation
from aiops_provider.settings.schema import Settings

IN_TASKS = Path(__file__).with_name("in_tasks")
# Stock values are made for clusters that are lost once a month; here one is lost every minute.
PACE = {
    "AIRFLOW__SCHEDULER__JOB_HEARTBEAT_SEC": "1",
    "AIRFLOW__SCHEDULER__SCHEDULER_HEARTBEAT_SEC": "1",
    "AIRFLOW__SCHEDULER__ORPHANED_TASKS_CHECK_INTERVAL": "3",
    "AIRFLOW__SCHEDULER__SCHEDULER_HEALTH_CHECK_THRESHOLD": "6",
    # A frozen worker cannot say that its task lives; it must be believed until it thaws.
    "AIRFLOW__SCHEDULER__TASK_INSTANCE_HEARTBEAT_TIMEOUT": "120",
    "AIRFLOW__LOGGING__LOGGING_LEVEL": "INFO",
}


class RunningFleet:
    """A started stage with what the tests ask it for."""

    def __init__(self, stage: AirflowStage) -> None:
        self.stage = stage
        self.api = stage.api
        self.installation = Installation.open(
            Settings(),
            default_store_url=stage.config.database_url,
            default_token_secret=stage.config.jwt_secret,
        )

    def run(self, dag_id: str, run_id: str, *, timeout_s: float = 180.0) -> str:
        """Trigger a DAG and wait for its end."""
        self.api.trigger(dag_id, run_id)
        return self.api.wait(dag_id, run_id, timeout_s=timeout_s)

    def ledger(self, name: str) -> list[list[str]]:
        """What tasks wrote down as side effects, line by line, word by word."""
        file = self.stage.home / "ledger" / name
        return [line.split() for line in file.read_text().splitlines()] if file.exists() else []

    def counted(self, name: str, since: int = 0) -> Counter[tuple[str, str]]:
        """How often each event of each task was written down, from a line on."""
        return Counter((words[0], words[1]) for words in self.ledger(name)[since:])

    @contextmanager
    def frozen(self, name: str) -> Iterator[None]:
        """A process beside Airflow of which no request gets an answer; what it has started goes on."""
        server = self.stage.pid(name)
        os.kill(server, signal.SIGSTOP)
        try:
            yield
        finally:
            os.kill(server, signal.SIGCONT)

    def wait_for(self, what: str, condition: Callable[[], bool], *, timeout_s: float) -> float:
        """Wait; how many seconds it took."""
        began = time.monotonic()
        while not condition():
            assert time.monotonic() - began < timeout_s, f"{what}: not within {timeout_s} s"
            self.stage.check()
            time.sleep(0.1)
        return time.monotonic() - began


def needed_program(name: str) -> str:
    """Path of a program, without which the tests that need it are skipped, loudly."""
    found = shutil.which(name)
    if found is None:
        pytest.skip(f"{name} is not installed: these tests did NOT run")
    return found


def psycopg_url(url: str) -> str:
    """The URL with the driver that serves synchronous and asynchronous users alike."""
    return url.replace("postgresql://", "postgresql+psycopg://")


@pytest.fixture(scope="module")
def metadata_url(postgres_server):
    """An empty database for one Airflow."""
    name = postgres_server.new_database()
    yield psycopg_url(postgres_server.url(name))
    postgres_server.drop_database(name)


@pytest.fixture(scope="module")
def program():
    """Looks for a program on the path."""
    return needed_program


@pytest.fixture(scope="module")
def open_fleet(tmp_path_factory, metadata_url):
    """
    Opens an Airflow of its own: ``with open_fleet(dags, dag_ids, variables=…, beside=…)``.

    *beside* is called with the stage before Airflow starts; it starts what the clusters consist of.
    """

    @contextmanager
    def opened(
        dags: Path,
        dag_ids: Sequence[str],
        *,
        variables: Mapping[str, str],
        beside: Callable[[AirflowStage], None],
    ) -> Iterator[RunningFleet]:
        home = tmp_path_factory.mktemp("fleet") / "home"
        ledger = home / "ledger"
        # On workers and in containers too, for tasks are read there as well.
        path = os.pathsep.join([str(IN_TASKS), *filter(None, [os.environ.get("PYTHONPATH")])])
        everywhere = {**PACE, "LEDGER": str(ledger), "PYTHONPATH": path, **variables}
        with AirflowStage(home, dags, variables=everywhere, database=metadata_url) as stage:
            ledger.mkdir()
            stage.migrate()
            beside(stage)
            stage.start(dag_ids)
            fleet = RunningFleet(stage)
            try:
                yield fleet
            finally:
                fleet.installation.close()

    return opened
