"""The cycle as a process: started with the host's settings, ended with it, and told its mistakes."""

from __future__ import annotations

import io
import json
import subprocess
import sys
import time

import psutil
import pytest

from aiops_provider.control import cycle_process
from aiops_provider.control.installation import Installation
from aiops_provider.settings.schema import Settings

_PATIENCE_S = 60.0


@pytest.fixture
def installation(tmp_path):
    settings = {"store": f"sqlite:///{tmp_path}/aiops.db", "cycle_period_s": 0.2}
    opened = Installation.open(Settings.model_validate(settings))
    opened.require_store().upgrade()
    yield opened
    opened.close()


def wait_for_lease(installation) -> None:
    """Until the process works, which shows in the lease being taken."""
    deadline = time.monotonic() + _PATIENCE_S
    while installation.require_store().acquire_lease("cycle", "test", 0.05):
        assert time.monotonic() < deadline
        time.sleep(0.2)


def test_process_works_until_it_is_stopped(installation):
    """It takes the lease, and SIGTERM ends it with status 0."""
    process = cycle_process.start_cycle_process(installation)
    try:
        wait_for_lease(installation)
    finally:
        cycle_process.stop_cycle_process(process)
    assert process.returncode == 0


def test_store_url_is_in_no_process_list(installation):
    """The settings go through a pipe: neither arguments nor environment hold them."""
    process = cycle_process.start_cycle_process(installation)
    try:
        seen = psutil.Process(process.pid)
        assert "aiops.db" not in " ".join(seen.cmdline())
        assert "aiops.db" not in json.dumps(seen.environ())
    finally:
        cycle_process.stop_cycle_process(process)


def test_process_ends_when_its_parent_was_killed(installation, tmp_path):
    """No cycle is left behind by a host that died, from whichever thread it was started."""
    program = (
        "import sys, time, threading\n"
        "from aiops_provider.control.cycle import start_cycle_process\n"
        "from aiops_provider.control.installation import Installation\n"
        "from aiops_provider.settings.schema import Settings\n"
        "opened = Installation.open(Settings(store=sys.argv[1]))\n"
        "start = lambda: print(start_cycle_process(opened).pid, flush=True)\n"
        "thread = threading.Thread(target=start); thread.start(); thread.join()\n"
        "time.sleep(600)\n"
    )
    url = f"sqlite:///{tmp_path}/aiops.db"
    with subprocess.Popen(
        [sys.executable, "-c", program, url], stdout=subprocess.PIPE, text=True
    ) as parent:
        assert parent.stdout is not None
        child = psutil.Process(int(parent.stdout.readline()))
        wait_for_lease(installation)
        assert child.is_running(), "the thread that started it has ended, the process has not"
        parent.kill()
    gone, _ = psutil.wait_procs([child], timeout=_PATIENCE_S)
    assert gone


def run_main(monkeypatch, settings: dict, *arguments: str) -> int:
    monkeypatch.setattr(cycle_process.sys, "stdin", io.StringIO(json.dumps(settings)))
    monkeypatch.setattr(cycle_process.signal, "signal", lambda *_: None)
    return cycle_process.main(arguments)


def test_store_that_is_not_migrated_is_told(tmp_path, monkeypatch, caplog):
    """Status 2 and what to do."""
    settings = {"store": f"sqlite:///{tmp_path}/none.db"}
    assert run_main(monkeypatch, settings, "--settings-from-stdin") == 2
    assert "aiops db upgrade" in caplog.text


def test_bad_file_is_told(tmp_path, monkeypatch, caplog):
    """The configuration that is named is read, and its mistakes are told."""
    bad = tmp_path / "bad.yaml"
    bad.write_text("servr: {}\n", encoding="utf-8")
    assert run_main(monkeypatch, {}, "--config", str(bad)) == 2
    assert f"{bad}:1: servr: unknown key" in caplog.text
