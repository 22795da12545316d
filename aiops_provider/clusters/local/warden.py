"""
The process between a host and its pool, which lives only to leave nothing behind.

The kernel can be told to end a process with its parent, but not the grandchildren: were the pool
killed, its jobs would die and what they had forked would live on, unseen, while the host runs the
same task elsewhere. So the warden adopts whatever the pool leaves, ends it, and only then lets go
of the pool's end of the channel: when the host reads the end of the stream, nothing is running.
"""

from __future__ import annotations

import atexit
import contextlib
import gc
import os
import signal
import socket
import sys
import traceback
from collections.abc import Callable, Mapping, Sequence

from aiops_provider.clusters.local import linux, proc
from aiops_provider.clusters.local.channel import Channel
from aiops_provider.clusters.local.pool import Pool

_LOOK_EVERY_S = 0.5


def fork_pool(
    sock: socket.socket,
    *,
    cluster: str,
    preload: Sequence[str],
    environment: Mapping[str, str],
    most_at_once: int | None = None,
) -> int:
    """
    Start a pool.

    Args:
        sock: The pool's end of the channel; the caller closes its copy afterwards.
        cluster: Name for process titles.
        preload: Modules that the pool imports ahead of its jobs.
        environment: Variables of every job.
        most_at_once: Jobs that run at a time; ``None``: any number.

    Returns:
        Process id of the warden, a child of the caller, who has to reap it.
    """
    host = os.getpid()
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(AttributeError, ValueError, OSError):  # none, closed or broken
            stream.flush()
    pid = os.fork()
    if pid == 0:
        try:
            _shed_inheritance(sock.fileno())

            def make_pool(parent: int) -> Pool:
                return Pool(
                    Channel(sock),
                    cluster=cluster,
                    environment=environment,
                    parent=parent,
                    most_at_once=most_at_once,
                )

            _guard(host, cluster, make_pool, preload)
        except BaseException:  # noqa: BLE001 - must never run on into the host's own code
            traceback.print_exc()
        finally:
            os._exit(1)
    return pid


def _shed_inheritance(channel: int) -> None:
    """Become a process that has nothing of the host's but its code and its standard error."""
    # Nothing that the host left lying about is ours to tidy up: a finalizer may delete its files.
    gc.freeze()
    linux.reset_signals()
    os.setsid()
    linux.silence_descriptors(keep={channel})
    linux.own_standard_streams()
    atexit._clear()  # noqa: SLF001 - the host's exit handlers are none of ours
    linux.disown_children()


def _guard(
    host: int, cluster: str, make_pool: Callable[[int], Pool], preload: Sequence[str]
) -> None:
    linux.adopt_orphans()
    awaited = {signal.SIGCHLD, signal.SIGTERM}
    signal.pthread_sigmask(signal.SIG_BLOCK, awaited)
    # A request to look, no more: the kernel also sends it when only the host's thread has ended
    # that started the pool.
    linux.set_parent_death_signal(signal.SIGTERM, host)
    pool = _fork_pool_below(make_pool, preload)
    linux.set_title(f"aiops warden: {cluster}")
    while os.getppid() == host and not _reap(pool):
        signal.sigtimedwait(awaited, _LOOK_EVERY_S)
    end_all_descendants()
    os._exit(0)


def _fork_pool_below(make_pool: Callable[[int], Pool], preload: Sequence[str]) -> int:
    warden = os.getpid()
    pid = os.fork()
    if pid == 0:
        try:
            linux.reset_signals()
            os.setsid()
            make_pool(warden).serve(preload)
            os._exit(0)
        except BaseException:  # noqa: BLE001 - must never run on into the warden's code
            traceback.print_exc()
        finally:
            os._exit(1)
    return pid


def _reap(pool: int) -> bool:
    """Collect the dead; whether the pool is one of them."""
    while True:
        try:
            pid, _ = os.waitpid(-1, os.WNOHANG)
        except ChildProcessError:
            return True
        if pid == pool:
            return True
        if pid == 0:
            return False


def end_all_descendants() -> None:
    """Kill and reap every process below the caller, which must be the one that adopts orphans."""
    while True:
        for process in proc.family(proc.children(os.getpid())):
            proc.send_signal(process, signal.SIGKILL)
        try:
            os.wait()
        except ChildProcessError:
            return
