"""
Reads machine types and prices from a CSV in the column order of SkyPilot's catalogue.

``InstanceType,AcceleratorName,AcceleratorCount,vCPUs,MemoryGiB,Price,SpotPrice,Region,GpuInfo,
AvailabilityZone``: one row per machine type and zone. An empty price is unknown. Format:
https://docs.skypilot.co/en/latest/reference/ and the heading of its ``vms.csv`` files.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import date
from pathlib import Path

from aiops_provider.catalog.draft import Draft
from aiops_provider.catalog.names import provider_name
from aiops_provider.catalog.tables import Cells, read_rows
from aiops_provider.domain.cluster import Purchase
from aiops_provider.domain.machine import InstanceType, Price
from aiops_provider.errors import DataError

COLUMNS = (
    "InstanceType", "AcceleratorName", "AcceleratorCount", "vCPUs", "MemoryGiB", "Price",
    "SpotPrice", "Region", "GpuInfo", "AvailabilityZone",
)  # fmt: skip
_NEEDED = ("InstanceType", "vCPUs", "MemoryGiB", "Price", "Region")


@dataclass(frozen=True, slots=True)
class Imported:
    """
    What a file held.

    Attributes:
        draft: Machine types and prices.
        regions: That it is about.
        skipped: Rows without a machine type or its size, such as accelerators sold alone.
    """

    draft: Draft
    regions: frozenset[str]
    skipped: int


def read_skypilot(
    file: Path, provider: str, observed_on: date, model_of: Callable[[str], str]
) -> Imported:
    """
    Read a file.

    The zones of a region may differ in spot price: the dearest counts, so that no plan looks
    cheaper than it is.

    Args:
        file: With a heading; further columns are ignored.
        provider: Whose machines they are; the file does not say.
        observed_on: When its prices were.
        model_of: What tasks ask for, by the name of an accelerator.

    Raises:
        DataError: The file or a cell cannot be used, with file, line and column.
    """
    draft, regions, skipped = Draft(), set(), 0
    source = f"import of {file.name}"
    for row in read_rows(file):
        missing = [name for name in _NEEDED if name not in row.columns]
        if missing:
            raise DataError(
                f"has no column {missing[0]}",
                file=str(file),
                mend=f"The heading must name {', '.join(COLUMNS)}.",
            )
        if not all(row.text_or_none(name) for name in ("InstanceType", "vCPUs", "MemoryGiB")):
            skipped += 1
            continue
        machine = _machine(row, provider_name(provider), source, observed_on, model_of)
        draft.add(machine)
        regions.add(row.text("Region"))
        for price in _prices(row, machine):
            old = draft.prices.get(price.key)
            if old is None or price.usd_per_hour > old.usd_per_hour:
                draft.add(price)
    return Imported(draft, frozenset(regions), skipped)


def _machine(
    row: Cells, provider: str, source: str, observed_on: date, model_of: Callable[[str], str]
) -> InstanceType:
    accelerator = row.text_or_none("AcceleratorName")
    count = row.number_or_none("AcceleratorCount") or 0.0
    machine = InstanceType(
        provider=provider,
        name=row.text("InstanceType"),
        cores=row.number("vCPUs"),
        memory_gib=row.number("MemoryGiB"),
        source=source,
        observed_on=observed_on,
    )
    if accelerator is None or count < 1:  # a slice of an accelerator holds no task that wants one
        return machine
    return replace(
        machine,
        accelerator=accelerator,
        accelerator_model=model_of(accelerator),
        accelerator_count=int(count),
    )


def _prices(row: Cells, machine: InstanceType) -> Iterator[Price]:
    for column, purchase in (("Price", Purchase.ON_DEMAND), ("SpotPrice", Purchase.SPOT)):
        usd = row.number_or_none(column)
        if usd is not None:
            yield Price(
                provider=machine.provider,
                region=row.text("Region"),
                name=machine.name,
                purchase=purchase,
                usd_per_hour=usd,
                source=machine.source,
                observed_on=machine.observed_on,
            )
