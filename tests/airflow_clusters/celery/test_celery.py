"""Two groups of Celery workers as two clusters: Redis, PostgreSQL, a real scheduler that gets killed."""

import os
import re
import signal
import sys
import time
from collections import Counter
from pathlib import Path

import psutil
import pytest

from aiops_provider.cli.demo.processes import free_port
from aiops_provider.domain.execution import Outcome
from aiops_provider.domain.plan import PlacementState
from aiops_provider.domain.task import TaskKey

pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("default")]

GROUPS = ("onprem", "aws")
DAGS = Path(__file__).with_name("dags")


@pytest.fixture(scope="module")
def fleet(open_fleet, program):
    redis, port = program("redis-server"), free_port()
    broker = {"AIRFLOW__CELERY__BROKER_URL": f"redis://127.0.0.1:{port}/0"}

    def beside(stage):
        options = [
            "--port",
            str(port),
            "--bind",
            "127.0.0.1",
            "--save",
            "",
            "--dir",
            str(stage.home),
        ]
        stage.start_beside("redis", [redis, *options])
        for group in GROUPS:
            stage.start_beside(f"worker-{group}", worker(group), {"WORKER_GROUP": group})

        stage.start_beside("triggerer", stage.command("triggerer"))

    dag_ids = ["both", "crash", "deferred", "freeze"]
    with open_fleet(DAGS, dag_ids, variables=broker, beside=beside) as fleet:
        yield fleet


def worker(group: str) -> list[str]:
    options = ["--queues", group, "--celery-hostname", f"{group}@host", "--concurrency", "2"]
    return [sys.executable, "-m", "airflow", "celery", "worker", *options, "--skip-serve-logs"]


def members(fleet, group: str) -> list[psutil.Process]:
    tether = psutil.Process(fleet.stage.pid(f"worker-{group}"))
    return [tether, *tether.children(recursive=True)]


def test_every_task_runs_on_the_workers_of_its_cluster(fleet):
    """A pin leads to the queue of that cluster, and the task knows where it is."""
    assert "success" == fleet.run("both", "r1")
    ends = sorted([w[1], w[3], w[4]] for w in fleet.ledger("both") if w[0] == "end")
    expected = [[f"on_{g}[{i}]", g, g] for g in sorted(GROUPS) for i in (0, 1)]
    assert expected == ends


def test_a_retry_runs_elsewhere(fleet):
    """The next try avoids the cluster of the last one."""
    first, second = fleet.ledger("fails_once")
    assert ["1", "2"] == [first[2], second[2]]
    assert first[3] != second[3]


def test_workers_report_how_their_tries_ended(fleet):
    """Outcome, usage and cluster of a remote task are learned from its worker's own report."""
    store = fleet.installation.store
    key = TaskKey("both", "fails_once")
    fleet.wait_for("both tries", lambda: len(store.executions(key)) == 2, timeout_s=30)
    tries = sorted(store.executions(key), key=lambda each: each.run.try_number)
    assert [Outcome.FAILED, Outcome.SUCCESS] == [each.outcome for each in tries]
    assert [words[3] for words in fleet.ledger("fails_once")] == [t.cluster for t in tries]
    assert all(each.usage.peak_memory_gib > 0 for each in tries)


def test_the_parts_of_a_deferred_task_are_one_run(fleet):
    """Each worker reports its own part; the time in the triggerer is in none."""
    assert "success" == fleet.run("deferred", "r1")
    assert [("start", "1"), ("end", "1")] == [(w[0], w[2]) for w in fleet.ledger("deferred")]
    store, key = fleet.installation.store, TaskKey("deferred", "defers")
    fleet.wait_for("the record", lambda: bool(store.executions(key)), timeout_s=30)
    (run,) = store.executions(key)
    assert (Outcome.SUCCESS, 2, "Defers") == (run.outcome, run.segments, run.operator)
    assert run.usage.cpu_seconds > 1.0
    assert (run.ended_at - run.started_at).total_seconds() - run.usage.duration_s > 5.0


def test_no_token_is_written_to_a_workers_log(fleet):
    """Airflow masks the one that travels in a workload, as it masks its own."""
    for group in GROUPS:
        said = (fleet.stage.home / "logs" / f"worker-{group}.log").read_text()
        assert "Executing workload" in said
        assert not re.search(r"AIOPS_TOKEN\W+eyJ[\w-]{9}", said)


def test_what_a_cluster_took_is_on_record(fleet):
    """An heir of the scheduler tells by the store what was sent and what was only chosen."""
    store = fleet.installation.store
    placed = {each.run for each in store.placements(run_id="r1", limit=100)}
    runs = {run for run in placed if run.task.namespace == "both"}
    newest = store.latest_placements(list(runs)).values()
    ended = [each for each in newest if each.run.try_number == max_try(newest, each.run)]
    assert 5 == len(ended)
    assert {PlacementState.SUBMITTED} == {each.state for each in ended}


def max_try(placements, run) -> int:
    """The last try of a task of which one is given."""
    same = [each.run for each in placements if each.run.task == run.task]
    return max(each.try_number for each in same if each.map_index == run.map_index)


