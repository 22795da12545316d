"""DAGs whose tasks write down who they were, where they ran, and that they came to their end."""

import logging
import time
from datetime import timedelta

from airflow.sdk import dag, get_current_context, task
from fleet_ledger import note, pinned

QUICK = {"retries": 2, "retry_delay": timedelta(seconds=1)}
# By name of the cluster: what its pods are told by its options.
CLUSTERS = {"eks-frankfurt": "frankfurt", "gke-brazil": "brazil"}


@dag(schedule=None, default_args=QUICK)
def everywhere():
    """One task for each cluster."""

    @task
    def work() -> None:
        note("everywhere", "ran")

    for cluster in ("onprem", *CLUSTERS):
        work.override(task_id=f"on_{cluster}", executor_config=pinned(cluster))()


@dag(schedule=None, default_args=QUICK)
def greedy():
    """Its first pod takes more and more memory, until it is ended for it."""

    for cluster in CLUSTERS:

        @task(task_id=f"on_{cluster}", executor_config={"aiops": {"cluster": cluster}})
        def want() -> None:
            note("greedy", "start")
            held = []
            while get_current_context()["ti"].try_number == 1:
                if len(held) > 128:
                    raise MemoryError("nobody has ended this: it holds 8 GiB")
                held.append(b"x" * 2**26)
                time.sleep(0.02)

        want()


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
    """Goes where it is cheapest; the nodes there are smaller than the cluster claims."""

    @task(executor_config={"aiops": {"cores": 1, "memory_gib": 1}})
    def slow(index: int) -> None:
        note("freeze", "start")
        time.sleep(10)
        note("freeze", "end")

    slow.expand(index=list(range(6)))


@dag(schedule=None, default_args={"retries": 0})
def stopped():
    """Talks and goes on until somebody stops it."""

    @task(executor_config=pinned("gke-brazil"))
    def endless() -> None:
        logging.getLogger(__name__).warning("the row count is seventeen")
        note("stopped", "start")
        time.sleep(600)
        note("stopped", "end")

    endless()


everywhere()
greedy()
crash()
freeze()
stopped()
