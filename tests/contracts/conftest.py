"""Stand-ins for clouds, each in a process of its own."""

from __future__ import annotations

import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest

from aiops_provider.cli.demo.processes import free_port

CLOUDS = Path(__file__).parents[1] / "clouds"


class StandIn:
    """
    A script of tests/clouds, which serves on a port of loopback.

    Args:
        script: Name of its file.
        scheme: ``http`` or ``https``.
    """

    def __init__(self, script: str, scheme: str = "http") -> None:
        self.port = free_port()
        self.url = f"{scheme}://127.0.0.1:{self.port}"
        self._script = CLOUDS / script
        self._process: subprocess.Popen[bytes] | None = None

    def start(self, *given: str) -> None:
        """Start it with what it is given after its port; returns when it listens."""
        command = [sys.executable, str(self._script), str(self.port), *given]
        self._process = subprocess.Popen(command)
        for _ in range(200):
            assert self._process.poll() is None, "the stand-in has ended"
            try:
                socket.create_connection(("127.0.0.1", self.port), timeout=1).close()
            except OSError:
                time.sleep(0.1)
            else:
                return
        raise AssertionError("the stand-in does not answer")

    def freeze(self) -> None:
        """No request gets an answer any more."""
        assert self._process is not None
        server = psutil.Process(self._process.pid)
        server.suspend()
        while server.status() != psutil.STATUS_STOPPED:
            time.sleep(0.01)

    def close(self) -> None:
        """End it, and what runs on it."""
        if self._process is not None:
            self._process.send_signal(signal.SIGCONT)
            self._process.terminate()
            self._process.wait(10)


@pytest.fixture
def stand_in(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., StandIn]]:
    """Makes stand-ins that end with the test: ``stand_in("google_batch_server.py")``."""
    monkeypatch.syspath_prepend(str(CLOUDS))
    made: list[StandIn] = []

    def make(script: str, scheme: str = "http") -> StandIn:
        made.append(StandIn(script, scheme))
        return made[-1]

    yield make
    for one in made:
        one.close()
