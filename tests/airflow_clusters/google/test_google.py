"""
Google Cloud Batch in two regions under a real scheduler that gets killed.

Each region is a stand-in over real HTTP whose jobs are processes that run the task; the SDK is Google's.
"""

import json
import os
import signal
import sys
from collections import Counter
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest

from aiops_provider.cli.demo.processes import free_port
from aiops_provider.clusters.google_batch.client import GoogleBatchClient
from aiops_provider.clusters.remote_jobs import RemoteJobStage
from aiops_provider.domain.cluster import ClusterSpec
from aiops_provider.domain.execution import Outcome
from aiops_provider.domain.task import TaskKey

pytest.importorskip(
    "google.cloud.batch_v1", reason="the extra gcp is not installed: these tests did NOT run"
)

pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("default")]

DAGS = Path(__file__).with_name("dags")
CLOUDS = Path(__file__).parents[2] / "clouds"
REGIONS = {"netherlands": "europe-west4", "brazil": "southamerica-east1"}
DAG_IDS = ["everywhere", "broken", "greedy", "scarce", "spot", "crash", "freeze", "stopped"]


@pytest.fixture(scope="module")
def fleet(open_fleet, tmp_path_factory):
    sys.path.insert(0, str(CLOUDS))
    from google_key import write_key

    folder = tmp_path_factory.mktemp("google")
    urls = {name: f"http://127.0.0.1:{free_port()}" for name in REGIONS}
    keys = {name: write_key(folder / f"{name}.json", f"{urls[name]}/token") for name in REGIONS}
    connection = {
        "conn_type": "google_cloud_platform",
        "extra": {"keyfile_dict": keys["brazil"].read_text()},
    }
    variables = {
        "GOOGLE_APPLICATION_CREDENTIALS": str(keys["netherlands"]),
        "AIRFLOW_CONN_GOOGLE_BRAZIL": json.dumps(connection),
        # Jobs start `python`: that of the tests' own environment.
        "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
    }

    def beside(stage):
        config = stage.aiops_config.read_text()
        for name, url in urls.items():
            given = [url.rpartition(":")[2], str(keys[name]), str(folder / f"{name}.asked")]
            if name == "netherlands":
                given += ["--out-of-stock", "n2-highmem-8"]
            command = [sys.executable, str(CLOUDS / "google_batch_server.py"), *given]
            stage.start_beside(name, command)
            config = config.replace(f"address-of-{name}", url)
        stage.aiops_config.write_text(config)

    with open_fleet(DAGS, DAG_IDS, variables=variables, beside=beside) as fleet:
        fleet.folder, fleet.urls = folder, urls
        yield fleet


def asked(fleet, name: str, dag_id: str) -> list[dict]:
    """The jobs of a DAG that a region was asked for, oldest first."""
    file = fleet.folder / f"{name}.asked"
    said = [json.loads(line) for line in file.read_text().splitlines()] if file.exists() else []
    return [each for each in said if each["job"]["labels"].get("aiops-dag") == dag_id]


def task_of(job: dict) -> dict:
    return job["job"]["taskGroups"][0]["taskSpec"]


