"""Reads Parquet, where pyarrow is installed: as a table, or row by row like a CSV file."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from aiops_provider.control.row_file import Row
from aiops_provider.errors import DataError


def read_parquet(file: Path) -> Any:
    """
    Read a file as a table of pyarrow.

    Raises:
        DataError: pyarrow is absent, or the file cannot be read.
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
        return parquet.read_table(file)
    except (OSError, ArrowException) as error:
        raise DataError(
            f"cannot be read as Parquet: {str(error).splitlines()[0][:200]}",
            file=str(file),
            mend="Check path and file.",
        ) from error


def parquet_rows(file: Path) -> Iterator[Row]:
    """
    Read a file row by row; rows count from 1.

    Raises:
        DataError: As :func:`read_parquet`.
    """
    for number, values in enumerate(read_parquet(file).to_pylist(), start=1):
        yield Row(str(file), number, values)
