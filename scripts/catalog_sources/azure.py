"""Azure: shapes stand in a table kept by hand, prices from karpenter-provider-azure."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from pathlib import Path

from aiops_provider.domain.machine import InstanceType, Price
from scripts.catalog_sources.row import price_of

_REGION = re.compile(r'initialOnDemandPrices\["([a-z0-9]+)"\] = map')
_PRICE = re.compile(r'"(\w+)":\s+([\d.]+)')


def prices(
    folder: Path, machines: Sequence[InstanceType], regions: Sequence[str]
) -> Iterator[Price]:
    """On-demand prices of Linux machines."""
    ours = {row.name for row in machines if row.provider == "azure"}
    region = ""
    for line in (folder / "azure_prices.go").read_text(encoding="utf-8").splitlines():
        if found := _REGION.search(line):
            region = found[1]
        elif region in regions and (priced := _PRICE.search(line)) and priced[1] in ours:
            yield price_of(("azure", region, priced[1]), float(priced[2]), "karpenter-azure")
