"""What tasks of every fleet share: a line about each event, and being sent to one cluster."""

import os
import time
from pathlib import Path
from typing import Any

from airflow.sdk import get_current_context


def note(name: str, word: str) -> None:
    """One line: event, task with map index, try, machine, cluster as the layer says, and when."""
    ti = get_current_context()["ti"]
    who = f"{ti.task_id}[{ti.map_index}]"
    machine = os.environ.get("WORKER_GROUP", "here")
    cluster = os.environ.get("AIOPS_CLUSTER", "none")
    with (Path(os.environ["LEDGER"]) / name).open("a") as ledger:
        ledger.write(f"{word} {who} {ti.try_number} {machine} {cluster} {time.time()}\n")


def pinned(
    cluster: str, *, cores: float = 0.5, memory_gib: float = 1.5, **further: Any
) -> dict[str, Any]:
    """The executor_config of a task for one cluster, with what else an executor is told."""
    return {"aiops": {"cluster": cluster, "cores": cores, "memory_gib": memory_gib}, **further}
