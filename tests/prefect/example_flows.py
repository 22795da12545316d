"""Flows that the tests deploy; run in the processes of a real worker, never imported by tests."""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import Any

from prefect import flow, runtime

from aiops_provider import report


@flow
def hello(folder: str, fail: bool = False) -> None:
    known = {name: os.environ[name] for name in sorted(os.environ) if name.startswith("AIOPS_")}
    known.pop("AIOPS_TOKEN", None)
    (Path(folder) / "environment").write_text("\n".join(f"{k}={v}" for k, v in known.items()))
    (Path(folder) / "where").write_text(str(Path.cwd()))
    report("greetings", 1.0)
    if fail:
        raise ValueError("told to fail")


@flow
def greedy(folder: str) -> None:
    """Takes ever more memory the first time, and nearly none after that."""
    with (Path(folder) / "starts").open("a") as starts:
        starts.write(f"{runtime.flow_run.run_count}\n")
    held = []
    while runtime.flow_run.run_count == 1 and len(held) < 60:
        block = bytearray(64 << 20)
        block[::4096] = b"x" * len(block[::4096])
        held.append(block)
        time.sleep(0.1)


def on_cancellation(flow: Any, flow_run: Any, state: Any) -> None:
    (Path(flow_run.parameters["folder"]) / "hook").write_text(state.name)


@flow(on_cancellation=[on_cancellation])
def patient(folder: str, seconds: float = 60.0, once: bool = False) -> None:
    """Waits, the first time only when it is told so."""
    count = runtime.flow_run.run_count
    with (Path(folder) / "starts").open("a") as starts:
        starts.write(f"{count} {os.getpid()} {os.environ['AIOPS_CLUSTER']}\n")
    if once and count > 1:
        return
    try:
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            time.sleep(0.1)
    finally:
        (Path(folder) / "tidy").write_text("left in order")


@flow
def sized(units: int, table: str) -> None:
    """As much memory as that many units of input need, for long enough to be measured."""
    ballast = bytearray(units * (16 << 20))
    ballast[::4096] = b"x" * len(ballast[::4096])
    time.sleep(2)