@contextmanager
def frozen(fleet, name: str):
    """A region of which no request gets an answer; its jobs go on."""
    server = fleet.stage.pid(name)
    os.kill(server, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(server, signal.SIGCONT)


def counted(fleet, name: str, since: int = 0) -> Counter:
    return Counter((words[0], words[1]) for words in fleet.ledger(name)[since:])


def test_every_task_runs_in_its_region(fleet):
    """By default credentials, and by those of a connection."""
    assert "success" == fleet.run("everywhere", "r1")
    ran = {words[1]: words[3:] for words in fleet.ledger("everywhere")}
    assert {
        "on_onprem[-1]": ["here", "onprem"],
        "on_batch-netherlands[-1]": ["google-europe-west4", "batch-netherlands"],
        "on_batch-brazil[-1]": ["google-southamerica-east1", "batch-brazil"],
        "own[-1]": ["google-southamerica-east1", "batch-brazil"],
    } == ran


def test_what_was_granted_is_asked_for_and_the_user_wins(fleet):
    """Machines, labels for the bill, and the words of a task's author over ours."""
    (job,) = asked(fleet, "netherlands", "everywhere")
    assert {"cpuMilli": "500", "memoryMib": "1536"} == task_of(job)["computeResource"]
    policy = job["job"]["allocationPolicy"]
    assert ["regions/europe-west4"] == policy["location"]["allowedLocations"]
    spot = 2  # of ProvisioningModel
    assert {"provisioningModel": spot} == policy["instances"][0]["policy"]
    labels = job["job"]["labels"]
    assert policy["labels"] == labels
    assert {
        "aiops-cluster": "batch-netherlands",
        "aiops-dag": "everywhere",
        "aiops-run": "r1",
        "aiops-task": "on_batch-netherlands",
        "aiops_cluster": "batch-netherlands",
        "aiops_epoch": "1",
        "aiops_pool": "plain",
        "cost_centre": "ml",
    } == {key: value for key, value in labels.items() if key != "aiops_ti_id"}
    sizes = {
        task_of(job)["computeResource"]["memoryMib"] for job in asked(fleet, "brazil", "everywhere")
    }
    assert {"1536", "3072"} == sizes
    limits = {task_of(job).get("maxRunDuration") for job in asked(fleet, "brazil", "everywhere")}
    assert {None, "3600s"} == limits


def test_no_token_is_in_a_command_or_a_log(fleet):
    """Airflow writes the workload into the log of its container; what hides it is not undone."""
    job = asked(fleet, "brazil", "everywhere")[0]
    workload = task_of(job)["environment"]["variables"]["AIOPS_WORKLOAD"]
    token = json.loads(workload)["token"]
    assert token not in str(task_of(job)["runnables"])
    for file in (fleet.stage.home / "logs").rglob("*.log"):
        said = file.read_text(errors="replace")
        assert token not in said, file
        assert "AIOPS_TOKEN" not in said, file


def test_a_task_that_fails_by_itself_fails(fleet):
    """Once, and its cluster is not blamed."""
    assert "failed" == fleet.run("broken", "b1")
    assert Counter({("start", "divide[-1]"): 1}) == counted(fleet, "broken")
    store = fleet.installation.store
    key = TaskKey("broken", "divide")
    fleet.wait_for("its record", lambda: bool(store.executions(key)), timeout_s=30)
    assert [Outcome.FAILED] == [each.outcome for each in store.executions(key)]


def test_a_container_killed_for_memory_gets_more_at_once(fleet):
    """Exit code 137 is understood, and the next try is bigger."""
    assert "success" == fleet.run("greedy", "g1")
    store = fleet.installation.store
    for name in REGIONS:
        key = TaskKey("greedy", f"on_batch-{name}")
        fleet.wait_for("both tries", lambda key=key: len(store.executions(key)) == 2, timeout_s=30)
        first, second = sorted(store.executions(key), key=lambda each: each.run.try_number)
        assert [Outcome.OUT_OF_MEMORY, Outcome.SUCCESS] == [first.outcome, second.outcome]
        less, more = asked(fleet, name, "greedy")
        assert memory(more) > memory(less)


def memory(job: dict) -> int:
    return int(task_of(job)["computeResource"]["memoryMib"])


def test_a_job_that_gets_no_machine_runs_elsewhere(fleet):
    """At no cost of a retry; what waited is cancelled."""
    assert "success" == fleet.run("scarce", "a1")
    assert [["ran", "train[-1]", "1", "google-southamerica-east1", "batch-brazil"]] == fleet.ledger(
        "scarce"
    )
    for name in REGIONS:
        (job,) = asked(fleet, name, "scarce")
        machines = job["job"]["allocationPolicy"]["instances"][0]["policy"]
        assert "n2-highmem-8" == machines["machineType"]
    placed = fleet.installation.store.placements(run_id="a1")
    reasons = [str(each.route.reason) for each in placed if each.cluster == "batch-brazil"]
    assert any("it has not started within 4 s" in reason for reason in reasons), reasons


def test_a_spot_machine_that_is_taken_back_is_no_fault_of_the_task(fleet):
    """The place is blamed, and the next try goes elsewhere."""
    fleet.api.trigger("spot", "p1")
    fleet.wait_for("it to start", lambda: bool(fleet.ledger("spot")), timeout_s=60)
    (job,) = asked(fleet, "netherlands", "spot")
    address = f"{fleet.urls['netherlands']}/stand-in/preempt/{job['id']}"
    assert httpx.post(address, timeout=5).is_success
    assert "success" == fleet.api.wait("spot", "p1", timeout_s=120)
    store, key = fleet.installation.store, TaskKey("spot", "slow")
    fleet.wait_for("both tries", lambda: len(store.executions(key)) == 2, timeout_s=30)
    first, second = sorted(store.executions(key), key=lambda each: each.run.try_number)
    assert [Outcome.CLUSTER_LOST, Outcome.SUCCESS] == [first.outcome, second.outcome]
    assert "spot machine was taken back (exit code 50001)" in first.message
    assert ["batch-netherlands", "batch-brazil"] == [first.cluster, second.cluster]


def test_a_scheduler_that_is_killed_loses_nothing_and_doubles_nothing(fleet):
    """Jobs are found again by what follows from their placements."""
    fleet.api.trigger("crash", "k1")
    fleet.wait_for("all tasks to start", lambda: len(fleet.ledger("crash")) == 4, timeout_s=90)
    fleet.stage.kill_scheduler()
    said = fleet.stage.home / "logs" / "scheduler.log"
    fleet.wait_for(
        "both regions to adopt",
        lambda: said.read_text().count("2 of 2 tasks adopted") == len(REGIONS),
        timeout_s=90,
    )
    assert "success" == fleet.api.wait("crash", "k1", timeout_s=120)
    everybody = {f"on_batch-{name}[{index}]" for name in REGIONS for index in (0, 1)}
    assert Counter({(w, t) for w in ("start", "end") for t in everybody}) == counted(fleet, "crash")
    assert {"1"} == {words[2] for words in fleet.ledger("crash")}
    assert {2} == {len(asked(fleet, name, "crash")) for name in REGIONS}


def test_a_region_that_answers_nobody_gets_no_tasks_and_loses_none(fleet):
    """What has not begun there runs elsewhere, what runs there is waited for."""
    fleet.api.trigger("freeze", "f0")
    fleet.wait_for("five tasks to start", lambda: started(fleet) == 5, timeout_s=90)
    assert {"batch-netherlands"} == {words[4] for words in fleet.ledger("freeze")}
    with frozen(fleet, "netherlands"):
        fleet.api.trigger("freeze", "f1")
        fleet.wait_for("all to start elsewhere", lambda: started(fleet) == 10, timeout_s=60)
        assert fleet.api.healthy()
        places = {words[4] for words in fleet.ledger("freeze") if words[0] == "start"}
        assert {"batch-netherlands", "batch-brazil"} == places
        assert "success" == fleet.api.wait("freeze", "f1", timeout_s=120)
    assert "success" == fleet.api.wait("freeze", "f0", timeout_s=120)
    words = Counter((words[0], words[1]) for words in fleet.ledger("freeze"))
    everybody = ["slow[-1]", *(f"late[{index}]" for index in range(4))]
    assert Counter({(w, t): 2 for w in ("start", "end") for t in everybody}) == words
    assert {"1"} == {words[2] for words in fleet.ledger("freeze")}


def started(fleet) -> int:
    return sum(words[0] == "start" for words in fleet.ledger("freeze"))


def test_a_running_task_is_read_and_stopped(fleet):
    """Its log comes from Cloud Logging; once it is marked failed, its job ends."""
    fleet.api.trigger("stopped", "s1")
    fleet.wait_for("it to start", lambda: bool(fleet.ledger("stopped")), timeout_s=90)
    base = "/api/v2/dags/stopped/dagRuns/s1/taskInstances/endless"
    fleet.wait_for(
        "its log",
        lambda: "row count is seventeen" in str(fleet.api._get(f"{base}/logs/1")),
        timeout_s=30,
    )
    text = str(fleet.api._get(f"{base}/logs/1"))
    assert "batch-brazil: Google Batch job aiops-" in text
    answer = fleet.api._http.patch(base, json={"new_state": "failed"})
    assert answer.is_success, answer.text
    (job,) = asked(fleet, "brazil", "stopped")
    fleet.wait_for("its job to end", lambda: is_over(fleet, job["id"]), timeout_s=60)
    assert 1 == len(fleet.ledger("stopped"))


def is_over(fleet, job_id: str) -> bool:
    key = json.loads((fleet.folder / "brazil.json").read_text())
    options = {"project": "aiops-test", "image": "i", "endpoint": fleet.urls["brazil"]}
    spec = ClusterSpec(
        name="batch-brazil",
        kind="google_batch",
        provider="google_cloud",
        region=REGIONS["brazil"],
        pools=(),
        options=options,
    )
    client = GoogleBatchClient(spec, timeout_s=5, secret=key)
    status = client.poll([job_id], within_s=5)[job_id]
    client.close()
    return status is not None and status.stage is RemoteJobStage.ENDED
