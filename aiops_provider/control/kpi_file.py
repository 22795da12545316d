"""
Reads KPI samples from a file: CSV, JSON lines or Parquet.

Columns ``observed_at``, ``name`` and ``value``; every other column is a dimension, but for labels
that say what was really wrong, which must not reach a detector.
"""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

from aiops_provider.control.parquet_file import parquet_rows
from aiops_provider.control.row_file import Row, in_utc, read_rows
from aiops_provider.domain.kpi import KpiSample, SeriesKey, split_dimensions
from aiops_provider.errors import DataError

REQUIRED = ("observed_at", "name", "value")
LABELS = frozenset({"label", "labels", "is_anomaly", "anomaly"})
# Two runs of one task at a time are still of one series.
_OCCASION = frozenset({"run_id", "try_number"})
_NO_DIMENSION = {*REQUIRED, *LABELS, "idempotency_key", "dimensions", "context"}


def read_kpi_file(file: Path) -> list[KpiSample]:
    """
    Read all samples, in the order of the file.

    A moment without time zone is taken as UTC. An empty cell is a dimension that the sample lacks.
    JSON lines may hold ``dimensions`` and ``context`` as objects, as the API takes them.

    A column that says where something ran (cluster, region, version …) does not identify a series, for
    a task is compared with itself wherever it runs – unless a KPI mostly has several of its values
    at one moment: two regions that report side by side are two series.

    Raises:
        DataError: The file cannot be read, or a row cannot be used; with row, column, value, mend.
    """
    rows = parquet_rows(file) if file.suffix.lower() == ".parquet" else read_rows(file)
    samples = [_sample(row) for row in rows]
    if not samples:
        raise DataError(
            "holds no samples", file=str(file), mend=f"Give it rows of {', '.join(REQUIRED)}."
        )
    return _told_apart(samples)


def _told_apart(samples: Sequence[KpiSample]) -> list[KpiSample]:
    """The samples with what tells series apart that report side by side."""
    seen: dict[tuple[SeriesKey, datetime], Mapping[str, str]] = {}
    differing: dict[tuple[SeriesKey, datetime], set[str]] = {}
    for sample in samples:
        place = (sample.series, sample.observed_at)
        first = seen.setdefault(place, sample.context)
        differing.setdefault(place, set()).update(
            name for name, value in sample.context.items() if first.get(name, value) != value
        )
    moments: Counter[tuple[str, str]] = Counter()
    at_once: Counter[tuple[str, str]] = Counter()
    for (series, _), context in seen.items():
        moments.update((series.name, name) for name in context)
    for (series, _), names in differing.items():
        at_once.update((series.name, name) for name in names)
    identifying: dict[str, set[str]] = defaultdict(set)
    for (kpi, name), count in at_once.items():
        if name not in _OCCASION and 2 * count > moments[kpi, name]:
            identifying[kpi].add(name)
    return [
        replace(sample, dimensions={**sample.dimensions, **apart})
        if (apart := {k: v for k, v in sample.context.items() if k in identifying[sample.name]})
        else sample
        for sample in samples
    ]


def _sample(row: Row) -> KpiSample:
    for column in REQUIRED:
        if row.values.get(column) in (None, ""):
            raise row.wrong(
                column,
                f"row {row.line}: is empty" if column in row.values else "this column is missing",
                f"Needed are {', '.join(REQUIRED)}; every other column is a dimension.",
            )
    dimensions, context = split_dimensions(_labels(row.values))
    return KpiSample(
        name=row.text("name", ""),
        observed_at=_moment(row),
        value=_value(row),
        dimensions=dimensions,
        context=context,
    )


def _labels(values: Mapping[str, Any]) -> dict[str, str]:
    found = {key: cell for key, cell in values.items() if key not in _NO_DIMENSION}
    for part in ("dimensions", "context"):
        nested = values.get(part)
        found |= nested if isinstance(nested, dict) else {}
    return {key: str(cell) for key, cell in found.items() if cell not in (None, "")}


def _value(row: Row) -> float:
    cell = row.values["value"]
    try:
        value = math.nan if isinstance(cell, bool) else float(cell)
    except (TypeError, ValueError):
        value = math.nan
    if not math.isfinite(value):
        raise row.wrong(
            "value",
            f"row {row.line}: is not a finite number",
            "Write decimals with a point, such as 1.5."
            if isinstance(cell, str) and "," in cell
            else "Leave the row out when there is nothing to report.",
        )
    return value


def _moment(row: Row) -> datetime:
    cell = row.values["observed_at"]
    try:
        moment = cell if isinstance(cell, datetime) else datetime.fromisoformat(str(cell))
    except ValueError:
        raise row.wrong(
            "observed_at", f"row {row.line}: is no moment", "Write it as 2026-11-24T14:03:00Z."
        ) from None
    zoned = moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment
    return in_utc(zoned, partial(row.wrong, "observed_at"))
