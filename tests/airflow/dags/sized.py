"""Mapped tasks whose inputs differ in size by fifty."""

import os
import time
from datetime import timedelta
from pathlib import Path

from airflow.sdk import dag, task

from aiops_provider import Generic
from aiops_provider.airflow import describe

MIB_PER_UNIT = 16


def use(units: int) -> None:
    """As much memory as that many units of input need, for long enough to be measured."""
    ballast = bytearray(units * MIB_PER_UNIT * 2**20)
    time.sleep(3)
    del ballast


@dag(schedule=None, default_args={"retries": 3, "retry_delay": timedelta(seconds=1)})
def sized():
    """The size is in the literal, in what a task returned, in a file, or where a description says."""

    @task
    def partitions() -> list[dict]:
        return [{"table": "claims", "rows": 1}, {"table": "claims", "rows": 50}]

    @task
    def files() -> list[str]:
        paths = [Path(os.environ["LEDGER"]) / f"part-{units}" for units in (1, 50)]
        for path, units in zip(paths, (1, 50), strict=True):
            path.write_bytes(b"x" * units * 1024)
        return [str(path) for path in paths]

    @task
    def by_rows(part: dict) -> None:
        use(part["rows"])

    @task
    def by_file(path: str) -> None:
        use(Path(path).stat().st_size // 1024)

    @task
    def by_number(units: int) -> None:
        use(units)

    by_rows.expand(part=partitions())
    by_file.expand(path=files())
    by_number.expand(units=[1, 50])
    told = describe(Generic(input_rows_of="units"))
    by_number.override(task_id="told", executor_config=told).expand(units=[1, 50])


sized()
