"""Runs the DAGs of the Airflow wheel under one executor after the other, and notes how they end."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import yaml

from aiops_provider.cli.demo.airflow_api import AirflowApi, AirflowApiError
from aiops_provider.cli.demo.airflow_stage import AirflowStage

LEFT_OUT: dict[str, str] = yaml.safe_load(
    Path(__file__).with_name("left_out.yaml").read_text(encoding="utf-8")
)
VARIABLES = {
    "AIRFLOW__CORE__LOAD_EXAMPLES": "True",
    # What is left out must not run on its own schedule either.
    "AIRFLOW__CORE__DAGS_ARE_PAUSED_AT_CREATION": "True",
    # The DAGs are in the database before the processor starts; its pace is of no interest.
    "AIRFLOW__DAG_PROCESSOR__PARSING_PROCESSES": "1",
    # Few enough at a time for two cores, and sensors that wait do not block the others.
    "AIRFLOW__CORE__PARALLELISM": "8",
}
OUR_RUN = "examples"
# What a person would type into the form of a DAG that cannot start without.
CONF = {"example_params_ui_tutorial": {"required_field": "typed by a person"}}
# These read events of assets that other DAGs write: they start when the events are there.
AFTERWARDS = ("read_asset_event", "read_asset_event_from_classic")
# The date that the runs are as of: a Wednesday, for one DAG sleeps in at weekends.
_LOGICAL_DATE = datetime.now(tz=UTC).replace(hour=0, minute=0, second=0, microsecond=0)
_LOGICAL_DATE -= timedelta(days=(_LOGICAL_DATE.weekday() - 2) % 7 + 7)
# Both executors together stay below twelve minutes.
_LIMIT_S = 300.0
# Runs that follow from events of assets start within some seconds of the event.
_QUIET_S = 10.0
_PAGE = 100
_ENDED = ("success", "failed")
# One DAG of the wheel leaves this behind; the next executor would find its file there.
_LITTER = Path("/tmp/temporary_file_for_testing")  # noqa: S108 - the name is the example's


@dataclass(frozen=True)
class Outcome:
    """How one run ended: its state, and the state of every task instance."""

    state: str
    tasks: tuple[tuple[str, int, str], ...]


@dataclass
class Ends:
    """
    How everything ended under one executor.

    Attributes:
        triggered: Outcome of the run that the test started, by DAG.
        followed: Different outcomes of the runs that other DAGs and assets started, by DAG.
        paused: DAGs that were left out.
        seconds: How long it took.
    """

    triggered: dict[str, Outcome] = field(default_factory=dict)
    followed: dict[str, set[Outcome]] = field(default_factory=dict)
    paused: set[str] = field(default_factory=set)
    seconds: float = 0.0


class ExamplesApi:
    """
    What is asked of Airflow's REST API: lists of everything, page by page.

    Args:
        api: Logged in.
    """

    def __init__(self, api: AirflowApi) -> None:
        self._api = api

    def dags(self) -> dict[str, bool]:
        """Ids of all DAGs, and whether assets start them."""
        found = self._pages("/api/v2/dags", "dags", exclude_stale=False)
        return {one["dag_id"]: "Asset" in (one["timetable_summary"] or "") for one in found}

    def unpause(self, dag_id: str) -> None:
        """Let a DAG run."""
        self._send("PATCH", f"/api/v2/dags/{dag_id}", {"is_paused": False})

    def trigger(self, dag_id: str) -> None:
        """Start our run of a DAG."""
        body: dict[str, Any] = {"dag_run_id": OUR_RUN, "logical_date": _LOGICAL_DATE.isoformat()}
        body["conf"] = CONF.get(dag_id, {})
        self._send("POST", f"/api/v2/dags/{dag_id}/dagRuns", body)

    def runs(self) -> dict[tuple[str, str], str]:
        """State of every run that no schedule started, by DAG and run."""
        return {
            (one["dag_id"], one["dag_run_id"]): one["state"]
            for one in self._pages("/api/v2/dags/~/dagRuns", "dag_runs", order_by="id")
            if one["run_type"] != "scheduled"
        }

    def tasks(self) -> dict[tuple[str, str], list[tuple[str, int, str]]]:
        """State of every task instance, by DAG and run."""
        found: dict[tuple[str, str], list[tuple[str, int, str]]] = {}
        path = "/api/v2/dags/~/dagRuns/~/taskInstances"
        for one in self._pages(path, "task_instances", order_by="id"):
            run = found.setdefault((one["dag_id"], one["dag_run_id"]), [])
            run.append((one["task_id"], one["map_index"], one["state"] or "none"))
        return found

    def _pages(self, path: str, name: str, **params: Any) -> Iterator[dict[str, Any]]:
        offset, total = 0, 1
        while offset < total:
            page = self._api._get(path, limit=_PAGE, offset=offset, **params)
            yield from page[name]
            offset, total = offset + _PAGE, page["total_entries"]

    def _send(self, method: str, path: str, body: dict[str, Any]) -> None:
        answer = self._api._http.request(method, path, json=body)
        if answer.is_error:
            raise AirflowApiError(f"{method} {path}: {answer.status_code} {answer.text[:500]}")


def _run_all(stage: AirflowStage) -> Ends:
    began = time.monotonic()
    api = ExamplesApi(stage.api)
    known = api.dags()
    asked = sorted(set(known) - set(LEFT_OUT))
    for dag_id in asked:
        api.unpause(dag_id)
    # What assets start is started by the DAGs that write them.
    ours = [dag_id for dag_id in asked if not known[dag_id]]
    refused = _trigger(api, [dag_id for dag_id in ours if dag_id not in AFTERWARDS])
    _until_quiet(stage, api)
    refused += _trigger(api, [dag_id for dag_id in ours if dag_id in AFTERWARDS])
    _until_quiet(stage, api)
    assert [] == refused
    ends = Ends(paused=set(known) & set(LEFT_OUT), followed={dag_id: set() for dag_id in asked})
    tasks = api.tasks()
    for (dag_id, run_id), state in api.runs().items():
        outcome = Outcome(state, tuple(sorted(tasks.get((dag_id, run_id), []))))
        if run_id == OUR_RUN:
            ends.triggered[dag_id] = outcome
        elif dag_id in ends.followed:
            ends.followed[dag_id].add(outcome)
    ends.seconds = time.monotonic() - began
    return ends


def _trigger(api: ExamplesApi, dag_ids: list[str]) -> list[str]:
    """Start our runs; what Airflow says to those that it does not start."""
    refused = []
    for dag_id in dag_ids:
        try:
            api.trigger(dag_id)
        except AirflowApiError as error:
            refused.append(str(error))
    return refused


def _until_quiet(stage: AirflowStage, api: ExamplesApi) -> None:
    """Wait until all runs have ended and none has followed for a while, or the time is up."""
    deadline = time.monotonic() + _LIMIT_S
    ended: set[tuple[str, str]] = set()
    since = time.monotonic()
    while time.monotonic() < deadline:
        stage.check()
        runs = api.runs()
        if set(runs) != ended or any(state not in _ENDED for state in runs.values()):
            ended, since = set(runs), time.monotonic()
        elif time.monotonic() - since > _QUIET_S:
            return
        time.sleep(2)


@pytest.fixture(scope="session")
def ends_of(postgres_server: Any, tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Ends]:
    """Runs all examples under an executor; once per executor."""
    known: dict[str, Ends] = {}

    def ends(executor: str) -> Ends:
        if executor not in known:
            folder = tmp_path_factory.mktemp("examples")
            name = postgres_server.new_database()
            url = postgres_server.url(name).replace("postgresql://", "postgresql+psycopg://")
            _LITTER.unlink(missing_ok=True)
            with AirflowStage(
                folder / "home",
                Path(__file__).with_name("dags"),
                executor=executor,
                variables=VARIABLES,
                database=url,
            ) as stage:
                stage.migrate()
                stage.run("reserialize", stage.command("dags", "reserialize"))
                stage.start_beside("triggerer", stage.command("triggerer"))
                stage.start([])
                known[executor] = _run_all(stage)
            _LITTER.unlink(missing_ok=True)
            postgres_server.drop_database(name)
        return known[executor]

    return ends


@pytest.fixture(scope="session")
def left_out() -> dict[str, str]:
    """DAGs that are not run, and why."""
    return LEFT_OUT
