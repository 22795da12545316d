"""A DAG of the team science, in a bundle of its own."""

import os
from pathlib import Path

from airflow.sdk import dag, get_current_context, task


@dag(schedule=None, default_args={"retries": 0})
def of_ml():
    """Wants to be where its team must not be."""

    @task
    def work() -> None:
        name = get_current_context()["ti"].task_id
        with (Path(os.environ["LEDGER"]) / "of_ml").open("a") as ledger:
            ledger.write(f"{name} {os.environ['AIOPS_CLUSTER']}\n")

    work.override(task_id="plain")()
    work.override(task_id="pinned", executor_config={"aiops": {"cluster": "onprem"}})()


of_ml()
