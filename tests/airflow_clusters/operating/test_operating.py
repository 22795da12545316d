"""What a platform team does with two groups of Celery workers, under a real scheduler."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from aiops_provider.cli.demo.processes import free_port
from aiops_provider.control.fencing import fenced_tries
from aiops_provider.domain.cluster import HealthState
from aiops_provider.domain.execution import Outcome
from aiops_provider.domain.plan import PlacementState
from aiops_provider.domain.task import TaskKey

pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("default")]

GROUPS = ("onprem", "aws")
DAGS = Path(__file__).with_name("dags")


@pytest.fixture(scope="module")
def fleet(open_fleet, program):
    redis, port = program("redis-server"), free_port()
    variables = {
        "AIRFLOW__CELERY__BROKER_URL": f"redis://127.0.0.1:{port}/0",
        # A task that no worker has started for this long is taken back.
        "AIRFLOW__SCHEDULER__TASK_QUEUED_TIMEOUT": "20",
        "AIRFLOW__SCHEDULER__TASK_QUEUED_TIMEOUT_CHECK_INTERVAL": "2",
    }

    def beside(stage):
        address = ["--port", str(port), "--bind", "127.0.0.1"]
        stage.start_beside("redis", [redis, *address, "--save", "", "--dir", str(stage.home)])
        for group in GROUPS:
            stage.start_beside(f"worker-{group}", worker(group), {"WORKER_GROUP": group})

    with open_fleet(
        DAGS, ["lost", "crowd", "aiops_cluster_check"], variables=variables, beside=beside
    ) as fleet:
        fleet.wait_for("both clusters", lambda: healthy(fleet) == set(GROUPS), timeout_s=90)
        yield fleet


def healthy(fleet) -> set[str]:
    health = fleet.installation.store.health()
    return {name for name, each in health.items() if each.state is HealthState.HEALTHY}


def worker(group: str) -> list[str]:
    options = ["--queues", group, "--celery-hostname", f"{group}@host", "--concurrency", "3"]
    return [sys.executable, "-m", "airflow", "celery", "worker", *options, "--skip-serve-logs"]


def main_process(fleet, group: str) -> psutil.Process:
    """The process that answers for a group of workers; its tasks are its children's children."""
    tether = psutil.Process(fleet.stage.pid(f"worker-{group}"))
    family = [tether, *tether.children(recursive=True)]
    (main,) = [each for each in family if "MainProcess" in " ".join(each.cmdline())]
    return main


def test_only_what_may_run_twice_is_fenced_when_its_cluster_is_lost(fleet):
    """Its tasks go on, but nobody hears of them: one waits, the others run elsewhere at once."""
    fleet.api.trigger("lost", "l1")
    fleet.wait_for("all three to start", lambda: len(fleet.ledger("lost")) == 3, timeout_s=90)
    assert {"onprem"} == {words[3] for words in fleet.ledger("lost")}
    silent = main_process(fleet, "onprem")
    silent.suspend()
    try:
        fleet.wait_for(
            "two to start elsewhere",
            lambda: sum(words[3] == "aws" for words in fleet.ledger("lost")) == 2,
            timeout_s=20,
        )
        assert "success" == fleet.api.wait("lost", "l1", timeout_s=120)
    finally:
        os.kill(silent.pid, signal.SIGCONT)
    events = sorted(fleet.ledger("lost"))
    assert [
        ["end", "fenced_a", "2", "aws"],
        ["end", "fenced_b", "2", "aws"],
        ["end", "waits", "1", "onprem"],
        ["start", "fenced_a", "1", "onprem"],
        ["start", "fenced_a", "2", "aws"],
        ["start", "fenced_b", "1", "onprem"],
        ["start", "fenced_b", "2", "aws"],
        ["start", "waits", "1", "onprem"],
    ] == events


