"""
Tells what the tasks of a DAG file are, for commands that must not import Airflow themselves.

``python -m aiops_provider.airflow.dag_tasks FILE`` prints one line of JSON after a mark. The file is
imported as Airflow's DAG processor does; nothing is run and no database is asked.
"""

from __future__ import annotations

import json
import sys
from typing import Any

from aiops_provider.airflow.dag_facts import known_operator
from aiops_provider.airflow.description import read_description
from aiops_provider.airflow.pod_request import pod_request
from aiops_provider.airflow.requested_memory import requested_memory_gib
from aiops_provider.airflow.task_request import asked_executor, named_queue
from aiops_provider.domain.workload import TASK_DESCRIPTION, with_requested_memory
from aiops_provider.errors import DescriptionError

MARK = "aiops-dag-tasks:"
_PYDANTIC_LINK = "For further information visit https://errors.pydantic.dev"


def read_dag_file(file: str) -> dict[str, Any]:
    """
    The tasks of a file.

    Args:
        file: Path of a Python file with DAGs.

    Returns:
        ``tasks``, each with ``dag``, ``task``, ``operator``, ``queue``, ``executor``,
        ``description``, ``known`` (what Airflow tells of it by itself) and ``problem``, and ``errors``, the sentence of what went wrong by file.
    """
    from airflow.dag_processing.dagbag import DagBag

    bag = DagBag(dag_folder=file, load_op_links=False)
    return {
        "tasks": [
            _told(dag_id, task) for dag_id, dag in sorted(bag.dags.items()) for task in dag.tasks
        ],
        "errors": {path: _what_went_wrong(error) for path, error in bag.import_errors.items()},
    }


def _what_went_wrong(traceback: str) -> str:
    """
    The error that a traceback ends with, on one line.

    Its message may have several, as pydantic's have, whose last one says nothing: it begins after the last
    line of a frame, and what pydantic adds for developers is left out.
    """
    lines = traceback.strip().splitlines()
    framed = [number for number, line in enumerate(lines) if line.startswith('  File "')]
    after = lines[framed[-1] + 1 :] if framed else lines
    begins = next((n for n, line in enumerate(after) if line[:1].strip()), 0)
    message = [line.strip() for line in after[begins:] if _PYDANTIC_LINK not in line]
    return " ".join(message) or lines[-1]


def _told(dag_id: str, task: Any) -> dict[str, Any]:
    description, problem = None, ""
    try:
        # A mapped operator keeps what it was given under its own name for it.
        config = getattr(task, "executor_config", None)
        said = with_requested_memory(
            read_description(config) or pod_request(config), requested_memory_gib(config)
        )
        if said is not None:
            description = TASK_DESCRIPTION.dump_python(said, mode="json", fallback=str)
    except DescriptionError as error:
        problem = str(error)
    return {
        "dag": dag_id,
        "task": task.task_id,
        "operator": task.task_type,
        "queue": named_queue(task.queue),
        "executor": asked_executor(task),
        "description": description,
        "known": TASK_DESCRIPTION.dump_python(known_operator(task), mode="json", fallback=str),
        "problem": problem,
    }


if __name__ == "__main__":
    sys.stdout.write(MARK + json.dumps(read_dag_file(sys.argv[1])) + "\n")
