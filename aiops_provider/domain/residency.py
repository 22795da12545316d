"""Which cloud regions lie in which legal area, so that data which must stay there does."""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache
from typing import Literal

Jurisdiction = Literal["EU", "UK", "US", "CH"]
"""Legal areas that people name: the European Union, the United Kingdom, the USA, Switzerland."""

# As listed by AWS ("Regions and Zones"), Azure ("List of Azure regions") and Google Cloud ("Regions
# and zones"). Government clouds are left out: a normal account has no access to them.
_REGIONS: dict[Jurisdiction, tuple[str, ...]] = {
    "EU": (
        "eu-central-1", "eu-north-1", "eu-south-1", "eu-south-2", "eu-west-1", "eu-west-3",
        "austriaeast", "francecentral", "francesouth", "germanynorth", "germanywestcentral",
        "italynorth", "northeurope", "polandcentral", "spaincentral", "swedencentral", "westeurope",
        "europe-central2", "europe-north1", "europe-north2", "europe-southwest1", "europe-west1",
        "europe-west10", "europe-west12", "europe-west3", "europe-west4", "europe-west8",
        "europe-west9",
    ),
    "UK": ("eu-west-2", "uksouth", "ukwest", "europe-west2"),
    "US": (
        "us-east-1", "us-east-2", "us-west-1", "us-west-2",
        "centralus", "eastus", "eastus2", "northcentralus", "southcentralus", "westcentralus",
        "westus", "westus2", "westus3",
        "us-central1", "us-east1", "us-east4", "us-east5", "us-south1", "us-west1", "us-west2",
        "us-west3", "us-west4",
    ),
    "CH": ("eu-central-2", "switzerlandnorth", "switzerlandwest", "europe-west6"),
}  # fmt: skip
_NAMED = 5


def regions_within(jurisdictions: Iterable[Jurisdiction]) -> tuple[str, ...]:
    """
    All known regions of some legal areas, in the order given.

    >>> regions_within(("CH",))
    ('eu-central-2', 'switzerlandnorth', 'switzerlandwest', 'europe-west6')
    """
    return tuple(region for area in jurisdictions for region in _REGIONS[area])


def jurisdictions_of(region: str) -> set[Jurisdiction]:
    """The legal area that a region lies in; empty for a region that is not known, such as a data centre."""
    return {area for area, regions in _REGIONS.items() if region in regions}


@lru_cache(maxsize=256)
def regions_in_words(regions: tuple[str, ...]) -> str:
    """
    A list of regions for people: whole legal areas by their name, and no more than a few others.

    >>> regions_in_words((*regions_within(("EU",)), "no-oslo"))
    'EU, no-oslo'
    """
    left = set(regions)
    words: list[str] = []
    for area, within in _REGIONS.items():
        if left.issuperset(within):
            left.difference_update(within)
            words.append(area)
    named = sorted(left)
    words += named[:_NAMED]
    more = len(named) - _NAMED
    return ", ".join(words) + (f" and {more} more" if more > 0 else "")
