"""
The batch services of Google Cloud and Azure under a real scheduler that gets killed.

Each of two clusters is a stand-in over real HTTP whose jobs are processes that run the task; the SDK is
the cloud's own.
"""

import json
import subprocess
import sys
from collections import Counter

import httpx
import pytest

from aiops_provider.domain.execution import Outcome
from aiops_provider.domain.task import TaskKey

pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("default")]

NAMES = ("netherlands", "brazil")
AIOPS = [sys.executable, "-m", "aiops_provider.cli.app"]


def test_every_task_runs_on_its_cluster(fleet, cloud):
    """By default credentials, or by those of a connection."""
    assert "success" == fleet.run("everywhere", "r1")
    ran = {words[1]: words[3:5] for words in fleet.ledger("everywhere")}
    assert {
        "on_onprem[-1]": ["here", "onprem"],
        "on_batch-netherlands[-1]": [cloud.worker["netherlands"], "batch-netherlands"],
        "on_batch-brazil[-1]": [cloud.worker["brazil"], "batch-brazil"],
        "own[-1]": [cloud.worker["brazil"], "batch-brazil"],
    } == ran


def test_what_was_granted_is_asked_for_and_the_user_wins(fleet, cloud):
    """In the words of the cloud."""
    (job,) = cloud.jobs("netherlands", "everywhere")
    assert 1536 == cloud.memory(job)
    limits = {cloud.limit(job) for job in cloud.jobs("brazil", "everywhere")}
    assert limits in ({None, "3600s"}, {None, "PT1H"})


def test_the_bill_can_be_split(fleet, cloud):
    """By labels; where a cloud has none, a person can at least tell whose task it was."""
    (job,) = cloud.jobs("netherlands", "everywhere")
    if cloud.kind == "azure_batch":
        assert "everywhere/on_batch-netherlands/r1" == job["task"]["displayName"]
        return
    labels = job["job"]["labels"]
    assert job["job"]["allocationPolicy"]["labels"] == labels
    assert {
        "aiops-cluster": "batch-netherlands",
        "aiops-dag": "everywhere",
        "aiops-run": "r1",
        "aiops-task": "on_batch-netherlands",
        "aiops_cluster": "batch-netherlands",
        "aiops_epoch": "1",
        "aiops_pool": "plain",
        "cost": "ml",
    } == {key: value for key, value in labels.items() if key != "aiops_ti_id"}


def test_no_token_is_in_a_command_or_a_log(fleet, cloud):
    """Airflow writes the workload into the log of its container; what hides it is not undone."""
    job = cloud.jobs("brazil", "everywhere")[0]
    token = json.loads(cloud.variables_of(job)["AIOPS_WORKLOAD"])["token"]
    assert token in json.dumps(job)
    assert token not in json.dumps(job).replace(token, "", 1)
    for file in (fleet.stage.home / "logs").rglob("*.log"):
        said = file.read_text(errors="replace")
        assert token not in said, file
        assert "AIOPS_TOKEN" not in said, file


def test_a_cluster_is_checked_from_within(fleet, cloud):
    """The task runs there, and what it finds there is told from here."""
    answer = subprocess.run(
        [*AIOPS, "clusters", "check", "batch-brazil", "--output", "json"],
        env={**fleet.stage.environment, "AIOPS__STORE": fleet.stage.config.database_url},
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )
    found = json.loads(answer.stdout[answer.stdout.index("{") :])
    verdicts = {each["check"]: each["verdict"] for each in found["findings"]}
    assert {"ok"} == set(verdicts.values()), answer.stdout + answer.stderr
    assert {"execution API", "place", "XCom backend", "task log"} <= verdicts.keys()
    assert "aiops_cluster_check" in {cloud.dag_of(job) for job in cloud.all_jobs("brazil")}


def test_a_sensor_that_is_rescheduled_gets_a_job_for_each_look(fleet, cloud):
    """Although the try, and Airflow's id of it, stay the same: a job of that id would be there."""
    assert "success" == fleet.run("again", "a1")
    assert [["looked", "look[-1]", "1"]] * 2 == [words[:3] for words in fleet.ledger("again")]
    assert 2 == len({id_of(job) for job in cloud.jobs("brazil", "again")})


def test_a_task_that_fails_by_itself_fails(fleet, cloud):
    """Once, and by its own words."""
    assert "failed" == fleet.run("broken", "b1")
    assert Counter({("start", "divide[-1]"): 1}) == fleet.counted("broken")
    store = fleet.installation.store
    key = TaskKey("broken", "divide")
    fleet.wait_for("its record", lambda: bool(store.executions(key)), timeout_s=30)
    assert [Outcome.FAILED] == [each.outcome for each in store.executions(key)]


def test_a_container_killed_for_memory_gets_more_at_once(fleet, cloud):
    """Exit code 137 is understood, and the next try is bigger."""
    assert "success" == fleet.run("greedy", "g1")
    store = fleet.installation.store
    for name in NAMES:
        key = TaskKey("greedy", f"on_batch-{name}")
        fleet.wait_for("both tries", lambda key=key: len(store.executions(key)) == 2, timeout_s=30)
        first, second = sorted(store.executions(key), key=lambda each: each.run.try_number)
        assert [Outcome.OUT_OF_MEMORY, Outcome.SUCCESS] == [first.outcome, second.outcome]
        less, more = cloud.jobs(name, "greedy")
        assert cloud.memory(more) > cloud.memory(less)


