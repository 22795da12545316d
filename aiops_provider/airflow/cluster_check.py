"""
The DAG by which ``aiops clusters check`` looks around on a cluster.

A platform team puts it into a bundle that all clusters have, in a file of two lines::

    from aiops_provider.airflow.cluster_check import cluster_check_dag
    dag = cluster_check_dag()

What runs on the worker stands here too. It reports by a Variable, over the Execution API: the XCom
backend is one of the things that may not work there. An error is told by its class only, for its
text may hold a password; the text is in the task's own log.
"""

from __future__ import annotations

import json
import logging
import os
import platform
import sys
from collections.abc import Callable
from functools import partial
from typing import Any

from aiops_provider.control.check_run import DAG_ID

TASK_ID = "look_around"
XCOM_KEY = "aiops_cluster_check"

log = logging.getLogger(__name__)


def report_key(marker: str) -> str:
    """Name of the Variable that holds the report of a run."""
    return f"{DAG_ID}_{marker}"


def cluster_check_dag() -> Any:
    """The DAG; runs are started by ``aiops clusters check`` only."""
    from airflow.sdk import dag, task

    @dag(
        dag_id=DAG_ID,
        schedule=None,
        catchup=False,
        is_paused_upon_creation=False,
        tags=["aiops"],
        doc_md="Started by `aiops clusters check NAME`; looks around on that cluster.",
    )
    def check() -> None:
        @task(task_id=TASK_ID, retries=0)
        def look() -> None:
            look_around()

        look()

    return check()


def look_around() -> None:
    """Run on the worker: try everything that a task may need, and report it."""
    from airflow.sdk import Variable, get_current_context

    context: Any = get_current_context()
    ti, asked = context["ti"], context["dag_run"].conf or {}
    marker = str(asked["marker"])
    bundle = getattr(ti, "bundle_instance", None)
    # Task logs of this logger go where those of every task go.
    log.warning("aiops cluster check: %s", marker)
    report = {
        "cluster": os.environ.get("AIOPS_CLUSTER", ""),
        "host": platform.node(),
        "versions": versions(),
        "bundle": {
            "name": getattr(bundle, "name", None),
            "version": getattr(bundle, "version", None),
        },
        "xcom": _tried(lambda: _xcom(ti, marker)),
        "secrets": {name: _tried(lookup) for name, lookup in _secrets(marker)},
        "connections": {
            name: _tried(partial(_connection, name)) for name in asked.get("connections", [])
        },
    }
    Variable.set(report_key(marker), json.dumps(report))


def versions() -> dict[str, str]:
    """What is installed in this process."""
    from importlib.metadata import version

    from aiops_provider import __version__

    python = f"{sys.version_info.major}.{sys.version_info.minor}.{sys.version_info.micro}"
    return {"airflow": version("apache-airflow-core"), "aiops": __version__, "python": python}


def _tried(attempt: Callable[[], object]) -> str:
    """Empty if it worked, else the class of the error."""
    try:
        attempt()
    except Exception as error:
        # Whatever does not work on this cluster is what is to be found out here.
        log.exception("The check failed")
        return type(error).__name__
    return ""


def _xcom(ti: Any, marker: str) -> None:
    ti.xcom_push(key=XCOM_KEY, value=marker)
    found = ti.xcom_pull(task_ids=TASK_ID, key=XCOM_KEY)
    if found != marker:
        raise ValueError(f"pushed {marker!r}, pulled {found!r}")


def _secrets(marker: str) -> list[tuple[str, Callable[[], object]]]:
    """Every secrets backend that tasks ask there, each asked for a name that nobody has."""
    from airflow.sdk.execution_time.supervisor import ensure_secrets_backend_loaded

    absent = f"{DAG_ID}_{marker}_absent"
    return [
        (type(backend).__name__, partial(backend.get_variable, key=absent))
        for backend in ensure_secrets_backend_loaded()
    ]


def _connection(name: str) -> None:
    from airflow.sdk import Connection

    Connection.get(name)
