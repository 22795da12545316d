"""
Everything that differs between the Airflow versions we run on, in one place.

Airflow 3.2 has no key and no states on a workload, and no common way to run one.
"""

from __future__ import annotations

import logging
from collections import deque
from dataclasses import dataclass
from typing import Any

from airflow.executors import workloads

log = logging.getLogger(__name__)

_EVENTS_KEPT_ALIVE = 1000


@dataclass(frozen=True, slots=True, kw_only=True)
class States:
    """
    The states that an executor reports for a workload.

    Attributes:
        running: When it starts; ``None`` where the workload tells that by itself.
        success: When its process ended by itself.
        failure: When its process was ended, or could not run.
    """

    running: Any
    success: Any
    failure: Any


class EventLogs(deque[Any]):
    """
    Rows for Airflow's event log that wait for the scheduler to save them.

    The scheduler (3.3.2) takes them out one by one while it saves them, and SQLAlchemy holds them
    by weak references only: a row that nobody else refers to is gone before it is written, and an
    empty one is refused by the database. So the latest are referred to here.
    """

    def __init__(self) -> None:
        super().__init__()
        self._alive: deque[Any] = deque(maxlen=_EVENTS_KEPT_ALIVE)

    def append(self, row: Any, /) -> None:
        """Add a row."""
        self._alive.append(row)
        super().append(row)


def workload_key(workload: Any) -> Any:
    """The key under which Airflow knows a workload."""
    key = getattr(workload, "key", None)
    if key is not None:
        return key
    if isinstance(workload, workloads.ExecuteTask):
        return workload.ti.key
    return workload.callback.id


def states_of(workload: Any) -> States:
    """The states to report for a workload, which are those of its kind."""
    kind = type(workload)
    if kind not in _states:
        _states[kind] = _states_of_kind(workload)
    return _states[kind]


_states: dict[type[Any], States] = {}


def _states_of_kind(workload: Any) -> States:
    if hasattr(workload, "success_state"):
        return States(
            running=workload.running_state,
            success=workload.success_state,
            failure=workload.failure_state,
        )
    from airflow.utils.state import CallbackState, TaskInstanceState

    if isinstance(workload, workloads.ExecuteTask):
        return States(
            running=None, success=TaskInstanceState.SUCCESS, failure=TaskInstanceState.FAILED
        )
    return States(
        running=CallbackState.RUNNING, success=CallbackState.SUCCESS, failure=CallbackState.FAILED
    )


def task_states() -> States:
    """The states to report for a task whose workload is not here: one that was adopted."""
    from airflow.utils.state import TaskInstanceState

    return States(
        running=TaskInstanceState.RUNNING,
        success=TaskInstanceState.SUCCESS,
        failure=TaskInstanceState.FAILED,
    )


def queues_of(executor: Any) -> tuple[dict[Any, Any], ...]:
    """The dictionaries in which an executor's workloads wait."""
    names = ("queued_tasks", "queued_callbacks", "queued_connection_tests")
    return tuple(getattr(executor, name) for name in names if hasattr(executor, name))


def count(metric: str, **tags: str) -> None:
    """Add one to a metric of Airflow's own: StatsD, OpenTelemetry or whatever is configured."""
    from airflow._shared.observability.metrics import stats

    increment = getattr(stats, "incr", None) or stats.Stats.incr
    increment(metric, tags=tags)


def run_workload(workload: Any) -> int:
    """
    Run a workload in this process, as Airflow's local executor does.

    Returns:
        Exit status of the task's process; 0 for a callback that succeeded, else 1.
    """
    from airflow.executors.base_executor import BaseExecutor

    if hasattr(BaseExecutor, "run_workload"):
        return int(BaseExecutor.run_workload(workload, subprocess_logs_to_stdout=True) or 0)
    if isinstance(workload, workloads.ExecuteTask):
        return _supervise(workload)
    from airflow.executors.workloads.callback import execute_callback_workload

    success, _ = execute_callback_workload(workload.callback, log)
    return 0 if success else 1


def _supervise(workload: Any) -> int:
    from airflow.configuration import conf
    from airflow.sdk.execution_time.supervisor import supervise

    base = conf.get("api", "base_url", fallback="/")
    base = f"http://localhost:8080{base}" if base.startswith("/") else base
    server = conf.get("core", "execution_api_server_url", fallback=f"{base.rstrip('/')}/execution/")
    return int(
        supervise(
            ti=workload.ti,
            dag_rel_path=workload.dag_rel_path,
            bundle_info=workload.bundle_info,
            token=workload.token,
            server=server,
            log_path=workload.log_path,
            subprocess_logs_to_stdout=True,
        )
        or 0
    )
