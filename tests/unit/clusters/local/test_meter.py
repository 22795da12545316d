from __future__ import annotations

import os
import sys

import psutil
import pytest

from aiops_provider.clusters.job_client import JobState
from aiops_provider.clusters.local import proc
from aiops_provider.clusters.local.meter import JobMeter

_MIB = 1 << 20

_GRANDCHILD = """
import subprocess, sys
child = "import time; block = bytearray(600 << 20); print('allocated', flush=True); time.sleep(600)"
subprocess.run(["setsid", sys.executable, "-c", child])
"""


def test_memory_of_a_grandchild_counts(open_site):
    """A tree that outgrows its request is killed as out of memory, whichever member outgrew it."""
    job = open_site.job("a", sys.executable, "-c", _GRANDCHILD, memory_gib=0.2)
    open_site.pool.submit(job)
    [update] = open_site.follower.wait_for("a")
    assert (update.state, update.exit_code) == (JobState.OUT_OF_MEMORY, 137)
    assert update.message.startswith("killed for memory: ")
    assert update.message.endswith("the request was 0.200 GiB")
    assert update.usage.peak_memory_gib > 0.2
    assert len(open_site.living(open_site.family())) == 2


def test_memory_of_several_processes_adds_up(open_site):
    """Three processes that each fit are killed when together they do not."""
    one = f"{sys.executable} -c 'import time; block = bytearray(100 << 20); time.sleep(600)'"
    job = open_site.job("a", "sh", "-c", f"{one} & {one} & {one} & wait", memory_gib=0.25)
    open_site.pool.submit(job)
    [update] = open_site.follower.wait_for("a")
    assert update.state is JobState.OUT_OF_MEMORY


def test_shared_memory_counts_once(site, jobs_module):
    """What forks share with the pool, and with each other, does not count for each of them."""
    module = jobs_module(
        "import os\n"
        "block = bytearray(b'x') * (600 << 20)\n"
        "def run():\n"
        "    children = [os.fork() for _ in range(1)]\n"
        "    if 0 in children:\n"
        "        import time; time.sleep(0.5); os._exit(0)\n"
        "    os.wait()\n"
    )
    site.preload = (module,)
    site.open()
    site.pool.submit(site.job("a", entry=f"{module}:run", memory_gib=0.8))
    [update] = site.follower.wait_for("a")
    # Counted in each of the two it would be 1.2 GiB; two thirds of it are the job's, and a share
    # of what this test process has in memory.
    assert update.state is JobState.SUCCEEDED
    assert update.usage.peak_memory_gib < 0.7


def test_usage_of_a_tree(open_site):
    """Peak memory, processor time and duration are those of the whole tree."""
    script = (
        "import os, time\n"
        "block = bytearray(200 << 20)\n"
        "if os.fork() == 0:\n"
        "    while time.process_time() < 0.3: pass\n"
        "    os._exit(0)\n"
        "os.wait()\n"
        "start = time.process_time()\n"
        "while time.process_time() < start + 0.3: pass\n"
    )
    open_site.pool.submit(open_site.job("a", sys.executable, "-c", script))
    [update] = open_site.follower.wait_for("a")
    assert update.state is JobState.SUCCEEDED
    assert update.usage.peak_memory_gib * 1024 == pytest.approx(210, abs=15)
    assert update.usage.cpu_seconds == pytest.approx(0.75, abs=0.25)
    assert update.usage.duration_s >= 0.6 / os.cpu_count()
    assert update.usage.io_read_gib is not None


def test_usage_of_orphans_counts(open_site):
    """The processor time of a process that its parent never waited for is the job's as well."""
    spin = "import time\nwhile time.process_time() < 0.5: pass"
    script = (
        "import subprocess, sys, time\n"
        f"subprocess.Popen(['setsid', sys.executable, '-c', {spin!r}])\n"
        "time.sleep(0.3)\n"
        "import os; os._exit(0)\n"
    )
    open_site.pool.submit(open_site.job("a", sys.executable, "-c", script))
    [update] = open_site.follower.wait_for("a")
    assert update.usage.cpu_seconds > 0.1


def test_disk_traffic(open_site, tmp_path):
    """What a job writes to disk is measured, its dead children's share included."""
    script = f"dd if=/dev/zero of={tmp_path}/file bs=1M count=16 conv=fsync 2>/dev/null; true"
    open_site.pool.submit(open_site.job("a", "sh", "-c", script))
    [update] = open_site.follower.wait_for("a")
    assert update.usage.io_write_gib * 1024 == pytest.approx(16, abs=1)


def test_short_peak(open_site):
    """A peak that is over between two readings is known from the kernel, however large the pool."""
    script = "block = bytearray(300 << 20); del block; import time; time.sleep(1)"
    open_site.pool.submit(open_site.job("a", sys.executable, "-c", script))
    [update] = open_site.follower.wait_for("a")
    assert update.usage.peak_memory_gib * 1024 == pytest.approx(310, abs=15)


def test_job_over_in_no_time(open_site):
    """Even a job that ends at once has used some memory: at most what its fork shared with us."""
    open_site.pool.submit(open_site.job("a", "true"))
    [update] = open_site.follower.wait_for("a")
    ours_gib = psutil.Process().memory_info().rss / 1024**3
    assert 0 < update.usage.peak_memory_gib < ours_gib + 0.1


def test_a_copy_of_the_pool_is_not_read_at_once(monkeypatch):
    """What a fork shares with its pool is known without walking its page tables; later it is read."""
    readings = []

    def memory_bytes(pid, *, inherited_bytes=0):
        readings.append(pid)
        return 70 * _MIB

    monkeypatch.setattr(proc, "memory_bytes", memory_bytes)
    monkeypatch.setattr(proc, "resident_bytes", lambda _: 130 * _MIB)
    meter = JobMeter(
        limit_bytes=1000 * _MIB, inherited_bytes=90 * _MIB, pool_resident_bytes=120 * _MIB
    )
    members = [proc.read_stat(os.getpid())]
    meter.begin_as_copy(100.0, copies=2)
    meter.observe(members, 100.2)
    assert (meter.peak_bytes, readings) == (30 * _MIB, [])
    meter.observe(members, 100.6)
    assert (meter.peak_bytes, readings) == (70 * _MIB, [os.getpid()])


def test_a_copy_that_nears_its_limit_is_read_at_once(monkeypatch):
    """A job that grows fast is not given half a second to take the machine down."""
    monkeypatch.setattr(proc, "memory_bytes", lambda *_, **__: 210 * _MIB)
    monkeypatch.setattr(proc, "resident_bytes", lambda _: 330 * _MIB)
    meter = JobMeter(
        limit_bytes=200 * _MIB, inherited_bytes=90 * _MIB, pool_resident_bytes=120 * _MIB
    )
    meter.begin_as_copy(100.0, copies=2)
    meter.observe([proc.read_stat(os.getpid())], 100.2)
    assert meter.exceeded
