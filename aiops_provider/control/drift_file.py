"""Compares the columns of two files: how far did the values move, and are more of them missing?"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from aiops_provider.control.data_profile import (
    MOST_CATEGORIES,
    columns_of,
    counted,
    is_numeric,
    missing_rows,
)
from aiops_provider.control.parquet_file import read_parquet
from aiops_provider.control.row_file import read_rows
from aiops_provider.detection.drift.categorical import categorical_drift
from aiops_provider.detection.drift.multivariate import multivariate_drift
from aiops_provider.detection.drift.numeric import numeric_drift
from aiops_provider.detection.drift.verdict import DriftVerdict
from aiops_provider.errors import DataError

if TYPE_CHECKING:
    from numpy.typing import NDArray

Columns = Mapping[str, "NDArray[Any]"]


@dataclass(frozen=True, slots=True, kw_only=True)
class ColumnDrift:
    """
    One column before and now.

    Attributes:
        column: Its name.
        kind: How its values were compared; ``types``: by how many of them are numbers, since all were in one
            of the files only; ``names``: not at all, they are too many to be categories.
        drifted: Its values, or the share of those that are missing, moved more than chance explains
            and by enough to matter.
        values: Of the values, if they were compared.
        missing: Of the share that is missing.
        missing_before: That share before.
        missing_now: That share now.
    """

    column: str
    kind: Literal["numeric", "categorical", "types", "names"]
    drifted: bool
    values: DriftVerdict | None
    missing: DriftVerdict
    missing_before: float
    missing_now: float


@dataclass(frozen=True, slots=True, kw_only=True)
class FileDrift:
    """
    Two files compared.

    Attributes:
        drifted: A column drifted, all together did, or one is gone.
        rows_before: Rows of the reference.
        rows_now: Rows of the current file.
        columns: Those that both have, drifted ones first, by effect.
        together: Of all numeric columns at once, where there are two or more.
        absent: Columns of the reference that are gone.
        new: Columns that the reference does not have.
        comparisons: Number of tests that the level is divided by (Bonferroni).
    """

    drifted: bool
    rows_before: int
    rows_now: int
    columns: tuple[ColumnDrift, ...]
    together: DriftVerdict | None
    absent: tuple[str, ...]
    new: tuple[str, ...]
    comparisons: int


def drift_files(
    current: Path, reference: Path, *, level: float = 0.01, least_effect: float = 0.1
) -> FileDrift:
    """
    Compare two files column by column.

    A column of a text file is numeric if every cell of it is, in both files. Effects: the Wasserstein
    distance in standard deviations of the reference for numbers, the share of rows that would have to
    change for categories and for what is missing.

    Args:
        current: CSV, JSON lines or Parquet.
        reference: The same of before.
        level: Share of comparisons of two stable files in which any column may be called drifted.
        least_effect: Smaller drifts do not matter, however certain they are.

    Raises:
        DataError: A file cannot be read, has no rows, or both have no column in common.
    """
    now, before = _read(current), _read(reference)
    shared = [name for name in before if name in now]
    if not shared:
        raise DataError(
            "has no column of the reference",
            file=str(current),
            value=sorted(now)[:5],
            mend=f"The reference has {', '.join(sorted(before)[:5])}.",
        )
    types = {name: _types(before[name], now[name]) for name in shared}
    for name in shared:
        before[name], now[name] = _alike(before[name], now[name])
    numeric = [name for name in shared if is_numeric(before[name]) and is_numeric(now[name])]
    values = {name: _values(before[name], now[name]) for name in shared}
    # Whichever of the two is clearer: a few new codes among many, or numbers that became texts.
    retyped = {
        name
        for name, one in types.items()
        if one and one.p_value < (as_texts.p_value if (as_texts := values[name]) else 1.0)
    }
    values |= {name: types[name] for name in retyped}
    missing = {name: _missing(before[name], now[name]) for name in shared}
    together = _together(before, now, numeric)
    told = [*values.values(), *missing.values(), together]
    comparisons = sum(one is not None for one in told)

    def corrected(verdict: DriftVerdict) -> DriftVerdict:
        certain = verdict.p_value <= level / comparisons
        return replace(verdict, drifted=certain and verdict.effect >= least_effect)

    values = {name: one and corrected(one) for name, one in values.items()}
    missing = {name: corrected(one) for name, one in missing.items()}
    together = together and corrected(together)
    columns = [
        ColumnDrift(
            column=name,
            kind="numeric"
            if name in numeric
            else "types"
            if name in retyped
            else "categorical"
            if values[name] is not None
            else "names",
            drifted=any(one.drifted for one in (values[name], missing[name]) if one),
            values=values[name],
            missing=missing[name],
            missing_before=missing_rows(before[name]) / len(before[name]),
            missing_now=missing_rows(now[name]) / len(now[name]),
        )
        for name in shared
    ]
    columns.sort(key=lambda one: (not one.drifted, -_effect(one), one.column))
    absent = tuple(name for name in before if name not in now)
    return FileDrift(
        drifted=bool(absent)
        or (together is not None and together.drifted)
        or any(one.drifted for one in columns),
        rows_before=len(before[shared[0]]),
        rows_now=len(now[shared[0]]),
        columns=tuple(columns),
        together=together,
        absent=absent,
        new=tuple(name for name in now if name not in before),
        comparisons=comparisons,
    )


def _effect(one: ColumnDrift) -> float:
    return max(one.missing.effect, one.values.effect if one.values else 0.0)


def _values(before: NDArray[Any], now: NDArray[Any]) -> DriftVerdict | None:
    if is_numeric(before) and is_numeric(now):
        return numeric_drift(before.astype(np.float64), now.astype(np.float64))
    counts = counted(before)[0]
    return categorical_drift(counts, counted(now)[0]) if len(counts) <= MOST_CATEGORIES else None


def _types(before: NDArray[Any], now: NDArray[Any]) -> DriftVerdict | None:
    """How many cells are numbers, of a column that is numeric in one of the files only."""
    if (_numbers(before) is None) == (_numbers(now) is None):
        return None
    tables = []
    for column in (before, now):
        there = [cell for cell in column.tolist() if cell is not None]
        numbers = sum(_numbers(_objects([cell])) is not None for cell in there)
        tables.append({"numbers": numbers, "others": len(there) - numbers})
    return categorical_drift(*tables)


def _missing(before: NDArray[Any], now: NDArray[Any]) -> DriftVerdict:
    tables = []
    for column in (before, now):
        gone = missing_rows(column)
        tables.append({"missing": gone, "there": len(column) - gone})
    return categorical_drift(*tables)


def _together(before: Columns, now: Columns, names: Sequence[str]) -> DriftVerdict | None:
    if len(names) < 2:
        return None
    tables = [
        np.column_stack([c[name].astype(np.float64) for name in names]) for c in (before, now)
    ]
    if not all(np.isfinite(one).all(axis=1).any() for one in tables):
        return None  # no row has all of them
    return multivariate_drift(*tables)


def _read(file: Path) -> dict[str, NDArray[Any]]:
    if file.suffix.lower() == ".parquet":
        found = columns_of(read_parquet(file))
    else:
        found = _text_columns(file)
    if not found or not len(next(iter(found.values()))):
        raise DataError("holds no rows", file=str(file), mend="Give it a header and rows.")
    return found


def _text_columns(file: Path) -> dict[str, NDArray[Any]]:
    cells: dict[str, list[Any]] = {}
    rows = 0
    for row in read_rows(file):
        for name, cell in row.values.items():
            # A column that appears later was missing before: objects of JSON need not have all keys.
            column = cells.setdefault(name, [])
            column.extend([None] * (rows - len(column)))
            column.append(cell)
        rows += 1
    return {
        name: _objects(column + [None] * (rows - len(column))) for name, column in cells.items()
    }


def _objects(cells: list[Any]) -> NDArray[Any]:
    made = np.empty(len(cells), dtype=object)
    made[:] = cells
    return made


def _alike(before: NDArray[Any], now: NDArray[Any]) -> tuple[NDArray[Any], NDArray[Any]]:
    """Both as numbers where all cells of both are; else both as texts, so that 7 equals "7"."""
    numbers = _numbers(before), _numbers(now)
    if numbers[0] is not None and numbers[1] is not None:
        return numbers[0], numbers[1]
    return _texts(before), _texts(now)


def _numbers(column: NDArray[Any]) -> NDArray[np.float64] | None:
    if is_numeric(column):
        return column.astype(np.float64)
    if any(isinstance(cell, bool) for cell in column):
        return None
    try:
        cells = [math.nan if cell is None else float(cell) for cell in column]
    except (TypeError, ValueError, OverflowError):
        return None
    return np.array(cells, dtype=np.float64)


def _texts(column: NDArray[Any]) -> NDArray[Any]:
    if is_numeric(column):
        return _objects([f"{cell:.15g}" if math.isfinite(cell) else None for cell in column])
    return column
