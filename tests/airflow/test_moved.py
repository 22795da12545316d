"""A running task goes on at a cheaper cluster that is back, under the real scheduler."""

import os
import signal
from pathlib import Path

import psutil
import pytest

from aiops_provider.cli.demo.airflow_stage import AirflowStage
from aiops_provider.control.installation import Installation
from aiops_provider.control.route_run import route_run
from aiops_provider.domain.cluster import HealthState
from aiops_provider.domain.execution import Outcome
from aiops_provider.domain.plan import PlacementState
from aiops_provider.domain.task import TaskKey
from aiops_provider.settings.schema import Settings

pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("default")]

DAGS = Path(__file__).with_name("moved_dags")
UNITS = 240
UNITS_IN_A_CHECKPOINT = 16


class Stage:
    """A started Airflow whose cheap cluster is lost, with what tasks wrote down."""

    def __init__(self, stage: AirflowStage) -> None:
        self.stage, self.api = stage, stage.api
        installation = Installation.open(
            Settings(),
            default_store_url=stage.config.database_url,
            default_token_secret=stage.config.jwt_secret,
        )
        self.installation, self.store = installation, installation.require_store()

    def lines(self, task: str) -> list[tuple[str, str, str, int]]:
        """Try, cluster, what and number, in the order in which it happened."""
        file = self.stage.home / "ledger" / "moved"
        words = [line.split() for line in file.read_text().splitlines()] if file.exists() else []
        return [(one[1], one[2], one[3], int(one[4])) for one in words if one[0] == task]

    def lose(self, cluster: str) -> None:
        """Kill the process of its pool; it is started again after a while."""
        for process in psutil.Process(self.stage.scheduler_pid).children(recursive=True):
            if " ".join(process.cmdline()).strip() == f"aiops pool: {cluster}":
                os.kill(process.pid, signal.SIGKILL)
                return
        raise AssertionError(f"{cluster} has no pool")

    def state(self, cluster: str) -> HealthState:
        """As the scheduler has told the store."""
        known = self.store.health().get(cluster)
        return known.state if known is not None else HealthState.UNKNOWN


@pytest.fixture(scope="module")
def ended(tmp_path_factory):
    """One run, begun while the cheap cluster was away and ended after it was back."""
    home = tmp_path_factory.mktemp("airflow") / "home"
    ledger = home / "ledger"
    with AirflowStage(home, DAGS, variables={"LEDGER": str(ledger)}) as running:
        ledger.mkdir()
        running.migrate()
        running.start(["moved"])
        stage = Stage(running)
        healthy = HealthState.HEALTHY
        stage.api.wait_until("both", lambda: stage.state("onprem") is healthy, timeout_s=60)
        stage.lose("onprem")
        stage.api.wait_until("the loss", lambda: stage.state("onprem") is not healthy, timeout_s=60)
        stage.api.trigger("moved", "r1")
        stage.run_state = stage.api.wait("moved", "r1", timeout_s=300)
        yield stage


def test_the_run_succeeds_without_a_retry(ended):
    """Its tasks have none; what is moved is run anew at no cost of them."""
    assert "success" == ended.run_state, ended.lines("declared")


def test_the_task_ends_at_the_cheap_cluster(ended):
    """It began at the dear one."""
    lines = ended.lines("declared")
    assert ("1", "aws", "start", 0) == lines[0]
    assert ("2", "onprem", "end", UNITS) == lines[-1]


def test_never_two_tries_at_once(ended):
    """Nothing is written by the old try after the new one has begun, and there are no others."""
    tries = [line[0] for line in ended.lines("declared")]
    assert sorted(tries) == tries
    assert {"1", "2"} == set(tries)


def test_the_new_try_goes_on_from_the_checkpoint(ended):
    """At most what was done after the last one is done twice, and nothing is left out."""
    done = {
        number: [one[3] for one in ended.lines("declared") if one[0] == number and one[2] == "done"]
        for number in ("1", "2")
    }
    (began,) = [one[3] for one in ended.lines("declared") if one[0] == "2" and one[2] == "start"]
    assert began > 0
    assert 0 == began % UNITS_IN_A_CHECKPOINT
    assert list(range(began, UNITS)) == done["2"]
    assert list(range(len(done["1"]))) == done["1"]
    assert len(done["1"]) >= began


def test_what_its_author_did_not_declare_stays(ended):
    """It runs once, where it began."""
    lines = ended.lines("undeclared")
    assert {("1", "aws")} == {line[:2] for line in lines}
    assert [*range(UNITS)] == [line[3] for line in lines if line[2] == "done"]


def test_the_explanation_says_why(ended):
    """As `aiops route --run` tells it, with the state of the old placement and how it ended."""
    key = TaskKey("moved", "declared")
    first, second = [
        each for each in route_run(ended.installation, "r1") if each.placement.run.task == key
    ]
    assert PlacementState.MOVED is first.placement.state
    assert Outcome.KILLED is first.outcome
    assert "moved away from aws at" in second.placement.route.reason.sentence
    assert "onprem" == second.placement.cluster


def test_what_the_old_try_cost_is_on_record(ended):
    """At the price of the dear cluster, for as long as it was there."""
    key = TaskKey("moved", "declared")
    ended.api.wait_until("both", lambda: len(ended.store.executions(key)) == 2, timeout_s=60)
    records = {each.run.try_number: each for each in ended.store.executions(key)}
    assert ("aws", "onprem") == (records[1].cluster, records[2].cluster)
    assert records[1].cost_usd > records[2].cost_usd > 0
    assert "saves about" in records[1].message
