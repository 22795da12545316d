from __future__ import annotations

import os
import signal
import subprocess
import sys
from dataclasses import replace

import pytest

from aiops_provider.clusters.local import proc

_NOT_DUMPABLE = """
import ctypes, os, sys
from aiops_provider.clusters.local import proc
if os.getuid() == 0:
    os.setgroups([]); os.setgid(65534); os.setuid(65534)
libc = ctypes.CDLL(None)
libc.prctl(4, 1, 0, 0, 0)  # the change of user took it away
ballast = bytearray(b"x") * (60 << 20)
reader, writer = os.pipe()
child = os.fork()
if child == 0:
    libc.prctl(4, 0, 0, 0, 0)
    block = bytearray(b"x") * (40 << 20)
    os.write(writer, b"x")
    import time; time.sleep(600)
os.read(reader, 1)
try:
    open(f"/proc/{child}/smaps_rollup").read()
except PermissionError:
    print("hidden")
print(proc.memory_bytes(child, inherited_bytes=proc.anonymous_bytes(os.getpid())) >> 20)
print(proc.disk_bytes(child), proc.environment_value(child, "PATH"))
print([each.pid for each in proc.family([os.getpid()])] == [os.getpid(), child])
os.kill(child, 9)
os.wait()
"""


def test_memory_that_the_kernel_hides():
    """Of a fork that may not be looked into, what it allocated itself is counted all the same."""
    result = subprocess.run(
        [sys.executable, "-c", _NOT_DUMPABLE], capture_output=True, text=True, check=True
    )
    hidden, memory_mib, others, family = result.stdout.splitlines()
    assert hidden == "hidden"
    assert 38 <= int(memory_mib) <= 44
    assert others == "None None"
    assert family == "True"


def test_name_with_brackets_and_blanks(tmp_path):
    """A process may be called anything."""
    program = tmp_path / "a) R 1 (b"
    program.symlink_to("/bin/sleep")
    process = subprocess.Popen([program, "600"])
    try:
        stat = proc.read_stat(process.pid)
        assert stat is not None
        assert (stat.pid, stat.parent) == (process.pid, os.getpid())
    finally:
        process.kill()
        process.wait()


def test_process_that_is_gone():
    """Of a process that is gone there are no figures, and no errors either."""
    process = subprocess.Popen(["true"])
    pid, stat = process.pid, None
    while stat is None:
        stat = proc.read_stat(pid)
    process.wait()
    assert proc.read_stat(pid) is None
    assert proc.children(pid) == []
    assert proc.family([pid]) == []
    assert proc.resident_bytes(pid) == 0
    assert proc.memory_bytes(pid) == 0
    assert proc.anonymous_bytes(pid) == 0
    assert proc.disk_bytes(pid) is None
    assert proc.environment_value(pid, "PATH") is None
    proc.send_signal(stat, signal.SIGKILL)


def test_signal_reaches_only_the_process_that_was_meant():
    """A process that got the id of one that ended is not signalled in its place."""
    process = subprocess.Popen(["sleep", "600"])
    try:
        stat = proc.read_stat(process.pid)
        assert stat is not None
        proc.send_signal(replace(stat, started=stat.started - 1), signal.SIGKILL)
        with pytest.raises(subprocess.TimeoutExpired):
            process.wait(0.1)
        proc.send_signal(stat, signal.SIGKILL)
        assert process.wait() == -signal.SIGKILL
    finally:
        process.kill()
        process.wait()


def test_kernel_without_lists_of_children(monkeypatch):
    """Where the kernel does not list children, they are searched for."""
    process = subprocess.Popen(["sleep", "600"])
    real = proc._read
    monkeypatch.setattr(
        proc, "_read", lambda path: None if path.endswith("/children") else real(path)
    )
    try:
        assert process.pid in proc.children(os.getpid())
        assert process.pid in [each.pid for each in proc.family([os.getpid()])]
    finally:
        process.kill()
        process.wait()
