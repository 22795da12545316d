"""A DAG as its author tries it out before anybody schedules it."""

import os
import time
from pathlib import Path

from airflow.sdk import Asset, dag, get_current_context, task

from aiops_provider import Dataset, Generic, Training, report
from aiops_provider.airflow import describe

SCORES = Asset("scores")


@dag(schedule=None, default_args={"retries": 0})
def tried():
    """A described task, mapped ones, and one that fails when it is asked to."""

    def note() -> None:
        task_id = get_current_context()["ti"].task_id
        where = os.environ.get("AIOPS_CLUSTER", "here")
        with (Path(os.environ["LEDGER"]) / "tried").open("a") as ledger:
            ledger.write(f"{task_id} {where}\n")

    @task.aiops(Training(dataset=Dataset(rows=20_000, volume_gib=0.1)), kpis=["row_count"])
    def train() -> dict:
        note()
        report("precision", 0.9)
        return {"row_count": 7}

    @task(executor_config=describe(Generic(cores=1, memory_gib=2, cluster="aws")))
    def score(index: int) -> None:
        note()
        report("scored", index)

    @task(outlets=[SCORES])
    def publish(*, outlet_events) -> None:
        note()
        outlet_events[SCORES].extra = {"aiops": {"published": 2}}

    train() >> score.expand(index=[1, 2]) >> publish()


tried_dag = tried()


def keep_in_process_api() -> None:
    """
    Mend Airflow 3.2, which lets go of its in-process API while requests to it are under way.

    It also asks before that has started. With 3.3 nothing changes.
    """
    from airflow.sdk.execution_time import supervisor

    make, kept = supervisor.in_process_api_server, []

    def started():
        kept.append(make())
        assert kept[-1].transport
        while not hasattr(kept[-1].app.state, "svcs_registry"):
            time.sleep(0.01)
        return kept[-1]

    supervisor.in_process_api_server = started


if __name__ == "__main__":
    import sys

    keep_in_process_api()
    run = tried_dag.test(use_executor="--use-executor" in sys.argv)
    print("ended:", run.state)  # noqa: T201 - for whoever has started it
