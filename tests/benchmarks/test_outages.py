"""The benchmark of outages reads any files of its format, and its limit is one."""

from __future__ import annotations

import gzip
import math
import random

import pytest

from aiops_provider.errors import DataError
from aiops_provider.placement.replay import Replay
from aiops_provider.placement.replay_figures import replay_figures
from benchmarks.placement import outages as bench
from benchmarks.placement.outage_cases import POOL, read_case
from benchmarks.placement.outage_limit import clairvoyant_usd

JOBS = "timestamp,duration,num_gpus,gpu_time,cluster\n" + "".join(
    f"2020-01-0{1 + n // 12} {2 * (n % 12):02d}:00:00,{600 + 977 * n % 9000},{1 + n % 3},0,vc{n % 2}\n"
    for n in range(24)
)
SPOT = "run,zone,accelerator,count,start_s,end_s,available\n" + "".join(
    f"r2,{zone},x9,1,{start},{start + 3600},{(start // 3600 + offset) % 2}\n"
    for offset, zone in enumerate(("north-1a", "south-2b"))
    for start in range(0, 36_000, 3600)
)
OTHER = "r1,west-1a,x9,1,0,36000,1\n"
PRICES = (
    "cloud,instance_type,vcpus,memory_gib,gpu_count,gpu_name,region,price_usd_per_h,spot_usd_per_h\n"
    "a,m,8,64,2,ACME X9,north-1,4.0,\n"
    "a,m,8,64,2,ACME X9,east-7,3.0,\n"
    "b,n,8,64,1,Y,else,1.0,0.25\n"
)


DRAW = random.Random


@pytest.fixture
def data(tmp_path):
    for folder, text in (
        ("philly-jobs", JOBS),
        ("spot-availability", SPOT + OTHER),
        ("vm-prices", PRICES),
    ):
        (tmp_path / folder).mkdir()
        with gzip.open(tmp_path / folder / "other_name.csv.gz", "wt") as stream:
            stream.write(text)
    return tmp_path


@pytest.fixture
def case(data):
    return read_case(data, DRAW(3), days=1.0, checkpoint_s=600.0)


def test_clusters_come_from_the_files(case):
    """The zones of the run with most of them, at list price × ratio; one that is always there."""
    prices = {c.name: c.pools[0].price_usd_per_hour for c in case.settings.cluster_specs}
    assert {"north-1a-x9": 4.0, "south-2b-x9": 3.0, "zz-on-demand": 12.0} == prices
    assert {("north-1a-x9", POOL), ("south-2b-x9", POOL)} == {o.place for o in case.outages}
    assert 12 == len(case.tasks)
    assert {1, 2, 3} == {task.request.accelerators for task in case.tasks}


def test_outages_go_on_as_long_as_a_job_can(case):
    """Half of the time each, from the begin to beyond the last deadline."""
    end = max(task.arrival_s + (task.deadline_s or 0.0) for task in case.tasks)
    for place in {outage.place for outage in case.outages}:
        gone = math.fsum(
            min(o.end_s, end) - o.begin_s
            for o in case.outages
            if o.place == place and o.begin_s < end
        )
        assert 0.5 == pytest.approx(gone / end, abs=0.05)


@pytest.mark.parametrize("peer", bench.PEERS)
def test_no_peer_undercuts_the_limit_in_time_or_loses_a_job(case, peer):
    """Whoever meets all deadlines pays at least the limit; every job ends once."""
    clusters = case.settings.cluster_specs
    policy = bench.Timed(bench.PEERS[peer](case))
    attempts = Replay(case.tasks, clusters, policy, outages=case.outages).run()
    figures = replay_figures(case.tasks, attempts, clusters, outages=case.outages)
    assert (12, 0, 0) == (figures.finished, figures.lost, figures.doubled)
    assert len(policy.rerouted_s) == figures.interruptions
    if figures.sla_attainment == 1.0:
        assert figures.cost_usd >= clairvoyant_usd(case) * (1 - 1e-9)


def test_the_limit_is_the_work_at_the_lowest_price_when_that_is_always_there(case):
    """Without outages nothing is left to decide."""
    from dataclasses import replace

    work_h = math.fsum(t.duration_s * t.request.accelerators for t in case.tasks) / 3600
    assert 3.0 / 8 * work_h <= clairvoyant_usd(replace(case, outages=())) <= 4.0 / 8 * work_h


def test_useless_files_are_refused(data):
    """Named, with what is missing."""
    file = data / "vm-prices" / "other_name.csv.gz"
    with gzip.open(file, "wt") as stream:
        stream.write(PRICES.replace("0.25", ""))
    with pytest.raises(DataError, match="no spot price"):
        read_case(data, DRAW(3), days=1.0, checkpoint_s=None)
    file.unlink()
    with pytest.raises(DataError, match="0 CSV files"):
        read_case(data, DRAW(3), days=1.0, checkpoint_s=None)
