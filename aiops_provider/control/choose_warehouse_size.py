"""
Chooses the size of a data warehouse for a query from a file of runs.

Columns: ``query``, ``size``, ``units``, ``threads``, ``memory_gib``, ``price_per_hour``, ``volume_gib``,
``runtime_s``, ``spilled_gib``, ``outcome`` (``success`` by default, anything else for a run that failed for want of
memory) and ``started_at``. A line without a query describes a size on which nothing has run.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from aiops_provider.control.row_file import Row, read_rows
from aiops_provider.domain.units import SECONDS_PER_HOUR
from aiops_provider.errors import DataError
from aiops_provider.profiling.starts import moments_by_hour_of_week
from aiops_provider.profiling.warehouse_model import WarehouseRun, WarehouseSize
from aiops_provider.profiling.warehouse_units import (
    SizeForecast,
    WarehouseChoice,
    WarehouseUnits,
    units_by_hour_of_week,
)

_SIZE_MEND = (
    "Give it the columns size, units, threads, memory_gib and price_per_hour, each above 0."
)


@dataclass(frozen=True, slots=True, kw_only=True)
class WarehouseSizeChoice:
    """
    What a query should run on.

    Attributes:
        query: Its name.
        volume_gib: Of the data that it is to read.
        choice: The size, the units of one run with their interval, and the reason.
        forecasts: Every size, the least expected cost first.
        units_by_hour_of_week: Units in use, 168 entries, Monday 00 UTC first; empty when no starts are known.
        own_runs: Runs of the query in the file.
        other_queries: Other queries in the file.
    """

    query: str
    volume_gib: float
    choice: WarehouseChoice
    forecasts: tuple[SizeForecast, ...]
    units_by_hour_of_week: tuple[float, ...]
    own_runs: int
    other_queries: int


def choose_warehouse_size(
    file: Path, query: str, *, volume_gib: float | None = None, deadline_s: float | None = None
) -> WarehouseSizeChoice:
    """
    Choose.

    Args:
        file: CSV or JSON lines, see above.
        query: Its name as in the file; it may have no runs yet.
        volume_gib: Of the data that it is to read, > 0; default: as in its last line.
        deadline_s: For one run, > 0.

    Raises:
        DataError: The file cannot be used, or the volume is unknown; with file, line, column, value and mend.
    """
    sizes: dict[str, WarehouseSize] = {}
    runs: list[WarehouseRun] = []
    starts: list[datetime] = []
    for row in read_rows(file):
        one = _size(row)
        if sizes.setdefault(one.name, one) != one:
            raise row.wrong(
                "size",
                "has another price or make than in an earlier line",
                "Give sizes that differ different names.",
            )
        name = row.text("query", "")
        if not name:
            continue
        runs.append(_run(row, name, one))
        started = row.moment("started_at")
        if name == query and started is not None:
            starts.append(started)
    own = [run for run in runs if run.query == query]
    volume = volume_gib or (own[-1].volume_gib if own else None)
    if not volume:
        raise DataError(
            "no run of this query tells how much it reads",
            field="query",
            value=query,
            file=str(file),
            mend="Say it with --volume-gib, or mend the name.",
        )
    known = WarehouseUnits(runs)
    asked = list(sizes.values())
    choice = (
        known.choose(query, volume_gib=volume, sizes=asked, deadline_s=deadline_s)
        if sizes
        else None
    )
    if choice is None:
        raise DataError(
            "holds no run that ended well",
            file=str(file),
            mend="Give it finished runs of any queries, with runtime_s.",
        )
    return WarehouseSizeChoice(
        query=query,
        volume_gib=volume,
        choice=choice,
        forecasts=known.forecast(query, volume_gib=volume, sizes=asked, deadline_s=deadline_s),
        units_by_hour_of_week=units_by_hour_of_week(choice, moments_by_hour_of_week(starts)),
        own_runs=len(own),
        other_queries=len({run.query for run in runs} - {query}),
    )


def _size(row: Row) -> WarehouseSize:
    name = row.text("size", "")
    if not name:
        raise row.wrong("size", "is missing", _SIZE_MEND)
    return WarehouseSize(
        name=name,
        units=_above_zero(row, "units", _SIZE_MEND),
        threads=_above_zero(row, "threads", _SIZE_MEND),
        memory_gib=_above_zero(row, "memory_gib", _SIZE_MEND),
        price_per_s=_above_zero(row, "price_per_hour", _SIZE_MEND) / SECONDS_PER_HOUR,
    )


def _run(row: Row, query: str, size: WarehouseSize) -> WarehouseRun:
    return WarehouseRun(
        query=query,
        size=size,
        volume_gib=_above_zero(row, "volume_gib", "Give the GiB that the query read."),
        runtime_s=_above_zero(row, "runtime_s", "Give the seconds that it ran."),
        spilled_gib=row.number("spilled_gib") or 0.0,
        failed=row.text("outcome", "success").lower() != "success",
    )


def _above_zero(row: Row, column: str, mend: str) -> float:
    value = row.number(column)
    if not value:
        raise row.wrong(column, "is no figure above 0", mend)
    return value
