"""Reads ``planning.interference_file``: by how much tasks slow one another when they share a machine."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from aiops_provider.control.row_file import Row, read_rows
from aiops_provider.placement.interference import Interference, Slowdown

if TYPE_CHECKING:
    from aiops_provider.settings.engine_schema import PlanningSettings

_COLUMNS = ("task", "beside", "slowdown", "accelerator")


def open_interference(planning: PlanningSettings) -> Interference | None:
    """
    What the settings say about tasks that share a machine; ``None`` if they name no file.

    Raises:
        DataError: The file cannot be used, with file, line and column.
    """
    if planning.interference_file is None:
        return None
    measured = read_slowdowns(Path(planning.interference_file))
    return Interference(measured, most=planning.most_slowdown, most_meetings=planning.most_meetings)


def read_slowdowns(path: Path) -> Iterator[Slowdown]:
    """
    The measurements of a file, CSV or JSON lines, with the columns task, beside, slowdown and accelerator.

    Args:
        path: ``task`` and ``beside`` are ``namespace/name`` or patterns of it, ``slowdown`` is the time
            of *task* beside the other as a multiple of its time alone, ``accelerator`` may be left out.

    Raises:
        DataError: The file cannot be read, or a row cannot be used.
    """
    for row in read_rows(path):
        unknown = sorted(set(row.values) - set(_COLUMNS))
        if unknown:
            raise row.wrong(unknown[0], "is no column", f"Use {', '.join(_COLUMNS)}.")
        slowdown = row.number("slowdown")
        if slowdown is None or slowdown <= 0:
            raise row.wrong(
                "slowdown",
                "is no multiple of the time alone",
                "Write a number above 0; 2 is twice as long.",
            )
        yield Slowdown(
            task=_name(row, "task"),
            beside=_name(row, "beside"),
            slowdown=slowdown,
            accelerator=row.text("accelerator", "") or None,
        )


def _name(row: Row, field: str) -> str:
    name = row.text(field, "")
    if "/" not in name:
        raise row.wrong(
            field, "is no task", "Write namespace/name, or a pattern such as training/*."
        )
    return name
