"""Between regions: price of moving data, and round trips."""

from __future__ import annotations

import re
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path

from scripts.catalog_sources.row import read_csv

_PROVIDERS = {"aws": "aws", "azure": "azure", "gcp": "google_cloud"}
_ZONE = re.compile(r"-[a-z]$")


@dataclass(frozen=True)
class Figures:
    """
    Figures by pair of regions, each written ``provider:region``.

    Attributes:
        by_pair: The figures.
        source: Of all rows but those of ``aws_source``.
        aws_source: Of the rows that start in an AWS region, where it differs.
        digits: After the point.
    """

    by_pair: dict[tuple[str, str], float]
    source: str
    aws_source: str | None
    digits: int

    def source_of(self, start: str) -> str:
        """Where the figures of a row come from."""
        return self.aws_source if self.aws_source and start.startswith("aws:") else self.source

    def places(self) -> set[tuple[str, str]]:
        """Providers and regions that occur."""
        keys = {key for pair in self.by_pair for key in pair}
        return {(provider, region) for provider, _, region in (key.partition(":") for key in keys)}

    def cell(self, start: str, target: str) -> str:
        """The figure as text, empty where it is unknown."""
        figure = self.by_pair.get((start, target))
        return "" if figure is None else f"{round(figure, self.digits):g}"


def egress(folder: Path) -> Figures:
    """
    USD per GB moved between regions over the public internet or the provider's own network.

    Between AWS regions and out of AWS the newer table of the package holds.
    """
    found = {
        (_region(row["src"]), _region(row["dest"])): float(row["cost"])
        for row in read_csv(folder / "egress.csv")
        if row["src_tier"] == row["dest_tier"] == "PREMIUM"
    }
    newer = {
        (row["src"], row["dst"]): float(row["cost"]) for row in read_csv(folder / "aws_egress.csv")
    }
    for start, target in found:
        if start.startswith("aws:") and start != target:
            there = target.removeprefix("aws:") if target.startswith("aws:") else "internet"
            figure = newer.get((start.removeprefix("aws:"), there))
            if figure is not None:
                found[start, target] = figure
    return Figures(found, "skyplane-cost", "skyplane-aws", digits=4)


def round_trips(folder: Path) -> Figures:
    """Smallest round trip in milliseconds measured between two regions, in either direction."""
    found: dict[tuple[str, str], float] = defaultdict(lambda: float("inf"))
    for row in read_csv(folder / "round_trips.csv"):
        if not row["avg_rtt"]:
            continue
        pair = _region(row["src_region"]), _region(row["dst_region"])
        found[pair] = min(found[pair], float(row["avg_rtt"]))
    return Figures(dict(found), "skyplane-rtt", None, digits=1)


def _region(key: str) -> str:
    """``gcp:us-central1-a`` is a zone of ``google_cloud:us-central1``."""
    provider, _, region = key.partition(":")
    return f"{_PROVIDERS[provider]}:{_ZONE.sub('', region) if provider == 'gcp' else region}"
