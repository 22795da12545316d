"""Queues, executors and teams of existing DAGs, under the real scheduler with `[core] multi_team`."""

import json
import subprocess
import sys
from pathlib import Path

import httpx
import pytest

from aiops_provider.cli.demo.airflow_stage import AIOPS_EXECUTOR, AirflowStage
from aiops_provider.control.installation import Installation
from aiops_provider.domain.plan import RouteCode
from aiops_provider.domain.task import TaskKey
from aiops_provider.settings.schema import Settings

pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("default")]

DAGS = Path(__file__).with_name("mapped_dags")
NAMED = "aiops_provider.airflow.named"


class Mapped:
    """A started stage whose two DAGs have run."""

    def __init__(self, stage: AirflowStage) -> None:
        self.stage = stage
        self.installation = Installation.open(
            Settings(), default_store_url=stage.config.database_url
        )
        for dag_id in ("mapped", "of_ml"):
            stage.api.trigger(dag_id, "r1")
        self.ends = {
            dag_id: stage.api.wait(dag_id, "r1", timeout_s=180) for dag_id in ("mapped", "of_ml")
        }

    def ran_on(self, name: str) -> dict[str, str]:
        """Cluster by task, as the tasks wrote it down themselves."""
        lines = (self.stage.home / "ledger" / name).read_text().splitlines()
        return dict(line.split() for line in lines)

    def aiops(self, *arguments: str) -> tuple[int, str]:
        """Exit status and what the command says, in the environment of this Airflow."""
        answer = subprocess.run(
            [sys.executable, "-m", "aiops_provider.cli.app", *arguments],
            # Told, so that it need not ask Airflow, which takes it long.
            env={**self.stage.environment, "AIOPS__STORE": self.stage.config.database_url},
            capture_output=True,
            text=True,
            timeout=180,
            check=False,
        )
        return answer.returncode, answer.stdout + answer.stderr

    def placed(self, dag: str, task: str):
        """The newest placement of a task; one that waits for room is placed anew meanwhile."""
        placements = self.installation.store.placements(task=TaskKey(dag, task))
        return max(placements, key=lambda each: each.epoch)


@pytest.fixture(scope="module")
def mapped(tmp_path_factory):
    home = tmp_path_factory.mktemp("mapped") / "home"
    bundles = [
        {
            "name": name,
            "classpath": "airflow.dag_processing.bundles.local.LocalDagBundle",
            "kwargs": {"path": str(home / "dags" / name)},
            **({"team_name": team} if team else {}),
        }
        for name, team in (("shared", None), ("ml", "science"))
    ]
    variables = {
        "LEDGER": str(home / "ledger"),
        "AIRFLOW__CORE__MULTI_TEAM": "True",
        # About what the last of three tasks has to wait for the only core that it may use.
        "AIRFLOW__SCHEDULER__TASK_QUEUED_TIMEOUT": "20",
        "AIRFLOW__SCHEDULER__TASK_QUEUED_TIMEOUT_CHECK_INTERVAL": "2",
        "AIRFLOW__DAG_PROCESSOR__DAG_BUNDLE_CONFIG_LIST": json.dumps(bundles),
    }
    executors = f"{AIOPS_EXECUTOR},LocalExecutor:{NAMED}.local,special:{NAMED}.special"
    with AirflowStage(home, DAGS, executor=executors, variables=variables) as stage:
        (home / "ledger").mkdir()
        stage.migrate()
        stage.run("teams-create", stage.command("teams", "create", "science"))
        stage.start(["mapped", "of_ml", "waits", "aiops_cluster_check"])
        mapped = Mapped(stage)
        yield mapped
        mapped.installation.close()


def test_every_task_ran_although_no_such_executor_exists(mapped):
    """A name that aiops.yaml maps neither keeps a DAG from being parsed nor a task from running."""
    assert {"mapped": "success", "of_ml": "success"} == mapped.ends


def test_a_queue_means_the_clusters_it_is_mapped_to(mapped):
    """Although another one is cheaper."""
    assert ("onprem", "aws") == tuple(mapped.ran_on("mapped")[t] for t in ("plain", "gpu_queue"))


def test_an_executor_means_the_clusters_it_is_mapped_to(mapped):
    """By the name of a stock executor, by an alias, and by our own name, which means any."""
    ran = mapped.ran_on("mapped")
    assert ("onprem", "aws", "onprem") == (ran["local_executor"], ran["alias"], ran["ours"])
    rejected = mapped.placed("mapped", "alias").route.reason.rejected
    assert "executor special is mapped to aws" == rejected["onprem"]


