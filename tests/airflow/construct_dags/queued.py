"""Who runs when, and runs that nobody triggered by hand."""

import time
from datetime import UTC, datetime, timedelta

from airflow.sdk import Asset, dag, get_current_context, task
from ledger import note

from aiops_provider import Generic
from aiops_provider.airflow import describe

CLAIMS = Asset("claims")


@dag(schedule=None, default_args={"retries": 0})
def pooled():
    """Three tasks that need two slots each, of a pool that has three."""

    @task(pool="three", pool_slots=2)
    def work(number: int) -> None:
        began = time.time()
        time.sleep(1.0)
        note("pooled", number, began, time.time())

    work.expand(number=[1, 2, 3])


@dag(schedule=None, default_args={"retries": 0})
def weighted():
    """Four tasks become ready at once for one core."""

    @task
    def gate() -> None:
        note("weighted_gate")

    def task_of(weight: int):
        @task(
            task_id=f"weight_{weight}",
            queue="narrow",
            priority_weight=weight,
            weight_rule="absolute",
            executor_config=describe(Generic(cores=1, memory_gib=1)),
        )
        def work() -> None:
            note("weighted", weight)

        return work()

    gate() >> [task_of(weight) for weight in (2, 4, 1, 3)]


@dag(schedule=None, default_args={"retries": 0})
def produces():
    """Updates an asset."""

    @task(outlets=[CLAIMS])
    def update() -> None:
        note("produced")

    update()


@dag(schedule=[CLAIMS], default_args={"retries": 0})
def consumes():
    """Runs when the asset was updated."""

    @task
    def read() -> None:
        events = get_current_context()["triggering_asset_events"][CLAIMS]
        note("consumed", events[0].source_dag_run.run_id)

    read()


@dag(
    schedule=timedelta(days=1),
    start_date=datetime(2026, 1, 1, tzinfo=UTC),
    # None but the runs of the backfill: the test would have to guess their number.
    end_date=datetime(2026, 1, 10, tzinfo=UTC),
    catchup=False,
    default_args={"retries": 0},
)
def daily():
    """A DAG whose past is made up for."""

    @task
    def work() -> None:
        note("daily", get_current_context()["ds"])

    work()


@dag(schedule=None, default_args={"retries": 1, "retry_delay": timedelta(seconds=1)})
def tried_again():
    """Fails in its first try."""

    @task
    def work() -> None:
        number = get_current_context()["ti"].try_number
        note("tried_again", get_current_context()["run_id"])
        if number == 1:
            raise ValueError("the first try")

    work()


pooled()
weighted()
produces()
consumes()
daily()
tried_again()
