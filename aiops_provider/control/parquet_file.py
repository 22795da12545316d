"""Rows of a Parquet file, checked cell by cell like those of a CSV file."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from aiops_provider.control.row_file import Row
from aiops_provider.errors import DataError


def parquet_rows(file: Path) -> Iterator[Row]:
    """
    Read a file; its rows count from 1.

    Raises:
        DataError: It cannot be read, or pyarrow is not installed.
    """
    try:
        from pyarrow import ArrowException, parquet
    except ModuleNotFoundError as error:
        raise DataError(
            "is Parquet, which needs pyarrow",
            file=str(file),
            mend="pip install 'aiops-provider[parquet]'",
        ) from error
    try:
        table = parquet.read_table(file)
    except (OSError, ArrowException) as error:
        raise DataError(
            f"cannot be read as Parquet: {str(error).splitlines()[0][:200]}",
            file=str(file),
            mend="Check path and file.",
        ) from error
    for number, values in enumerate(table.to_pylist(), start=1):
        yield Row(str(file), number, values)
