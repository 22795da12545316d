"""Containers of a stand-in for a cloud: processes of this machine, with their output kept."""

from __future__ import annotations

import os
import signal
import subprocess
import threading
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path


class Container:
    """One process and its children; *ended* is told its exit status as a container has it."""

    def __init__(
        self,
        command: Sequence[str],
        environment: Mapping[str, str],
        output: Path,
        ended: Callable[[int], None],
    ) -> None:
        self.output = output
        self._process: subprocess.Popen[bytes] | None = None
        try:
            with output.open("ab") as file:
                self._process = subprocess.Popen(
                    list(command),
                    env={**os.environ, **environment},
                    stdout=file,
                    stderr=subprocess.STDOUT,
                    start_new_session=True,
                )
        except OSError as error:
            output.write_text(f"{error}\n")
            threading.Thread(target=ended, args=(127,), daemon=True).start()
            return
        threading.Thread(target=self._wait, args=(self._process, ended), daemon=True).start()

    def stop(self, grace_s: float = 2.0) -> None:
        """As a cloud does: ask first, then end by force."""
        self._signal(signal.SIGTERM)
        threading.Timer(grace_s, self.kill).start()

    def kill(self) -> None:
        """End all of it at once."""
        self._signal(signal.SIGKILL)

    def lines(self) -> list[str]:
        """What it has printed."""
        return self.output.read_text(errors="replace").splitlines() if self.output.exists() else []

    def _signal(self, number: int) -> None:
        if self._process is not None and self._process.poll() is None:
            with suppress(ProcessLookupError):
                os.killpg(self._process.pid, number)

    @staticmethod
    def _wait(process: subprocess.Popen[bytes], ended: Callable[[int], None]) -> None:
        status = process.wait()
        ended(128 - status if status < 0 else status)
