"""Prefect imports the door in every process that asks for work pools."""

from __future__ import annotations

import subprocess
import sys

_SCRIPT = """
import sys
import prefect.workers.base
before = set(sys.modules)
import aiops_provider.prefect
new = set(sys.modules) - before
from prefect.workers.base import BaseWorker
print(BaseWorker.get_worker_class_from_type("aiops").__name__)
print(sorted(name for name in new if not name.startswith("aiops_provider")))
print(sorted(name for name in new if name.startswith("aiops_provider")))
"""


def test_import_registers_the_type_and_loads_nothing_else() -> None:
    """Importing the door makes the type known, and brings in nothing but its own three modules."""
    done = subprocess.run(
        [sys.executable, "-c", _SCRIPT], capture_output=True, text=True, check=True
    )
    worker, foreign, own = done.stdout.splitlines()[-3:]
    assert "AiopsWorker" == worker
    assert "[]" == foreign
    assert own == str(
        [
            "aiops_provider",
            "aiops_provider.prefect",
            "aiops_provider.prefect.configuration",
            "aiops_provider.prefect.worker",
        ]
    )
