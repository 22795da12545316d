"""The executor under Airflow's real scheduler, counted from side effects and not from states."""

import os
import signal
import time
from datetime import datetime

import httpx
import psutil
import pytest

from aiops_provider.cli.demo.airflow_config import USER
from aiops_provider.control.tokens import issue_token
from aiops_provider.domain.cluster import HealthState
from aiops_provider.domain.execution import Outcome
from aiops_provider.domain.plan import Mode
from aiops_provider.domain.task import TaskKey
from aiops_provider.domain.units import utc_now

pytestmark = [
    pytest.mark.slow,
    # Airflow's own processes are not ours to clean of warnings.
    pytest.mark.filterwarnings("default"),
]


@pytest.fixture(scope="module")
def everyday(airflow):
    """One run that most tests look at."""
    assert "success" == airflow.run("everyday", "r1", timeout_s=180)
    return airflow


def records(airflow, task: str, *, at_least: int = 1) -> list:
    deadline = time.monotonic() + 30
    while True:
        found = airflow.installation.store.executions(TaskKey("everyday", task))
        if len(found) >= at_least or time.monotonic() > deadline:
            return sorted(found, key=lambda each: (each.run.map_index, each.run.try_number))
        time.sleep(0.5)


def test_every_mapped_task_ran_once(everyday):
    """None is lost, none is run twice."""
    indices = sorted(line.split()[0] for line in everyday.ledger("work"))
    assert [str(index) for index in range(6)] == indices


def test_mapped_tasks_spread_over_the_clusters(everyday):
    """Two cores on premises do not hold six tasks."""
    assert {"onprem", "aws"} == {line.split()[1] for line in everyday.ledger("work")}


def test_a_branch_is_followed(everyday):
    """Branching works as with the stock executor."""
    assert ["taken"] == [line.split()[0] for line in everyday.ledger("branch")]


def test_a_retry_runs_elsewhere(everyday):
    """The second try avoids the cluster of the first."""
    first, second = everyday.ledger("fails_once")
    assert ["1", "2"] == [first.split()[0], second.split()[0]]
    assert first.split()[1] != second.split()[1]


def test_both_tries_are_learned_from(everyday):
    """A failure is a failure although the process ended well; usage is measured."""
    failed, succeeded = records(everyday, "fails_once", at_least=2)
    assert (Outcome.FAILED, "ValueError") == (failed.outcome, failed.message)
    assert Outcome.SUCCESS is succeeded.outcome
    assert succeeded.usage.peak_memory_gib > 0
    assert succeeded.usage.cpu_seconds > 0
    assert "_PythonDecoratedOperator" == succeeded.operator


def test_a_task_above_its_request_is_killed_and_succeeds_with_more(everyday):
    """Running out of memory is its own outcome, and the next try is bigger at once."""
    tries = records(everyday, "greedy", at_least=2)
    assert Outcome.OUT_OF_MEMORY is tries[0].outcome
    assert 137 == tries[0].exit_code
    assert Outcome.SUCCESS is tries[-1].outcome
    sizes = [each.request.memory_gib for each in tries]
    assert sizes == sorted(set(sizes))
    assert 1 == len(everyday.ledger("greedy"))


def test_every_try_has_a_placement_with_a_reason(everyday):
    """Written in the scheduler's own transaction, one row an epoch."""
    placed = everyday.installation.store.placements(task=TaskKey("everyday", "work"), limit=100)
    assert 6 == len({each.run for each in placed})
    assert all(each.route.reason.sentence for each in placed)
    assert all(each.applied for each in placed)


def test_what_a_task_reports_arrives(everyday):
    """KPIs travel over the API that the plugin mounts, with the token of their try."""
    store = everyday.installation.store
    deadline = time.monotonic() + 20
    samples = []
    while not samples and time.monotonic() < deadline:
        found, _ = store.samples_after(0, 10_000)
        samples = [each for each in found if each.name == "row_count"]
        time.sleep(0.5)
    assert {17.0} == {each.value for each in samples}
    assert "everyday" == samples[0].dimensions["dag"]
    assert {"onprem", "aws"} >= {each.context["cluster"] for each in samples}


