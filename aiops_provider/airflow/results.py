"""KPIs that a task's results hold when it has succeeded: declared ones, and its SQL's row counts."""

from __future__ import annotations

import logging
from typing import Any

from aiops_provider.airflow.callbacks import report_from
from aiops_provider.errors import DescriptionError

log = logging.getLogger(__name__)


def report_results(task_instance: Any) -> None:
    """Report what a task that has just succeeded tells; what goes wrong here is only logged."""
    for step in (_report_declared, _report_sql_rows):
        try:
            step(task_instance)
        except Exception:
            # The task has succeeded; its telemetry must not change what is told about it.
            log.exception("KPIs of a result could not be reported")


def _report_declared(task_instance: Any) -> None:
    config = getattr(task_instance.task, "executor_config", None)
    if not config:
        return
    # Only here: the models of descriptions take milliseconds to load, in every task's process.
    from aiops_provider.airflow.description import declared_kpis

    try:
        sources = declared_kpis(config)
    except DescriptionError as error:
        log.warning("No KPIs are read from the result: %s", error)
        return
    if sources:
        report_from(sources, task_instance)


def _report_sql_rows(task_instance: Any) -> None:  # noqa: ARG001 - one step like the other
    import sys

    if "airflow.providers.common.sql.hooks.lineage" not in sys.modules:
        return  # no SQL hook was used
    from aiops_provider.airflow.sql_rows import SQL_ROW_COUNT, collected_row_counts
    from aiops_provider.telemetry.report import report

    for number, count in enumerate(collected_row_counts(), start=1):
        report(SQL_ROW_COUNT, count, statement=number)
