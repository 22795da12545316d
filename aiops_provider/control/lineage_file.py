"""Reads which tasks use what others make from a file: ``upstream`` and ``downstream``."""

from __future__ import annotations

from pathlib import Path

from aiops_provider.control.row_file import Row, read_rows
from aiops_provider.domain.task import TaskKey


def read_lineage_file(file: Path) -> list[tuple[TaskKey, TaskKey]]:
    """
    Read all edges, in the order of the file.

    Args:
        file: CSV with a header line, or JSON lines; tasks as ``namespace/name``.

    Raises:
        DataError: The file cannot be read, or a row cannot be used; with row, column, value, mend.
    """
    return [(_task(row, "upstream"), _task(row, "downstream")) for row in read_rows(file)]


def _task(row: Row, column: str) -> TaskKey:
    text = row.text(column, "")
    namespace, slash, name = text.partition("/")
    if not (slash and namespace and name):
        problem = "names no task" if column in row.values else "this column is missing"
        raise row.wrong(column, problem, "Write it as sales/load: DAG or flow, slash, task.")
    return TaskKey(namespace, name)
