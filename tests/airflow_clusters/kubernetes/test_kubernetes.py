"""
Two Kubernetes contexts in one scheduler, PostgreSQL, a scheduler that gets killed.

Each cluster is a stand-in over real HTTP whose pods are processes that run the task; the client and
the executor are the genuine ones.
"""

import os
import sys
from collections import Counter
from contextlib import suppress
from pathlib import Path

import psutil
import pytest

from aiops_provider.cli.demo.processes import free_port
from aiops_provider.domain.execution import Outcome
from aiops_provider.domain.task import TaskKey

pytest.importorskip(
    "airflow.providers.cncf.kubernetes",
    reason="the extra airflow-kubernetes is not installed: these tests did NOT run",
)

pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("default")]

DAGS = Path(__file__).with_name("dags")
SERVER = Path(__file__).parents[2] / "kubernetes_api" / "server.py"
CLUSTERS = {"eks-frankfurt": "frankfurt", "gke-brazil": "brazil"}
NODES = {"frankfurt": "node-1=2,12", "brazil": "node-1=8,24"}


@pytest.fixture(scope="module")
def fleet(open_fleet, tmp_path_factory, kubeconfig_of):
    ports = {name: free_port() for name in NODES}
    file = tmp_path_factory.mktemp("kubernetes") / "config"
    file.write_text(kubeconfig_of({n: f"http://127.0.0.1:{port}" for n, port in ports.items()}))
    variables = {
        "KUBECONFIG": str(file),
        # Pods start `python`: that of the tests' own environment.
        "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
    }

    def beside(stage):
        for name, port in ports.items():
            command = [sys.executable, str(SERVER), str(port), f"--node={NODES[name]}"]
            stage.start_beside(name, command)

    dags = ["everywhere", "greedy", "crash", "freeze", "stopped"]
    with open_fleet(DAGS, dags, variables=variables, beside=beside) as fleet:
        fleet.kubeconfig = file
        yield fleet


def pods(fleet, context: str, dag_id: str) -> list:
    """Of a DAG; those that failed are kept for whoever wants to look."""
    from kubernetes import client, config

    api = client.CoreV1Api(config.new_client_from_config(str(fleet.kubeconfig), context))
    return api.list_namespaced_pod("default", label_selector=f"dag_id={dag_id}").items


def test_every_task_runs_on_its_cluster(fleet):
    """Two contexts and a local pool in one scheduler."""
    assert "success" == fleet.run("everywhere", "r1")
    ran = {words[1]: words[3:5] for words in fleet.ledger("everywhere")}
    expected = {f"on_{name}[-1]": [where, name] for name, where in CLUSTERS.items()}
    assert {**expected, "on_onprem[-1]": ["here", "onprem"]} == ran


def test_pods_that_ended_are_deleted(fleet):
    """Each by the cluster that made it."""
    for context in NODES:
        no_pods(fleet, context, "everywhere")


def no_pods(fleet, context: str, dag_id: str) -> None:
    fleet.wait_for("no pods", lambda: not pods(fleet, context, dag_id), timeout_s=60)


def test_a_pod_killed_for_memory_gets_more_at_once(fleet):
    """OOMKilled is understood, and the next pod is bigger."""
    assert "success" == fleet.run("greedy", "g1")
    store = fleet.installation.store
    for name in CLUSTERS:
        key = TaskKey("greedy", f"on_{name}")
        fleet.wait_for("both tries", lambda key=key: len(store.executions(key)) == 2, timeout_s=30)
        first, second = sorted(store.executions(key), key=lambda each: each.run.try_number)
        assert [Outcome.OUT_OF_MEMORY, Outcome.SUCCESS] == [first.outcome, second.outcome]
        assert "OOMKilled" in first.message
        assert 137 == first.exit_code
    sizes = [p.route.request.memory_gib for p in store.placements(run_id="g1", limit=100)]
    assert min(sizes[: len(CLUSTERS)]) > max(sizes[len(CLUSTERS) :])


def test_no_token_and_no_failed_import_is_in_a_log(fleet):
    """Two clusters start at the same moment, and Airflow writes down what it sends."""
    for file in (fleet.stage.home / "logs").glob("*.log"):
        said = file.read_text(errors="replace")
        assert "AIOPS_TOKEN" not in said, file.name
        assert "ImportError" not in said, file.name


