"""A task that fails wherever it runs, beside tasks that are fine: ordinary Airflow code."""

from __future__ import annotations

from datetime import timedelta

from airflow.sdk import dag, task


@dag(
    schedule=None,
    default_args={"retries": 4, "retry_delay": timedelta(seconds=1)},
    tags=["aiops"],
)
def failing() -> None:
    @task
    def broken() -> None:
        # A mistake of the task itself: no other cluster would do better.
        raise ZeroDivisionError("the denominator of the rate is 0")

    @task
    def healthy(number: int) -> int:
        return number**2

    broken()
    healthy.expand(number=list(range(8)))


failing()
