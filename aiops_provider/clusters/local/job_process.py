"""The process of one job: forked from the pool, set up to its share, ended without a trace."""

from __future__ import annotations

import atexit
import contextlib
import gc
import importlib
import os
import select
import signal
import sys
import threading
import traceback
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn

from aiops_provider.clusters.job_client import Job
from aiops_provider.clusters.local import linux
from aiops_provider.clusters.local.share import CpuShare

JOB_ID_VARIABLE = "AIOPS_JOB_ID"

# The kernel shall take a job rather than the pool, and the pool rather than the host.
_MEMORY_KILLER_PREFERENCE = 500
_LAST_WORDS_BYTES = 4000  # one write of less than PIPE_BUF is all or nothing
_CANNOT_RUN, _NOT_FOUND = 126, 127  # as a shell has it
_BLOCKED_AT_FORK = (signal.SIGTERM, signal.SIGINT, signal.SIGCHLD)


@dataclass(frozen=True, slots=True, kw_only=True)
class ForkedJob:
    """
    A job's process, seen from the pool.

    Attributes:
        pid: Process id, and id of its process group.
        last_words: Descriptor that a message of one line can be read from once it has ended.
    """

    pid: int
    last_words: int

    @property
    def has_let_go(self) -> bool:
        """Whether it has become another program, or ended without a word."""
        poller = select.poll()
        poller.register(self.last_words, select.POLLIN)
        return any(event == select.POLLHUP for _, event in poller.poll(0))

    def read_last_words(self) -> str:
        """What the job said about its end; may be called once."""
        with contextlib.closing(os.fdopen(self.last_words, "rb", buffering=0)) as pipe:
            return (pipe.read(_LAST_WORDS_BYTES) or b"").decode(errors="replace")


def fork_job(
    job: Job,
    share: CpuShare,
    *,
    title: str,
    environment: Mapping[str, str],
    release: Callable[[], None],
) -> ForkedJob:
    """
    Start a job.

    Args:
        job: What to run.
        share: Its share of the CPUs.
        title: For process lists.
        environment: Variables that every job of the pool gets.
        release: Called in the new process: lets go of what belongs to the pool.
    """
    reading, writing = os.pipe2(os.O_CLOEXEC | os.O_NONBLOCK)
    for stream in (sys.stdout, sys.stderr):
        stream.flush()  # or the job would print it again
    pool = os.getpid()
    # A signal that reached the new process before it has dropped the pool's handlers would be lost.
    signal.pthread_sigmask(signal.SIG_BLOCK, _BLOCKED_AT_FORK)
    try:
        pid = os.fork()
    except OSError:
        os.close(reading)
        os.close(writing)
        raise
    finally:
        if os.getpid() == pool:
            signal.pthread_sigmask(signal.SIG_UNBLOCK, _BLOCKED_AT_FORK)
    if pid == 0:
        try:
            os.close(reading)
            release()
            _set_up(job, share, pool=pool, title=title, environment=environment)
            _run(job, writing)
        except BaseException as error:  # noqa: BLE001 - must never run on into the pool's own loop
            _tell(error, writing)
        finally:
            _flush()
            os._exit(_CANNOT_RUN)
    os.close(writing)
    with contextlib.suppress(OSError):  # both sides do it, so that neither can come too late
        os.setpgid(pid, pid)
    return ForkedJob(pid=pid, last_words=reading)


def _set_up(
    job: Job, share: CpuShare, *, pool: int, title: str, environment: Mapping[str, str]
) -> None:
    # A group, not a session: with a session per job, Linux' autogroups would share out the CPUs
    # between sessions, and the nice levels of jobs would mean nothing to each other.
    os.setpgid(0, 0)
    linux.reset_signals()
    if not linux.set_parent_death_signal(signal.SIGKILL, pool):
        os._exit(_CANNOT_RUN)
    linux.offer_to_the_memory_killer(_MEMORY_KILLER_PREFERENCE)
    linux.set_title(title)
    if share.cpus:
        os.sched_setaffinity(0, share.cpus)
    os.environ.update(
        {**share.thread_environment, **environment, **job.environment, JOB_ID_VARIABLE: job.job_id}
    )
    if job.log_path is not None:
        _write_to(Path(job.log_path))


