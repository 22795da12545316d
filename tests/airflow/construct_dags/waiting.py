"""Tasks that hand their place back while they wait: deferred, and rescheduled."""

import os
import time
from datetime import timedelta
from pathlib import Path
from typing import Any

from airflow.providers.standard.triggers.temporal import TimeDeltaTrigger
from airflow.sdk import BaseOperator, PokeReturnValue, dag, task
from ledger import note

BALLAST_BYTES = 300_000_000


def burn(seconds: float) -> None:
    until = time.process_time() + seconds
    while time.process_time() < until:
        pass


class WaitsTwice(BaseOperator):
    """Works, waits, works with much memory, waits, and works again."""

    def execute(self, context: Any) -> None:
        note("deferred", "first")
        burn(1.0)
        self._wait("second")

    def second(self, context: Any, event: Any = None) -> None:
        ballast = bytearray(BALLAST_BYTES)
        burn(1.0)
        note("deferred", "second", len(ballast))
        self._wait("third")

    def third(self, context: Any, event: Any = None) -> str:
        note("deferred", "third")
        return "done"

    def _wait(self, method_name: str) -> None:
        self.defer(trigger=TimeDeltaTrigger(timedelta(seconds=4)), method_name=method_name)


@dag(schedule=None, default_args={"retries": 0})
def deferred():
    """One task in three parts."""
    WaitsTwice(task_id="waits_twice")


@dag(schedule=None, default_args={"retries": 0})
def rescheduled():
    """A sensor that looks three times, and what waits for it."""

    @task.sensor(mode="reschedule", poke_interval=1, timeout=120)
    def third_look() -> PokeReturnValue:
        note("rescheduled", "look")
        looks = len((Path(os.environ["LEDGER"]) / "rescheduled").read_text().splitlines())
        return PokeReturnValue(is_done=looks >= 3, xcom_value=looks)

    @task
    def after(looks: int) -> None:
        note("rescheduled_after", looks)

    after(third_look())


deferred()
rescheduled()
