"""
Reads KPI samples from a file: CSV (also gzipped), JSON lines or Parquet.

Columns ``observed_at``, ``name`` and ``value``; every other column is a dimension, but for labels
that say what was really wrong, which must not reach a detector.
"""

from __future__ import annotations

import csv
import gzip
import json
import math
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TextIO

from aiops_provider.domain.kpi import KpiSample, split_dimensions
from aiops_provider.errors import DataError

REQUIRED = ("observed_at", "name", "value")
LABELS = frozenset({"label", "labels", "is_anomaly", "anomaly"})

_Row = tuple[int, Mapping[str, Any]]


def read_kpi_file(file: Path) -> list[KpiSample]:
    """
    Read all samples, in the order of the file.

    A moment without time zone is taken as UTC. An empty cell is a dimension that the sample lacks.

    Raises:
        DataError: The file cannot be read, or a row cannot be used; with row, column, value, mend.
    """
    rows = _reader(file)
    samples = []
    try:
        for number, row in rows(file):
            samples.append(_sample(row, number, file))
    except OSError as error:
        raise DataError(
            f"cannot be read: {error.strerror or error}", file=str(file), mend="Check the path."
        ) from error
    except UnicodeDecodeError as error:
        raise DataError("is not UTF-8 text", file=str(file), mend="Save it as UTF-8.") from error
    if not samples:
        raise DataError(
            "holds no samples", file=str(file), mend=f"Give it rows of {', '.join(REQUIRED)}."
        )
    return samples


def _reader(file: Path) -> Callable[[Path], Iterator[_Row]]:
    readers = {".csv": _csv_rows, ".jsonl": _jsonl_rows, ".parquet": _parquet_rows}
    for suffix, reader in readers.items():
        if file.name.removesuffix(".gz").endswith(suffix):
            return reader
    raise DataError(
        "is of no kind that can be read",
        file=str(file),
        value=file.suffix,
        mend="Name it .csv, .csv.gz, .jsonl or .parquet.",
    )


def _open(file: Path) -> TextIO:
    if file.suffix == ".gz":
        return gzip.open(file, "rt", encoding="utf-8", newline="")
    return file.open(encoding="utf-8", newline="")


def _csv_rows(file: Path) -> Iterator[_Row]:
    with _open(file) as source:
        reader = csv.DictReader(source)
        _check_columns(reader.fieldnames or (), file)
        for row in reader:
            if None in row or None in row.values():
                raise DataError(
                    f"has {'more' if None in row else 'fewer'} cells than the header",
                    file=str(file),
                    line=reader.line_num,
                    field="row",
                    mend="Quote cells that hold a comma.",
                )
            yield reader.line_num, row


def _jsonl_rows(file: Path) -> Iterator[_Row]:
    with _open(file) as source:
        for number, line in enumerate(source, start=1):
            if not line.strip():
                continue
            try:
                row = json.loads(line)
            except ValueError as error:
                raise DataError(
                    "is not JSON", file=str(file), line=number, mend="Write one object a line."
                ) from error
            if not isinstance(row, dict):
                raise DataError(
                    "is not an object", file=str(file), line=number, mend="Write one object a line."
                )
            _check_columns(row, file, number)
            nested = {k: v for key in ("dimensions", "context") for k, v in _part(row, key).items()}
            flat = {k: v for k, v in row.items() if k not in {"dimensions", "context"}}
            yield number, {**nested, **flat}


def _part(row: Mapping[str, Any], key: str) -> Mapping[str, Any]:
    found = row.get(key)
    return found if isinstance(found, dict) else {}


def _parquet_rows(file: Path) -> Iterator[_Row]:
    try:
        import pyarrow.lib
        import pyarrow.parquet
    except ModuleNotFoundError as error:
        raise DataError(
            "is Parquet, which needs pyarrow",
            file=str(file),
            mend="pip install 'aiops-provider[parquet]'",
        ) from error
    try:
        source = pyarrow.parquet.ParquetFile(file)
        _check_columns(source.schema_arrow.names, file)
        number = 0
        for batch in source.iter_batches():
            for row in batch.to_pylist():
                number += 1
                yield number, row
    except pyarrow.lib.ArrowInvalid as error:
        raise DataError(
            f"is not Parquet: {str(error).splitlines()[0][:100]}",
            file=str(file),
            mend="Check the file.",
        ) from error


def _check_columns(names: Any, file: Path, line: int | None = None) -> None:
    missing = [name for name in REQUIRED if name not in names]
    if missing:
        raise DataError(
            "this column is missing",
            file=str(file),
            line=line,
            field=missing[0],
            mend=f"Needed are {', '.join(REQUIRED)}; every other column is a dimension.",
        )


def _sample(row: Mapping[str, Any], number: int, file: Path) -> KpiSample:
    labels = {
        key: str(cell)
        for key, cell in row.items()
        if key not in REQUIRED and key not in LABELS and key != "idempotency_key"
        if cell is not None and cell != ""
    }
    dimensions, context = split_dimensions(labels)
    name = str(row["name"] or "").strip()
    if not name:
        raise DataError(
            f"row {number}: is empty",
            file=str(file),
            line=number,
            field="name",
            mend="Name the KPI.",
        )
    return KpiSample(
        name=name,
        observed_at=_moment(row["observed_at"], number, file),
        value=_number(row["value"], number, file),
        dimensions=dimensions,
        context=context,
    )


def _number(cell: Any, number: int, file: Path) -> float:
    try:
        value = float(cell)
    except (TypeError, ValueError):
        value = math.nan
    if not math.isfinite(value):
        raise DataError(
            f"row {number}: is not a finite number",
            file=str(file),
            line=number,
            field="value",
            value=cell,
            mend="Leave the row out when there is nothing to report.",
        )
    return value


def _moment(cell: Any, number: int, file: Path) -> datetime:
    try:
        moment = cell if isinstance(cell, datetime) else datetime.fromisoformat(str(cell).strip())
    except ValueError as error:
        raise DataError(
            f"row {number}: is no moment",
            file=str(file),
            line=number,
            field="observed_at",
            value=cell,
            mend="Write it as 2026-11-24T14:03:00Z.",
        ) from error
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
