"""
The embedded catalogue against a price table that others put together; `pytest -rP` prints where they differ.

The table's prices of AWS us-east-1, Azure and Google Cloud go back to the same public lists as ours
(its own README says which), so agreement there shows that nothing was mixed up on the way: names,
units, regions, kinds of purchase. Its shapes of AWS and Azure, and its choice among AWS prices
elsewhere, were made independently.
"""

from __future__ import annotations

import csv
import gzip
import os
import sys
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from aiops_provider.catalog import Catalog
from aiops_provider.domain.cluster import Purchase
from aiops_provider.domain.machine import InstanceType

SHARED = Path(os.environ.get("AIOPS_SHARED_DATA") or Path(__file__).parents[4] / "shared/data")
TABLE = SHARED / "placement" / "vm-prices" / "vms.csv.gz"
SAME = 0.01
"""Two figures that differ by no more than this share are the same."""
MOST_DIFFERENT = 0.02
COLUMNS = {Purchase.ON_DEMAND: "price_usd_per_h", Purchase.SPOT: "spot_usd_per_h"}

pytestmark = [
    pytest.mark.shared_data,
    pytest.mark.skipif(not TABLE.is_file(), reason=f"{TABLE} is absent"),
]


@dataclass
class Comparison:
    """How many figures were compared, by what they are, and those that differ."""

    compared: Counter[str] = field(default_factory=Counter)
    different: dict[str, list[str]] = field(default_factory=dict)

    def add(self, what: str, ours: float, theirs: float, about: str) -> None:
        """Compare two figures."""
        self.compared[what] += 1
        if abs(ours - theirs) > SAME * max(abs(ours), abs(theirs)):
            self.different.setdefault(what, []).append(f"{about}: ours {ours:g}, theirs {theirs:g}")

    def report(self) -> str:
        """One line per kind of figure, then what differs."""
        lines = []
        for what, count in sorted(self.compared.items()):
            found = sorted(set(self.different.get(what, [])))
            lines.append(f"{what}: {count} compared, {len(self.different.get(what, []))} differ")
            lines += [f"    {line}" for line in found[:10]]
        return "\n".join(lines)


def rows() -> Iterator[tuple[InstanceType, dict[str, str]]]:
    """Rows of the table about machine types that we know."""
    catalog = Catalog.embedded()
    with gzip.open(TABLE, "rt", encoding="utf-8", newline="") as lines:
        for row in csv.DictReader(lines):
            known = catalog.find(row["cloud"], row["instance_type"])
            if known is not None:
                yield known, row


def assert_same(comparison: Comparison, least: int) -> None:
    sys.stdout.write(f"{comparison.report()}\n")
    for what, count in comparison.compared.items():
        assert len(comparison.different.get(what, [])) <= MOST_DIFFERENT * count, what
    assert sum(comparison.compared.values()) >= least


def test_shapes_agree():
    """Of each cloud's cores, memory and accelerators at most 2 % differ by more than 1 %."""
    comparison = Comparison()
    for machine, row in rows():
        for what, ours, theirs in (
            ("cores", machine.cores, row["vcpus"]),
            ("memory", machine.memory_gib, row["memory_gib"]),
            ("accelerators", machine.accelerator_count, row["gpu_count"] or "0"),
        ):
            comparison.add(f"{machine.provider} {what}", ours, float(theirs), machine.name)

    assert_same(comparison, least=5000)


def test_prices_agree():
    """Of each source's prices at most 2 % differ by more than 1 %."""
    catalog, comparison = Catalog.embedded(), Comparison()
    for machine, row in rows():
        for purchase, column in COLUMNS.items():
            ours = catalog.price(machine.provider, row["region"], machine.name, purchase)
            if ours is not None and row[column]:
                what = f"{machine.provider} {purchase.value} by {ours.source}"
                about = f"{machine.name} in {row['region']}"
                comparison.add(what, ours.usd_per_hour, float(row[column]), about)

    assert_same(comparison, least=500)
