"""Reads what was changed when from a file: ``observed_at``, ``kind``, ``words`` and dimensions."""

from __future__ import annotations

from pathlib import Path

from aiops_provider.control.row_file import Row, read_rows
from aiops_provider.domain.change import Change

REQUIRED = ("observed_at", "kind", "words")


def read_changes_file(file: Path) -> list[Change]:
    """
    Read all changes, the earliest first.

    Every further column is a dimension of what the change concerns, as KPIs have them; an empty cell
    says nothing. A change without any concerns everything.

    Args:
        file: CSV with a header line, or JSON lines.

    Raises:
        DataError: The file cannot be read, or a row cannot be used; with row, column, value, mend.
    """
    return sorted(map(_change, read_rows(file)), key=lambda one: one.at)


def _change(row: Row) -> Change:
    for column in REQUIRED:
        if row.values.get(column) in (None, ""):
            raise row.wrong(
                column,
                "is empty" if column in row.values else "this column is missing",
                f"Needed are {', '.join(REQUIRED)}; every other column is a dimension.",
            )
    at = row.moment("observed_at")
    assert at is not None  # noqa: S101 - it is not empty
    return Change(
        at=at,
        kind=row.text("kind", ""),
        words=row.text("words", ""),
        attributes={
            name: str(cell)
            for name, cell in row.values.items()
            if name not in REQUIRED and cell not in (None, "")
        },
    )
