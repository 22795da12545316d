"""DAGs whose tasks write down who they were, where they ran, and that they came to their end."""

import logging
import os
import signal
import time
from datetime import timedelta
from pathlib import Path

from airflow.sdk import dag, get_current_context, task
from fleet_ledger import note, pinned

QUICK = {"retries": 2, "retry_delay": timedelta(seconds=1)}
CLUSTERS = ("batch-netherlands", "batch-brazil")
CLOUD = os.environ["CLOUD_PROVIDER"]
# In the words of both clouds; each takes its own.
OWN = {
    "taskGroups": [
        {"taskSpec": {"maxRunDuration": "3600s", "computeResource": {"memoryMib": "3072"}}}
    ],
    "constraints": {"maxWallClockTime": "PT1H"},
    "pod_override": "of another executor",
}


@dag(schedule=None, default_args=QUICK)
def everywhere():
    """One task for each cluster, and one that says more than the layer does."""

    @task
    def work() -> None:
        assert "AIOPS_WORKLOAD" not in os.environ
        note("everywhere", "ran")

    for cluster in ("onprem", *CLUSTERS):
        work.override(task_id=f"on_{cluster}", executor_config=pinned(cluster))()
    work.override(task_id="own", executor_config=pinned("batch-brazil", **OWN))()


@dag(schedule=None, default_args={"retries": 0})
def again():
    """Looks twice, each time in a job of its own, within one try."""

    @task.sensor(
        mode="reschedule", poke_interval=2, timeout=300, executor_config=pinned("batch-brazil")
    )
    def look() -> bool:
        note("again", "looked")
        lines = (Path(os.environ["LEDGER"]) / "again").read_text().splitlines()
        return len(lines) > 1

    look()


@dag(schedule=None, default_args={"retries": 0})
def broken():
    """Its author's mistake."""

    @task(executor_config=pinned("batch-brazil"))
    def divide() -> None:
        note("broken", "start")
        raise ZeroDivisionError("nothing to divide by")

    divide()


@dag(schedule=None, default_args=QUICK)
def greedy():
    """Its first container is killed, as the kernel kills one that wants too much memory."""

    for cluster in CLUSTERS:

        @task(task_id=f"on_{cluster}", executor_config={"aiops": {"cluster": cluster}})
        def want() -> None:
            note("greedy", "start")
            if get_current_context()["ti"].try_number == 1:
                os.kill(os.getppid(), signal.SIGKILL)
                time.sleep(30)

        want()


@dag(schedule=None, default_args=QUICK)
def scarce():
    """Wants a large machine; the cheaper cluster has none left, and says so only by waiting."""

    @task(executor_config={"aiops": {"cores": 1, "memory_gib": 40}})
    def train() -> None:
        note("scarce", "ran")

    train()


@dag(schedule=None, default_args=QUICK)
def spot():
    """Goes where it is cheapest, on a machine that is taken back while it runs."""

    @task(executor_config={"aiops": {"cores": 1, "memory_gib": 1}})
    def slow() -> None:
        note("spot", "start")
        if get_current_context()["ti"].try_number == 1:
            time.sleep(60)
        note("spot", "end")

    slow()


@dag(schedule=None, default_args=QUICK)
def crash():
    """Long enough for a scheduler to die and another one to take over."""

    for cluster in CLUSTERS:

        @task(task_id=f"on_{cluster}", executor_config=pinned(cluster))
        def slow(index: int) -> None:
            note("crash", "start")
            time.sleep(60)
            note("crash", "end")

        slow.expand(index=[0, 1])


@dag(schedule=None, default_args=QUICK)
def freeze():
    """Goes where it is cheapest on this cloud, unless nobody answers there."""
    anywhere = {"aiops": {"cores": 1, "memory_gib": 1, "locality": {"providers": [CLOUD]}}}

    @task(executor_config=anywhere)
    def slow() -> None:
        note("freeze", "start")
        time.sleep(15)
        note("freeze", "end")

    @task(executor_config=anywhere)
    def late(index: int) -> None:
        note("freeze", "start")
        note("freeze", "end")

    slow()
    late.expand(index=list(range(4)))


@dag(schedule=None, default_args={"retries": 0})
def stopped():
    """Talks and goes on until somebody stops it."""

    @task(executor_config=pinned("batch-brazil"))
    def endless() -> None:
        logging.getLogger(__name__).warning("the row count is seventeen")
        note("stopped", "start")
        time.sleep(600)
        note("stopped", "end")

    endless()


everywhere()
again()
broken()
greedy()
scarce()
spot()
crash()
freeze()
stopped()
