"""More work for one core than Airflow's patience with queued tasks lasts."""

import os
import time
from pathlib import Path

from airflow.sdk import dag, get_current_context, task


@dag(schedule=None, default_args={"retries": 0})
def waits():
    """Each waits for all before it."""

    @task(queue="narrow", executor_config={"aiops": {"cores": 1, "memory_gib": 1}})
    def work(index: int) -> None:
        time.sleep(10)
        with (Path(os.environ["LEDGER"]) / "waits").open("a") as ledger:
            ledger.write(
                f"{index}:{get_current_context()['ti'].try_number} {os.environ['AIOPS_CLUSTER']}\n"
            )

    work.expand(index=[0, 1, 2])


waits()