def _write_to(log: Path) -> None:
    log.parent.mkdir(parents=True, exist_ok=True)
    descriptor = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
    os.dup2(descriptor, 1)
    os.dup2(descriptor, 2)
    os.close(descriptor)


def _run(job: Job, last_words: int) -> NoReturn:
    if job.command is not None:
        _become(job.command, last_words)
    gc.enable()
    status = 1
    try:
        status = _call(job, last_words)
        _end_like_an_interpreter()
    except BaseException:  # noqa: BLE001 - an exit handler of the user's failed; the status stands
        traceback.print_exc()
    finally:
        _flush()
        os._exit(status)


def _become(command: tuple[str, ...], last_words: int) -> NoReturn:
    for number in (signal.SIGPIPE, signal.SIGXFSZ):  # ignored by Python, which is its own affair
        signal.signal(number, signal.SIG_DFL)
    try:
        os.execvp(command[0], command)  # noqa: S606 - a job is a program without a shell
    except OSError as error:
        message = f"{command[0]}: {error.strerror}"
        print(message, file=sys.stderr)  # noqa: T201 - standard error is the job's log
        _say(message, last_words)
        _flush()
        os._exit(_NOT_FOUND if isinstance(error, FileNotFoundError) else _CANNOT_RUN)


def _call(job: Job, last_words: int) -> int:
    try:
        entry = _load(job.entry or "")
        result = entry() if job.argument is None else entry(job.argument)
        return _status_of(result)
    except SystemExit as leaving:
        if leaving.code is None or isinstance(leaving.code, int):
            return _status_of(leaving.code)
        print(leaving.code, file=sys.stderr)  # noqa: T201 - as the interpreter does
        _say(str(leaving.code), last_words)
        return 1
    except BaseException as error:  # noqa: BLE001 - whatever ends the user's work ends the job
        _tell(error, last_words)
        return 1


def _load(entry: str) -> Callable[..., Any]:
    module, _, name = entry.partition(":")
    target: Any = importlib.import_module(module)
    for part in name.split("."):
        target = getattr(target, part)
    return target  # type: ignore[no-any-return]  # whatever it is, calling it tells


def _status_of(result: object) -> int:
    """Exit status of an entry function: -n, as subprocesses have it after signal n, is 128 + n."""
    if result is None:
        return 0
    if not isinstance(result, int):
        raise TypeError(f"an entry function returns int or None, not {type(result).__name__}")
    return (128 - result if result < 0 else result) & 0xFF


def _end_like_an_interpreter() -> None:
    """Wait for threads and child processes that are no daemons, then run exit handlers."""
    threading._shutdown()  # type: ignore[attr-defined]  # noqa: SLF001 - as multiprocessing does
    multiprocessing = sys.modules.get("multiprocessing.util")
    if multiprocessing is not None:
        multiprocessing._exit_function()  # noqa: SLF001 - as it does itself
    atexit._run_exitfuncs()  # noqa: SLF001 - a fork has no other way


def _tell(error: BaseException, last_words: int) -> None:
    frames = error.__traceback__
    while frames is not None and frames.tb_frame.f_code.co_filename == __file__:
        frames = frames.tb_next  # what is ours tells the user nothing
    traceback.print_exception(type(error), error, frames)
    _say(traceback.format_exception_only(error)[-1].strip(), last_words)


def _say(message: str, last_words: int) -> None:
    with contextlib.suppress(OSError):  # the pool is gone, and so are we in a moment
        os.write(last_words, message.encode()[:_LAST_WORDS_BYTES])


def _flush() -> None:
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(ValueError, OSError):  # closed, or its reader is gone
            stream.flush()
