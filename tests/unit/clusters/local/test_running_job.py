from __future__ import annotations

import os
import resource

from aiops_provider.clusters.job_client import Job, JobState
from aiops_provider.clusters.local import proc
from aiops_provider.clusters.local.job_process import ForkedJob
from aiops_provider.clusters.local.meter import JobMeter
from aiops_provider.clusters.local.running_job import RunningJob
from aiops_provider.clusters.local.share import CpuShare
from aiops_provider.domain.profile import ResourceRequest


def _killed(memory_kills):
    """A job that ended by SIGKILL, with what the kernel had counted when it began."""
    reader, writer = os.pipe()
    os.close(writer)
    running = RunningJob(
        job=Job(
            job_id="a", request=ResourceRequest(cores=1, memory_gib=1), command=("sleep", "600")
        ),
        process=ForkedJob(pid=1, last_words=reader),
        share=CpuShare(cores=1, cpus=()),
        meter=JobMeter(limit_bytes=1 << 30, inherited_bytes=0, pool_resident_bytes=0),
        started_at=0.0,
        memory_kills=memory_kills,
    )
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    running.reaped(1, 9, usage, None)
    return running.final_update()


def test_killed_by_the_kernel_for_memory(monkeypatch):
    """A job that was killed while the kernel ran out of memory is out of memory, too."""
    monkeypatch.setattr(proc, "memory_kills", lambda: 5)
    update = _killed(memory_kills=4)
    assert (update.state, update.exit_code) == (JobState.OUT_OF_MEMORY, 137)
    assert "want of memory on this machine" in update.message


def test_killed_by_somebody(monkeypatch):
    """A job that was killed for no reason that we know has failed."""
    monkeypatch.setattr(proc, "memory_kills", lambda: 5)
    update = _killed(memory_kills=5)
    assert (update.state, update.exit_code) == (JobState.FAILED, 137)
