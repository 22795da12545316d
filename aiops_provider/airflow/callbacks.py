"""Callbacks for tasks that take whatever operator: KPIs from what the task returned."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from aiops_provider.telemetry.returned import KpiSource, parse_kpis, values_of

if TYPE_CHECKING:
    from airflow.sdk import Context


def push_kpis(*names: str, **paths: str) -> Callable[[Context], None]:
    """
    Report KPIs when a task has succeeded: ``on_success_callback=push_kpis("row_count")``.

    The values are read from what the task returned, or from another XCom of it. What is not there is
    told in the task's log; nothing here fails a task.

    Args:
        *names: KPIs that stand in the returned dictionary under their own names; a single one may
            be the returned number itself.
        **paths: A path for each KPI, such as ``precision="metrics.test.precision"`` or
            ``rows="statistics:read"``; see :func:`aiops_provider.telemetry.returned.parse_kpis`.

    Raises:
        DescriptionError: Neither names nor paths, or one that cannot be used.
    """
    sources = (*parse_kpis(names), *parse_kpis(paths))
    if not sources:
        parse_kpis(("",))

    def report_returned(context: Context) -> None:
        report_from(sources, context["ti"])

    return report_returned


def report_from(sources: tuple[KpiSource, ...], task_instance: Any) -> None:
    """Report what a task that has just succeeded left in its XComs."""
    from aiops_provider.telemetry.report import report

    for name, value in _values(sources, task_instance).items():
        report(name, value)  # type: ignore[arg-type]


def _values(sources: tuple[KpiSource, ...], task_instance: Any) -> Mapping[str, object]:
    def read(place: str) -> object:
        return task_instance.xcom_pull(
            task_ids=task_instance.task_id, key=place, map_indexes=task_instance.map_index
        )

    return values_of(sources, read)
