from __future__ import annotations

import os
import subprocess
import sys
import time

import pytest

from aiops_provider.telemetry.sampler import UsageSampler

_MIB = 1 << 20


def _spin(cpu_s):
    end = time.process_time() + cpu_s
    while time.process_time() < end:
        pass


def test_processor_time_of_this_process():
    """Only what was used since the start counts."""
    _spin(0.2)
    sampler = UsageSampler()
    sampler.start()
    _spin(0.3)
    usage = sampler.stop()
    assert usage.cpu_seconds == pytest.approx(0.3, abs=0.1)
    assert usage.duration_s >= 0.3
    assert usage.io_read_gib is not None


def test_children_count():
    """Memory and processor time of child processes count, of those that ended as well."""
    spin = "import time\nwhile time.process_time() < 0.3: pass"
    hold = "block = bytearray(200 << 20); print(flush=True); input()"
    sampler = UsageSampler(period_s=0.02)
    sampler.start()
    before = sampler._peak_bytes
    with subprocess.Popen(
        [sys.executable, "-c", hold], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as child:
        child.stdout.readline()
        deadline = time.monotonic() + 30
        while sampler._peak_bytes < before + 200 * _MIB and time.monotonic() < deadline:
            time.sleep(0.01)
        child.communicate("\n")
    subprocess.run([sys.executable, "-c", spin], check=True)
    usage = sampler.stop()
    assert usage.peak_memory_gib * 1024 == pytest.approx(before / _MIB + 207, abs=15)
    assert usage.cpu_seconds >= 0.3


def test_another_process():
    """A tree can be measured from outside; when it ends, its figures stay."""
    script = "block = bytearray(100 << 20)\nprint(flush=True); input()"
    child = subprocess.Popen(
        [sys.executable, "-c", script], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    child.stdout.readline()
    sampler = UsageSampler(child.pid)
    sampler.start()
    child.communicate("\n")
    usage = sampler.stop()
    assert usage.peak_memory_gib * 1024 == pytest.approx(107, abs=15)


def test_process_that_is_not_there():
    """Nothing was used by nobody."""
    child = subprocess.Popen(["true"])
    child.wait()
    sampler = UsageSampler(child.pid)
    sampler.start()
    usage = sampler.stop()
    assert (usage.peak_memory_gib, usage.cpu_seconds, usage.io_read_gib) == (0, 0, None)


def test_short_peak():
    """A peak between two readings is known, however large the process was that started this one."""
    ballast = bytearray(b"x") * (500 << 20)
    script = (
        "from aiops_provider.telemetry.sampler import UsageSampler\n"
        "sampler = UsageSampler(period_s=3600)\n"
        "sampler.start()\n"
        "block = bytearray(300 << 20); del block\n"
        "print(sampler.stop().peak_memory_gib * 1024)\n"
    )
    result = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )
    assert len(ballast) > 400 * _MIB
    assert float(result.stdout) == pytest.approx(330, abs=30)


def test_memory_of_before_is_no_peak():
    """What the process had used and given back before the start does not count."""
    script = (
        "from aiops_provider.telemetry.sampler import UsageSampler\n"
        "block = bytearray(300 << 20); del block\n"
        "sampler = UsageSampler(period_s=3600)\n"
        "sampler.start()\n"
        "print(sampler.stop().peak_memory_gib * 1024)\n"
    )
    result = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )
    assert 5 < float(result.stdout) < 100


def test_written_to_disk(tmp_path):
    """What was written since the start counts."""
    sampler = UsageSampler()
    sampler.start()
    with (tmp_path / "file").open("wb") as file:
        file.write(b"x" * (8 * _MIB))
        file.flush()
        os.fsync(file.fileno())
    usage = sampler.stop()
    assert usage.io_write_gib * 1024 == pytest.approx(8, abs=1)


def test_stopping_again():
    """A second stop tells the same."""
    sampler = UsageSampler()
    sampler.start()
    sampler.start()
    assert sampler.stop() == sampler.stop()


def test_stopping_what_was_not_started():
    """A sampler that was not started has nothing to tell."""
    with pytest.raises(RuntimeError, match="not started"):
        UsageSampler().stop()
