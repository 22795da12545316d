"""Azure: shapes stand in a table kept by hand, prices from karpenter-provider-azure."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from pathlib import Path

from scripts.catalog_sources.row import MachineRow, PriceRow, source_date

_REGION = re.compile(r'initialOnDemandPrices\["([a-z0-9]+)"\] = map')
_PRICE = re.compile(r'"(\w+)":\s+([\d.]+)')


def prices(
    folder: Path, machines: Sequence[MachineRow], regions: Sequence[str]
) -> Iterator[PriceRow]:
    """On-demand prices of Linux machines."""
    ours = {row.name for row in machines if row.provider == "azure"}
    region = ""
    for line in (folder / "azure_prices.go").read_text(encoding="utf-8").splitlines():
        if found := _REGION.search(line):
            region = found[1]
        elif region in regions and (priced := _PRICE.search(line)) and priced[1] in ours:
            yield PriceRow(
                provider="azure",
                region=region,
                name=priced[1],
                purchase="on_demand",
                usd_per_hour=float(priced[2]),
                source="karpenter-azure",
                date=source_date("karpenter-azure"),
            )
