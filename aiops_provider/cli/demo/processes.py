"""The processes that a demo starts: each with its log, each ended by its id and nothing else."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path

import psutil

from aiops_provider.errors import AiopsError

# Airflow's components have been seen to need 6 s and more after SIGTERM on a busy machine.
_GRACE_S = 15.0

_OWN_PORTS = range(20_000, 32_000)


class DemoProcessError(AiopsError):
    """A process of the demo ended before it should."""


class Troupe:
    """
    Processes by name; a context manager that ends them all.

    Start them from the main thread: the kernel ties them to the thread that started them.

    Args:
        logs: Folder for one log file per process.
        environment: The whole environment of every process.
    """

    def __init__(self, logs: Path, environment: Mapping[str, str]) -> None:
        self._logs = logs
        self._environment = dict(environment)
        self._running: dict[str, subprocess.Popen[bytes]] = {}
        self._left_behind: list[psutil.Process] = []

    def __enter__(self) -> Troupe:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop_all()

    def run(
        self,
        name: str,
        command: Sequence[str],
        *,
        timeout_s: float,
        variables: Mapping[str, str] | None = None,
    ) -> None:
        """
        Run a command to its end.

        Args:
            name: Of its log.
            command: Program and arguments.
            timeout_s: It is ended after this long.
            variables: Environment of this command alone, over the common one.

        Raises:
            DemoProcessError: It failed or took too long; the message ends with its last words.
        """
        self.start(name, command, variables=variables)
        process = self._running[name]
        try:
            status = process.wait(timeout_s)
        except subprocess.TimeoutExpired:
            self.stop(name)
            raise DemoProcessError(
                f"{name} took longer than {timeout_s:.0f} s:\n{self.last_words(name)}"
            ) from None
        del self._running[name]
        if status != 0:
            raise DemoProcessError(f"{name} ended with {status}:\n{self.last_words(name)}")

    def start(
        self, name: str, command: Sequence[str], *, variables: Mapping[str, str] | None = None
    ) -> int:
        """
        Start a process that goes on; arguments as for :meth:`run`.

        Returns:
            Its process id.
        """
        tether = [sys.executable, "-m", "aiops_provider.cli.demo.tether", str(os.getpid())]
        with self.log(name).open("ab") as log:
            process = subprocess.Popen(  # noqa: S603 - the demo's own command line, no shell
                [*tether, *command],
                env={**self._environment, **(variables or {})},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                # Ctrl-C at the terminal goes to the demo alone, which then ends them in order.
                start_new_session=True,
            )
        self._running[name] = process
        return process.pid

    def check(self) -> None:
        """
        Look whether all that were started are still there.

        Raises:
            DemoProcessError: One has ended; the message ends with its last words.
        """
        for name, process in self._running.items():
            status = process.poll()
            if status is not None:
                raise DemoProcessError(
                    f"{name} ended by itself with {status}:\n{self.last_words(name)}"
                )

    def pid(self, name: str) -> int:
        """Process id of a running process."""
        return self._running[name].pid

    def stop(self, name: str) -> None:
        """End one process and whatever it started."""
        self._end([name])

    def kill(self, name: str) -> None:
        """
        End one process without giving it, or anybody, the time to tidy up.

        What it started may go on, as after a crash, until all are ended.
        """
        process = self._running.pop(name)
        self._left_behind += _family(process.pid)
        process.kill()
        process.wait()

    def stop_all(self) -> None:
        """End all of them, at the same time, and what those that were killed have left behind."""
        self._end(list(self._running))
        left_behind, self._left_behind = self._left_behind, []
        _kill(left_behind)

    def log(self, name: str) -> Path:
        """Where its output goes."""
        return self._logs / f"{name}.log"

    def last_words(self, name: str, *, lines: int = 15) -> str:
        """The end of its output."""
        text = self.log(name).read_text(encoding="utf-8", errors="replace")
        return "\n".join(text.splitlines()[-lines:])

    def _end(self, names: Sequence[str]) -> None:
        processes = [self._running.pop(name) for name in names]
        # Whoever is killed cannot end its own children any more, so they are noted beforehand.
        family = [member for process in processes for member in _family(process.pid)]
        for process in processes:
            process.terminate()
        deadline = time.monotonic() + _GRACE_S
        for process in processes:
            try:
                process.wait(max(0.0, deadline - time.monotonic()))
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        _kill(family)


def _family(pid: int) -> list[psutil.Process]:
    try:
        return psutil.Process(pid).children(recursive=True)
    except psutil.NoSuchProcess:
        return []


def _kill(members: Sequence[psutil.Process]) -> None:
    for member in members:
        # psutil compares the start time, so a reused id is never hit.
        with suppress(psutil.NoSuchProcess):
            member.kill()


def free_port() -> int:
    """
    A TCP port on loopback that was free a moment ago.

    Airflow's components must know each other's ports before the first of them starts, so the
    socket cannot be kept, and half a minute may pass. Systems hand out ports from 32768 upwards
    (Linux) or 49152 (others) to whoever asks for any; one below is unlikely to be taken meanwhile.

    Raises:
        DemoProcessError: Hundreds of ports were all taken.
    """
    import random
    import socket

    for port in random.SystemRandom().sample(_OWN_PORTS, k=200):
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port
    raise DemoProcessError(f"no free port between {_OWN_PORTS.start} and {_OWN_PORTS.stop}")
