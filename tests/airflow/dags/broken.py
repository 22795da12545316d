"""A file that no worker can import: its task fails before anything of its author runs."""

import os

from airflow.sdk import dag, task

if os.environ.get("AIOPS_CLUSTER"):
    raise ImportError("a library that only the DAG processor has")


@dag(schedule=None)
def broken():
    """One task, that never begins."""

    @task
    def never() -> None: ...

    never()


broken()
