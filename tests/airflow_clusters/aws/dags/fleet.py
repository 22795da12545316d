"""DAGs whose tasks write down who they were, where they ran, and that they came to their end."""

import os
import signal
import time
from datetime import timedelta

from airflow.sdk import dag, get_current_context, task
from fleet_ledger import note, pinned

QUICK = {"retries": 2, "retry_delay": timedelta(seconds=1)}
# By name of the cluster: what the machines there call themselves.
CLOUD = {
    "batch-frankfurt": "batch-eu-central-1",
    "batch-brazil": "batch-sa-east-1",
    "ecs-brazil": "ecs-sa-east-1",
}


@dag(schedule=None, default_args=QUICK)
def everywhere():
    """One task for each cluster; those that say more than the layer does."""

    @task
    def work() -> None:
        note("everywhere", "ran")

    for cluster in ("onprem", *CLOUD):
        work.override(task_id=f"on_{cluster}", executor_config=pinned(cluster))()
    more = {"resourceRequirements": [{"type": "MEMORY", "value": "3072"}]}
    foreign = {"containerOverrides": more, "pod_override": "of another executor"}
    work.override(task_id="own", executor_config=pinned("batch-frankfurt", **foreign))()


@dag(schedule=None, default_args=QUICK)
def greedy():
    """Its first container is killed, as the kernel kills one that wants too much memory."""

    for cluster in CLOUD:

        @task(task_id=f"on_{cluster}", executor_config={"aiops": {"cluster": cluster}})
        def want() -> None:
            note("greedy", "start")
            if get_current_context()["ti"].try_number == 1:
                os.killpg(0, signal.SIGKILL) if os.getpgid(0) == os.getsid(0) else os.kill(
                    os.getppid(), signal.SIGKILL
                )
                time.sleep(30)

        want()


@dag(schedule=None, default_args=QUICK)
def crash():
    """Long enough for a scheduler to die, or a cloud to hang."""

    for cluster in CLOUD:

        @task(task_id=f"on_{cluster}", executor_config=pinned(cluster))
        def slow() -> None:
            note("crash", "start")
            time.sleep(20)
            note("crash", "end")

        slow()


@dag(schedule=None, default_args=QUICK)
def nearby():
    """Runs while the cloud hangs."""

    @task(executor_config=pinned("onprem"))
    def work() -> None:
        note("nearby", "ran")

    work()


everywhere()
greedy()
crash()
nearby()
