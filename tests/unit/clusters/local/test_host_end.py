from __future__ import annotations

import signal
import subprocess
import sys

import psutil
import pytest

_HOST = """
import os, sys, time
from aiops_provider.clusters.job_client import Job
from aiops_provider.clusters.local import LocalPool
from aiops_provider.domain.cluster import Capacity, ClusterSpec, Pool
from aiops_provider.domain.profile import ResourceRequest

machine = Capacity(cores=4, memory_gib=4)
pools = (Pool(name="p", machine=machine, max_instances=1, price_usd_per_hour=None),)
pool = LocalPool(ClusterSpec(name="c", kind="local", provider="p", region="r", pools=pools))
pool.start()
# A fork of the host that lives on holds the host's end of the channel open.
if os.fork() == 0:
    time.sleep(600)
script = "setsid sh -c 'sleep 600 & echo up; sleep 600' & sleep 600"
for job_id in "ab":
    pool.submit(Job(job_id=job_id, request=ResourceRequest(cores=1, memory_gib=1),
                    command=("sh", "-c", script), log_path=f"{sys.argv[1]}/{job_id}"))
while True:
    print(pool.pid, len(pool.poll()), flush=True)
    time.sleep(0.05)
"""


@pytest.mark.parametrize("stopped", [False, True])
def test_killed_host_leaves_nothing(tmp_path, site, stopped):
    """When the host is killed, no process of its pool survives, even if the pool was stopped."""
    host = subprocess.Popen(
        [sys.executable, "-c", _HOST, str(tmp_path)], stdout=subprocess.PIPE, text=True
    )
    try:
        assert host.stdout is not None
        pool = psutil.Process(int(host.stdout.readline().split()[0]))
        for job_id in "ab":
            site.note(job_id)
        family = [pool.parent(), pool, *pool.children(recursive=True)]
        assert len(family) >= 10
        forked = [each for each in psutil.Process(host.pid).children() if each != family[0]]
        if stopped:
            pool.suspend()
        host.kill()
        site.wait_until(lambda: not site.living(family))
    finally:
        host.kill()
        host.wait()
        host.stdout.close()
        for each in forked:
            each.send_signal(signal.SIGKILL)
