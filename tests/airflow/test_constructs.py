"""Each construct of Airflow in one DAG, under the real scheduler and triggerer."""

import time
from collections import defaultdict
from datetime import timedelta
from itertools import pairwise
from pathlib import Path

import httpx
import pytest

from aiops_provider.cli.demo.airflow_stage import AirflowStage
from aiops_provider.control.installation import Installation
from aiops_provider.domain.alarm import Response, ResponseAction
from aiops_provider.domain.execution import Outcome
from aiops_provider.domain.task import TaskKey
from aiops_provider.domain.units import utc_now
from aiops_provider.domain.workload import Generic
from aiops_provider.profiling.profiler import Profiler
from aiops_provider.profiling.starts import ordinary_starts
from aiops_provider.settings.schema import Settings

pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("default")]

DAGS = Path(__file__).with_name("construct_dags")
TRIGGERED = {
    "deferred": "success",
    "rescheduled": "success",
    "mapped_sizes": "success",
    "grouped": "success",
    "torn_down": "failed",
    "branched": "failed",
    "pooled": "success",
    "weighted": "success",
    "produces": "success",
    "tried_again": "success",
}
DAYS = ["2026-01-02", "2026-01-03", "2026-01-04"]


class Constructs:
    """A started stage all of whose DAGs have run."""

    def __init__(self, stage: AirflowStage) -> None:
        self.stage = stage
        self.api = stage.api
        self.store = Installation.open(
            Settings(), default_store_url=stage.config.database_url
        ).require_store()
        self.ask("POST", "pools", {"name": "three", "slots": 3, "include_deferred": False})
        for dag_id in TRIGGERED:
            self.api.trigger(dag_id, "r1")
        self.ask(
            "POST",
            "backfills",
            {"dag_id": "daily", "from_date": DAYS[0], "to_date": DAYS[-1], "max_active_runs": 3},
        )
        self.ends = {dag: self.api.wait(dag, "r1", timeout_s=240) for dag in TRIGGERED}
        self.backfilled = self._all_end("daily", len(DAYS))
        self.consumed = self._all_end("consumes", 1)

    def ask(self, method: str, path: str, body: object = None) -> dict:
        """One call of Airflow's REST API."""
        answer = httpx.request(
            method,
            f"{self.stage.config.url}/api/v2/{path}",
            headers={"Authorization": self.api._http.headers["Authorization"]},
            json=body,
            timeout=60,
        )
        assert not answer.is_error, answer.text
        return answer.json()

    def ledger(self, name: str) -> list[list[str]]:
        """What tasks wrote down as side effects: try number, cluster, and further words."""
        file = self.stage.home / "ledger" / name
        return [line.split() for line in file.read_text().splitlines()] if file.exists() else []

    def states(self, dag_id: str, run_id: str = "r1") -> dict[str, str]:
        """The state of each task that is not mapped."""
        return {one.task_id: one.state for one in self.api.task_instances(dag_id, run_id)}

    def placed(self, dag_id: str, task_id: str) -> list:
        """Placements of a task, in the order in which they were made."""
        found = self.store.placements(task=TaskKey(dag_id, task_id), limit=100)
        return sorted(found, key=lambda each: (each.run.try_number, each.epoch))

    def records(self, dag_id: str, task_id: str, *, count: int = 1) -> list:
        """What is remembered of the tries of a task, once there are so many."""
        task, deadline = TaskKey(dag_id, task_id), time.monotonic() + 30
        while len(found := self.store.executions(task)) < count and time.monotonic() < deadline:
            time.sleep(0.2)
        return sorted(found, key=lambda each: (each.run.map_index, each.run.try_number))

    def _all_end(self, dag_id: str, count: int) -> dict[str, str]:
        deadline = time.monotonic() + 120
        while True:
            runs = self.ask("GET", f"dags/{dag_id}/dagRuns")["dag_runs"]
            states = {run["dag_run_id"]: run["state"] for run in runs}
            ended = [state for state in states.values() if state in {"success", "failed"}]
            if len(ended) >= count or time.monotonic() > deadline:
                return states
            time.sleep(0.5)


