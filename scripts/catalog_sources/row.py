"""How tables are read, and the machine types that are kept by hand."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from datetime import date
from functools import cache
from pathlib import Path

from aiops_provider.domain.cluster import Purchase
from aiops_provider.domain.machine import InstanceType, Price


def read_csv(path: Path, delimiter: str = ",") -> list[dict[str, str]]:
    """All rows of a table."""
    with path.open(encoding="utf-8-sig", newline="") as lines:
        return list(csv.DictReader(lines, delimiter=delimiter))


@cache
def source_date(source: str) -> date:
    """When a source was observed."""
    rows = read_csv(Path(__file__).parent / "sources.csv")
    return date.fromisoformat(next(row["date"] for row in rows if row["id"] == source))


def machines_by_hand(provider: str, path: Path) -> Iterator[InstanceType]:
    """The machine types of a table that is kept by hand, each row with its link."""
    for row in read_csv(path):
        memory, network = row["accelerator_memory_gib"], row["network_gbps"]
        yield InstanceType(
            provider=provider,
            name=row["name"],
            cores=float(row["cores"]),
            memory_gib=float(row["memory_gib"]),
            accelerator=row["accelerator"] or None,
            accelerator_count=int(row["accelerator_count"]),
            accelerator_memory_gib=float(memory) if memory else None,
            network_gbps=float(network) if network else None,
            local_disk_gib=float(row["local_disk_gib"]),
            architecture=row["architecture"],
            source=row["source"],
            observed_on=date.fromisoformat(row["date"]),
        )


def price_of(
    machine: tuple[str, str, str], usd: float, source: str, purchase: Purchase = Purchase.ON_DEMAND
) -> Price:
    """A price of a machine, given as provider, region and name, with the date of its source."""
    provider, region, name = machine
    return Price(
        provider=provider, region=region, name=name, purchase=purchase, usd_per_hour=usd,
        source=source, observed_on=source_date(source),
    )  # fmt: skip
