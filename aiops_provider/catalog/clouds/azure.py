"""
Azure: prices by the Retail Prices API, which needs no account.

https://learn.microsoft.com/rest/api/cost-management/retail-prices/azure-retail-prices. It tells no
shapes: prices are kept of machine types that the catalogue knows.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import date
from functools import partial
from typing import Any

from aiops_provider.catalog.clouds.price_api import ask
from aiops_provider.catalog.listing import Item, Listing, Page
from aiops_provider.domain.cluster import Purchase
from aiops_provider.domain.machine import Price

PROVIDER = "azure"
ENDPOINT = "https://prices.azure.com/api/retail/prices"
_SOURCE = "Azure Retail Prices"
_HOURS_PER_YEAR = 8760
# Meters of one machine type that are not the price of a plain Linux machine.
_OTHER_PRODUCTS = ("Windows", "Cloud Services", "CloudServices", "Dedicated Host")
_OTHER_METERS = ("Low Priority",)


def listings(
    regions: Sequence[str], known: frozenset[str], endpoint: str = ENDPOINT
) -> list[Listing]:
    """
    Everything that is asked of Azure.

    Args:
        regions: Names of regions, such as ``westeurope``.
        known: Names of machine types to keep prices of.
        endpoint: Address of the API.
    """
    return [
        Listing(
            f"azure {region} retail prices",
            partial(_page, region, known, endpoint),
            partial(prices, region),
        )
        for region in regions
    ]


def prices(region: str, items: Iterable[Item], day: date) -> Iterator[Price]:
    """What the meters say; of several for one kind of purchase the dearest counts."""
    dearest: dict[tuple[str, str], float] = {}
    for item in items:
        key = item["name"], item["purchase"]
        dearest[key] = max(item["usd"], dearest.get(key, 0.0))
    for (name, purchase), usd in dearest.items():
        yield Price(
            provider=PROVIDER,
            region=region,
            name=name,
            purchase=Purchase(purchase),
            usd_per_hour=usd,
            source=_SOURCE,
            observed_on=day,
        )


def _page(region: str, known: frozenset[str], endpoint: str, token: str | None) -> Page:
    if token is None:
        wanted = f"serviceName eq 'Virtual Machines' and armRegionName eq '{region}'"
        answer = ask(endpoint, {"currencyCode": "USD", "$filter": wanted})
    else:
        answer = ask(token, {})  # the token is the whole address of the next page
    items = (_meter(meter) for meter in answer.get("Items", []))
    kept = tuple(item for item in items if item is not None and item["name"] in known)
    return Page(kept, answer.get("NextPageLink") or None)


def _meter(meter: Mapping[str, Any]) -> Item | None:
    """A meter as name, way of buying and price of an hour; ``None`` if it is none of these."""
    product = meter.get("productName", "")
    sold_as = f"{meter.get('skuName', '')} {meter.get('meterName', '')}"
    if any(word in product for word in _OTHER_PRODUCTS) or any(
        word in sold_as for word in _OTHER_METERS
    ):
        return None
    usd, kind = float(meter.get("retailPrice", 0)), meter.get("type")
    if meter.get("unitOfMeasure") != "1 Hour" or usd <= 0:
        return None
    if kind == "Reservation" and meter.get("reservationTerm") == "1 Year":
        # The meter says "1 Hour" but gives the price of the whole term.
        return _item(meter, Purchase.RESERVED, usd / _HOURS_PER_YEAR)
    if kind != "Consumption":
        return None
    return _item(meter, Purchase.SPOT if "Spot" in sold_as else Purchase.ON_DEMAND, usd)


def _item(meter: Mapping[str, Any], purchase: Purchase, usd: float) -> Item:
    return {"name": meter.get("armSkuName", ""), "purchase": purchase.value, "usd": usd}
