"""
Processes as Linux shows them under /proc: who is whose child, who uses how much.

A process may vanish between any two reads; then its figures are ``None`` or zero, never an error.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

_TICKS_PER_S = os.sysconf("SC_CLK_TCK")
_PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")
_KIB = 1024
_UNRECLAIMABLE = (b"Pss_Anon:", b"Pss_Shmem:")  # since Linux 5.9


@dataclass(frozen=True, slots=True)
class ProcessStat:
    """
    One process; the pair of ``pid`` and ``started`` never names another one.

    Attributes:
        pid: Process id.
        state: One letter; Z is dead but not reaped.
        parent: Its parent's id.
        group: Process group.
        started: Clock ticks between boot and its start.
        cpu_s: User and system time of itself, in seconds.
        reaped_cpu_s: That of its dead, reaped descendants.
    """

    pid: int
    state: str
    parent: int
    group: int
    started: int
    cpu_s: float
    reaped_cpu_s: float


def read_stat(pid: int) -> ProcessStat | None:
    """The process of that id, ``None`` if there is none. See proc_pid_stat(5)."""
    text = _read(f"/proc/{pid}/stat")
    if text is None:
        return None
    # The name is in brackets and may itself contain brackets and blanks.
    fields = text[text.rindex(")") + 2 :].split()
    user, system, reaped_user, reaped_system = (int(ticks) for ticks in fields[11:15])
    return ProcessStat(
        pid=pid,
        state=fields[0],
        parent=int(fields[1]),
        group=int(fields[2]),
        started=int(fields[19]),
        cpu_s=(user + system) / _TICKS_PER_S,
        reaped_cpu_s=(reaped_user + reaped_system) / _TICKS_PER_S,
    )


def children(pid: int) -> list[int]:
    """Ids of its children: of all its threads, adopted ones included."""
    found: list[int] = []
    for thread in threads(pid):
        text = _read(f"/proc/{pid}/task/{thread}/children")
        if text is None:
            return _children_by_search(pid)
        found += map(int, text.split())
    return found


def threads(pid: int) -> list[int]:
    """Ids of its threads; empty if it is gone."""
    try:
        return [int(each) for each in os.listdir(f"/proc/{pid}/task")]  # noqa: PTH208 - five times a second, per process
    except OSError:
        return []


def family(roots: Iterable[int]) -> list[ProcessStat]:
    """The roots and all their descendants that live, each once, parents before children."""
    members: dict[int, ProcessStat] = {}
    waiting = list(roots)
    while waiting:
        pid = waiting.pop()
        stat = None if pid in members else read_stat(pid)
        if stat is not None and stat.state not in "ZX":
            members[pid] = stat
            waiting += children(pid)
    return list(members.values())


def resident_bytes(pid: int) -> int:
    """Resident set size in bytes: cheap, and an upper bound of the proportional one."""
    text = _read(f"/proc/{pid}/statm")
    return int(text.split()[1]) * _PAGE_BYTES if text else 0


def memory_bytes(pid: int, *, inherited_bytes: int = 0) -> int:
    """
    Memory of one process in bytes: anonymous and shared memory, by proportional set size (PSS).

    A page that n processes share – what a fork left shared – counts 1/n in each, so that the sum
    over processes is what they really occupy. Pages of files (libraries) do not count: they can be
    dropped when memory is short, and their share would depend on how many neighbours use the same
    library, so that a size learned in company would be too small alone. The kernel does not tell
    the PSS of
    a process that made itself non-dumpable (Airflow's supervisor and what it forks do) to anyone
    but root. Then the anonymous and shared memory counts, less *inherited_bytes* if the process
    runs as our own user: such a one is a fork of ours, and that much of it was there before. This
    misses inherited pages that it has changed since, at most *inherited_bytes*.

    Args:
        pid: Process id.
        inherited_bytes: Anonymous memory of the process that it was forked from.
    """
    try:
        with open(f"/proc/{pid}/smaps_rollup", "rb") as lines:  # noqa: PTH123 - hot
            kib = sum(int(line.split()[1]) for line in lines if line.startswith(_UNRECLAIMABLE))
    except PermissionError:
        return _memory_without_sharing(pid, inherited_bytes)
    except OSError:
        return 0
    return kib * _KIB


def high_water_bytes(pid: int) -> int:
    """Highest resident size that the program of the process had so far, in bytes."""
    return _status(pid).get("VmHWM", 0) * _KIB


def anonymous_bytes(pid: int) -> int:
    """Anonymous resident memory in bytes: what a fork of the process would share with it."""
    return _status(pid).get("RssAnon", 0) * _KIB


def disk_bytes(pid: int) -> tuple[int, int] | None:
    """Bytes read from and written to disk, dead reaped children included; ``None``: not told."""
    text = _read(f"/proc/{pid}/io")
    if text is None:
        return None
    figures = dict(line.split(": ") for line in text.splitlines())
    return int(figures["read_bytes"]), int(figures["write_bytes"])


def environment_value(pid: int, name: str) -> str | None:
    """A variable of the environment that the process was started with."""
    text = _read(f"/proc/{pid}/environ")
    for pair in (text or "").split("\0"):
        key, _, value = pair.partition("=")
        if key == name:
            return value
    return None


def memory_kills() -> int:
    """Processes that the kernel has killed for want of memory since boot, in any container."""
    for line in (_read("/proc/vmstat") or "").splitlines():
        if line.startswith("oom_kill "):
            return int(line.split()[1])
    return 0


def send_signal(process: ProcessStat, number: signal.Signals) -> None:
    """Signal exactly this process; nothing happens if it is gone, even if its id was reused."""
    try:
        handle = os.pidfd_open(process.pid)
    except OSError:
        return
    try:
        # The handle pins the process, so a start time read after it was taken is that of the
        # process which the signal will reach.
        now = read_stat(process.pid)
        if now is not None and now.started == process.started:
            signal.pidfd_send_signal(handle, number)
    except (ProcessLookupError, PermissionError):
        pass  # gone, or it became another user's, whom we may not signal
    finally:
        os.close(handle)


def _children_by_search(pid: int) -> list[int]:
    """For kernels that were built without CONFIG_PROC_CHILDREN."""
    return [stat.pid for stat in _all_processes() if stat.parent == pid]


def _all_processes() -> Iterator[ProcessStat]:
    for name in os.listdir("/proc"):  # noqa: PTH208 - as above
        stat = read_stat(int(name)) if name.isdigit() else None
        if stat is not None:
            yield stat


def _memory_without_sharing(pid: int, inherited_bytes: int) -> int:
    status = _status(pid)
    own = (status.get("RssAnon", 0) + status.get("RssShmem", 0)) * _KIB
    if status.get("Uid") == os.getuid():
        return max(0, own - inherited_bytes)
    return own + status.get("RssFile", 0) * _KIB


def _status(pid: int) -> dict[str, int]:
    wanted = ("RssAnon", "RssFile", "RssShmem", "Uid", "VmHWM")
    lines = (line.partition(":") for line in (_read(f"/proc/{pid}/status") or "").splitlines())
    return {key: int(value.split()[0]) for key, _, value in lines if key in wanted}


def _read(path: str) -> str | None:
    try:
        with open(path, "rb", buffering=0) as file:  # noqa: PTH123 - hot
            return file.read().decode(errors="replace")
    except OSError:
        return None
