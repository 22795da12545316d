"""How clean the power of a region is, and what the machines of a provider draw."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator
from pathlib import Path

from aiops_provider.domain.machine import CorePower
from scripts.catalog_sources.row import read_csv, source_date

_GRAMS_PER_TON = 1e6
_MISSPELT = {"me-cenrtal1": "me-central1"}
_SOURCES = {"aws": "ccf-aws", "azure": "ccf-azure"}
_REGION_CODES = {
    "aws": re.compile(r'AWS_REGIONS\["(\w+)"\] = "([\w-]+)"'),
    "azure": re.compile(r"^    (\w+): \{\s*name: '(\w+)'", re.MULTILINE),
}
_FACTOR = re.compile(r"_REGIONS\.(\w+?)(?:\.name)?\]: (?:([\d.]+)|[\w.]+_FACTORS\.(\w+)),")
_US_GRID = re.compile(r"^    (\w+): (0\.\d+),", re.MULTILINE)


def intensities(
    folder: Path, known: Collection[tuple[str, str]]
) -> dict[tuple[str, str], tuple[float, str]]:
    """
    Grams of CO2 equivalent per kWh with their source, by provider and region.

    Args:
        folder: With the files of :mod:`scripts.make_catalog`.
        known: Regions of AWS and Azure that are kept; the lists hold continents and test regions too.
    """
    found = {
        ("google_cloud", _MISSPELT.get(row["region"], row["region"])): (
            float(row["impact"]),
            "codecarbon",
        )
        for row in read_csv(folder / "carbon.csv")
        if row["provider"] == "gcp"
    }
    us_grids = dict(_US_GRID.findall(_text(folder / "us_grids.js")))
    for provider, source in _SOURCES.items():
        codes = dict(_REGION_CODES[provider].findall(_text(folder / f"{provider}_regions.js")))
        for code, tons, grid in _FACTOR.findall(_text(folder / f"{provider}_footprint.js")):
            where = provider, codes.get(code, "").lower()
            if where in known:
                grams = float(tons or us_grids[grid]) * _GRAMS_PER_TON
                found[where] = (round(grams, 1), source)
    return found


def core_power(folder: Path) -> Iterator[CorePower]:
    """Watts of a virtual CPU of AWS and Azure, mean over their processors, and the data centres' overhead."""
    for provider, source in _SOURCES.items():
        text = _text(folder / f"{provider}_footprint.js")
        idle, full, overhead = (
            float(re.findall(rf"^    {name}: ([\d.]+),", text, re.MULTILINE)[0])
            for name in ("MIN_WATTS_AVG", "MAX_WATTS_AVG", "PUE_AVG")
        )
        yield CorePower(
            provider=provider,
            idle_watts=idle,
            full_watts=full,
            overhead=overhead,
            source=source,
            observed_on=source_date(source),
        )


def _text(file: Path) -> str:
    return file.read_text(encoding="utf-8")
