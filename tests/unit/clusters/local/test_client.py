from __future__ import annotations

import math
import multiprocessing
import os
import signal
import sys
import threading
import time
from dataclasses import replace

import psutil
import pytest

from aiops_provider.clusters.job_client import JobState
from aiops_provider.clusters.local import LocalPool
from aiops_provider.domain.cluster import HealthState
from aiops_provider.errors import ClusterRefusedError

# Forks a child into a session of its own, as Airflow's supervisor and its operators do, and a
# grandchild below that; each notes its id.
_FAMILY = """
import os, time
def note(name):
    folder = os.environ["FOLDER"]
    with open(f"{folder}/{name}.part", "w") as file:
        file.write(f"{os.getpid()}\\n")
    os.rename(f"{folder}/{name}.part", f"{folder}/{name}")
def run():
    if os.fork() == 0:
        os.setsid()
        if os.fork() == 0:
            note(os.environ["AIOPS_JOB_ID"] + ".grandchild")
            time.sleep(600)
        note(os.environ["AIOPS_JOB_ID"] + ".child")
        time.sleep(600)
    time.sleep(600)
"""


@pytest.fixture
def family_job(site, jobs_module):
    """Submit a job that has a child in another session and a grandchild below that."""
    module = jobs_module(_FAMILY)

    def submit(job_id):
        site.pool.submit(site.job(job_id, entry=f"{module}:run", FOLDER=str(site.folder)))
        site.note(f"{job_id}.child")
        site.note(f"{job_id}.grandchild")

    return submit


def test_killed_pool_leaves_nothing(site, family_job):
    """When the pool is killed, its jobs are lost once, and by then none of their processes lives."""
    site.open()
    family_job("a")
    family_job("b")
    family = site.family()
    assert len(family) == 8
    os.kill(site.pool.pid, signal.SIGKILL)
    updates = site.follower.wait_for("a", "b")
    # The warden lets go of the channel when it ends itself, after all others.
    assert site.living(family[1:]) == []
    site.wait_until(lambda: not site.living(family))
    assert [update.state for update in updates] == [JobState.LOST] * 2
    assert all("pool process" in update.message for update in updates)
    assert not site.pool.alive


def test_killed_warden_leaves_nothing(site, family_job):
    """When the warden is killed, the pool ends its jobs and itself."""
    site.open()
    family_job("a")
    family = site.family()
    family[0].kill()
    [update] = site.follower.wait_for("a")
    site.wait_until(lambda: not site.living(family))
    assert update.state is JobState.LOST


def test_killed_with_its_warden(site):
    """When both are killed at once, the host itself ends the process groups of the jobs."""
    site.open()
    script = f"(trap '' TERM; sleep 600) & echo $! > {site.folder}/child; wait"
    site.pool.submit(site.job("a", "sh", "-c", script))
    site.note("child")
    family = site.family()
    for each in family[:2]:
        each.suspend()
    for each in family[:2]:
        each.kill()
    [update] = site.follower.wait_for("a")
    assert update.state is JobState.LOST
    site.wait_until(lambda: not site.living(family))


def test_terminated_pool(site, family_job):
    """A pool that is told to stop ends its jobs first, and they are lost."""
    site.open()
    family_job("a")
    family = site.family()
    os.kill(site.pool.pid, signal.SIGTERM)
    [update] = site.follower.wait_for("a")
    assert (update.state, update.message) == (JobState.LOST, "the pool was told to stop")
    site.wait_until(lambda: not site.living(family))
    site.follower.wait_until(lambda: not site.pool.alive)


def test_stopped_pool_is_unreachable_and_recovers(open_site):
    """A pool that is stopped is unreachable; when it goes on, so do its jobs, and it is healthy."""
    pool, follower = open_site.pool, open_site.follower
    gate = open_site.folder / "gate"
    pool.submit(open_site.job("a", "sh", "-c", f"until [ -e {gate} ]; do sleep 0.01; done"))
    follower.wait_until_running("a")
    follower.wait_until(lambda: pool.probe().state is HealthState.HEALTHY)
    os.kill(pool.pid, signal.SIGSTOP)
    follower.wait_until(lambda: pool.probe(0.1).state is HealthState.UNREACHABLE)
    assert "has not answered for" in pool.probe(0.1).detail
    assert pool.alive
    gate.touch()
    os.kill(pool.pid, signal.SIGCONT)
    follower.wait_until(lambda: pool.probe(0.1).state is HealthState.HEALTHY)
    [update] = follower.wait_for("a")
    assert update.state is JobState.SUCCEEDED


def test_closing_a_stopped_pool(site, family_job, monkeypatch):
    """A pool that does not answer is ended by force when it is closed."""
    monkeypatch.setattr("aiops_provider.clusters.local.client._KILL_TIMEOUT_S", 0.5)
    site.open()
    family_job("a")
    family = site.family()
    os.kill(site.pool.pid, signal.SIGSTOP)
    site.pool.close(grace_s=0.0)
    assert site.living(family) == []
    [update] = site.follower.wait_for("a")
    assert update.state is JobState.LOST


