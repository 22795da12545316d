"""Tasks of a minute that write checkpoints, one of which may not be run anew."""

import os
import time
from pathlib import Path

from airflow.sdk import dag, get_current_context, task

from aiops_provider import Generic
from aiops_provider.airflow import describe

CHECKPOINT_S, UNITS, UNIT_S = 4.0, 240, 0.25
FOLDER = Path(os.environ.get("LEDGER", "."))


def work() -> None:
    """Go on from the checkpoint, and write down every unit of work when it is done."""
    ti = get_current_context()["ti"]
    checkpoint = FOLDER / f"checkpoint-{ti.task_id}"
    first = int(checkpoint.read_text()) if checkpoint.exists() else 0

    def note(what: str, number: int) -> None:
        with (FOLDER / "moved").open("a") as ledger:
            where = os.environ.get("AIOPS_CLUSTER", "none")
            ledger.write(f"{ti.task_id} {ti.try_number} {where} {what} {number}\n")

    note("start", first)
    for unit in range(first, UNITS):
        time.sleep(UNIT_S)
        note("done", unit)
        if (unit + 1) % (CHECKPOINT_S / UNIT_S) == 0:
            draft = checkpoint.with_suffix(".draft")
            draft.write_text(str(unit + 1))
            draft.replace(checkpoint)
    note("end", UNITS)


@dag(schedule=None, default_args={"retries": 0})
def moved():
    """Whatever fails fails the run: there are no retries."""
    checkpoints = {"checkpoint_interval_s": CHECKPOINT_S, "idempotent": True}
    declared = Generic(**checkpoints, on_cluster_loss="fence_and_rerun")
    task(work, task_id="declared", executor_config=describe(declared))()
    task(work, task_id="undeclared", executor_config=describe(Generic(**checkpoints)))()


moved()
