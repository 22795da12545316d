"""DAGs whose tasks write down who they were, where they ran, and that they came to their end."""

import os
import time
from pathlib import Path

from airflow.sdk import dag, get_current_context, task

SMALL = {"cores": 1, "memory_gib": 1}
FENCED = {"aiops": {**SMALL, "idempotent": True, "on_cluster_loss": "fence_and_rerun"}}


def note(name: str, word: str) -> None:
    """One line: which event, task, try and worker group."""
    ti = get_current_context()["ti"]
    with (Path(os.environ["LEDGER"]) / name).open("a") as ledger:
        ledger.write(f"{word} {ti.task_id} {ti.try_number} {os.environ['WORKER_GROUP']}\n")


@dag(schedule=None, default_args={"retries": 0})
def lost():
    """Two tasks that may run twice, and one that must not."""

    @task
    def slow(seconds: float) -> None:
        note("lost", "start")
        time.sleep(seconds)
        note("lost", "end")

    slow.override(task_id="fenced_a", executor_config=FENCED)(30)
    slow.override(task_id="fenced_b", executor_config=FENCED)(30)
    slow.override(task_id="waits", executor_config={"aiops": SMALL})(20)


@dag(schedule=None, default_args={"retries": 0})
def crowd():
    """More than there are workers where it is cheapest, which claims to have room for all."""

    @task(executor_config={"aiops": SMALL})
    def slow(index: int) -> None:
        note("crowd", f"start[{index}]")
        time.sleep(40)
        note("crowd", f"end[{index}]")

    slow.expand(index=list(range(5)))


crowd()
lost()
