"""More short tasks than run at a time, and one that comes late and is in a hurry."""

import os
import time
from pathlib import Path

from airflow.sdk import dag, get_current_context, task

TASKS = 30


def note(name: str, *words: object) -> None:
    """One line of a side effect, in one write."""
    line = " ".join(map(str, words)) + "\n"
    with Path(os.environ["LEDGER"], name).open("a") as ledger:
        ledger.write(line)


def bounds(name: str, index: object) -> None:
    """Note when a try starts and when it ends."""
    try_number = get_current_context()["ti"].try_number
    note(name, "starts", index, try_number, time.time())
    time.sleep(0.3)
    note(name, "ends", index, try_number, time.time())


@dag(schedule=None, max_active_tasks=1000)
def crowd() -> None:
    """All may run at once, as far as the executor lets them."""

    @task(retries=3, retry_delay=0.5)
    def one(index: int) -> None:
        bounds("crowd", index)

    one.expand(index=list(range(TASKS)))


@dag(schedule=None)
def hurry() -> None:
    """Heavier than all of the others."""

    @task(priority_weight=100)
    def first() -> None:
        bounds("crowd", "hurry")

    first()


crowd()
hurry()
