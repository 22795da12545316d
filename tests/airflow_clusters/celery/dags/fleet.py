"""DAGs whose tasks write down who they were, where they ran, and that they came to their end."""

import time
from datetime import timedelta

from airflow.providers.standard.triggers.temporal import TimeDeltaTrigger
from airflow.sdk import BaseOperator, dag, get_current_context, task
from fleet_ledger import note, pinned

QUICK = {"retries": 2, "retry_delay": timedelta(seconds=1)}


@dag(schedule=None, default_args=QUICK)
def both():
    """Two tasks for each cluster, and one that fails once."""

    @task
    def work(index: int) -> None:
        from aiops_provider import report

        note("both", "start")
        report("row_count", 17.0)
        note("both", "end")

    @task
    def fails_once() -> None:
        note("fails_once", "start")
        if get_current_context()["ti"].try_number == 1:
            raise ValueError("the first try")

    for cluster in ("onprem", "aws"):
        work.override(
            task_id=f"on_{cluster}", executor_config=pinned(cluster, cores=1, memory_gib=1)
        ).expand(index=[0, 1])
    fails_once()


class Defers(BaseOperator):
    """Works for a second, waits elsewhere for five, and goes on."""

    def execute(self, context) -> None:
        note("deferred", "start")
        until = time.process_time() + 1.0
        while time.process_time() < until:
            pass
        self.defer(trigger=TimeDeltaTrigger(timedelta(seconds=5)), method_name="go_on")

    def go_on(self, context, event=None) -> None:
        note("deferred", "end")


@dag(schedule=None, default_args=QUICK)
def deferred():
    """One task in two parts."""
    Defers(task_id="defers")


@dag(schedule=None, default_args=QUICK)
def crash():
    """Long enough for a scheduler to die and another one to take over."""

    @task
    def slow(index: int) -> None:
        note("crash", "start")
        time.sleep(25)
        note("crash", "end")

    for cluster in ("onprem", "aws"):
        # Twice as many as workers: half of them wait in the queue of their cluster.
        slow.override(
            task_id=f"on_{cluster}", executor_config=pinned(cluster, cores=1, memory_gib=1)
        ).expand(index=list(range(4)))


@dag(schedule=None, default_args=QUICK)
def freeze():
    """Goes where it is cheapest; the workers there are fewer than the cluster claims."""

    @task(executor_config={"aiops": {"cores": 1, "memory_gib": 1}})
    def slow(index: int) -> None:
        note("freeze", "start")
        time.sleep(8)
        note("freeze", "end")

    slow.expand(index=list(range(6)))


both()
crash()
deferred()
freeze()
