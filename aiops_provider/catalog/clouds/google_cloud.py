"""
Google Cloud: prices by the Cloud Billing Catalog, which needs an API key.

https://cloud.google.com/billing/v1/how-tos/catalog-api. It prices cores, memory and accelerators of
a family, not machine types: a price is put together from the parts of a machine that the catalogue
knows, and is unknown as soon as one part is. Families whose machines include local disks are left
out, for the disks are part of the price.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Iterator, Mapping
from datetime import date
from functools import partial
from typing import Any

from aiops_provider.catalog.clouds.price_api import ask
from aiops_provider.catalog.listing import Item, Listing, Page
from aiops_provider.domain.cluster import Purchase
from aiops_provider.domain.machine import InstanceType, Price

PROVIDER = "google_cloud"
ENDPOINT = "https://cloudbilling.googleapis.com"
COMPUTE_ENGINE = "6F81-5844-456A"
"""The service's identifier in the catalogue."""

_SOURCE = "Google Cloud Billing Catalog"
_PAGE_SIZE = "5000"
_PURCHASES = {
    "OnDemand": Purchase.ON_DEMAND,
    "Preemptible": Purchase.SPOT,
    "Commit1Yr": Purchase.RESERVED,
}
_UNITS = {"core": "h", "memory": "GiBy.h", "accelerator": "h"}
_MACHINE_PART = re.compile(
    r"(?:Spot Preemptible )?(?P<family>[A-Z][0-9]+[A-Z]?)(?: AMD| Arm)? Instance "
    r"(?P<part>Core|Ram) running in "
)
_COMMITTED_PART = re.compile(
    r"Commitment v1: (?P<family>[A-Z][0-9]+[A-Z]?)(?: AMD| Arm)? (?P<part>Cpu|Ram) in "
)
_ACCELERATOR = re.compile(
    r"(?:Commitment v1: )?Nvidia (?:Tesla )?(?P<model>[A-Z][A-Z0-9]+(?: 80GB)?) GPU "
    r"(?:attached to .* )?(?:running )?in "
)
_MODELS = {"A100 80GB": "A100-80GB", "H100 80GB": "H100"}
_PARTS = {"Core": "core", "Cpu": "core", "Ram": "memory"}
_WITH_DISKS = ("a2-ultragpu", "a3-", "a4-", "z3-")


def listings(
    regions: Collection[str],
    machines: Collection[InstanceType],
    api_key: str | None,
    endpoint: str = ENDPOINT,
) -> list[Listing]:
    """
    Everything that is asked of Google Cloud: one list for all regions.

    Args:
        regions: Names of regions, such as ``europe-west4``.
        machines: Types whose prices are put together.
        api_key: Of a project with the Cloud Billing API.
        endpoint: Address of the API.
    """
    return [
        Listing(
            f"google_cloud {' '.join(sorted(regions))} price list",
            partial(_page, frozenset(regions), api_key, endpoint),
            partial(prices, tuple(machines)),
        )
    ]


def prices(machines: Collection[InstanceType], items: Iterable[Item], day: date) -> Iterator[Price]:
    """Prices of machine types, where that of every part is known."""
    parts: dict[tuple[str, str, str], float] = {}
    for item in items:
        for region in item["regions"]:
            parts[region, item["purchase"], item["part"]] = item["usd"]
    bought = sorted({(region, purchase) for region, purchase, _ in parts})
    for region, purchase in bought:
        for machine in machines:
            usd = _sum(machine, partial(_look_up, parts, region, purchase))
            if usd is not None:
                yield Price(
                    provider=PROVIDER,
                    region=region,
                    name=machine.name,
                    purchase=Purchase(purchase),
                    usd_per_hour=usd,
                    source=_SOURCE,
                    observed_on=day,
                )


def _look_up(
    parts: Mapping[tuple[str, str, str], float], region: str, purchase: str, part: str
) -> float | None:
    return parts.get((region, purchase, part))


def _sum(machine: InstanceType, price_of: partial[float | None]) -> float | None:
    if machine.name.startswith(_WITH_DISKS):
        return None
    family = machine.name.partition("-")[0].upper()
    needed = [
        (price_of(f"{family} core"), machine.cores),
        (price_of(f"{family} memory"), machine.memory_gib),
    ]
    if machine.accelerator:
        needed.append(
            (price_of(f"{machine.accelerator} accelerator"), float(machine.accelerator_count))
        )
    total = 0.0
    for usd, amount in needed:
        if usd is None:
            return None
        total += usd * amount
    return total


def _page(regions: frozenset[str], api_key: str | None, endpoint: str, token: str | None) -> Page:
    answer = sku_page(COMPUTE_ENGINE, api_key, endpoint, token)
    items = (_part(sku, regions) for sku in answer.get("skus", []))
    return Page(tuple(item for item in items if item), answer.get("nextPageToken") or None)


def sku_page(service: str, api_key: str | None, endpoint: str, token: str | None) -> dict[str, Any]:
    """
    A page of a service's price list, as the Cloud Billing Catalog gives it.

    Args:
        service: Its identifier there.
        api_key: Of a project with the Cloud Billing API.
        endpoint: Address of the API.
        token: Of the page; ``None``: the first.

    Raises:
        CatalogError: No answer, or a refusal.
    """
    parameters = {"pageSize": _PAGE_SIZE, "currencyCode": "USD"}
    if api_key is not None:
        parameters["key"] = api_key
    if token is not None:
        parameters["pageToken"] = token
    return ask(f"{endpoint}/v1/services/{service}/skus", parameters)


def _part(sku: Mapping[str, Any], regions: frozenset[str]) -> Item | None:
    """A part of machines with its price; ``None`` if the entry is something else."""
    where = sorted(regions.intersection(sku.get("serviceRegions", [])))
    purchase = _PURCHASES.get(sku.get("category", {}).get("usageType", ""))
    part = _part_name(sku.get("description", ""))
    if not where or purchase is None or part is None:
        return None
    usd = lasting_usd(sku, _UNITS[part.rpartition(" ")[2]])
    if usd is None:
        return None
    return {"regions": where, "purchase": purchase.value, "part": part, "usd": usd}


def _part_name(description: str) -> str | None:
    for pattern in (_MACHINE_PART, _COMMITTED_PART):
        if found := pattern.match(description):
            return f"{found['family']} {_PARTS[found['part']]}"
    if found := _ACCELERATOR.match(description):
        return f"{_MODELS.get(found['model'], found['model'])} accelerator"
    return None


def lasting_usd(sku: Mapping[str, Any], unit: str) -> float | None:
    """The price of a unit in the highest tier, which is the one that lasts; 0 stands for none."""
    expression = (sku.get("pricingInfo") or [{}])[-1].get("pricingExpression", {})
    rates = expression.get("tieredRates", [])
    if expression.get("usageUnit") != unit or not rates:
        return None
    price = rates[-1]["unitPrice"]
    usd = int(price.get("units", 0)) + int(price.get("nanos", 0)) / 1e9
    return usd if usd > 0 else None
