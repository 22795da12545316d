"""Runs something in a process of its own that is ended, with its children, when it takes too much."""

from __future__ import annotations

import multiprocessing
import os
import resource
import signal
import time
from collections.abc import Callable
from dataclasses import dataclass
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from typing import Any, Generic, TypeVar

import psutil

_Result = TypeVar("_Result")
_GIB = 2**30


@dataclass(frozen=True, slots=True, kw_only=True)
class Ended(Generic[_Result]):
    """
    How a run ended.

    Attributes:
        result: What it returned; ``None`` if it was ended before.
        how: ``done``, or why there is no result.
        seconds: By the wall, with the start of the process.
        process_seconds: CPU time of the process and of the children it had then.
    """

    result: _Result | None
    how: str
    seconds: float
    process_seconds: float


def run_apart(
    work: Callable[..., _Result],
    arguments: tuple[Any, ...],
    *,
    limit_s: float,
    limit_gib: float,
) -> Ended[_Result]:
    """
    Call ``work(*arguments)`` in a new process, so that its memory and its leftovers are its own.

    Args:
        work: Importable by name; it and all else must be picklable.
        arguments: Of the call.
        limit_s: Seconds by the wall after which the process and all it started are killed.
        limit_gib: Address space of it and of each process that it starts.

    Raises:
        Exception: What ``work`` raised, other than for want of memory.
    """
    context = multiprocessing.get_context("spawn")
    here, there = context.Pipe(duplex=False)
    process = context.Process(target=_child, args=(there, limit_gib, work, arguments))
    began = time.perf_counter()
    process.start()
    there.close()
    try:
        kind, content = _wait(here, limit_s)
        seconds, used = time.perf_counter() - began, _cpu_s(process)
    finally:
        _end(process)
    if kind == "raised":
        raise content
    how = "done" if kind == "done" else content
    if kind == "gone":
        how = f"ended by signal {-(process.exitcode or 0)}"
    return Ended(
        result=content if kind == "done" else None, how=how, seconds=seconds, process_seconds=used
    )


def _wait(here: Connection, limit_s: float) -> tuple[str, Any]:
    if not here.poll(limit_s):
        return "stopped", f"killed after {limit_s:.0f} s"
    try:
        kind, content = here.recv()
    except EOFError:  # a library that finds no memory may end the process
        return "gone", None
    return kind, content


def _child(
    there: Connection, limit_gib: float, work: Callable[..., Any], arguments: tuple[Any, ...]
) -> None:
    os.setpgid(0, 0)
    limit = int(limit_gib * _GIB)
    resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
    try:
        answer: tuple[str, Any] = ("done", work(*arguments))
    except MemoryError:
        answer = ("stopped", f"out of {limit_gib:g} GiB")
    except Exception as error:  # noqa: BLE001 - raised again by the parent
        answer = ("raised", error)
    there.send(answer)


def _cpu_s(process: BaseProcess) -> float:
    """NaN once it is gone."""
    try:
        own = psutil.Process(process.pid)
        times = [one.cpu_times() for one in (own, *own.children(recursive=True))]
    except psutil.NoSuchProcess:
        return float("nan")
    return sum(one.user + one.system for one in times)


def _end(process: BaseProcess) -> None:
    """The group that the process leads; it has none before its first line has run."""
    assert process.pid is not None
    try:
        os.killpg(process.pid, signal.SIGKILL)
    except ProcessLookupError:
        process.kill()
    process.join()
