"""``@task.aiops_branch``: a function that chooses what follows, from the newest value of a KPI."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, Sequence
from datetime import timedelta
from functools import partial, wraps
from typing import Any

from airflow.providers.standard.decorators.branch_python import _BranchPythonDecoratedOperator
from airflow.sdk.bases.decorator import task_decorator_factory

from aiops_provider.airflow.hook import AiopsHook
from aiops_provider.domain.units import utc_now
from aiops_provider.errors import DescriptionError

_WITHIN = timedelta(hours=24)
_POSITIONAL = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)


class _KpiBranchDecoratedOperator(_BranchPythonDecoratedOperator):
    """Calls the function with the value before its other arguments."""

    template_fields: Sequence[str] = (
        *_BranchPythonDecoratedOperator.template_fields,
        "kpi",
        "labels",
        "aiops_conn_id",
    )
    custom_operator_name = "@task.aiops_branch"

    def __init__(
        self,
        *,
        python_callable: Callable[..., Any],
        kpi: str,
        labels: Mapping[str, str] | None = None,
        within: timedelta = _WITHIN,
        aiops_conn_id: str = AiopsHook.default_conn_name,
        **kwargs: Any,
    ) -> None:
        self.function = python_callable
        # Airflow checks, when the DAG is parsed, that its author gave all arguments but this one.
        super().__init__(python_callable=_without_value(python_callable), **kwargs)
        self.kpi, self.labels, self.within = kpi, dict(labels or {}), within
        self.aiops_conn_id = aiops_conn_id

    def execute(self, context: Any) -> Any:
        """Ask for the value, then let the function choose."""
        newest = AiopsHook(self.aiops_conn_id).kpis(
            self.kpi, self.labels, since=utc_now() - self.within, limit=1
        )
        value = float(newest[0]["value"]) if newest else None
        self.log.info("%s is %s", self.kpi, "unknown" if value is None else f"{value:g}")
        self.python_callable = partial(self.function, value)
        return super().execute(context)


def aiops_branch_task(
    *,
    kpi: str,
    labels: Mapping[str, str] | None = None,
    within: timedelta = _WITHIN,
    aiops_conn_id: str = AiopsHook.default_conn_name,
    **operator_arguments: Any,
) -> Any:
    """
    Make a branch of a function that takes the newest value of a KPI as its first argument.

    Args:
        kpi: Name of the KPI.
        labels: What its sample must have, such as ``{"run_id": "{{ run_id }}"}``.
        within: Older samples do not count; without any the function gets ``None``.
        aiops_conn_id: The connection of type ``aiops``.
        **operator_arguments: As for ``@task.branch``: ``task_id``, ``retries`` …

    Raises:
        DescriptionError: The function has no argument for the value.
    """
    return task_decorator_factory(
        decorated_operator_class=_KpiBranchDecoratedOperator,
        kpi=kpi,
        labels=labels,
        within=within,
        aiops_conn_id=aiops_conn_id,
        **operator_arguments,
    )


def _without_value(function: Callable[..., Any]) -> Callable[..., Any]:
    signature = inspect.signature(function)
    parameters = list(signature.parameters.values())
    if not parameters or parameters[0].kind not in _POSITIONAL:
        raise DescriptionError(
            "has no argument for the value of the KPI",
            field="@task.aiops_branch",
            value=function.__name__,
            mend="Let it begin with one: def choose(row_count): …",
        )

    @wraps(function)
    def waits_for_its_value(*args: Any, **kwargs: Any) -> Any:
        return function(None, *args, **kwargs)

    left = signature.replace(parameters=parameters[1:])
    waits_for_its_value.__signature__ = left  # type: ignore[attr-defined]
    return waits_for_its_value
