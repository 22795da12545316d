"""A real worker, started as a user starts it, against a real server."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import psutil
import pytest

from aiops_provider.domain.execution import Outcome
from aiops_provider.domain.workload import TaskKey
from aiops_provider.store import Store

pytestmark = pytest.mark.slow

# conftest.py has the classes; pytest imports it under a name of its own.
Site = OpenSite = WaitUntil = Any

CLUSTERS = [
    {
        "name": "cheap",
        "kind": "local",
        "capacity": {"cores": 4, "memory_gib": 6},
        "price_usd_per_hour": 0.1,
    },
    {
        "name": "dear",
        "kind": "local",
        "provider": "aws",
        "region": "sa-east-1",
        "capacity": {"cores": 4, "memory_gib": 8},
        "price_usd_per_hour": 5.0,
    },
]
ROUTING = {"refresh_s": 0.5, "probe_period_s": 0.5, "breaker_open_s": 600}


@pytest.fixture(scope="module")
def shared(open_site: OpenSite, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """One worker for the tests that leave it as it was."""
    settings = {
        "mode": "enforce",
        "clusters": CLUSTERS,
        "routing": ROUTING,
        "run_cycle": False,
        "server": {"url": "http://127.0.0.1:9/aiops"},
    }
    with open_site(tmp_path_factory.mktemp("shared"), settings) as one:
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


@pytest.fixture
def two_clusters(open_site: OpenSite, tmp_path: Path) -> Iterator[Site]:
    settings = {
        "mode": "enforce",
        "clusters": CLUSTERS,
        "routing": ROUTING,
        "run_cycle": False,
        "server": {"url": "http://127.0.0.1:9/aiops"},
    }
    with open_site(tmp_path, settings) as one:
        yield one


def test_a_cluster_that_dies_under_a_run(two_clusters: Site, wait_until: WaitUntil) -> None:
    """A flow run whose cluster is killed runs on another one, and never twice at a time."""
    one, starts = two_clusters, two_clusters.home / "starts"
    run = one.start("patient", {"folder": str(one.home), "once": True})
    wait_until(lambda: starts.exists() and starts.read_text().endswith("\n"), "the flow to run")
    engine = psutil.Process(int(starts.read_text().split()[1]))
    pool = next(up for up in engine.parents() if up.environ().get("AIOPS_CLUSTER") is None)
    pool.kill()
    assert "COMPLETED" == one.server.wait(run)["state_type"]
    assert not engine.is_running()
    assert [line.split()[0::2] for line in starts.read_text().splitlines()] == [
        ["1", "cheap"],
        ["2", "dear"],
    ]
    assert [(r.cluster, r.outcome) for r in one.records(run, 2)] == [
        ("cheap", Outcome.CLUSTER_LOST),
        ("dear", Outcome.SUCCESS),
    ]
    assert one.server.flow_run(run)["infrastructure_pid"].startswith("dear|")


def test_a_worker_that_ends_leaves_nothing_behind(
    open_site: OpenSite, tmp_path: Path, wait_until: WaitUntil
) -> None:
    """Told to end, the worker takes its pools and flow runs along, and says so to the server."""
    settings = {"mode": "enforce", "clusters": CLUSTERS, "routing": ROUTING, "run_cycle": False,
                "server": {"url": "http://127.0.0.1:9/aiops"}}  # fmt: skip
    with open_site(tmp_path, settings) as one:
        run = one.start("patient", {"folder": str(tmp_path)})
        wait_until((tmp_path / "starts").exists, "the flow to run")
        below = one.process.children(recursive=True)
        one.process.terminate()
        one.process.wait(60)
        left = psutil.wait_procs(below, timeout=10)[1]
    assert len(below) >= 5
    assert [] == left
    assert "CRASHED" == one.server.wait(run, timeout_s=10)["state_type"]


def test_a_worker_that_is_killed_loses_nothing(
    open_site: OpenSite, tmp_path: Path, wait_until: WaitUntil
) -> None:
    """What ran with a killed worker dies with it, and is run again by the next worker."""
    settings = {"mode": "enforce", "clusters": CLUSTERS, "routing": ROUTING, "run_cycle": False,
                "server": {"url": "http://127.0.0.1:9/aiops"}}  # fmt: skip
    starts = tmp_path / "starts"
    with open_site(tmp_path, settings) as one:
        run = one.start("patient", {"folder": str(tmp_path), "once": True})
        wait_until(lambda: starts.exists() and starts.read_text().endswith("\n"), "the flow to run")
        below = one.process.children(recursive=True)
        one.process.kill()
        assert [] == psutil.wait_procs(below, timeout=20)[1]
    with open_site(tmp_path, settings, pool=one.pool) as other:
        assert "COMPLETED" == other.server.wait(run)["state_type"]
    assert ["1", "2"] == [line.split()[0] for line in starts.read_text().splitlines()]


def test_without_any_settings(open_site: OpenSite, tmp_path: Path, wait_until: WaitUntil) -> None:
    """With no file at all this machine is the one cluster, remembered in the user's data folder."""
    data = tmp_path / "data"
    with open_site(tmp_path, None, {"XDG_DATA_HOME": str(data)}) as one:
        run = one.start("hello", {"folder": str(tmp_path)})
        assert "COMPLETED" == one.server.wait(run)["state_type"]
        store = Store.open(f"sqlite:///{data / 'aiops' / 'aiops.db'}")
        wait_until(store.executions, "the record", timeout_s=30.0)
    (record,) = store.executions()
    assert ("local", Outcome.SUCCESS) == (record.cluster, record.outcome)
    store.close()


@pytest.mark.parametrize(
    ("settings", "environment"),
    [
        ({"clusters": CLUSTERS, "mode": "enforce", "run_cycle": False},
         {"AIOPS__STORE": "postgresql+psycopg://nobody@127.0.0.1:9/nothing",
          "AIOPS_TOKEN_SECRET": "s" * 40}),
        ("clusters: [{name: a, kind: cooking}]\nunknown: 1\n", {}),
    ],
    ids=["store-down", "configuration-broken"],
)  # fmt: skip
def test_our_own_failure_does_not_stop_a_run(
    open_site: OpenSite,
    tmp_path: Path,
    settings: Mapping[str, Any] | str,
    environment: Mapping[str, str],
) -> None:
    """Without a store, and even without usable settings, flow runs run."""
    with open_site(tmp_path, settings, environment) as one:
        run = one.start("hello", {"folder": str(tmp_path)})
        assert "COMPLETED" == one.server.wait(run)["state_type"]


def test_a_cluster_of_prefects_own_kind(open_site: OpenSite, tmp_path: Path) -> None:
    """A cluster of kind `process` is served by Prefect's own process worker."""
    capacity = {"cores": 4, "memory_gib": 6}
    settings = {
        "mode": "enforce",
        "run_cycle": False,
        "routing": ROUTING,
        "clusters": [{"name": "plain", "kind": "process", "capacity": capacity}],
        "server": {"url": "http://127.0.0.1:9/aiops"},
    }
    with open_site(tmp_path, settings) as one:
        run = one.start("hello", {"folder": str(tmp_path)})
        assert "COMPLETED" == one.server.wait(run)["state_type"]
        (record,) = one.records(run, 1)
        assert ("plain", Outcome.SUCCESS) == (record.cluster, record.outcome)
        assert one.server.flow_run(run)["infrastructure_pid"].startswith("plain|")
    assert "AIOPS_CLUSTER=plain" in (tmp_path / "environment").read_text()