def test_the_page_opens_to_whoever_is_signed_in_to_airflow(everyday):
    """By Airflow's own session; others are led to its sign-in, and back."""
    page = f"{everyday.url}/aiops/"
    sent = httpx.get(page)
    assert 303 == sent.status_code
    assert "/api/v2/auth/login?next=%2Faiops%2F" == sent.headers["Location"]
    assert 307 == httpx.get(f"{everyday.url}{sent.headers['Location']}").status_code
    who = {"username": USER, "password": everyday.stage.config.password}
    token = httpx.post(f"{everyday.url}/auth/token", json=who).json()["access_token"]
    seen = httpx.get(page, cookies={"_token": token})
    assert 200 == seen.status_code
    assert "everyday/work" in seen.text
    assert 303 == httpx.get(page, cookies={"_token": f"{token}x"}).status_code
    assert 401 == httpx.get(f"{page}api/v1/plan", cookies={"_token": token}).status_code


def test_the_page_is_in_the_navigation(everyday):
    """Airflow's UI asks its own API what plugins add."""
    bearer = {"Authorization": everyday.api._http.headers["Authorization"]}
    plugins = httpx.get(f"{everyday.url}/api/v2/plugins", headers=bearer).json()["plugins"]
    (views,) = [each["external_views"] for each in plugins if each["name"] == "aiops"]
    assert [("/aiops/", "nav")] == [(view["href"], view["destination"]) for view in views]


def test_the_mounted_api_refuses_whoever_has_no_token(everyday):
    """Airflow does not guard what plugins mount; we do."""
    assert 401 == httpx.get(f"{everyday.url}/aiops/api/v1/routes").status_code
    token = issue_token(
        everyday.installation.token_secret, scope="read", subject="test", valid_s=60
    )
    answer = httpx.get(
        f"{everyday.url}/aiops/api/v1/routes", headers={"Authorization": f"Bearer {token}"}
    )
    assert 200 == answer.status_code


def test_observing_leaves_tasks_where_they_were(airflow):
    """The route is recorded; the task runs on the fallback cluster."""
    assert "success" == airflow.run("observed", "o1")
    assert ["here onprem"] == airflow.ledger("observed")
    (placed,) = airflow.installation.store.placements(task=TaskKey("observed", "where"))
    assert Mode.OBSERVE is placed.mode
    assert not placed.applied


def title(process: psutil.Process) -> str:
    try:
        return " ".join(process.cmdline()).strip()
    except psutil.Error:
        return ""  # it has ended meanwhile


def pool(airflow, cluster: str) -> psutil.Process | None:
    children = psutil.Process(airflow.stage.scheduler_pid).children(recursive=True)
    return next((p for p in children if title(p) == f"aiops pool: {cluster}"), None)


def reasons(airflow, run_id: str) -> list[str]:
    placed = airflow.installation.store.placements(limit=100)
    return [str(one.route.reason) for one in placed if one.run.run_id == run_id]


def healthy_again(airflow, cluster: str, *, since: datetime) -> bool:
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        health = airflow.installation.store.health()[cluster]
        if health.state is HealthState.HEALTHY and health.observed_at > since:
            return True
        time.sleep(0.5)
    return False


def test_a_cluster_that_dies_loses_no_task_and_is_used_again(everyday):
    """Its tasks run elsewhere, each completes once, and it comes back by itself."""
    everyday.api.trigger("outage", "x1")
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        running = [t for t in everyday.api.task_instances("outage", "x1") if t.state == "running"]
        if len(running) >= 3:
            break
        time.sleep(0.3)
    os.kill(pool(everyday, "aws").pid, signal.SIGKILL)
    killed_at = utc_now()
    assert "success" == everyday.api.wait("outage", "x1", timeout_s=120)
    done = sorted(line.split()[0] for line in everyday.ledger("outage"))
    assert [str(index) for index in range(6)] == done
    assert healthy_again(everyday, "aws", since=killed_at)
    # The breaker lets go of it a while after it is well again.
    for number in range(2, 6):
        before = len(everyday.ledger("outage"))
        assert "success" == everyday.run("outage", f"x{number}")
        if "aws" in {line.split()[1] for line in everyday.ledger("outage")[before:]}:
            return
        time.sleep(5.0)
    raise AssertionError(reasons(everyday, f"x{number}"))


def test_nothing_outlives_the_scheduler(everyday):
    """Pools and the cycle end with it, however it ends (the last test: it kills the scheduler)."""
    scheduler = psutil.Process(everyday.stage.scheduler_pid)
    ours = [p for p in scheduler.children(recursive=True) if "aiops" in title(p)]
    assert len(ours) >= 2
    everyday.stage.kill("scheduler")
    _, alive = psutil.wait_procs(ours, timeout=15)
    assert not alive
