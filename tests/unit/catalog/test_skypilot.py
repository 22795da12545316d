"""A file in SkyPilot's column order is read without guessing."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import pytest

from aiops_provider.catalog import Catalog
from aiops_provider.catalog.skypilot import COLUMNS, Imported, read_skypilot
from aiops_provider.domain.cluster import Purchase
from aiops_provider.errors import DataError

DAY = date(2026, 11, 1)
HEADING = ",".join(COLUMNS)


def read(folder: Path, *rows: str, heading: str = HEADING) -> Imported:
    file = folder / "vms.csv"
    file.write_text("\n".join([heading, *rows]) + "\n", encoding="utf-8")
    return read_skypilot(file, "aws", DAY, Catalog.embedded().model_of)


def test_machines_and_prices(tmp_path):
    """A row gives a machine type with its accelerators, an on-demand and a spot price."""
    gpu_info = "\"{'Gpus': [{'Name': 'A100', 'Count': 8.0}]}\""
    found = read(
        tmp_path, f"p4d.24xlarge,A100,8.0,96,1152,21.96,8.5,us-west-2,{gpu_info},us-west-2a"
    )
    machine = found.draft.machines["aws", "p4d.24xlarge"]
    prices = {key[3]: price.usd_per_hour for key, price in found.draft.prices.items()}

    assert {"A100": 8} == dict(machine.capacity.accelerators)
    assert {Purchase.ON_DEMAND: 21.96, Purchase.SPOT: 8.5} == prices
    assert {"us-west-2"} == found.regions


def test_empty_price_is_unknown(tmp_path):
    """No price is made of an empty cell."""
    found = read(tmp_path, "m7i.large,,,2,8,0.1,,us-west-2,,us-west-2a")

    assert [Purchase.ON_DEMAND] == [key[3] for key in found.draft.prices]


def test_dearest_zone_counts(tmp_path):
    """Of the zones of a region the dearest spot price is kept, in whatever order they come."""
    rows = [
        f"m7i.large,,,2,8,0.1,{usd},us-west-2,,us-west-2{zone}"
        for zone, usd in (("a", 0.03), ("b", 0.05), ("c", 0.04))
    ]
    spot = read(tmp_path, *rows).draft.prices["aws", "us-west-2", "m7i.large", Purchase.SPOT]

    assert 0.05 == spot.usd_per_hour


def test_accelerators_sold_alone_are_left_out_and_counted(tmp_path):
    """A TPU without a machine type is no machine."""
    found = read(tmp_path, ",tpu-v5e-8,1,,,9.6,4.8,us-west1,,us-west1-a")

    assert (1, 0) == (found.skipped, len(found.draft.machines))


def test_slice_of_an_accelerator_is_none(tmp_path):
    """Half an A10 does not hold a task that asks for one."""
    found = read(tmp_path, "nv18,A10,0.5,18,220,1.6,,eastus,,")

    assert {} == dict(found.draft.machines["aws", "nv18"].capacity.accelerators)


def test_missing_column_is_named(tmp_path):
    """Another kind of file is refused with the heading it should have."""
    with pytest.raises(DataError, match="has no column Price"):
        read(tmp_path, "m7i.large,2,8,us-west-2", heading="InstanceType,vCPUs,MemoryGiB,Region")


def test_bad_cell_is_named(tmp_path):
    """A price that is none is named with its line."""
    with pytest.raises(DataError) as refused:
        read(tmp_path, "m7i.large,,,2,8,$0.10,,us-west-2,,")

    assert ("Price", "$0.10", 2) == (refused.value.field, refused.value.value, refused.value.line)
