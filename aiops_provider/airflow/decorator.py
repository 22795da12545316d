"""``@task.aiops(...)``: a Python task that says what it does."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from aiops_provider.airflow.description import EXECUTOR_CONFIG_KEY, describe, read_description
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
        kpis: What of the returned value is a KPI; as for ``describe``. They stand beside what the
            default arguments of the DAG or task group say of the task.
        multiple_outputs: As for ``@task``.
        executor_config: Whatever else belongs there; it stays beside the description. Without one
            it may hold the description itself, as ``describe`` makes it.
        **operator_arguments: As for ``@task``: ``task_id``, ``retries`` …

    Raises:
        DescriptionError: The argument is neither a description nor a function, *executor_config*
            holds another description, or *kpis* cannot be used.
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
    if said != Generic():
        _refuse_second(executor_config)
        config: Mapping[str, Any] | None = describe(said, kpis=kpis, **(executor_config or {}))  # type: ignore[arg-type]
    elif kpis is not None:
        given = _inherited(operator_arguments) if executor_config is None else executor_config
        config = _with_kpis(given or {}, kpis)
    else:
        config = executor_config
    if config is not None:
        # Not even None otherwise, so that what the DAG says of all of its tasks stays.
        operator_arguments["executor_config"] = config
    decorated = task.python(multiple_outputs=multiple_outputs, **operator_arguments)
    return decorated(function) if function is not None else decorated


def _refuse_second(executor_config: Mapping[str, Any] | None) -> None:
    second = (executor_config or {}).get(EXECUTOR_CONFIG_KEY)
    if second is not None:
        raise DescriptionError(
            "describes the task a second time",
            field=f"executor_config[{EXECUTOR_CONFIG_KEY!r}]",
            value=second,
            mend="Say it all in the argument of @task.aiops",
        )


def _inherited(operator_arguments: Mapping[str, Any]) -> Mapping[str, Any] | None:
    """The ``executor_config`` that Airflow would give a task which is made here and has none."""
    from airflow.sdk.bases.operator import get_merged_defaults
    from airflow.sdk.definitions._internal.contextmanager import DagContext, TaskGroupContext

    dag = operator_arguments.get("dag") or DagContext.get_current()
    group = operator_arguments.get("task_group") or TaskGroupContext.get_current(dag)
    own = operator_arguments.get("default_args")
    defaults, _ = get_merged_defaults(dag, group, None, own)
    found: Mapping[str, Any] | None = defaults.get("executor_config")
    return found


def _with_kpis(executor_config: Mapping[str, Any], kpis: KpiDeclaration) -> dict[str, Any]:
    """A declaration beside what is described; whatever cannot be used there is told later."""
    described = executor_config.get(EXECUTOR_CONFIG_KEY)
    if not isinstance(described, Mapping):
        described = describe(read_description(executor_config) or Generic())[EXECUTOR_CONFIG_KEY]
    declared = describe(Generic(), kpis=kpis)[EXECUTOR_CONFIG_KEY]
    return {
        **executor_config,
        EXECUTOR_CONFIG_KEY: {**declared, **described, "kpis": declared["kpis"]},
    }
