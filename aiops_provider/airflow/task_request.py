"""What Airflow says about a task, as the layer asks for it."""

from __future__ import annotations

import logging
from functools import cache
from typing import Any

from aiops_provider.airflow.description import read_description
from aiops_provider.airflow.pod_request import pod_request
from aiops_provider.airflow.requested_memory import requested_memory_gib
from aiops_provider.domain.task import TaskKey, TaskRun
from aiops_provider.domain.workload import TaskDescription, with_requested_memory
from aiops_provider.errors import DescriptionError

log = logging.getLogger(__name__)

KUBERNETES_EXECUTOR = "KubernetesExecutor"
_OURS = "AiopsExecutor"
_OF_KUBERNETES = frozenset({"pod_override", "pod_template_file"})


def task_run(ti: Any) -> TaskRun:
    """Which try a task instance is."""
    return TaskRun(
        task=TaskKey(ti.dag_id, ti.task_id),
        run_id=ti.run_id,
        map_index=ti.map_index if ti.map_index is not None else -1,
        try_number=ti.try_number,
    )


def named_queue(queue: str | None) -> str | None:
    """The queue that the author named; every task has Airflow's default one."""
    return None if queue == _default_queue() else queue


def named_executor(ti: Any) -> str | None:
    """
    The executor that the author must have meant by an ``executor_config`` that only it understands.

    ``None`` where any executor will do.
    """
    config = ti.executor_config or {}
    return KUBERNETES_EXECUTOR if _OF_KUBERNETES & config.keys() else None


def asked_executor(task: Any) -> str | None:
    """
    The executor that the author of an operator asked for, by name or by its ``executor_config``.

    ``None`` where any executor will do, as where it is ours by name.
    """
    if task.executor and task.executor.rpartition(".")[2] != _OURS:
        name: str = task.executor
        return name
    return named_executor(task)


def description_of(ti: Any) -> TaskDescription | None:
    """
    What its author said to us, else to other executors; ``None`` if nothing.

    A description that cannot be used is logged and left out.
    """
    if not ti.executor_config:
        return None
    description = None
    try:
        description = read_description(ti.executor_config) or pod_request(ti.executor_config)
    except DescriptionError as error:
        log.warning("%s is placed without its description: %s", task_run(ti), error)
    return with_requested_memory(description, requested_memory_gib(ti.executor_config))


@cache
def _default_queue() -> str:
    # Asked for every task that is placed; Airflow looks in environment, files and defaults each time.
    from airflow.configuration import conf

    return str(conf.get("operators", "default_queue"))