def test_cancelled_job_may_tidy_up(open_site):
    """Cancelling sends SIGTERM first; what the job then does counts as cancelled."""
    script = "import signal, sys, time; signal.signal(signal.SIGTERM, lambda *_: sys.exit(print('tidy')));print('up', flush=True); time.sleep(600)"
    open_site.pool.submit(open_site.job("a", sys.executable, "-c", script))
    open_site.note("logs/a.log")
    open_site.pool.cancel("a", grace_s=30.0)
    [update] = open_site.follower.wait_for("a")
    assert (update.state, update.exit_code) == (JobState.CANCELLED, 0)
    assert open_site.log("a") == "up\ntidy\n"


def test_cancelled_job_that_does_not_listen(site, family_job, jobs_module):
    """After the grace the whole tree is killed, other sessions included."""
    site.open()
    family_job("a")
    family = site.family()
    os.kill(family[2].pid, signal.SIGSTOP)  # deaf, as soon as the kernel has stopped it
    site.wait_until(lambda: family[2].status() == psutil.STATUS_STOPPED)
    site.pool.cancel("a", grace_s=0.05)
    [update] = site.follower.wait_for("a")
    assert (update.state, update.exit_code) == (JobState.CANCELLED, 137)
    assert site.living(family) == family[:2]


def test_what_a_job_leaves_behind_ends_with_it(open_site):
    """Background processes and daemons of a job that succeeded are ended before it is reported."""
    script = "sleep 600 & setsid sleep 600 & (setsid sh -c 'sleep 600 & sleep 600' &) ; sleep 0.05"
    open_site.pool.submit(open_site.job("a", "sh", "-c", script))
    [update] = open_site.follower.wait_for("a")
    assert update.state is JobState.SUCCEEDED
    assert len(open_site.living(open_site.family())) == 2


def test_many_jobs_at_once(open_site):
    """Thirty jobs at once all run and are all reported, each once."""
    ids = [str(number) for number in range(30)]
    for job_id in ids:
        open_site.pool.submit(open_site.job(job_id, entry="builtins:int", argument=job_id))
    updates = open_site.follower.wait_for(*ids)
    assert [update.exit_code for update in updates] == list(range(30))
    assert len(open_site.follower.updates) == 60


def test_restart(open_site):
    """After its pool was killed, or it was closed, a client can be started again, and again."""
    pids = set()
    for end in (lambda: os.kill(open_site.pool.pid, signal.SIGKILL), open_site.pool.close):
        pids.add(open_site.pool.pid)
        end()
        open_site.follower.wait_until(lambda: not open_site.pool.alive)
        assert open_site.pool.pid is None
        open_site.pool.start()
        open_site.pool.submit(open_site.job("a", "true"))
        open_site.follower.wait_for("a")
        open_site.follower.updates.clear()
    assert len({*pids, open_site.pool.pid}) == 3


def test_starting_twice(open_site):
    """Starting a pool that runs changes nothing."""
    before = open_site.pool.pid
    open_site.pool.start()
    assert open_site.pool.pid == before


def test_host_thread_that_ends(site):
    """The thread that started the pool may end; only the host's own end takes the pool along."""
    thread = threading.Thread(target=site.open)
    thread.start()
    thread.join()
    # The warden got a signal for the end of the thread; it looks again twice a second.
    time.sleep(0.6)
    site.pool.submit(site.job("a", "true"))
    [update] = site.follower.wait_for("a")
    assert update.state is JobState.SUCCEEDED


def test_children_of_the_host(site, jobs_module):
    """A job that uses multiprocessing leaves the host's own child processes alone."""
    context = multiprocessing.get_context("fork")
    neighbour = context.Process(target=time.sleep, args=(600,), daemon=True)
    neighbour.start()
    try:
        module = jobs_module(
            "import multiprocessing\ndef run():\n    return len(multiprocessing.active_children())\n"
        )
        site.open()
        site.pool.submit(site.job("a", entry=f"{module}:run"))
        [update] = site.follower.wait_for("a")
        assert update.exit_code == 0
        assert neighbour.is_alive()
    finally:
        neighbour.kill()
        neighbour.join()


def test_preloading(site, jobs_module):
    """Modules are imported once, in the pool; until then its health is unknown, and jobs wait."""
    module = jobs_module(
        "import os, pathlib, time\n"
        f"gate = pathlib.Path({str(site.folder)!r}, 'gate')\n"
        "while not gate.exists():\n"
        "    time.sleep(0.01)\n"
        "imported_by = os.getpid()\n"
        "def run():\n"
        "    print(imported_by)\n"
    )
    site.preload = ("no_such_module", module)
    site.open()
    site.pool.submit(site.job("a", entry=f"{module}:run"))
    assert site.pool.probe(0.0).state is HealthState.UNKNOWN
    (site.folder / "gate").touch()
    site.follower.wait_for("a")
    assert site.log("a") == f"{site.pool.pid}\n"
    assert site.pool.probe().state is HealthState.HEALTHY


