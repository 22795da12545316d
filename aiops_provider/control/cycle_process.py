"""The cycle as a process: started beside a host, and gone when its host is gone."""

from __future__ import annotations

import argparse
import json
import logging
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from aiops_provider.errors import AiopsError

if TYPE_CHECKING:
    from aiops_provider.control.installation import Installation
    from aiops_provider.settings.schema import Settings

log = logging.getLogger(__name__)

# A solver may be in the middle of half a minute's work; nobody waits for it when we are told to go.
_GRACE_S = 5.0
_PARENT_LOOK_S = 1.0
# Nothing here is in a hurry, and a host's own work is.
_NICE = 5


def start_cycle_process(installation: Installation) -> subprocess.Popen[bytes]:
    """
    Start ``python -m aiops_provider.control.cycle`` with the settings of this installation.

    It ends when this process does, however that happens. The settings go through a pipe: they
    hold the store's password, which no process list and no environment should show.
    """
    command = [
        sys.executable,
        "-m",
        "aiops_provider.control.cycle",
        "--settings-from-stdin",
        f"--die-with-parent={os.getpid()}",
    ]
    process = subprocess.Popen(  # noqa: S603 - our own module
        command,
        stdin=subprocess.PIPE,
        start_new_session=True,  # a Ctrl-C in the terminal is for the host, which then stops us
    )
    assert process.stdin is not None  # noqa: S101 - it is a pipe
    with process.stdin as pipe:
        pipe.write(json.dumps(installation.settings_for_child()).encode())
    return process


def stop_cycle_process(process: subprocess.Popen[bytes], *, grace_s: float = 2 * _GRACE_S) -> None:
    """End it: politely, then by force."""
    process.terminate()
    try:
        process.wait(grace_s)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def main(argv: Sequence[str] | None = None) -> int:
    """Run the cycle until SIGTERM or SIGINT; the exit status is 0, or 2 for bad settings."""
    options = _parser().parse_args(argv)
    logging.basicConfig(
        stream=sys.stderr,
        level=logging.INFO,
        format="%(asctime)s %(levelname)s aiops cycle: %(message)s",
    )
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: _stop_soon(stop))
    if options.die_with_parent is not None:
        os.nice(_NICE)
        _die_with(options.die_with_parent)
    try:
        _run(options, stop)
    except AiopsError as error:
        log.error("%s", error)  # noqa: TRY400 - the message says it all
        return error.exit_status
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m aiops_provider.control.cycle",
        description="Learn, plan and watch, again and again, under a lease.",
    )
    source = parser.add_mutually_exclusive_group()
    source.add_argument("--config", type=Path, help="configuration file; default: as for aiops")
    source.add_argument(
        "--settings-from-stdin", action="store_true", help="read them as JSON from a host"
    )
    parser.add_argument(
        "--die-with-parent",
        type=int,
        metavar="PID",
        help="end when this parent process has ended",
    )
    return parser


def _run(options: argparse.Namespace, stop: threading.Event) -> None:
    from aiops_provider.control.cycle import run_cycle
    from aiops_provider.control.installation import Installation

    installation = Installation.open(_settings(options))
    try:
        installation.require_store().check()
        run_cycle(installation, stop)
    finally:
        installation.close()


def _settings(options: argparse.Namespace) -> Settings:
    if options.settings_from_stdin:
        from aiops_provider.settings.schema import Settings

        return Settings.model_validate(json.load(sys.stdin))
    from aiops_provider.settings.load import CONFIG_VARIABLE, load_settings

    environ = dict(os.environ)
    if options.config is not None:
        environ[CONFIG_VARIABLE] = str(options.config)
    return load_settings(environ=environ)


def _stop_soon(stop: threading.Event) -> None:
    stop.set()

    def leave() -> None:
        # Every write is one transaction, so that leaving in the middle of a step loses nothing.
        os._exit(0)

    impatient = threading.Timer(_GRACE_S, leave)
    impatient.daemon = True
    impatient.start()


def _die_with(parent: int) -> None:
    """
    End soon after the parent has.

    Not by PR_SET_PDEATHSIG: the kernel sends that signal when the *thread* that started us ends,
    and a host may well start us from one that does not live long.
    """

    def look() -> None:
        while os.getppid() == parent:
            time.sleep(_PARENT_LOOK_S)
        os.kill(os.getpid(), signal.SIGTERM)

    threading.Thread(target=look, name="aiops parent watch", daemon=True).start()
