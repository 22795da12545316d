"""Act 2: a cluster becomes unavailable in the middle of a run, and comes back."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterator

import psutil

from aiops_provider.cli.demo.outcome import Expectation
from aiops_provider.cli.demo.partitions import PARTITIONS, deliveries
from aiops_provider.cli.demo.scene import RUN_TIMEOUT_S, Run, Scene, expect
from aiops_provider.domain.cluster import HealthState
from aiops_provider.domain.execution import Outcome
from aiops_provider.errors import AiopsError

TITLE = "A cluster becomes unavailable in the middle of a run, and comes back"

DAG_ID = "partitions"

# Killed clusters are chosen in this order: the incident of act 3 will be aws's, so another
# provider's loss keeps the two stories apart.
_CANDIDATES = ("azure-westeurope", "aws-us-east-1", "aws-sa-east-1")

# A task needs 3 s for its transfer alone, so a younger one has not delivered yet. Killing a task
# between its delivery and its report to Airflow would make it deliver twice – under any executor.
_YOUNG_S = 2.8
# By then the oldest of them is at work, not just started.
_WARM_S = 1.0


def perform(scene: Scene) -> Iterator[Expectation]:
    """Kill the pool process of a cluster (SIGKILL) while tasks run in it."""
    scene.new_period()
    began_at = scene.begin(DAG_ID, "loses-a-cluster")
    cluster = _kill_busy_pool(scene)
    scene.narrator.say(f"killed the pool process of {cluster}")
    run = scene.finish(DAG_ID, "loses-a-cluster", began_at)
    yield expect("the run that lost a cluster", expected="success", observed=run.state)
    yield from _delivered_once(scene, run.run_id)
    yield from _ran_elsewhere(scene, run, cluster)
    yield from _comes_back(scene, cluster)
    scene.new_period()
    after = scene.run(DAG_ID, "has-it-back")
    yield expect("the run after that", expected="success", observed=after.state)
    yield from _delivered_once(scene, after.run_id)
    there = sum(one["cluster"] == cluster for one in deliveries(scene.data, after.run_id))
    yield expect(f"its tasks on {cluster}", expected="1 or more", observed=there, met=there >= 1)


def _kill_busy_pool(scene: Scene) -> str:
    """
    Kill the pool process of the first candidate that runs several tasks of which none can have delivered.

    Returns:
        The cluster.
    """
    deadline = time.monotonic() + RUN_TIMEOUT_S
    while time.monotonic() < deadline:
        for cluster in _CANDIDATES:
            pool = scene.pool_process(cluster)
            ages = _ages_s(pool) if pool is not None else []
            if pool is not None and len(ages) > 1 and _WARM_S < max(ages) < _YOUNG_S:
                pool.kill()
                return cluster
        scene.stage.check()
        time.sleep(0.05)
    raise AiopsError(f"none of {', '.join(_CANDIDATES)} was given two tasks at a time")


def _ages_s(pool: psutil.Process) -> list[float]:
    now = time.time()
    try:
        return [now - job.create_time() for job in pool.children()]
    except psutil.NoSuchProcess:
        return []


def _ran_elsewhere(scene: Scene, run: Run, cluster: str) -> Iterator[Expectation]:
    records = scene.records(run)
    lost = {one.run.map_index for one in records if one.outcome is Outcome.CLUSTER_LOST}
    yield expect(
        "tasks that were lost with it", expected="1 or more", observed=len(lost), met=len(lost) >= 1
    )
    elsewhere = {
        one.run.map_index
        for one in records
        if one.outcome is Outcome.SUCCESS and one.cluster != cluster
    }
    yield expect(
        "of these, tasks that then ran elsewhere",
        expected=f"{len(lost)} of {len(lost)}",
        observed=f"{len(lost & elsewhere)} of {len(lost)}",
    )


def _delivered_once(scene: Scene, run_id: str) -> Iterator[Expectation]:
    counts = Counter(str(one["partition"]) for one in deliveries(scene.data, run_id))
    yield expect(
        f"partitions delivered in run {run_id} (never, once, more often)",
        expected=(0, len(PARTITIONS), 0),
        observed=(
            sum(counts[one] == 0 for one in PARTITIONS),
            sum(counts[one] == 1 for one in PARTITIONS),
            sum(counts[one] > 1 for one in PARTITIONS),
        ),
    )


def _comes_back(scene: Scene, cluster: str) -> Iterator[Expectation]:
    def healthy() -> bool:
        health = scene.installation.require_store().health().get(cluster)
        return health is not None and health.state is HealthState.HEALTHY

    reopen_s = scene.installation.settings.routing.breaker_open_s
    with scene.narrator.waiting(f"{cluster} is tried again {reopen_s:.0f} s after its loss"):
        back = scene.until(
            lambda: healthy() and scene.pool_process(cluster) is not None, timeout_s=reopen_s + 30.0
        )
    yield expect(
        f"{cluster} afterwards",
        expected="healthy",
        observed="healthy" if back else "still unreachable",
    )
