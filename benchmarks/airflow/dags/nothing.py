"""Tasks that do nothing, each with an id of its own: no figure is shared between them."""

import os

from airflow.sdk import dag, task


@dag(schedule=None, max_active_tasks=1000)
def nothing() -> None:
    """As many tasks as the benchmark asks for."""

    @task
    def nothing_at_all() -> None:
        """Return."""

    for index in range(int(os.environ["BENCHMARK_TASKS"])):
        nothing_at_all.override(task_id=f"nothing_{index}")()


@dag(schedule=None)
def warm_up() -> None:
    """So that what is imported at the first task is imported."""

    @task
    def nothing_at_all() -> None:
        """Return."""

    for index in range(8):
        nothing_at_all.override(task_id=f"nothing_{index}")()


nothing()
warm_up()
