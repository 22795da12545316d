"""Runs one Airflow workload inside a job of a local pool (the worker side)."""

from __future__ import annotations

import json
import logging
import os
from pathlib import Path

log = logging.getLogger(__name__)

OUTCOME_VARIABLE = "AIOPS_OUTCOME"
"""Path where the listener in the task's process notes how the task ended."""


def run(argument: str) -> int:
    """
    Run a workload as Airflow's own local executor does.

    Args:
        argument: The workload as JSON.

    Returns:
        0 when the task succeeded, 1 when it ended in any other way.
    """
    from airflow.executors import workloads
    from pydantic import TypeAdapter

    from aiops_provider.airflow.versions import run_workload

    adapter: TypeAdapter[workloads.All] = TypeAdapter(workloads.All)
    exit_code = run_workload(adapter.validate_json(argument))
    outcome = read_outcome(os.environ.get(OUTCOME_VARIABLE))
    return exit_code or (1 if outcome.get("state") == "failed" else 0)


def read_outcome(path: str | None) -> dict[str, str]:
    """
    What the listener noted.

    ``state``, ``operator``, ``error``, ``ended_at`` and, where they are known, ``input_gib``,
    ``input_rows`` and which code ran. Empty if it noted nothing: the task ended before it could.
    """
    if not path:
        return {}
    try:
        noted = json.loads(Path(path).read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}
    except (OSError, ValueError):
        log.warning("The outcome noted at %s cannot be read", path, exc_info=True)
        return {}
    return {str(key): str(value) for key, value in noted.items()}