def test_a_scheduler_that_is_killed_loses_nothing_and_doubles_nothing(fleet):
    """Its heir adopts each pod from the cluster that has it, and none of its processes stays."""
    fleet.api.trigger("crash", "k1")
    fleet.wait_for("all tasks to start", lambda: len(fleet.ledger("crash")) == 4, timeout_s=90)
    old = psutil.Process(fleet.stage.scheduler_pid).children(recursive=True)
    fleet.stage.kill_scheduler()
    fleet.wait_for("its processes to end", lambda: not alive(old), timeout_s=20)
    said = fleet.stage.home / "logs" / "scheduler.log"
    fleet.wait_for(
        "both clusters to adopt",
        lambda: said.read_text().count("2 of 2 tasks adopted") == len(CLUSTERS),
        timeout_s=90,
    )
    assert "success" == fleet.api.wait("crash", "k1", timeout_s=200)
    everybody = {f"on_{name}[{index}]" for name in CLUSTERS for index in (0, 1)}
    assert Counter({(w, t) for w in ("start", "end") for t in everybody}) == fleet.counted("crash")
    assert {"1"} == {words[2] for words in fleet.ledger("crash")}
    for context in NODES:
        no_pods(fleet, context, "crash")


def test_tasks_that_wait_on_a_frozen_cluster_run_elsewhere_and_never_twice(fleet):
    """Pending pods are void within seconds, running ones are waited for."""
    fleet.api.trigger("freeze", "f1")
    fleet.wait_for("two tasks to start", lambda: len(fleet.ledger("freeze")) == 2, timeout_s=90)
    assert {"eks-frankfurt"} == {words[4] for words in fleet.ledger("freeze")}
    with fleet.frozen("frankfurt"):
        fleet.wait_for(
            "the others to start elsewhere",
            lambda: sum(words[0] == "start" for words in fleet.ledger("freeze")) == 6,
            timeout_s=60,
        )
        failed_at = fleet.installation.store.health()["eks-frankfurt"].observed_at.timestamp()
        assert fleet.api.healthy()
    assert "success" == fleet.api.wait("freeze", "f1", timeout_s=120)
    words = fleet.counted("freeze")
    assert Counter({(w, f"slow[{i}]") for w in ("start", "end") for i in range(6)}) == words
    placed = fleet.installation.store.placements(run_id="f1", limit=100)
    moved = [each.placed_at.timestamp() for each in placed if each.cluster != "eks-frankfurt"]
    assert 4 == len(moved)
    assert max(moved) - failed_at < 5.0
    # What was pending there must not run, now that there is room; it is cleared away.
    no_pods(fleet, "frankfurt", "freeze")
    assert words == fleet.counted("freeze")


def test_a_running_task_is_read_and_stopped(fleet):
    """Its log comes from its pod; once it is marked failed, the pod ends."""
    fleet.api.trigger("stopped", "s1")
    fleet.wait_for("it to start", lambda: bool(fleet.ledger("stopped")), timeout_s=90)
    base = "/api/v2/dags/stopped/dagRuns/s1/taskInstances/endless"
    text = str(fleet.api._get(f"{base}/logs/1"))
    assert "gke-brazil: pod default/" in text
    assert "the row count is seventeen" in text
    answer = fleet.api._http.patch(base, json={"new_state": "failed"})
    assert answer.is_success, answer.text
    fleet.wait_for("its pod to end", lambda: not running(fleet), timeout_s=60)
    assert 1 == len(fleet.ledger("stopped"))


def alive(processes: list) -> list:
    """Those that live, without the server of logs, which Airflow starts and leaves behind itself."""
    found = []
    for process in processes:
        with suppress(psutil.NoSuchProcess):
            gone = process.status() == psutil.STATUS_ZOMBIE
            if not gone and "serve-logs" not in " ".join(process.cmdline()):
                found.append(process)
    return found


def running(fleet) -> list:
    return [pod for pod in pods(fleet, "brazil", "stopped") if pod.status.phase == "Running"]
