import os
import signal
import socket
import subprocess
import sys
import time

import psutil
import pytest

from aiops_provider.cli.demo import processes
from aiops_provider.cli.demo.processes import DemoProcessError, Troupe, free_port

SLEEP = [sys.executable, "-c", "import time; time.sleep(600)"]
# Starts a child that ignores SIGTERM, says its id and waits.
STUBBORN_CHILD = """
import subprocess, sys, time
child = subprocess.Popen([sys.executable, "-c",
    "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); time.sleep(600)"])
print(child.pid, flush=True)
time.sleep(600)
"""


@pytest.fixture
def troupe(tmp_path):
    with Troupe(tmp_path, {**os.environ, "AIOPS_TEST_WORD": "hello"}) as made:
        yield made


def eventually(condition):
    deadline = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def is_gone(pid):
    try:
        return psutil.Process(pid).status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True


def test_a_command_runs_to_its_end_with_the_environment(troupe):
    """Its output goes to its own log."""
    troupe.run(
        "greet",
        [sys.executable, "-c", "import os; print(os.environ['AIOPS_TEST_WORD'])"],
        timeout_s=60,
    )
    assert troupe.last_words("greet") == "hello"


def test_a_failing_command_is_told_with_its_last_words(troupe):
    """Status and the end of the log are in the message."""
    with pytest.raises(DemoProcessError, match=r"migrate ended with 3:\nno such table"):
        troupe.run(
            "migrate",
            [sys.executable, "-c", "print('no such table', flush=True); raise SystemExit(3)"],
            timeout_s=60,
        )


def test_a_command_that_takes_too_long_is_ended(troupe):
    """Nothing of it is left."""
    others = psutil.Process().children()  # another test's server may still run
    with pytest.raises(DemoProcessError, match="slow took longer than 1 s"):
        troupe.run("slow", SLEEP, timeout_s=1)
    assert not set(psutil.Process().children()) - set(others)


def test_a_process_that_ends_by_itself_is_noticed(troupe):
    """A wait can find out that there is nothing left to wait for."""
    pid = troupe.start("scheduler", [sys.executable, "-c", "print('bad config')"])
    eventually(lambda: is_gone(pid))
    with pytest.raises(DemoProcessError, match=r"scheduler ended by itself with 0:\nbad config"):
        troupe.check()


def test_ending_a_process_ends_what_it_started(tmp_path):
    """Also children that ignore SIGTERM and would outlive it."""
    with Troupe(tmp_path, os.environ) as troupe:
        pid = troupe.start("host", [sys.executable, "-c", STUBBORN_CHILD])
        eventually(lambda: troupe.last_words("host").strip().isdigit())
        child = int(troupe.last_words("host"))
        troupe.check()
    eventually(lambda: is_gone(pid) and is_gone(child))


def test_what_a_killed_process_left_behind_ends_with_the_others(tmp_path):
    """A crash is played: its children go on, as Airflow's server of logs does, but not for ever."""
    with Troupe(tmp_path, os.environ) as troupe:
        pid = troupe.start("host", [sys.executable, "-c", STUBBORN_CHILD])
        eventually(lambda: troupe.last_words("host").strip().isdigit())
        child = int(troupe.last_words("host"))
        troupe.kill("host")
        assert is_gone(pid)
        assert not is_gone(child)
    eventually(lambda: is_gone(child))


@pytest.mark.skipif(sys.platform != "linux", reason="the kernel's signal exists on Linux only")
def test_nothing_survives_a_demo_that_is_killed(tmp_path):
    """SIGKILL leaves the demo no chance to clean up; its processes end all the same."""
    killed = subprocess.Popen(
        [
            sys.executable,
            "-c",
            "import os, pathlib, sys, time\n"
            "from aiops_provider.cli.demo.processes import Troupe\n"
            f"troupe = Troupe(pathlib.Path({str(tmp_path)!r}), os.environ)\n"
            f"print(troupe.start('sleeper', {SLEEP!r}), flush=True)\n"
            "time.sleep(600)",
        ],
        stdout=subprocess.PIPE,
        text=True,
    )
    with killed:
        assert killed.stdout is not None
        pid = int(killed.stdout.readline())
        try:
            # Only a process that has become the program is tied to its parent.
            eventually(lambda: "time.sleep" in " ".join(psutil.Process(pid).cmdline()))
        finally:
            killed.send_signal(signal.SIGKILL)
            killed.wait()
    eventually(lambda: is_gone(pid))


def test_a_free_port_can_be_listened_on():
    """The port is on loopback, nobody's, and none that the system gives to whoever asks."""
    port = free_port()
    assert port < 32_768
    with socket.socket() as server:
        server.bind(("127.0.0.1", port))


def test_a_port_that_is_taken_is_passed_over(monkeypatch):
    """Somebody else's port is never given."""
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        taken = other.getsockname()[1]
        monkeypatch.setattr(processes, "_OWN_PORTS", range(taken, taken + 200))
        assert free_port() != taken
