"""``@task.aiops(...)``: a Python task that says what it does."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from aiops_provider.airflow.description import describe
from aiops_provider.domain.workload import Generic, TaskDescription
from aiops_provider.errors import DescriptionError
from aiops_provider.telemetry.returned import KpiDeclaration


def aiops_task(
    description: TaskDescription | Callable[..., Any] | None = None,
    *,
    kpis: KpiDeclaration | None = None,
    multiple_outputs: bool | None = None,
    executor_config: dict[str, Any] | None = None,
    **operator_arguments: Any,
) -> Any:
    """
    Make a task of a Python function, as ``@task`` does, and describe it.

    Args:
        description: What the task does: ``@task.aiops(Training(...))``; or the function itself,
            where the decorator is used without arguments.
        kpis: What of the returned value is a KPI; as for ``describe``.
        multiple_outputs: As for ``@task``.
        executor_config: Whatever else belongs there; it stays beside the description.
        **operator_arguments: As for ``@task``: ``task_id``, ``retries`` …

    Raises:
        DescriptionError: The argument is neither a description nor a function, or *kpis* cannot
            be used.
    """
    from airflow.sdk import task

    function = description if callable(description) else None
    said = Generic() if function is not None or description is None else description
    if not hasattr(said, "kind"):
        raise DescriptionError(
            "is no description of a task",
            field="@task.aiops",
            value=said,
            mend="Give one of aiops_provider.Etl, FeatureEngineering, Training, Serving, Generic",
        )
    if said == Generic() and kpis is None and executor_config is None:
        # What the DAG says of all of its tasks stays.
        decorated = task.python(multiple_outputs=multiple_outputs, **operator_arguments)
    else:
        decorated = task.python(
            multiple_outputs=multiple_outputs,
            executor_config=describe(said, kpis=kpis, **(executor_config or {})),  # type: ignore[arg-type]
            **operator_arguments,
        )
    return decorated(function) if function is not None else decorated
