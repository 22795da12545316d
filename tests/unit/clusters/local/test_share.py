from __future__ import annotations

import os
import sys

import pytest

from aiops_provider.clusters.local.share import CpuShare, cpu_share, nice_beside


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


def test_jobs_are_nice_beside_larger_ones_only(open_site):
    """Half a core means nice level 3 beside a whole one, whichever comes first, and none beside its like."""
    script = (
        "import os, sys, time\n"
        "while not os.path.exists(sys.argv[1]):\n"
        "    print(os.nice(0), flush=True)\n"
        "    time.sleep(0.05)"
    )
    end = open_site.folder / "end"
    for job_id, cores in (("small", 0.5), ("like", 0.5)):
        open_site.pool.submit(
            open_site.job(job_id, sys.executable, "-c", script, str(end), cores=cores)
        )
    own = os.nice(0)
    for job_id in ("small", "like"):
        open_site.note(f"logs/{job_id}.log")
        assert {f"{own}"} == set(open_site.log(job_id).split())
    open_site.pool.submit(open_site.job("large", sys.executable, "-c", script, str(end), cores=1))
    open_site.wait_until(lambda: f"{own + 3}" in open_site.log("small").split())
    open_site.note("logs/large.log")
    assert {f"{own}"} == set(open_site.log("large").split())
    end.touch()
    for job_id in ("small", "like", "large"):
        open_site.follower.wait_for(job_id)


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
    assert (len(share.cpus), nice_beside(cores, largest=64)) == (cpus, nice)
    assert 0 == nice_beside(cores, largest=cores)


def test_least_loaded_cpus_come_first():
    """A new job goes where the fewest granted cores are, counting those that may run anywhere."""
    held = [
        CpuShare(cores=1, cpus=(0,)),
        CpuShare(cores=0.5, cpus=(1,)),
        CpuShare(cores=1, cpus=(2, 3)),
        CpuShare(cores=4, cpus=()),
    ]
    assert cpu_share(1, host_cpus=range(4), held=held).cpus == (1,)
    assert cpu_share(2, host_cpus=range(4), held=held).cpus == (1, 2)
