"""A draft becomes part of the user's catalogue whole or not at all."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import date
from pathlib import Path

import pytest

from aiops_provider.catalog import Catalog
from aiops_provider.catalog.draft import Draft
from aiops_provider.catalog.publish import publish, read_draft
from aiops_provider.domain.cluster import Purchase
from aiops_provider.domain.machine import InstanceType, Price
from aiops_provider.errors import DataError

DAY = date(2026, 11, 20)


def machine(name: str = "x9.large", **figures: float) -> InstanceType:
    given = {"cores": 2.0, "memory_gib": 8.0, **figures}
    return InstanceType(provider="aws", name=name, source="test", observed_on=DAY, **given)


def price(name: str = "x9.large", usd: float = 0.1, region: str = "xx-test-1") -> Price:
    return Price(
        provider="aws", region=region, name=name, purchase=Purchase.ON_DEMAND, usd_per_hour=usd,
        source="test", observed_on=DAY,
    )  # fmt: skip


def put(folder: Path, *rows: InstanceType | Price, whole: bool = True) -> None:
    publish(Draft.of(rows), folder, provider="aws", regions={"xx-test-1"}, whole=whole)


def test_rows_round_trip(tmp_path):
    """What is published is found again, figure by figure."""
    rows = (machine(network_gbps=12.5), price(usd=0.123456789))
    put(tmp_path, *rows)
    catalog = Catalog.load(tmp_path)

    assert rows[0] == catalog.machine("aws", "x9.large")
    assert rows[1] == catalog.price("aws", "xx-test-1", "x9.large")


def test_what_a_whole_draft_does_not_name_is_gone(tmp_path):
    """A price that the provider no longer lists is unknown, in the regions that were asked."""
    put(tmp_path, price(), price("y9.large"))
    put(tmp_path, price(region="xx-test-2"), whole=False)
    put(tmp_path, price("y9.large", 0.2))
    catalog = Catalog.load(tmp_path)

    assert catalog.price("aws", "xx-test-1", "x9.large") is None
    assert catalog.price("aws", "xx-test-1", "y9.large") == price("y9.large", 0.2)
    assert catalog.price("aws", "xx-test-2", "x9.large") is not None


def test_what_an_addition_does_not_name_stays(tmp_path):
    """An import adds to what was there."""
    put(tmp_path, price())
    put(tmp_path, price("y9.large"), whole=False)

    assert Catalog.load(tmp_path).price("aws", "xx-test-1", "x9.large") == price()


@pytest.mark.parametrize(
    ("rows", "field"),
    [
        ((), "catalog"),
        ((price(usd=0.0),), "usd_per_hour"),
        ((price(usd=5000.0),), "usd_per_hour"),
        ((machine(cores=0.0),), "cores"),
        ((machine(memory_gib=0.0),), "memory_gib"),
    ],
)
def test_what_cannot_be_right_changes_nothing(tmp_path, rows, field):
    """An empty answer, a free machine and a machine without memory leave the old catalogue."""
    put(tmp_path, machine(), price())
    before = {file.name: file.read_bytes() for file in tmp_path.iterdir()}

    with pytest.raises(DataError) as refused:
        put(tmp_path, *rows)

    assert field == refused.value.field
    assert before == {file.name: file.read_bytes() for file in tmp_path.iterdir()}


def test_an_answer_that_was_cut_short_is_refused(tmp_path):
    """Less than half of the prices known before is no price list."""
    put(tmp_path, *(price(f"x9.{size}") for size in range(10)))

    with pytest.raises(DataError, match="4 prices where 10 were known"):
        put(tmp_path, *(price(f"x9.{size}") for size in range(4)))


def test_another_currency_is_refused(tmp_path):
    """Most prices do not move by a factor of five between two looks."""
    put(tmp_path, *(price(f"x9.{size}") for size in range(20)))

    with pytest.raises(DataError, match="20 of 20 prices by more than a factor of 5"):
        put(tmp_path, *(price(f"x9.{size}", 15.0) for size in range(20)))


def test_readers_never_see_half_a_table(tmp_path):
    """While a table is replaced again and again, every look finds a whole one."""
    names = [f"x9.{size}" for size in range(200)]
    put(tmp_path, *map(price, names))

    def replace_it() -> None:
        for cents in range(11, 21):
            put(tmp_path, *(price(name, cents / 100) for name in names))

    seen = set()
    with ThreadPoolExecutor(1) as pool:
        writing = pool.submit(replace_it)
        while not writing.done():
            rows = read_draft(tmp_path, Catalog.embedded()).prices.values()
            seen.add((len(rows), len({row.usd_per_hour for row in rows})))
        writing.result()

    assert {(200, 1)} == seen


def test_two_writers_keep_each_others_rows(tmp_path):
    """Two processes that publish at once lose nothing."""

    def add(number: int) -> None:
        put(tmp_path, price(f"x9.{number}"), whole=False)

    writers = [threading.Thread(target=add, args=(number,)) for number in range(8)]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join()

    assert 8 == len(read_draft(tmp_path, Catalog.embedded()).prices)