def test_a_function_is_called_ahead_of_the_jobs(site, jobs_module):
    """What it makes is at hand in every job."""
    module = jobs_module(
        "made = []\ndef prepare():\n    made.append('in the pool')\ndef run():\n    print(*made)\n"
    )
    site.preload = (f"{module}:prepare",)
    site.open()
    site.pool.submit(site.job("a", entry=f"{module}:run"))
    site.follower.wait_for("a")
    assert site.log("a") == "in the pool\n"


def test_jobs_take_turns_where_few_may_run_at_a_time(site):
    """They start in the order in which they came, each as soon as there is a place for it."""
    site.most_at_once = 1
    site.open()
    gate = site.folder / "gate"
    wait = f"while [ ! -e {gate} ]; do sleep 0.01; done"
    for job_id in "abcd":
        site.pool.submit(site.job(job_id, "sh", "-c", wait))
    site.pool.cancel("c")
    (cancelled,) = site.follower.wait_for("c")
    assert (JobState.CANCELLED, None) == (cancelled.state, cancelled.usage)
    gate.touch()
    site.follower.wait_for("a", "b", "d")
    told = [(each.job_id, each.state) for each in site.follower.updates if each.job_id != "c"]
    running, succeeded = JobState.RUNNING, JobState.SUCCEEDED
    assert [(one, state) for one in "abd" for state in (running, succeeded)] == told
    moments = [each.started_at for each in site.follower.updates if each.state is running]
    assert moments == sorted(moments)
    assert None not in moments


def test_of_those_that_wait_the_most_important_starts_first(site):
    """However late it came; among equals the order is that in which they came."""
    site.most_at_once = 1
    site.open()
    gate = site.folder / "gate"
    site.pool.submit(site.job("a", "sh", "-c", f"while [ ! -e {gate} ]; do sleep 0.01; done"))
    for job_id, priority in (("b", 1), ("c", 1), ("d", 5), ("e", 1)):
        site.pool.submit(replace(site.job(job_id, "true"), priority=priority))
    gate.touch()
    site.follower.wait_for(*"abcde")
    started = [each.job_id for each in site.follower.updates if each.state is JobState.RUNNING]
    assert list("adbce") == started


def test_what_waits_in_a_pool_that_is_closed_was_never_started(site):
    """Its owner hears of each job what became of it."""
    site.most_at_once = 1
    site.open()
    for job_id in "ab":
        site.pool.submit(site.job(job_id, "sleep", "600"))
    site.pool.close(grace_s=0.0)
    assert JobState.CANCELLED is site.follower.wait_for("b")[-1].state
    assert JobState.CANCELLED is site.follower.wait_for("a")[-1].state


@pytest.mark.parametrize(
    ("cores", "memory_gib"), [(0, 1), (-1, 1), (1, 0), (math.nan, 1), (1, math.nan), (65, 1)]
)
def test_impossible_sizes(open_site, cores, memory_gib):
    """A size that is no size, or that no machine has, is refused and harms nobody."""
    with pytest.raises(ClusterRefusedError, match="cluster test: "):
        open_site.pool.submit(open_site.job("a", "true", cores=cores, memory_gib=memory_gib))
    open_site.pool.submit(open_site.job("a", "true"))
    [update] = open_site.follower.wait_for("a")
    assert update.state is JobState.SUCCEEDED


def test_submitting_much_to_a_stopped_pool(open_site):
    """Jobs that do not fit into the socket wait in the host, which is never blocked."""
    pool = open_site.pool
    os.kill(pool.pid, signal.SIGSTOP)
    ids = [str(number) for number in range(20)]
    for job_id in ids:
        pool.submit(open_site.job(job_id, entry="builtins:len", argument="x" * 100_000 + job_id))
    os.kill(pool.pid, signal.SIGCONT)
    updates = open_site.follower.wait_for(*ids)
    assert {update.exit_code for update in updates} == {100_001 & 0xFF, 100_002 & 0xFF}


def test_two_pools_are_apart(open_site):
    """A second pool of the same host neither sees nor outlives anything of the first."""
    second = LocalPool(open_site.spec)
    second.start()
    try:
        family = open_site.family()
        open_site.pool.close()
        # Would the second hold the first one's channel, the first could not have noticed its end.
        assert open_site.living(family) == []
        assert second.alive
        open_site.wait_until(lambda: second.probe().state is HealthState.HEALTHY)
    finally:
        second.close(grace_s=0.0)
