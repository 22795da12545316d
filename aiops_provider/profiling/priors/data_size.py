"""How large a described data set is on disk and in memory, from whichever figures are known."""

from __future__ import annotations

import math

from aiops_provider.domain.units import BYTES_PER_GIB, gib_from_bytes
from aiops_provider.domain.workload import Dataset
from aiops_provider.profiling.priors.guess import Guess, between, exactly

# GiB in memory per GiB on disk, median and p95, for data frames. Text: numbers shrink, strings grow
# (a CPython str has 49 bytes before its first character). Columnar files are compressed: Parquet
# takes 0.13 of the same CSV (Databricks, "What is Parquet?": 130 GB for 1 TB), so 5 to 12 times as
# much in memory. In between: the rule of thumb of pandas' author is "5 to 10 times as much RAM as
# the size of your dataset" (McKinney, "Apache Arrow and the 10 things I hate about pandas", 2017),
# working copies included, which are counted apart below.
_EXPANSION: dict[str, Guess] = {
    "csv": between(2.0, 5.0),
    "tsv": between(2.0, 5.0),
    "json": between(2.0, 6.0),
    "jsonl": between(2.0, 6.0),
    "xml": between(2.0, 6.0),
    "avro": between(2.5, 6.0),
    "parquet": between(5.0, 12.0),
    "orc": between(5.0, 12.0),
    "delta": between(5.0, 12.0),
    "iceberg": between(5.0, 12.0),
    "arrow": between(1.2, 2.0),
    "feather": between(1.2, 2.0),
    "npy": between(1.0, 1.5),
    "npz": between(2.0, 4.0),
    "table": between(2.5, 6.0),
}
_UNKNOWN_EXPANSION = between(3.0, 10.0)
# Columns of a table that is not described: some tens, in warehouses more. An engineering assumption.
_UNKNOWN_COLUMNS = between(20.0, 80.0)
# Bytes of a cell in a data frame: a float64 has 8, a short string object 60.
_CELL_BYTES = between(12.0, 60.0)
# Bytes of a cell in a text file.
_CELL_BYTES_ON_DISK = 8.0
# Bytes of a number in a matrix.
NUMBER_BYTES = 8.0
_HELD_WHOLE_GIB = 16.0
# Rows of a table that is not described. OpenML-CC18, the usual benchmark of tabular learning, admits
# 500 to 100,000 (Bischl et al., 2021); what runs in pipelines is rather at its upper end.
_UNKNOWN_ROWS = between(1e4, 2e5)
# A task of which no size is known: most pipelines move little; stated as wide as it is unknown.
UNKNOWN_VOLUME_GIB = between(0.05, 2.0)
_UNKNOWN_IN_MEMORY_GIB = between(0.05, 1.0)


def columns(dataset: Dataset) -> Guess:
    """Number of columns."""
    if dataset.table_schema and dataset.table_schema.columns:
        count = float(len(dataset.table_schema.columns))
        return Guess(count, count, count)
    return _UNKNOWN_COLUMNS


def expansion(file_format: str | None) -> Guess:
    """GiB in memory per GiB on disk."""
    return _EXPANSION.get((file_format or "").lower().lstrip("."), _UNKNOWN_EXPANSION)


def in_memory_gib(dataset: Dataset) -> Guess:
    """
    Size of the whole data set as one data frame.

    The volume decides if known, else the rows; with neither a modest, wide guess.
    """
    if dataset.volume_gib is not None:
        return expansion(dataset.format) * dataset.volume_gib
    if dataset.rows is not None:
        return columns(dataset) * _CELL_BYTES * gib_from_bytes(dataset.rows)
    return _UNKNOWN_IN_MEMORY_GIB


def on_disk_gib(dataset: Dataset) -> Guess:
    """Size of the data set as files."""
    if dataset.volume_gib is not None:
        return Guess(dataset.volume_gib, dataset.volume_gib, dataset.volume_gib)
    if dataset.rows is not None:
        return columns(dataset) * gib_from_bytes(dataset.rows * _CELL_BYTES_ON_DISK)
    return UNKNOWN_VOLUME_GIB


def row_count(dataset: Dataset) -> Guess:
    """Number of rows; from the volume when none are given."""
    if dataset.rows is not None:
        return exactly(float(dataset.rows))
    if dataset.volume_gib is not None:
        return in_memory_gib(dataset) * (BYTES_PER_GIB / (NUMBER_BYTES * columns(dataset).p50))
    return _UNKNOWN_ROWS


def held_gib(size_gib: Guess) -> Guess:
    """
    Memory that data of this size really takes.

    Up to 16 GiB it is held as a whole; beyond that people read in batches or use an engine that
    spills, and memory grows with the square root. An engineering assumption. The median
    decides, and the others keep their distance from it: the doubt stays the same.

    >>> held_gib(Guess(64.0, 128.0, 256.0))
    Guess(p50=32.0, p80=64.0, p95=128.0)
    """
    return size_gib * math.sqrt(min(1.0, _HELD_WHOLE_GIB / max(size_gib.p50, _HELD_WHOLE_GIB)))


def size_is_known(dataset: Dataset) -> bool:
    """Whether volume or rows are given."""
    return dataset.volume_gib is not None or dataset.rows is not None


def size_in_words(dataset: Dataset) -> str:
    """
    The figures that were given.

    >>> size_in_words(Dataset(volume_gib=2.5, format="csv"))
    '2.5 GiB of csv'
    """
    kind = dataset.format or "data"
    if dataset.volume_gib is not None:
        return f"{dataset.volume_gib:g} GiB of {kind}"
    if dataset.rows is not None:
        return f"{dataset.rows:,} rows"
    return f"{kind} of unknown size"
