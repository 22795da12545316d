"""What a forked process must do to its inheritance, and what only Linux offers for that."""

from __future__ import annotations

import contextlib
import ctypes
import importlib
import os
import signal
import sys
from collections.abc import Collection
from pathlib import Path
from types import ModuleType
from typing import TextIO

_PR_SET_PDEATHSIG = 1
_PR_SET_CHILD_SUBREAPER = 36


def _import_or_none(module: str) -> ModuleType | None:
    try:
        return importlib.import_module(module)
    except ImportError:
        return None


# Not when a title is set: that is in a fresh fork, which had better import nothing.
_setproctitle = _import_or_none("setproctitle")


def set_parent_death_signal(number: signal.Signals, parent: int) -> bool:
    """
    Be sent *number* when the parent dies.

    The kernel sends it when the *thread* that forked us ends, so that a receiver which must not
    die for that has to look whether its parent is still there.

    Args:
        number: The signal.
        parent: Process id that the parent had before the fork.

    Returns:
        Whether the parent is still there; it may have died before the call had any effect.
    """
    _prctl(_PR_SET_PDEATHSIG, number)
    return os.getppid() == parent


def adopt_orphans() -> None:
    """Become the parent of every descendant whose own parent dies, so that none escapes."""
    _prctl(_PR_SET_CHILD_SUBREAPER, 1)


def set_title(title: str) -> None:
    """Show *title* in process lists, where setproctitle is installed."""
    if _setproctitle is not None:
        _setproctitle.setproctitle(title)


def offer_to_the_memory_killer(adjustment: int) -> None:
    """
    Make the kernel choose this process before others when memory runs out.

    Args:
        adjustment: -1000 (never) to 1000 (first); raising it needs no right.
    """
    with contextlib.suppress(OSError):  # no Linux, or /proc not writable: only a preference
        Path("/proc/self/oom_score_adj").write_text(str(adjustment))


def reset_signals() -> None:
    """Forget handlers, wake-up descriptors and masks of the process that forked us."""
    signal.set_wakeup_fd(-1)
    for number in signal.valid_signals():
        if callable(signal.getsignal(number)) or number == signal.SIGCHLD:
            signal.signal(number, signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_SETMASK, ())


def silence_descriptors(keep: Collection[int] = ()) -> None:
    """
    Point every inherited descriptor but standard output, standard error and *keep* at /dev/null.

    Closing them would not do: the objects that own them (connections, event loops) live on in
    this process, and a destructor that runs late would then write to, or close, whatever got the
    number since – a PostgreSQL connection says good-bye on its socket, on which the scheduler is
    still talking.
    """
    null = os.open(os.devnull, os.O_RDWR)
    for descriptor in _open_descriptors():
        if descriptor not in (1, 2, null) and descriptor not in keep:
            os.dup2(null, descriptor, inheritable=descriptor == 0)
    os.close(null)


def own_standard_streams() -> None:
    """Print to descriptors 1 and 2 whatever the forking process had made of ``sys.stdout``."""
    # The old ones stay referenced: a destructor would flush what the parent flushes as well.
    _INHERITED_STREAMS.extend((sys.stdout, sys.stderr))
    sys.stdout, sys.stderr = _printing_to(1), _printing_to(2)


def _printing_to(descriptor: int) -> TextIO:
    return open(
        descriptor, "w", encoding="utf-8", errors="backslashreplace", buffering=1, closefd=False
    )


def disown_children() -> None:
    """Make multiprocessing forget the forking process's children, which it would join or end."""
    process = sys.modules.get("multiprocessing.process")
    if process is not None:
        process._children.clear()  # noqa: SLF001 - as multiprocessing does after its own forks
    finalizers = sys.modules.get("multiprocessing.util")
    if finalizers is not None:
        finalizers._finalizer_registry.clear()  # noqa: SLF001 - as above


_INHERITED_STREAMS: list[object] = []


def _open_descriptors() -> list[int]:
    for folder in ("/proc/self/fd", "/dev/fd"):
        with contextlib.suppress(OSError):
            return [fd for fd in map(int, os.listdir(folder)) if _is_open(fd)]  # noqa: PTH208 - the folder's own descriptor is among them
    return [fd for fd in range(os.sysconf("SC_OPEN_MAX")) if _is_open(fd)]


def _is_open(descriptor: int) -> bool:
    try:
        os.fstat(descriptor)
    except OSError:
        return False
    return True


def _prctl(option: int, value: int) -> None:
    libc = ctypes.CDLL(None, use_errno=True)
    arguments = [ctypes.c_ulong(number) for number in (value, 0, 0, 0)]
    if libc.prctl(option, *arguments) != 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))
