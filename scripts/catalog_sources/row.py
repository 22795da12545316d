"""Rows of the tables that are made, and how tables are read."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from dataclasses import astuple, dataclass, fields
from functools import cache
from pathlib import Path


@dataclass(frozen=True, kw_only=True)
class _Row:
    @classmethod
    def columns(cls) -> list[str]:
        """Names of the columns in their order."""
        return [field.name for field in fields(cls)]

    def cells(self) -> Iterator[object]:
        """What stands in the columns; unknown figures are empty."""
        for value in astuple(self):
            yield "" if value is None else f"{value:.10g}" if isinstance(value, float) else value


@dataclass(frozen=True, kw_only=True)
class MachineRow(_Row):
    """One machine type; ``None`` is unknown."""

    provider: str
    name: str
    cores: float
    memory_gib: float
    accelerator: str | None = None
    accelerator_count: int = 0
    accelerator_memory_gib: float | None = None
    network_gbps: float | None = None
    local_disk_gib: float | None = None
    architecture: str | None = None
    source: str
    date: str


@dataclass(frozen=True, kw_only=True)
class PriceRow(_Row):
    """One price."""

    provider: str
    region: str
    name: str
    purchase: str
    usd_per_hour: float
    source: str
    date: str


def read_csv(path: Path, delimiter: str = ",") -> list[dict[str, str]]:
    """All rows of a table."""
    with path.open(encoding="utf-8-sig", newline="") as lines:
        return list(csv.DictReader(lines, delimiter=delimiter))


@cache
def source_date(source: str) -> str:
    """When a source was observed."""
    rows = read_csv(Path(__file__).parent / "sources.csv")
    return next(row["date"] for row in rows if row["id"] == source)


def machines_by_hand(provider: str, path: Path) -> Iterator[MachineRow]:
    """The machine types of a table that is kept by hand, each row with its link."""
    for row in read_csv(path):
        memory, network = row["accelerator_memory_gib"], row["network_gbps"]
        yield MachineRow(
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
            date=row["date"],
        )
