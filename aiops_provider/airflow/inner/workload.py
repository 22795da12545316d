"""Runs one Airflow workload inside a job of a local pool (the worker side)."""

from __future__ import annotations

import json
import logging
import os
from functools import cache
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pydantic import TypeAdapter

log = logging.getLogger(__name__)

# What runs a task, what nearly every DAG file imports, and what the listener does in the task's process.
_AHEAD = (
    "airflow.sdk.execution_time.supervisor",
    "airflow.sdk.execution_time.task_runner",
    "airflow.sdk.definitions.dag",
    "airflow.sdk.definitions.decorators",
    "aiops_provider.airflow.listener",
)

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
    from aiops_provider.airflow.versions import run_workload

    exit_code = run_workload(_adapter().validate_json(argument))
    outcome = read_outcome(os.environ.get(OUTCOME_VARIABLE))
    return exit_code or (1 if outcome.get("state") == "failed" else 0)


def prepare() -> None:
    """
    Import and make once, in the pool, what every workload would import and make for itself.

    A worker of Airflow's own local executor runs one task after the other and so has most of it at hand;
    the client's certificates alone take a third of the time of a task that does nothing.
    """
    for name in _AHEAD:
        import_module(name)
    from airflow.sdk.api.client import Client

    Client(base_url="http://127.0.0.1/", token="").close()  # it keeps its certificates for the next
    _adapter()


@cache
def _adapter() -> TypeAdapter[Any]:
    from airflow.executors import workloads
    from pydantic import TypeAdapter

    return TypeAdapter(workloads.All)


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
