"""A file that ends the process of each worker that imports it, before its task begins."""

import os

from airflow.sdk import dag, task

if os.environ.get("AIOPS_CLUSTER"):
    os._exit(3)  # as a native library that crashes


@dag(schedule=None)
def broken():
    """One task, that never begins."""

    @task
    def never() -> None: ...

    never()


broken()