@pytest.fixture(scope="module")
def constructs(tmp_path_factory, postgres_server):
    home = tmp_path_factory.mktemp("constructs") / "home"
    # Airflow makes no backfill on an SQLite that somebody else writes to.
    database = postgres_server.new_database()
    url = postgres_server.url(database).replace("postgresql://", "postgresql+psycopg://")
    variables = {"LEDGER": str(home / "ledger")}
    with AirflowStage(home, DAGS, variables=variables, database=url) as stage:
        (home / "ledger").mkdir()
        stage.migrate()
        stage.start_beside("triggerer", stage.command("triggerer"))
        stage.start([*TRIGGERED, "daily", "consumes"])
        constructs = Constructs(stage)
        yield constructs
        constructs.store.close()
    postgres_server.drop_database(database)


def test_runs_end_as_they_should(constructs):
    """Those in which something fails on purpose fail, the others succeed."""
    assert TRIGGERED == constructs.ends


def test_a_deferred_task_is_resumed_wherever_there_is_room(constructs):
    """Each part of it is placed: one try, three placements, three side effects in their order."""
    parts = constructs.ledger("deferred")
    assert ["first", "second", "third"] == [part[2] for part in parts]
    assert {"1"} == {part[0] for part in parts}
    placed = constructs.placed("deferred", "waits_twice")
    assert [1, 1, 1] == [each.run.try_number for each in placed]
    assert [part[1] for part in parts] == [each.cluster for each in placed]


def test_the_parts_of_a_deferred_task_are_one_run(constructs):
    """What it did before it was deferred is in its figures, the time in the triggerer is not."""
    (run,) = constructs.records("deferred", "waits_twice")
    assert (Outcome.SUCCESS, 3, "WaitsTwice") == (run.outcome, run.segments, run.operator)
    elapsed_s = (run.ended_at - run.started_at).total_seconds()
    # Twice four seconds in the triggerer; a second of work in each of the first two parts.
    assert elapsed_s - run.usage.duration_s > 8.0
    assert run.usage.cpu_seconds > 2.0
    assert run.usage.peak_memory_gib > 300_000_000 / 2**30
    first = constructs.placed("deferred", "waits_twice")[0]
    assert first.placed_at == run.queued_at


def test_looks_of_a_sensor_are_one_run(constructs):
    """And one start in the forecast of demand."""
    records = constructs.records("rescheduled", "third_look")
    assert [(Outcome.SUCCESS, 3)] == [(each.outcome, each.segments) for each in records]
    assert 1 == len(ordinary_starts(records))
    elapsed_s = (records[0].ended_at - records[0].started_at).total_seconds()
    assert records[0].usage.duration_s < elapsed_s - 2 * 1.0  # two pauses of a second


def test_a_sensor_that_reschedules_itself_looks_until_it_is_content(constructs):
    """Each look is placed, all of them in one try; what waits for it goes on."""
    assert ["1"] * 3 == [look[0] for look in constructs.ledger("rescheduled")]
    assert 3 == len(constructs.placed("rescheduled", "third_look"))
    assert ["3"] == [line[2] for line in constructs.ledger("rescheduled_after")]


def test_mapped_tasks_of_different_sizes_are_told_apart(constructs):
    """A small input is predicted to need less than a large one, from the same task's runs."""
    records = constructs.records("mapped_sizes", "load", count=4)
    assert [1_000, 800_000, 1_600_000, 2_400_000] == [each.input_rows for each in records]
    assert {line[2] for line in constructs.ledger("mapped_sizes")} == {
        str(each.input_rows) for each in records
    }
    small, *_, large = (each.usage.peak_memory_gib for each in records)
    assert large > small + 0.2
    profiler = Profiler()
    profiler.restore(records)

    def predicted(rows: int) -> float:
        description = Generic(input_rows=rows)
        task = TaskKey("mapped_sizes", "load")
        return profiler.predict(task, description, now=utc_now()).memory_gib.p50

    assert predicted(2_400_000) > predicted(1_000) + 0.1


