"""What a real worker does when clusters, workers, stores and settings fail it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import psutil
import pytest

from aiops_provider.domain.execution import Outcome
from aiops_provider.store import Store

pytestmark = pytest.mark.slow

# conftest.py has the classes; pytest imports it under a name of its own.
OpenSite = WaitUntil = Any


def line_written(file: Path) -> bool:
    return file.exists() and file.read_text().endswith("\n")


def test_a_cluster_that_dies_under_a_run(
    open_site: OpenSite, enforcing: dict[str, Any], tmp_path: Path, wait_until: WaitUntil
) -> None:
    """A flow run whose cluster is killed runs on another one, and never twice at a time."""
    starts = tmp_path / "starts"
    with open_site(tmp_path, enforcing) as one:
        run = one.start("patient", {"folder": str(tmp_path), "once": True})
        wait_until(lambda: line_written(starts), "the flow to run")
        engine = psutil.Process(int(starts.read_text().split()[1]))
        pool = next(up for up in engine.parents() if up.environ().get("AIOPS_CLUSTER") is None)
        pool.kill()
        assert "COMPLETED" == one.server.wait(run)["state_type"]
        assert not engine.is_running()
        lost, done = one.records(run, 2)
        assert one.server.flow_run(run)["infrastructure_pid"].startswith("dear|")
    assert ("cheap", Outcome.CLUSTER_LOST) == (lost.cluster, lost.outcome)
    assert ("dear", Outcome.SUCCESS) == (done.cluster, done.outcome)
    started = [line.split()[0::2] for line in starts.read_text().splitlines()]
    assert [["1", "cheap"], ["2", "dear"]] == started


def test_a_worker_that_ends_leaves_nothing_behind(
    open_site: OpenSite, enforcing: dict[str, Any], tmp_path: Path, wait_until: WaitUntil
) -> None:
    """Told to end, the worker takes its pools and flow runs along, and says so to the server."""
    with open_site(tmp_path, enforcing) as one:
        run = one.start("patient", {"folder": str(tmp_path)})
        wait_until(lambda: line_written(tmp_path / "starts"), "the flow to run")
        below = one.process.children(recursive=True)
        one.process.terminate()
        one.process.wait(60)
        left = psutil.wait_procs(below, timeout=10)[1]
    assert len(below) >= 5
    assert [] == left
    assert "CRASHED" == one.server.wait(run, timeout_s=10)["state_type"]


def test_a_worker_that_is_killed_loses_nothing(
    open_site: OpenSite, enforcing: dict[str, Any], tmp_path: Path, wait_until: WaitUntil
) -> None:
    """What ran with a killed worker dies with it, and is run again by the next worker."""
    starts = tmp_path / "starts"
    with open_site(tmp_path, enforcing) as one:
        run = one.start("patient", {"folder": str(tmp_path), "once": True})
        wait_until(lambda: line_written(starts), "the flow to run")
        below = one.process.children(recursive=True)
        one.process.kill()
        assert [] == psutil.wait_procs(below, timeout=20)[1]
    with open_site(tmp_path, enforcing, pool=one.pool) as other:
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
    store.close()
    assert ("local", Outcome.SUCCESS) == (record.cluster, record.outcome)


def test_a_store_that_is_down(
    open_site: OpenSite, enforcing: dict[str, Any], tmp_path: Path
) -> None:
    """Without a store flow runs are placed from memory, and run."""
    away = {
        "AIOPS__STORE": "postgresql+psycopg://nobody@127.0.0.1:9/nothing",
        "AIOPS_TOKEN_SECRET": "s" * 40,
    }
    with open_site(tmp_path, enforcing, away) as one:
        run = one.start("hello", {"folder": str(tmp_path)})
        assert "COMPLETED" == one.server.wait(run)["state_type"]
    assert "The store cannot be used" in one.log
    assert "AIOPS_CLUSTER=cheap" in (tmp_path / "environment").read_text()


def test_settings_that_cannot_be_used(open_site: OpenSite, tmp_path: Path) -> None:
    """With broken settings the layer is off, says where they are broken, and flow runs run."""
    broken = "clusters: [{name: a, kind: cooking}]\nunknown: 1\n"
    with open_site(tmp_path, broken) as one:
        run = one.start("hello", {"folder": str(tmp_path)})
        assert "COMPLETED" == one.server.wait(run)["state_type"]
    assert "The AIOps layer is off" in one.log
    assert "aiops.yaml:" in one.log


def test_a_cluster_of_prefects_own_kind(
    open_site: OpenSite, enforcing: Mapping[str, Any], tmp_path: Path
) -> None:
    """A cluster of kind `process` is served by Prefect's own process worker."""
    plain = {"name": "plain", "kind": "process", "capacity": {"cores": 4, "memory_gib": 6}}
    with open_site(tmp_path, {**enforcing, "clusters": [plain]}) as one:
        run = one.start("hello", {"folder": str(tmp_path)})
        assert "COMPLETED" == one.server.wait(run)["state_type"]
        (record,) = one.records(run, 1)
        assert one.server.flow_run(run)["infrastructure_pid"].startswith("plain|")
    assert ("plain", Outcome.SUCCESS) == (record.cluster, record.outcome)
    assert "AIOPS_CLUSTER=plain" in (tmp_path / "environment").read_text()