def test_a_pin_is_the_more_definite_wish(mapped):
    """Somebody who describes the task for us knows what a queue meant before."""
    assert "onprem" == mapped.ran_on("mapped")["pinned"]


@pytest.mark.parametrize(
    ("task", "why"),
    [
        ("unknown_queue", "queue gppu is mapped to no cluster (airflow.queues)"),
        ("nowhere", "queue gpu is mapped to aws"),
    ],
)
def test_a_name_that_leads_nowhere_is_told(mapped, task, why):
    """The task runs on the fallback cluster, and its placement says which name was wrong."""
    placement = mapped.placed("mapped", task)
    assert "onprem" == mapped.ran_on("mapped")[task]
    assert RouteCode.FALLBACK is placement.route.reason.code
    assert why in placement.route.reason.sentence


def test_the_team_of_a_bundle_limits_its_dags(mapped):
    """Airflow knows the team; the cheaper cluster is not the team's, pinned or not."""
    assert {"plain": "aws", "pinned": "aws"} == mapped.ran_on("of_ml")
    pinned = mapped.placed("of_ml", "pinned")
    assert "team science may use aws only" in pinned.route.reason.sentence
    assert not pinned.applied
    assert "science" == pinned.route.team
    assert mapped.placed("mapped", "plain").route.team is None


def test_a_task_that_waits_for_room_longer_than_the_timeout_is_not_lost(mapped):
    """It is no stuck task: it goes back in time and its token is fresh when it starts."""
    api = mapped.stage.api
    api.trigger("waits", "w1")
    assert "success" == api.wait("waits", "w1", timeout_s=150)
    ran = mapped.ran_on("waits")
    assert {f"{index}:1": "narrow" for index in range(3)} == ran
    lines = (mapped.stage.home / "ledger" / "waits").read_text().splitlines()
    assert 3 == len(lines)
    last = max(
        mapped.installation.store.placements(run_id="w1", limit=1000), key=lambda each: each.epoch
    )
    # It waited longer than half of the timeout, so it was queued anew; by us, as Airflow's log says.
    assert 1 < last.epoch
    bearer = {"Authorization": api._http.headers["Authorization"]}
    events = httpx.get(
        f"{mapped.stage.config.url}/api/v2/eventLogs?dag_id=waits&limit=100", headers=bearer
    ).json()["event_logs"]
    assert "running" in {each["event"] for each in events}
    assert not [each["event"] for each in events if "stuck" in each["event"]]


def test_a_cluster_is_checked_by_a_task_that_runs_there(mapped):
    """Everything that a task needs is tried; what there is none of is told."""
    status, said = mapped.aiops(
        "clusters", "check", "narrow", "--connection", "no_such_db", "-o", "json"
    )
    found = json.loads(said[said.index("{") : said.rindex("}") + 1])
    verdicts = {each["check"]: each["verdict"] for each in found["findings"]}
    assert {
        "execution API": "ok",
        "DAG bundle": "ok",
        "place": "ok",
        "XCom backend": "ok",
        "task log": "ok",
        "secrets": "ok",
        "connection no_such_db": "fail",
        "Airflow version": "ok",
        "aiops-provider version": "ok",
        "Python version": "ok",
    } == verdicts
    assert 1 == status
    placement = mapped.installation.store.placements(run_id=found["run_id"])[0]
    assert ("narrow", True) == (placement.cluster, placement.applied)


def test_a_cluster_whose_check_failed_gets_no_tasks_until_one_succeeds(mapped):
    """Routes say why; a check goes there all the same."""
    _, said = mapped.aiops("clusters", "list")
    assert "unfit" in said
    assert "connection no_such_db: it is not found there" in said
    _, said = mapped.aiops("route", "somebody/else", "--why")
    assert "unfit: its check of" in said
    status, said = mapped.aiops("clusters", "check", "narrow")
    assert (0, True) == (status, "what the task logged can be read here" in said)
    assert "unfit" not in mapped.aiops("clusters", "list")[1]


def test_what_cannot_be_checked_is_told(mapped):
    """By name of the cluster, with those that there are."""
    status, said = mapped.aiops("clusters", "check", "nowhere")
    assert (2, True) == (status, "Name one of onprem, aws, narrow" in said)
