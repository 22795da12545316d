"""Which cloud regions lie where people say: cities, states and countries by their English names."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable

# As listed by AWS ("AWS Regions"), Azure ("List of Azure regions") and Google Cloud ("Regions and
# zones"); in this order in every row. Government clouds and those of China are left out: a normal
# account has no access to them.
_REGIONS: dict[str, tuple[str, ...]] = {
    "bahrain": ("me-south-1",),
    "belgium": ("belgiumcentral", "europe-west1"),
    "berlin": ("germanynorth", "europe-west10"),
    "calgary": ("ca-west-1",),
    "california": ("us-west-1", "westus", "us-west2"),
    "cape town": ("af-south-1", "southafricawest"),
    "cardiff": ("ukwest",),
    "chennai": ("southindia",),
    "dallas": ("southcentralus", "us-south1"),
    "delhi": ("asia-south2",),
    "doha": ("qatarcentral", "me-central1"),
    "dubai": ("me-central-1", "uaenorth"),
    "dublin": ("eu-west-1", "northeurope"),
    "finland": ("europe-north1",),
    "frankfurt": ("eu-central-1", "germanywestcentral", "europe-west3"),
    "geneva": ("switzerlandwest",),
    "hong kong": ("ap-east-1", "eastasia", "asia-east2"),
    "hyderabad": ("ap-south-2",),
    "illinois": ("northcentralus",),
    "iowa": ("centralus", "us-central1"),
    "jakarta": ("ap-southeast-3", "indonesiacentral", "asia-southeast2"),
    "johannesburg": ("southafricanorth", "africa-south1"),
    "las vegas": ("us-west4",),
    "london": ("eu-west-2", "uksouth", "europe-west2"),
    "los angeles": ("us-west2",),
    "madrid": ("eu-south-2", "spaincentral", "europe-southwest1"),
    "malaysia": ("ap-southeast-5", "malaysiawest"),
    "marseille": ("francesouth",),
    "melbourne": ("ap-southeast-4", "australiasoutheast", "australia-southeast2"),
    "mexico": ("mx-central-1", "mexicocentral", "northamerica-south1"),
    "milan": ("eu-south-1", "italynorth", "europe-west8"),
    "montreal": ("ca-central-1", "canadaeast", "northamerica-northeast1"),
    "mumbai": ("ap-south-1", "westindia", "asia-south1"),
    "netherlands": ("westeurope", "europe-west4"),
    "new zealand": ("ap-southeast-6", "newzealandnorth"),
    "ohio": ("us-east-2", "us-east5"),
    "oregon": ("us-west-2", "us-west1"),
    "osaka": ("ap-northeast-3", "japanwest", "asia-northeast2"),
    "oslo": ("norwayeast",),
    "paris": ("eu-west-3", "francecentral", "europe-west9"),
    "phoenix": ("westus3",),
    "pune": ("centralindia",),
    "salt lake city": ("us-west3",),
    "santiago": ("chilecentral", "southamerica-west1"),
    "sao paulo": ("sa-east-1", "brazilsouth", "southamerica-east1"),
    "saudi arabia": ("me-central2",),
    "seoul": ("ap-northeast-2", "koreacentral", "asia-northeast3"),
    "singapore": ("ap-southeast-1", "southeastasia", "asia-southeast1"),
    "south carolina": ("us-east1",),
    "stockholm": ("eu-north-1", "swedencentral", "europe-north2"),
    "sydney": ("ap-southeast-2", "australiaeast", "australia-southeast1"),
    "taiwan": ("ap-east-2", "asia-east1"),
    "tel aviv": ("il-central-1", "israelcentral", "me-west1"),
    "thailand": ("ap-southeast-7",),
    "tokyo": ("ap-northeast-1", "japaneast", "asia-northeast1"),
    "toronto": ("canadacentral", "northamerica-northeast2"),
    "turin": ("europe-west12",),
    "vienna": ("austriaeast",),
    "virginia": ("us-east-1", "eastus", "eastus2", "us-east4"),
    "warsaw": ("polandcentral", "europe-central2"),
    "washington": ("westus2",),
    "wyoming": ("westcentralus",),
    "zurich": ("eu-central-2", "switzerlandnorth", "europe-west6"),
}
_PARTS: dict[str, tuple[str, ...]] = {
    "australia": ("sydney", "melbourne"),
    "austria": ("vienna",),
    "brazil": ("sao paulo",),
    "canada": ("montreal", "toronto", "calgary"),
    "chile": ("santiago",),
    "france": ("paris",),
    "germany": ("frankfurt", "berlin"),
    "india": ("mumbai", "hyderabad", "pune", "chennai", "delhi"),
    "indonesia": ("jakarta",),
    "ireland": ("dublin",),
    "israel": ("tel aviv",),
    "italy": ("milan", "turin"),
    "japan": ("tokyo", "osaka"),
    "korea": ("seoul",),
    "norway": ("oslo",),
    "poland": ("warsaw",),
    "qatar": ("doha",),
    "south africa": ("johannesburg", "cape town"),
    "spain": ("madrid",),
    "sweden": ("stockholm",),
    "texas": ("dallas",),
    "uae": ("dubai",),
}
_ALL = {
    **_REGIONS,
    **{
        place: tuple(region for part in parts for region in _REGIONS[part])
        for place, parts in _PARTS.items()
    },
}
_NAMES = re.compile(rf"\b(?:{'|'.join(sorted(_ALL, key=len, reverse=True))})\b")
_KNOWN = frozenset(region for regions in _REGIONS.values() for region in regions)


def regions_at(place: str) -> tuple[str, ...]:
    """
    The regions at a place; none for one that is not known.

    >>> regions_at("Zürich")
    ('eu-central-2', 'switzerlandnorth', 'europe-west6')
    """
    return _ALL.get(_plain(place), ())


def places_in(text: str) -> tuple[str, ...]:
    """
    The places that a text names, as they are known here, in its order.

    >>> places_in("users in São Paulo and South Africa")
    ('sao paulo', 'south africa')
    """
    return tuple(dict.fromkeys(_NAMES.findall(_plain(text))))


def known_regions(names: Iterable[str]) -> list[str]:
    """Those of the names that are regions of a cloud at one of the places."""
    return [name for name in names if name in _KNOWN]


def _plain(text: str) -> str:
    """Lower case without accents."""
    parts = unicodedata.normalize("NFKD", text.casefold())
    return "".join(part for part in parts if not unicodedata.combining(part))
