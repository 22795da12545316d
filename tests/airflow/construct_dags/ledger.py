"""Where the tasks of these DAGs write down what they really did."""

import os
from pathlib import Path

from airflow.sdk import get_current_context


def note(name: str, *words: object) -> None:
    """
    Append one line: the try number, the cluster, and what the task has to say.

    Args:
        name: Which ledger.
        *words: Without blanks.
    """
    number = get_current_context()["ti"].try_number
    line = " ".join(str(word) for word in (number, os.environ["AIOPS_CLUSTER"], *words))
    with (Path(os.environ["LEDGER"]) / name).open("a") as ledger:
        ledger.write(f"{line}\n")
