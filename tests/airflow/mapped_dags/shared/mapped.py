"""Existing DAGs: they name queues and executors that only aiops.yaml gives a meaning."""

import os
from pathlib import Path

from airflow.sdk import dag, get_current_context, task


def note() -> None:
    """One line: the task and the cluster where it runs."""
    name = get_current_context()["ti"].task_id
    with (Path(os.environ["LEDGER"]) / "mapped").open("a") as ledger:
        ledger.write(f"{name} {os.environ['AIOPS_CLUSTER']}\n")


@dag(schedule=None, default_args={"retries": 0})
def mapped():
    """One task for each way of naming a place."""

    @task
    def work() -> None:
        note()

    work.override(task_id="plain")()
    work.override(task_id="gpu_queue", queue="gpu")()
    work.override(task_id="unknown_queue", queue="gppu")()
    work.override(task_id="local_executor", executor="LocalExecutor")()
    work.override(task_id="alias", executor="special")()
    work.override(task_id="ours", executor="AiopsExecutor")()
    work.override(task_id="pinned", queue="gpu", executor_config={"aiops": {"cluster": "onprem"}})()
    work.override(task_id="nowhere", queue="gpu", executor="LocalExecutor")()


mapped()
