"""
Starts a task inside the job of a batch service: ``python -m aiops_provider.airflow.inner.job_start``.

As Airflow's own executors do, but for where the workload comes from. It holds a token, and a command
is what anybody sees who may look at a job; a variable is hidden by the clouds that can. It is taken out
of the environment before anything of the task's author runs.
"""

from __future__ import annotations

import os
import sys

WORKLOAD_VARIABLE = "AIOPS_WORKLOAD"
"""The workload as JSON."""

COMMAND = ("python", "-m", "aiops_provider.airflow.inner.job_start")
"""What a job's container runs."""

_AIRFLOW = "airflow.sdk.execution_time.execute_workload"


def main() -> None:
    """Become the process of the task; returns only if there is no workload."""
    workload = os.environ.pop(WORKLOAD_VARIABLE, None)
    if workload is None:
        sys.exit(f"{WORKLOAD_VARIABLE} is not set: this is started by aiops_provider's executor")
    arguments = [sys.executable, "-m", _AIRFLOW, "--json-string", workload]
    os.execv(sys.executable, arguments)  # noqa: S606 - the interpreter that runs this


if __name__ == "__main__":
    main()
