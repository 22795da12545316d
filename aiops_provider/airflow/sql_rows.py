"""
How many rows the SQL statements of a task read or changed, without a line in the task.

Airflow's SQL hooks tell their lineage collector about each statement; the row count is the database
driver's own. Nothing is parsed, and the statement itself is not looked at.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

# The name that airflow.providers.common.sql.hooks.lineage gives to its entries and the count.
_ENTRY = "sql_job"
_ROW_COUNT = "row_count"
# A task that runs thousands of statements has no use for thousands of series.
_MOST_STATEMENTS = 20

SQL_ROW_COUNT = "sql_row_count"


def collected_row_counts() -> list[int]:
    """Row counts of this process's statements, in order, of those whose driver tells them."""
    from airflow.sdk.lineage import get_hook_lineage_collector

    return row_counts(get_hook_lineage_collector().collected_assets.extra)


def row_counts(entries: Iterable[Any]) -> list[int]:
    """Row counts among what hooks have told, in order; at most twenty."""
    found = [
        count
        for entry in entries
        if entry.key == _ENTRY
        and isinstance(count := entry.value.get(_ROW_COUNT), int)
        and count >= 0
    ]
    return found[:_MOST_STATEMENTS]
