"""
Prices of object storage in its standard class, by the price lists that the clouds give machines' prices in.

AWS: GetProducts of AmazonS3, ``volumeType`` Standard. Azure: Retail Prices, blobs that are hot and locally
redundant. Google Cloud: Cloud Billing Catalog of Cloud Storage, Standard Storage of a region. Of several
tiers the one of the first paid terabytes counts.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from datetime import date
from functools import partial
from typing import Any

from aiops_provider.catalog.clouds import aws, azure, google_cloud
from aiops_provider.catalog.clouds.price_api import ask
from aiops_provider.catalog.listing import Item, Listing, Page
from aiops_provider.domain.machine import StoragePrice

CLOUD_STORAGE = "95FF-2EF5-5EA1"
"""Identifier of Cloud Storage in Google's catalogue."""

_CLASS = "object"
_SOURCES = {
    aws.PROVIDER: "AWS Price List",
    azure.PROVIDER: "Azure Retail Prices",
    google_cloud.PROVIDER: "Google Cloud Billing Catalog",
}
_S3 = {"volumeType": "Standard", "storageClass": "General Purpose"}
_BLOBS = frozenset({"Blob Storage", "General Block Blob v2"})
_HOT = "Hot LRS Data Stored"


def aws_listings(regions: Sequence[str], clients: aws.Clients) -> list[Listing]:
    """What is asked of AWS; see :func:`aiops_provider.catalog.clouds.aws.listings`."""
    return [
        Listing(
            f"aws {region} object storage",
            partial(_s3_page, clients, region),
            partial(prices, aws.PROVIDER),
        )
        for region in regions
    ]


def azure_listings(regions: Sequence[str], endpoint: str = azure.ENDPOINT) -> list[Listing]:
    """What is asked of Azure; see :func:`aiops_provider.catalog.clouds.azure.listings`."""
    return [
        Listing(
            f"azure {region} object storage",
            partial(_blob_page, region, endpoint),
            partial(prices, azure.PROVIDER),
        )
        for region in regions
    ]


def google_listings(
    regions: Collection[str], api_key: str | None, endpoint: str = google_cloud.ENDPOINT
) -> list[Listing]:
    """What is asked of Google Cloud; see :func:`aiops_provider.catalog.clouds.google_cloud.listings`."""
    return [
        Listing(
            f"google_cloud {' '.join(sorted(regions))} object storage",
            partial(_bucket_page, frozenset(regions), api_key, endpoint),
            partial(prices, google_cloud.PROVIDER),
        )
    ]


def prices(provider: str, items: Iterable[Item], day: date) -> Iterator[StoragePrice]:
    """Prices by region; of several entries for one the dearest counts."""
    dearest: dict[str, float] = {}
    for item in items:
        dearest[item["region"]] = max(item["usd"], dearest.get(item["region"], 0.0))
    for region, usd in sorted(dearest.items()):
        yield StoragePrice(
            provider=provider,
            region=region,
            storage_class=_CLASS,
            usd_per_gib_month=usd,
            source=_SOURCES[provider],
            observed_on=day,
        )


def _s3_page(clients: aws.Clients, region: str, token: str | None) -> Page:
    products, following = aws.product_page(
        clients, "AmazonS3", {**_S3, "regionCode": region}, token
    )
    found = (_s3_usd(json.loads(text)) for text in products)
    return Page(tuple({"region": region, "usd": usd} for usd in found if usd), following)


def _s3_usd(product: Mapping[str, Any]) -> float | None:
    """The price of a GB and month in the tier that begins with the first byte; 0 stands for none."""
    for term in product.get("terms", {}).get("OnDemand", {}).values():
        for part in term["priceDimensions"].values():
            usd = float(part["pricePerUnit"].get("USD", 0))
            if part["unit"] == "GB-Mo" and part.get("beginRange", "0") == "0" and usd > 0:
                return usd
    return None


def _blob_page(region: str, endpoint: str, token: str | None) -> Page:
    if token is None:
        wanted = (
            f"serviceName eq 'Storage' and armRegionName eq '{region}' and meterName eq '{_HOT}'"
        )
        answer = ask(endpoint, {"currencyCode": "USD", "$filter": wanted})
    else:
        answer = ask(token, {})
    found = (_blob_usd(meter) for meter in answer.get("Items", []))
    items = tuple({"region": region, "usd": usd} for usd in found if usd)
    return Page(items, answer.get("NextPageLink") or None)


def _blob_usd(meter: Mapping[str, Any]) -> float | None:
    if (
        meter.get("productName") not in _BLOBS
        or meter.get("meterName") != _HOT
        or meter.get("type") != "Consumption"
        or meter.get("unitOfMeasure") != "1 GB/Month"
        or float(meter.get("tierMinimumUnits", 0)) > 0
    ):
        return None
    return float(meter.get("retailPrice", 0)) or None


def _bucket_page(
    regions: frozenset[str], api_key: str | None, endpoint: str, token: str | None
) -> Page:
    answer = google_cloud.sku_page(CLOUD_STORAGE, api_key, endpoint, token)
    items = (
        {"region": region, "usd": usd}
        for sku in answer.get("skus", [])
        if (usd := _bucket_usd(sku)) is not None
        for region in sorted(regions.intersection(sku.get("serviceRegions", [])))
    )
    return Page(tuple(items), answer.get("nextPageToken") or None)


def _bucket_usd(sku: Mapping[str, Any]) -> float | None:
    category = sku.get("category", {})
    if (
        category.get("resourceGroup") != "RegionalStorage"
        or category.get("usageType") != "OnDemand"
        or not sku.get("description", "").startswith("Standard Storage")
    ):
        return None
    return google_cloud.lasting_usd(sku, "GiBy.mo")
