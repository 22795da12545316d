"""A real worker, started as a user starts it, against a real server."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest

from aiops_provider.domain.execution import Outcome
from aiops_provider.domain.task import TaskKey

pytestmark = pytest.mark.slow

# conftest.py has the classes; pytest imports it under a name of its own.
Site = OpenSite = WaitUntil = Any


@pytest.fixture(scope="module")
def shared(
    open_site: OpenSite, enforcing: dict[str, Any], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Site]:
    """One worker for the tests that leave it as it was."""
    with open_site(tmp_path_factory.mktemp("shared"), enforcing) as one:
        yield one


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path


def test_a_flow_run_is_placed_run_and_measured(shared: Site, folder: Path) -> None:
    """An unmodified flow runs on the cheapest cluster and is remembered with what it used."""
    run = shared.start("hello", {"folder": str(folder)})
    assert "COMPLETED" == shared.server.wait(run)["state_type"]
    (record,) = shared.records(run, 1)
    assert TaskKey("hello", f"{shared.pool}-{shared.deployments}") == record.run.task
    assert ("cheap", Outcome.SUCCESS, 0) == (record.cluster, record.outcome, record.exit_code)
    assert record.usage is not None
    assert record.usage.peak_memory_gib > 0.02
    assert record.cost_usd is not None
    (placement,) = shared.placements(run)
    assert placement.applied
    assert placement.route.reason.sentence in shared.log
    assert shared.server.flow_run(run)["infrastructure_pid"].startswith("cheap|")
    known = (folder / "environment").read_text()
    assert "AIOPS_CLUSTER=cheap" in known
    assert f'"run_id": "{run}"' in known
    assert str(shared.home) == (folder / "where").read_text()


def test_a_failing_flow_fails_once(shared: Site, folder: Path) -> None:
    """A failure of the user's code is Prefect's business: it is not run elsewhere."""
    run = shared.start("hello", {"folder": str(folder), "fail": True})
    assert "FAILED" == shared.server.wait(run)["state_type"]
    (record,) = shared.records(run, 1)
    assert record.outcome is Outcome.FAILED
    assert "AwaitingRetry" not in shared.server.history(run)


def test_out_of_memory_is_run_again_with_more(shared: Site, folder: Path) -> None:
    """A flow run that takes more than was granted is killed, and run again with more, legally."""
    run = shared.start("greedy", {"folder": str(folder)})
    assert "COMPLETED" == shared.server.wait(run)["state_type"]
    first, second = shared.records(run, 2)
    assert (Outcome.OUT_OF_MEMORY, 137) == (first.outcome, first.exit_code)
    assert second.outcome is Outcome.SUCCESS
    assert first.request is not None
    assert second.request is not None
    assert second.request.memory_gib > first.request.memory_gib
    assert ["1", "2"] == (folder / "starts").read_text().split()
    names = shared.server.history(run)
    assert names[names.index("Running") :] == [
        "Running", "AwaitingRetry", "Pending", "Running", "Completed",
    ]  # fmt: skip


def test_a_pinned_run_stays_on_its_cluster(shared: Site, folder: Path) -> None:
    """The job variable `cluster` decides."""
    run = shared.start("hello", {"folder": str(folder)}, cluster="dear")
    assert "COMPLETED" == shared.server.wait(run)["state_type"]
    assert "dear" == shared.records(run, 1)[0].cluster


def test_a_command_of_the_user(shared: Site, folder: Path) -> None:
    """A flow run may be run by Prefect's own supervisor instead of the bare engine."""
    run = shared.start(
        "hello", {"folder": str(folder)}, command=f"{sys.executable} -m prefect flow-run execute"
    )
    assert "COMPLETED" == shared.server.wait(run)["state_type"]
    assert shared.records(run, 1)[0].outcome is Outcome.SUCCESS


def test_runs_with_other_parameters_ask_for_other_memory(
    shared: Site, wait_until: WaitUntil
) -> None:
    """Once both have run: of one deployment the small run for little and the large one for much."""
    deployment = shared.server.deploy(
        f"{shared.home}/example_flows.py:sized",
        flow="sized",
        name=f"{shared.pool}-sized",
        pool=shared.pool,
        job_variables={},
    )

    def run(units: int) -> str:
        started: str = shared.server.start_run(deployment, units=units, table="claims")
        assert "COMPLETED" == shared.server.wait(started)["state_type"]
        return started

    for units in (1, 50):
        run(units)
    task = TaskKey("sized", f"{shared.pool}-sized")

    def learned() -> bool:
        profile = shared.store.profile(task)
        return profile is not None and profile.by_input is not None

    wait_until(learned, "a profile by the input", timeout_s=60.0)
    assert shared.store.profile(task).by_input.measure == "units"

    def asked(units: int) -> float:
        first: Any = shared.placements(run(units))[0]
        memory: float = first.route.request.memory_gib
        return memory

    # The worker reads what has changed every second or so.
    wait_until(lambda: asked(1) < 0.4, "a small request", timeout_s=60.0)
    assert asked(50) > 50 * 16 / 1024


def test_cancelling_a_running_flow(shared: Site, folder: Path, wait_until: WaitUntil) -> None:
    """A cancelled flow run tidies up, its hook runs, its process ends and it is Cancelled."""
    run = shared.start("patient", {"folder": str(folder)})
    wait_until((folder / "starts").exists, "the flow to run")
    pid = int((folder / "starts").read_text().split()[1])
    body = {"state": {"type": "CANCELLING"}}
    shared.server.request("POST", f"/flow_runs/{run}/set_state", body)
    assert "CANCELLED" == shared.server.wait(run)["state_type"]
    assert "Cancelling" == (folder / "hook").read_text()
    assert (folder / "tidy").exists()
    (record,) = shared.records(run, 1)
    assert record.outcome is Outcome.KILLED
    assert not psutil.pid_exists(pid)
