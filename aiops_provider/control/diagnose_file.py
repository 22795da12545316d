"""Localises the deviation of a snapshot in a file."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from aiops_provider.control.row_file import Row, read_rows
from aiops_provider.detection.localisation.cube import Cube, Floats, expected_share, make_cube
from aiops_provider.detection.localisation.search import localise
from aiops_provider.errors import DataError

_PLAIN = ("actual", "expected")
_DERIVED = ("actual_num", "actual_den", "expected_num", "expected_den")
_MEND = (
    "Give it dimension columns and actual, expected; of a ratio actual_num, actual_den, "
    "expected_num, expected_den."
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Located:
    """
    A combination of values in which the KPI is off.

    Attributes:
        cause: Dimension to value.
        actual: Measured there (of a ratio: its numerator).
        expected: Expected there.
        leaves: Rows of the file that it covers.
        explained: Share of the deviation of all leaves that it explains, in [0, 1].
        deviation_share: Its share in the excess of the total; may exceed 1 where others make up for it.
    """

    cause: Mapping[str, str]
    actual: float
    expected: float
    leaves: int
    explained: float
    deviation_share: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Diagnosis:
    """
    Where a KPI deviates.

    Attributes:
        leaves: Rows of the file.
        actual: Measured in total (of a ratio: its numerator).
        expected: Expected in total.
        causes: What explains the deviation, the strongest first; empty if nothing but noise is off.
    """

    leaves: int
    actual: float
    expected: float
    causes: tuple[Located, ...]


def diagnose_file(file: Path, *, most_conditions: int = 3) -> Diagnosis:
    """
    Localise.

    Args:
        file: CSV or JSON lines with a row per leaf.
        most_conditions: Conditions of a cause at most.

    Raises:
        DataError: The file cannot be used; with file, line, column, value and mend.
    """
    cube = _read(file)
    return Diagnosis(
        leaves=len(cube.actual),
        actual=float(cube.actual.sum()),
        expected=float(cube.expected.sum()),
        causes=tuple(
            Located(
                cause=one.conditions,
                actual=one.actual,
                expected=one.expected,
                leaves=one.leaves,
                explained=one.explained,
                deviation_share=one.deviation_share,
            )
            for one in localise(cube, most_conditions=most_conditions)
        ),
    )


def _read(file: Path) -> Cube:
    rows = list(read_rows(file))
    if not rows:
        raise DataError("holds no rows", file=str(file), mend=_MEND)
    columns = set(rows[0].values)
    measures = next((set_ for set_ in (_DERIVED, _PLAIN) if columns >= set(set_)), None)
    if measures is None:
        raise rows[0].wrong("actual", "this column or its partner is missing", _MEND)
    dimensions = [name for name in rows[0].values if name not in {*_PLAIN, *_DERIVED}]
    if not dimensions:
        raise DataError("has no dimension columns", file=str(file), mend=_MEND)
    cells = {name: [row.text(name, "") for row in rows] for name in dimensions}
    figures = [_column(rows, name) for name in measures]
    if measures is _PLAIN:
        return make_cube(cells, figures[0], figures[1])
    actual_num, actual_den, expected_num, expected_den = figures
    return make_cube(cells, actual_num, expected_share(actual_den, expected_num, expected_den))


def _column(rows: Sequence[Row], name: str) -> Floats:
    found = []
    for row in rows:
        number = row.number(name)
        if number is None:
            raise row.wrong(name, "is empty", "Write 0 where nothing was measured or expected.")
        found.append(number)
    return np.array(found, dtype=np.float64)