def test_a_scheduler_that_is_killed_loses_nothing_and_doubles_nothing(fleet):
    """Another scheduler adopts what runs from the cluster that has it; the rest is queued anew."""
    fleet.api.trigger("crash", "k1")
    fleet.wait_for("tasks on all workers", lambda: len(fleet.ledger("crash")) == 4, timeout_s=60)
    fleet.stage.kill_scheduler()
    assert "success" == fleet.api.wait("crash", "k1", timeout_s=200)
    starts = Counter(words[1] for words in fleet.ledger("crash") if words[0] == "start")
    ends = Counter(words[1] for words in fleet.ledger("crash") if words[0] == "end")
    everybody = Counter(f"on_{group}[{index}]" for group in GROUPS for index in range(4))
    assert everybody == starts
    assert everybody == ends
    assert all(words[1].startswith(f"on_{words[3]}[") for words in fleet.ledger("crash"))
    running = {words[1] for words in fleet.ledger("crash")[:4]}
    first_try = {words[1] for words in fleet.ledger("crash") if words[2] == "1"}
    assert running <= first_try


def test_tasks_that_wait_on_a_frozen_cluster_run_elsewhere_and_never_twice(fleet):
    """Queued ones move within seconds, running ones are waited for, stale messages are void."""
    fleet.api.trigger("freeze", "f1")
    fleet.wait_for("two tasks to start", lambda: len(fleet.ledger("freeze")) == 2, timeout_s=60)
    assert {"onprem"} == {words[3] for words in fleet.ledger("freeze")}
    frozen = members(fleet, "onprem")
    for process in frozen:
        process.suspend()
    try:
        fleet.wait_for(
            "waiting tasks to start elsewhere",
            lambda: sum(words[3] == "aws" for words in fleet.ledger("freeze")) >= 2,
            timeout_s=15,
        )
        failed_at = fleet.installation.store.health()["onprem"].observed_at.timestamp()
        moved_at = [float(words[5]) for words in fleet.ledger("freeze") if words[3] == "aws"]
        # As many as there are workers elsewhere; the others wait for these.
        assert sorted(moved_at)[1] - failed_at < 5.0
        fleet.wait_for(
            "four tasks to end elsewhere",
            lambda: sum(words[0] == "end" for words in fleet.ledger("freeze")) >= 4,
            timeout_s=60,
        )
    finally:
        for process in frozen:
            os.kill(process.pid, signal.SIGCONT)
    assert "success" == fleet.api.wait("freeze", "f1", timeout_s=120)
    starts = Counter(words[1] for words in fleet.ledger("freeze") if words[0] == "start")
    ends = Counter(words[1] for words in fleet.ledger("freeze") if words[0] == "end")
    assert Counter(f"slow[{index}]" for index in range(6)) == starts
    assert starts == ends
    assert Counter({"aws": 4, "onprem": 2}) == Counter(
        words[3] for words in fleet.ledger("freeze") if words[0] == "end"
    )


def test_a_broker_that_hangs_holds_up_nobody_and_doubles_nothing(fleet):
    """No call to it returns, and the scheduler goes on; tasks run once it is back, each once."""
    before = len(fleet.ledger("freeze"))
    fleet.api.trigger("freeze", "b1")
    fleet.wait_for("a first task", lambda: len(fleet.ledger("freeze")) > before, timeout_s=60)
    with fleet.frozen("redis"):
        health = []
        for _ in range(15):
            health.append(fleet.api.healthy())
            time.sleep(1)
        states = fleet.installation.store.health()
    # Airflow calls a scheduler healthy that has gone round its loop within six seconds here: one
    # that waited for its broker would be so for six of these seconds.
    assert 10 < sum(health)
    assert {"unreachable"} == {states[group].state.value for group in GROUPS}
    assert "success" == fleet.api.wait("freeze", "b1", timeout_s=180)
    everybody = {(word, f"slow[{index}]") for word in ("start", "end") for index in range(6)}
    assert Counter(everybody) == fleet.counted("freeze", since=before)


def test_two_schedulers_share_the_work_and_one_inherits_from_the_other(fleet):
    """Each task runs once, whoever queued it; what the dead one had, the other one adopts."""
    before = len(fleet.ledger("crash"))
    fleet.stage.start_beside("scheduler-2", fleet.stage.command("scheduler"))
    second = fleet.stage.config.home / "logs" / "scheduler-2.log"
    fleet.wait_for(
        "the second scheduler", lambda: "executor is ready" in second.read_text(), timeout_s=90
    )
    fleet.api.trigger("crash", "s1")
    fleet.wait_for(
        "tasks on all workers", lambda: len(fleet.ledger("crash")) == before + 4, timeout_s=60
    )
    fleet.stage.kill("scheduler")
    assert "success" == fleet.api.wait("crash", "s1", timeout_s=200)
    tasks = {f"on_{group}[{index}]" for group in GROUPS for index in range(4)}
    everybody = {(word, task) for word in ("start", "end") for task in tasks}
    assert Counter(everybody) == fleet.counted("crash", since=before)
