"""Sizes of described data sets."""

from __future__ import annotations

import pytest

from aiops_provider.domain.workload import Column, Dataset, Schema
from aiops_provider.profiling.priors.data_size import (
    columns,
    expansion,
    held_gib,
    in_memory_gib,
    on_disk_gib,
    row_count,
    size_in_words,
)
from aiops_provider.profiling.priors.guess import Guess, between, exactly


def test_compressed_columns_expand_more_than_text():
    """A GiB of Parquet is more data than a GiB of CSV, and Arrow is as large as in memory."""
    assert expansion("parquet").p50 > expansion("csv").p50 > expansion("arrow").p50
    assert expansion(".CSV") == expansion("csv")


def test_the_rule_of_thumb_of_pandas_holds():
    """5 to 10 times the data set: what is assumed for unknown formats does not exceed it."""
    unknown = in_memory_gib(Dataset(volume_gib=1.0))
    assert 1 < unknown.p50 < 5
    assert unknown.p95 == 10


def test_rows_and_columns_make_a_size():
    """A million rows of ten numbers take some 0.1 GiB, more as strings."""
    table = Schema(columns=tuple(Column(name=f"c{n}") for n in range(10)))
    size = in_memory_gib(Dataset(rows=1_000_000, table_schema=table))
    assert 0.05 < size.p50 < 0.2 < size.p95 < 1.0


def test_volume_goes_before_rows():
    """Where both are known the volume decides."""
    assert in_memory_gib(Dataset(volume_gib=2.0, rows=5)) == in_memory_gib(Dataset(volume_gib=2.0))
    assert on_disk_gib(Dataset(volume_gib=2.0, rows=5)) == exactly(2.0)


def test_unknown_sizes_are_modest_and_wide():
    """Nothing said: small, with a factor of ten of doubt."""
    size = in_memory_gib(Dataset())
    assert size.p50 < 0.1
    assert size.p95 >= 10 * size.p50
    assert row_count(Dataset()).p95 >= 10 * row_count(Dataset()).p50


def test_rows_follow_from_the_volume():
    """More bytes are more rows; given rows are taken."""
    assert row_count(Dataset(rows=77)) == exactly(77.0)
    assert row_count(Dataset(volume_gib=2.0)).p50 == 2 * row_count(Dataset(volume_gib=1.0)).p50


def test_large_data_is_not_held_as_a_whole():
    """Beyond 16 GiB memory grows with the square root."""
    assert held_gib(Guess(1.0, 16.0, 99.0)) == Guess(1.0, 16.0, 99.0)
    assert held_gib(Guess(1600.0, 3200.0, 6400.0)) == Guess(160.0, 320.0, 640.0)


def test_columns_are_counted_where_described():
    """A schema leaves no doubt."""
    described = Dataset(table_schema=Schema(columns=(Column(name="a"), Column(name="b"))))
    assert columns(described) == exactly(2.0)
    assert columns(Dataset()).p95 > columns(Dataset()).p50


@pytest.mark.parametrize(
    ("dataset", "words"),
    [
        (Dataset(volume_gib=2.5, format="csv"), "2.5 GiB of csv"),
        (Dataset(rows=50000), "50,000 rows"),
        (Dataset(format="parquet"), "parquet of unknown size"),
        (Dataset(), "data of unknown size"),
    ],
)
def test_sizes_are_told(dataset, words):
    """Reasons name the figures that were given."""
    assert size_in_words(dataset) == words


def test_spreads_are_added_level_by_level():
    """Sums and products keep the order of the quantiles."""
    total = between(1.0, 2.0) + exactly(1.0) * 3
    assert (total.p50, total.p95) == (4.0, 5.0)
    assert Guess(1, 2, 3).at_most(2).at_least(1.5) == Guess(1.5, 2, 2)
    assert Guess(1, 5, 6).largest(Guess(2, 3, 7)) == Guess(2, 5, 7)
