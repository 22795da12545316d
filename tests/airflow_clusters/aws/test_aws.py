"""AWS Batch in two regions and ECS as clusters, over HTTP; jobs are processes that run the task."""

import json
import os
import sys
import time
from collections import Counter
from pathlib import Path

import pytest

from aiops_provider.cli.demo.processes import free_port
from aiops_provider.domain.execution import Outcome
from aiops_provider.domain.task import TaskKey

pytest.importorskip("moto", reason="moto is not installed: these tests did NOT run")

pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("default")]

HERE = Path(__file__).parent
CLOUD = {
    "batch-frankfurt": "batch-eu-central-1",
    "batch-brazil": "batch-sa-east-1",
    "ecs-brazil": "ecs-sa-east-1",
}


@pytest.fixture(scope="module")
def fleet(open_fleet, tmp_path_factory):
    port, asked = free_port(), tmp_path_factory.mktemp("aws") / "asked"
    variables = {
        "AWS_ENDPOINT_URL": f"http://127.0.0.1:{port}",
        "AWS_ACCESS_KEY_ID": "nobody",
        "AWS_SECRET_ACCESS_KEY": "nothing",
        "AWS_EC2_METADATA_DISABLED": "true",
        "AWS_LEDGER": str(asked),
        # The job definitions start `python`: that of the tests' own environment.
        "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
    }

    def beside(stage):
        stage.start_beside("aws", [sys.executable, str(HERE / "moto_processes.py"), str(port)])
        network, deadline = asked.with_suffix(".network"), time.monotonic() + 60
        while not network.exists():
            assert time.monotonic() < deadline, stage.config.home
            stage.check()
            time.sleep(0.1)
        config = stage.aiops_config.read_text()
        for placeholder, name in json.loads(network.read_text()).items():
            config = config.replace(placeholder, name)
        stage.aiops_config.write_text(config)

    dags = ["everywhere", "greedy", "crash", "nearby"]
    with open_fleet(HERE / "dags", dags, variables=variables, beside=beside) as fleet:
        fleet.asked = asked
        yield fleet


def asked(fleet) -> list[dict]:
    return [json.loads(line) for line in fleet.asked.read_text().splitlines()]


def requirements(job: dict) -> dict[str, str]:
    overrides = job["overrides"]
    if job["service"] == "ecs":
        return {"VCPU": overrides["cpu"], "MEMORY": overrides["memory"]}
    return {each["type"]: each["value"] for each in overrides["resourceRequirements"]}


def test_every_task_runs_on_its_cluster(fleet):
    """Two regions of one service and another service beside them, in one scheduler."""
    assert "success" == fleet.run("everywhere", "r1")
    ran = {words[1]: words[3:5] for words in fleet.ledger("everywhere")}
    assert {
        **{f"on_{name}[-1]": [machine, name] for name, machine in CLOUD.items()},
        "on_onprem[-1]": ["here", "onprem"],
        "own[-1]": ["batch-eu-central-1", "batch-frankfurt"],
    } == ran


def test_no_token_is_written_to_a_containers_log(fleet):
    """Airflow writes the workload there; what a task is told about itself is not in it."""
    said = (fleet.stage.home / "logs" / "aws.log").read_text()
    assert "Executing workload" in said
    assert "AIOPS_TOKEN" not in said


def test_what_was_granted_is_asked_for_and_the_user_wins(fleet):
    """Half a core is a whole one on EC2, half a one on Fargate; 1.5 GiB is 2 GiB there."""
    found = Counter(tuple(sorted(requirements(job).items())) for job in asked(fleet))
    expected = [
        {"VCPU": "1", "MEMORY": "1536"},
        {"VCPU": "1", "MEMORY": "3072"},
        {"VCPU": "0.5", "MEMORY": "2048"},
        {"VCPU": "512", "MEMORY": "2048"},
    ]
    assert Counter(tuple(sorted(each.items())) for each in expected) == found


def test_a_container_killed_for_memory_gets_more_at_once(fleet):
    """The cluster's last words are understood, and the next try is bigger."""
    before = len(asked(fleet))
    assert "success" == fleet.run("greedy", "g1")
    tries = asked(fleet)[before:]
    assert 2 * len(CLOUD) == len(tries)
    store = fleet.installation.store
    for name in CLOUD:
        key = TaskKey("greedy", f"on_{name}")
        fleet.wait_for("both tries", lambda key=key: len(store.executions(key)) == 2, timeout_s=30)
        first, second = sorted(store.executions(key), key=lambda each: each.run.try_number)
        assert [Outcome.OUT_OF_MEMORY, Outcome.SUCCESS] == [first.outcome, second.outcome]
        assert 137 == first.exit_code
    first, second = tries[: len(CLOUD)], tries[len(CLOUD) :]
    assert all(memory(more) > memory(less) for less, more in pairs(first, second))


def pairs(first: list[dict], second: list[dict]) -> list[tuple[dict, dict]]:
    """The two tries of each task; the smallest of the first size got the smallest of the second."""
    by_size = sorted(first, key=memory), sorted(second, key=memory)
    return list(zip(*by_size, strict=True))


def memory(job: dict) -> int:
    return int(requirements(job)["MEMORY"])


def test_a_scheduler_that_is_killed_loses_nothing_and_doubles_nothing(fleet):
    """Jobs are found again by their ids, each on the cluster that has it."""
    before = len(asked(fleet))
    fleet.api.trigger("crash", "k1")
    fleet.wait_for("all tasks to start", lambda: len(fleet.ledger("crash")) == 3, timeout_s=60)
    fleet.stage.kill_scheduler()
    assert "success" == fleet.api.wait("crash", "k1", timeout_s=120)
    everybody = {(word, f"on_{name}[-1]") for word in ("start", "end") for name in CLOUD}
    assert Counter(everybody) == fleet.counted("crash")
    assert {"1"} == {words[2] for words in fleet.ledger("crash")}
    assert 3 == len(asked(fleet)) - before


def test_a_cloud_that_hangs_holds_up_nobody_else(fleet):
    """The scheduler goes on while no call to the cloud returns; what runs there is waited for."""
    before = len(fleet.ledger("crash"))
    fleet.api.trigger("crash", "h1")
    fleet.wait_for(
        "all tasks to start", lambda: len(fleet.ledger("crash")) == before + 3, timeout_s=60
    )
    with fleet.frozen("aws"):
        assert "success" == fleet.run("nearby", "n1", timeout_s=15)
    assert "success" == fleet.api.wait("crash", "h1", timeout_s=120)
    words = fleet.counted("crash", since=before)
    assert {1} == set(words.values())
    assert 6 == len(words)
