from __future__ import annotations

import os
import sys

import pytest

from aiops_provider.clusters.local.share import CpuShare, cpu_share


def test_jobs_are_spread_over_the_cpus(open_site):
    """Jobs with a core each run on different CPUs while there are any."""
    if len(os.sched_getaffinity(0)) < 2:
        pytest.skip("this host has one CPU")
    script = (
        "import os, time; print(*os.sched_getaffinity(0), os.nice(0), flush=True); time.sleep(600)"
    )
    for job_id in "ab":
        open_site.pool.submit(open_site.job(job_id, sys.executable, "-c", script, cores=1.0))
    logs = [open_site.note(f"logs/{job_id}.log").split() for job_id in "ab"]
    assert [len(log) for log in logs] == [2, 2]
    assert len({cpu for cpu, _ in logs}) == 2
    assert {nice for _, nice in logs} == {str(os.nice(0))}


def test_job_with_less_than_a_core_is_nice(open_site):
    """Half a core means nice level 3 on top of the host's."""
    open_site.pool.submit(
        open_site.job("a", sys.executable, "-c", "import os; print(os.nice(0))", cores=0.5)
    )
    open_site.follower.wait_for("a")
    assert open_site.log("a") == f"{os.nice(0) + 3}\n"


@pytest.mark.parametrize(
    ("cores", "cpus", "nice"),
    [
        (1, 1, 0),
        (1.5, 2, 0),
        (3, 3, 0),
        (4, 0, 0),
        (64, 0, 0),
        (0.5, 1, 3),
        (0.1, 1, 10),
        (1e-9, 1, 19),
    ],
)
def test_number_of_cpus_and_niceness(cores, cpus, nice):
    """Affinity is for fewer cores than the host has, niceness for less than one."""
    share = cpu_share(cores, host_cpus=range(4), held=[])
    assert (len(share.cpus), share.nice) == (cpus, nice)


def test_least_loaded_cpus_come_first():
    """A new job goes where the fewest granted cores are, counting those that may run anywhere."""
    held = [
        CpuShare(cores=1, cpus=(0,), nice=0),
        CpuShare(cores=0.5, cpus=(1,), nice=3),
        CpuShare(cores=1, cpus=(2, 3), nice=0),
        CpuShare(cores=4, cpus=(), nice=0),
    ]
    assert cpu_share(1, host_cpus=range(4), held=held).cpus == (1,)
    assert cpu_share(2, host_cpus=range(4), held=held).cpus == (1, 2)
