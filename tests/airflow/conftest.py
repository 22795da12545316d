"""A real Airflow for the tests that need one: API server, scheduler, DAG processor on loopback."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

# Airflow writes to its home as soon as it is imported; it must be no home of anybody's.
if "AIRFLOW_HOME" not in os.environ:
    import tempfile

    os.environ["AIRFLOW_HOME"] = tempfile.mkdtemp(prefix="aiops-airflow-")

from aiops_provider.cli.demo.airflow_stage import AirflowStage
from aiops_provider.control.installation import Installation
from aiops_provider.settings.schema import Settings

DAGS = Path(__file__).with_name("dags")


class RunningAirflow:
    """A started stage with what a test asks it for."""

    def __init__(self, stage: AirflowStage) -> None:
        self.stage = stage
        self.api = stage.api
        self.url = stage.config.url
        self.installation = Installation.open(
            Settings(),
            default_store_url=stage.config.database_url,
            default_token_secret=stage.config.jwt_secret,
        )

    def run(self, dag_id: str, run_id: str, *, timeout_s: float = 120.0) -> str:
        """Trigger a DAG and wait for its end."""
        self.api.trigger(dag_id, run_id)
        return self.api.wait(dag_id, run_id, timeout_s=timeout_s)

    def ledger(self, name: str) -> list[str]:
        """What tasks wrote down as side effects."""
        file = self.stage.home / "ledger" / name
        return file.read_text().splitlines() if file.exists() else []


@pytest.fixture(scope="module")
def airflow(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningAirflow]:
    home = tmp_path_factory.mktemp("airflow") / "home"
    ledger = home / "ledger"
    with AirflowStage(home, DAGS, variables={"LEDGER": str(ledger)}) as stage:
        ledger.mkdir()
        stage.migrate()
        stage.start(["everyday", "outage"])
        yield RunningAirflow(stage)