def test_groups_keep_their_order(constructs):
    """Depth first per instance of the mapped group, and the rest after all of them."""
    said = [line[2:] for line in constructs.ledger("grouped")]
    assert ["total", "6"] == said[-1]
    for given in ("1", "2"):
        doubled = said.index(["double", given])
        assert doubled < said.index(["tell", str(2 * int(given))])
    assert 5 == len(said)


def test_what_was_set_up_is_torn_down(constructs):
    """Although the work in between failed."""
    assert ["make", "work", "remove"] == [line[2] for line in constructs.ledger("torn_down")]
    assert {"make": "success", "work": "failed", "remove": "success"} == constructs.states(
        "torn_down"
    )


def test_branches_short_circuits_and_trigger_rules(constructs):
    """What is passed over does not run, and each rule sees what became of the tasks before it."""
    assert {
        "stop": "success",
        "stopped": "skipped",
        "choose": "success",
        "chosen": "success",
        "passed_over": "skipped",
        "fails": "failed",
        "after_failure": "upstream_failed",
        "one_failed": "success",
        "none_failed": "success",
        "all_done": "success",
    } == constructs.states("branched")
    ran = sorted(line[2] for line in constructs.ledger("branched"))
    assert ["all_done", "chosen", "none_failed", "one_failed"] == ran


def test_slots_of_a_pool_are_respected(constructs):
    """Of tasks that need two of three slots no two ever run at the same time."""
    spans = sorted((float(b), float(e)) for *_, b, e in constructs.ledger("pooled"))
    assert 3 == len(spans)
    assert all(earlier[1] <= later[0] for earlier, later in pairwise(spans))


def test_the_heavier_task_goes_first(constructs):
    """Among tasks that wait for the same core."""
    assert ["4", "3", "2", "1"] == [line[2] for line in constructs.ledger("weighted")]
    assert {"narrow"} == {line[1] for line in constructs.ledger("weighted")}


def test_an_updated_asset_starts_its_consumer(constructs):
    """Once, with the run that updated it."""
    assert ["success"] == list(constructs.consumed.values())
    assert [("1", "r1")] == [(line[0], line[2]) for line in constructs.ledger("consumed")]


def test_a_backfill_runs_and_is_no_demand(constructs):
    """Each day once; what it used is learned, when it started is not."""
    assert {"success"} == set(constructs.backfilled.values())
    assert DAYS == sorted(line[2] for line in constructs.ledger("daily"))
    records = constructs.records("daily", "work", count=3)
    assert 3 == len(records)
    assert all(each.run.is_backfill and each.usage is not None for each in records)
    assert [] == ordinary_starts(records)


def test_a_retry_and_a_cleared_task_are_placed_anew(constructs):
    """A retry avoids where the try before failed; after that a cluster in quarantine is avoided."""
    first, second = constructs.placed("tried_again", "work")
    assert (1, 2) == (first.run.try_number, second.run.try_number)
    assert first.cluster != second.cluster
    now = utc_now()
    constructs.store.save_response(
        Response(
            id="test",
            super_alarm="none",
            action=ResponseAction.QUARANTINE,
            clusters=(second.cluster,),
            reason="the test wants it elsewhere",
            starts_at=now,
            expires_at=now + timedelta(hours=1),
        )
    )
    time.sleep(2.0)  # the scheduler looks every half a second
    constructs.ask(
        "POST",
        "dags/tried_again/clearTaskInstances",
        {"dry_run": False, "dag_run_id": "r1", "task_ids": ["work"], "only_failed": False},
    )
    deadline = time.monotonic() + 60
    while len(constructs.ledger("tried_again")) < 3 and time.monotonic() < deadline:
        time.sleep(0.3)
    assert "success" == constructs.api.wait("tried_again", "r1", timeout_s=60)
    ran = defaultdict(list)
    for number, cluster, _ in constructs.ledger("tried_again"):
        ran[number].append(cluster)
    third = constructs.placed("tried_again", "work")[-1]
    assert 3 == third.run.try_number
    assert third.cluster != second.cluster
    assert {"1": [first.cluster], "2": [second.cluster], "3": [third.cluster]} == ran
    outcomes = [e.outcome for e in constructs.records("tried_again", "work", count=3)]
    assert [Outcome.FAILED, Outcome.SUCCESS, Outcome.SUCCESS] == outcomes