def test_fenced_tries_are_counted(fleet):
    """By the store: which they were, where they ran on, and that they ended as lost."""
    store = fleet.installation.store
    fleet.wait_for("both on record", lambda: len(fenced_tries(store)) == 2, timeout_s=20)
    tries = fenced_tries(store)
    assert {("lost/fenced_a", "onprem", "aws"), ("lost/fenced_b", "onprem", "aws")} == {
        (str(each.run.task), each.cluster, each.rerun_on) for each in tries
    }
    assert all(each.run.try_number == 1 for each in tries)
    runs = {each.run for each in store.placements(task=TaskKey("lost", "fenced_a"))}
    newest = {
        run.try_number: each.state for run, each in store.latest_placements(list(runs)).items()
    }
    assert {1: PlacementState.FENCED, 2: PlacementState.SUBMITTED} == newest
    outcomes = {
        each.run.try_number: each.outcome for each in store.executions(TaskKey("lost", "fenced_a"))
    }
    assert {1: Outcome.CLUSTER_LOST, 2: Outcome.SUCCESS} == outcomes


def test_what_no_worker_starts_in_time_runs_elsewhere(fleet):
    """Airflow takes it back; sent to the same queue again it would only wait once more."""
    # The test before kept one of them silent.
    fleet.wait_for("both clusters", lambda: healthy(fleet) == set(GROUPS), timeout_s=90)
    assert "success" == fleet.run("crowd", "c1", timeout_s=180)
    events = [(words[0], words[3]) for words in fleet.ledger("crowd")]
    everybody = {f"{word}[{index}]" for word in ("start", "end") for index in range(5)}
    assert everybody == {event for event, _ in events}
    assert 10 == len(events)
    # Three workers are where five tasks were sent first; nobody moves what they have started.
    assert 2 <= sum(group == "aws" for event, group in events if event.startswith("start"))
    assert {"onprem", "aws"} == {group for _, group in events}
    placed = fleet.installation.store.placements(run_id="c1", limit=100)
    reasons = [str(each.route.reason) for each in placed if each.cluster == "aws"]
    assert any("nobody started it there" in reason for reason in reasons), reasons


def aiops(fleet, *arguments: str) -> tuple[int, str]:
    answer = subprocess.run(
        [sys.executable, "-m", "aiops_provider.cli.app", *arguments],
        env={**fleet.stage.environment, "AIOPS__STORE": fleet.stage.config.database_url},
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )
    return answer.returncode, answer.stdout + answer.stderr


def test_a_group_of_workers_is_checked_from_within(fleet):
    """The task runs on that group, and what it finds there is told from here."""
    status, said = aiops(fleet, "clusters", "check", "aws", "-o", "json")
    found = json.loads(said[said.index("{") : said.rindex("}") + 1])
    assert {"ok"} == {each["verdict"] for each in found["findings"]}, said
    assert 0 == status
    placed = fleet.installation.store.placements(run_id=found["run_id"])
    assert {"aws"} == {each.cluster for each in placed}


def test_a_group_that_starts_no_task_fails_its_check_and_gets_none(fleet):
    """Its workers answer their broker, so no probe tells; the next tasks go elsewhere."""
    pool = main_process(fleet, "onprem").children()
    assert pool
    for process in pool:
        process.suspend()
    try:
        status, said = aiops(fleet, "clusters", "check", "onprem", "--timeout", "15")
        assert (1, True) == (status, "no worker started the task within 15 s" in said), said
        before = len(fleet.ledger("crowd"))
        fleet.api.trigger("crowd", "c2")
        fleet.wait_for(
            "three to start", lambda: len(fleet.ledger("crowd")) == before + 3, timeout_s=60
        )
        assert {"aws"} == {words[3] for words in fleet.ledger("crowd")[before:]}
    finally:
        for process in pool:
            os.kill(process.pid, signal.SIGCONT)
    _, said = aiops(fleet, "clusters", "check", "onprem", "--forget")
    assert "forgotten" in said