def test_a_job_that_gets_no_machine_runs_elsewhere(fleet, cloud):
    """At no cost of a retry; what waited is cancelled."""
    assert "success" == fleet.run("scarce", "a1")
    (words,) = fleet.ledger("scarce")
    assert (["ran", "train[-1]", "1"], "batch-brazil") == (words[:3], words[4])
    (waited,), (ran,) = (cloud.jobs(name, "scarce") for name in NAMES)
    assert cloud.machine(waited) == cloud.machine(ran)
    assert cloud.machine(ran).startswith("n2")
    placed = fleet.installation.store.placements(run_id="a1")
    reasons = [str(each.route.reason) for each in placed if each.cluster == "batch-brazil"]
    assert any("it has not started within 4 s" in reason for reason in reasons), reasons


def test_a_spot_machine_that_is_taken_back_is_no_fault_of_the_task(fleet, cloud):
    """The place is blamed, and the next try goes elsewhere."""
    fleet.api.trigger("spot", "p1")
    fleet.wait_for("it to start", lambda: bool(fleet.ledger("spot")), timeout_s=60)
    (job,) = cloud.jobs("netherlands", "spot")
    address = f"{cloud.urls['netherlands']}/stand-in/preempt/{id_of(job)}"
    assert httpx.post(address, timeout=5).is_success
    assert "success" == fleet.api.wait("spot", "p1", timeout_s=120)
    store, key = fleet.installation.store, TaskKey("spot", "slow")
    fleet.wait_for("both tries", lambda: len(store.executions(key)) == 2, timeout_s=30)
    first, second = sorted(store.executions(key), key=lambda each: each.run.try_number)
    assert [Outcome.CLUSTER_LOST, Outcome.SUCCESS] == [first.outcome, second.outcome]
    assert "was taken back" in first.message
    assert ["batch-netherlands", "batch-brazil"] == [first.cluster, second.cluster]


def test_a_scheduler_that_is_killed_loses_nothing_and_doubles_nothing(fleet, cloud):
    """Jobs are found again by what follows from their placements."""
    fleet.api.trigger("crash", "k1")
    fleet.wait_for("all tasks to start", lambda: len(fleet.ledger("crash")) == 4, timeout_s=90)
    fleet.stage.kill_scheduler()
    said = fleet.stage.home / "logs" / "scheduler.log"
    fleet.wait_for(
        "both clusters to adopt",
        lambda: said.read_text().count("2 of 2 tasks adopted") == len(NAMES),
        timeout_s=90,
    )
    assert "success" == fleet.api.wait("crash", "k1", timeout_s=200)
    everybody = {f"on_batch-{name}[{index}]" for name in NAMES for index in (0, 1)}
    assert Counter({(w, t) for w in ("start", "end") for t in everybody}) == fleet.counted("crash")
    assert {"1"} == {words[2] for words in fleet.ledger("crash")}
    assert {2} == {len(cloud.jobs(name, "crash")) for name in NAMES}


def test_a_cluster_that_answers_nobody_gets_no_tasks_and_loses_none(fleet, cloud):
    """What has not begun there runs elsewhere, what runs there is waited for."""
    fleet.api.trigger("freeze", "f0")
    fleet.wait_for("five tasks to start", lambda: started(fleet) == 5, timeout_s=90)
    assert {"batch-netherlands"} == {words[4] for words in fleet.ledger("freeze")}
    with fleet.frozen("netherlands"):
        fleet.api.trigger("freeze", "f1")
        fleet.wait_for("all to start elsewhere", lambda: started(fleet) == 10, timeout_s=60)
        assert fleet.api.healthy()
        places = {words[4] for words in fleet.ledger("freeze") if words[0] == "start"}
        assert {"batch-netherlands", "batch-brazil"} == places
        assert "success" == fleet.api.wait("freeze", "f1", timeout_s=120)
    assert "success" == fleet.api.wait("freeze", "f0", timeout_s=120)
    words = fleet.counted("freeze")
    everybody = ["slow[-1]", *(f"late[{index}]" for index in range(4))]
    assert Counter({(w, t): 2 for w in ("start", "end") for t in everybody}) == words
    assert {"1"} == {words[2] for words in fleet.ledger("freeze")}


def started(fleet) -> int:
    return sum(words[0] == "start" for words in fleet.ledger("freeze"))


def test_a_running_task_is_read_and_stopped(fleet, cloud):
    """Its log comes from the cloud; once it is marked failed, its job ends."""
    fleet.api.trigger("stopped", "s1")
    fleet.wait_for("it to start", lambda: bool(fleet.ledger("stopped")), timeout_s=90)
    base = "/api/v2/dags/stopped/dagRuns/s1/taskInstances/endless"
    fleet.wait_for(
        "its log",
        lambda: "row count is seventeen" in str(fleet.api._get(f"{base}/logs/1")),
        timeout_s=30,
    )
    text = str(fleet.api._get(f"{base}/logs/1"))
    (job,) = cloud.jobs("brazil", "stopped")
    assert "batch-brazil: " in text
    assert id_of(job) in text
    answer = fleet.api._http.patch(base, json={"new_state": "failed"})
    assert answer.is_success, answer.text
    fleet.wait_for("its job to end", lambda: cloud.is_over("brazil", id_of(job)), timeout_s=60)
    assert 1 == len(fleet.ledger("stopped"))


def id_of(job: dict) -> str:
    return job["id"] if "id" in job else job["task"]["id"]
