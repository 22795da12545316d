"""Prices of object storage as the clouds' price lists give them, over HTTP and by a stand-in of AWS."""

from __future__ import annotations

import json
from datetime import date
from typing import Any

from aiops_provider.catalog import Catalog
from aiops_provider.catalog.clouds import object_storage
from aiops_provider.catalog.listing import Listing
from aiops_provider.control.catalog_refresh import refresh
from aiops_provider.settings.schema import Settings

DAY = date(2026, 11, 20)


def rows(listing: Listing) -> dict[str, float]:
    """Every page, read: USD by region."""
    items, token = [], None
    while True:
        page = listing.page(token)
        items += page.items
        json.dumps(page.items)  # a checkpoint must be able to keep them
        token = page.next
        if token is None:
            return {p.region: p.usd_per_gib_month for p in listing.rows(items, DAY)}


def blob(usd: float, **given: Any) -> dict[str, Any]:
    """A meter as the Retail Prices API documents it."""
    return {
        "currencyCode": "USD", "retailPrice": usd, "tierMinimumUnits": 0.0, "type": "Consumption",
        "armRegionName": "westeurope", "meterName": "Hot LRS Data Stored", "skuName": "Hot LRS",
        "productName": "General Block Blob v2", "serviceName": "Storage",
        "unitOfMeasure": "1 GB/Month", **given,
    }  # fmt: skip


def bucket(description: str, *usd: float, **given: Any) -> dict[str, Any]:
    """An entry as the Cloud Billing Catalog documents it, with a tier for each price."""
    rates = [
        {
            "startUsageAmount": 5 * tier,
            "unitPrice": {"currencyCode": "USD", "units": "0", "nanos": round(each * 1e9)},
        }
        for tier, each in enumerate(usd)
    ]
    return {
        "description": description,
        "category": {
            "resourceFamily": "Storage", "resourceGroup": "RegionalStorage", "usageType": "OnDemand",
        },
        "serviceRegions": ["us-central1"],
        "pricingInfo": [{"pricingExpression": {"usageUnit": "GiBy.mo", "tieredRates": rates}}],
        **given,
    }  # fmt: skip


def test_azure(prices):
    """Hot blobs on local disks, first tier; nothing that only looks like it; page after page."""
    prices.meters = [
        blob(0.0188, tierMinimumUnits=51200.0),
        blob(0.3, productName="Files v2"),
        blob(0.5, unitOfMeasure="1/Month"),
        blob(0.0196),
        blob(0.9, type="Reservation"),
    ]
    (listing,) = object_storage.azure_listings(["westeurope"], prices.azure_url)
    assert {"westeurope": 0.0196} == rows(listing)
    assert "meterName eq 'Hot LRS Data Stored'" in prices.asked[0][1]["$filter"]


def test_google_cloud(prices):
    """Standard storage of a region behind the gigabytes that are free."""
    prices.skus = [
        bucket("Standard Storage Iowa", 0.0, 0.02),
        bucket("Nearline Storage Iowa", 0.01),
        bucket("Standard Storage US Multi-region", 0.026, category={"resourceGroup": "MultiRegionalStorage"}),
        bucket("Standard Storage Netherlands", 0.02, serviceRegions=["europe-west4"]),
        bucket("Standard Storage Class A Operations", 0.5, category={"resourceGroup": "RegionalOps"}),
    ]  # fmt: skip
    (listing,) = object_storage.google_listings(["us-central1"], "k", prices.url)
    assert {"us-central1": 0.02} == rows(listing)
    path, given = prices.asked[0]
    assert (f"/v1/services/{object_storage.CLOUD_STORAGE}/skus", "k") == (path, given["key"])


class PriceListClient:
    """The Price List API, which no emulator has."""

    def __init__(self) -> None:
        self.asked: list[dict[str, Any]] = []

    def get_products(self, **arguments: Any) -> dict[str, Any]:
        """One page with the three tiers of a product."""
        self.asked.append(arguments)
        tiers = [("0", "51200", 0.0245), ("51200", "512000", 0.0235), ("512000", "Inf", 0.0225)]
        dimensions = {
            begin: {
                "unit": "GB-Mo", "beginRange": begin, "endRange": end,
                "pricePerUnit": {"USD": f"{usd:.10f}"},
            }
            for begin, end, usd in tiers
        }  # fmt: skip
        terms = {"OnDemand": {"x": {"priceDimensions": dict(reversed(dimensions.items()))}}}
        return {"PriceList": [json.dumps({"product": {"attributes": {}}, "terms": terms})]}


def test_aws():
    """The first tier of standard storage, asked for in the region that answers for all."""
    client = PriceListClient()
    (listing,) = object_storage.aws_listings(["eu-central-1"], lambda _service, _region: client)
    assert {"eu-central-1": 0.0245} == rows(listing)
    asked = {each["Field"]: each["Value"] for each in client.asked[0]["Filters"]}
    assert "AmazonS3" == client.asked[0]["ServiceCode"]
    assert ("Standard", "eu-central-1") == (asked["volumeType"], asked["regionCode"])


def test_refresh_with_storage(tmp_path, prices):
    """What is fetched is in force; without the option storage is not asked for."""
    prices.meters = [prices.meter("Standard_D2s_v5", 0.1, meterName="Spot"), blob(0.0196)]
    machine = {"cores": 1, "memory_gib": 1}
    given = {
        "clusters": [
            {
                "name": "c", "kind": "local", "provider": "azure", "region": "westeurope",
                "capacity": machine,
            }
        ],
        "catalog": {"folder": str(tmp_path), "azure_url": prices.azure_url},
    }  # fmt: skip
    settings = Settings.model_validate(given)
    (outcome,) = refresh(settings, DAY, storage=True)
    assert (1, 1, None) == (outcome.prices, outcome.storage, outcome.problem)
    found = Catalog.load(tmp_path).storage.price("azure", "westeurope", "object")
    assert found is not None
    assert (0.0196, "Azure Retail Prices", DAY) == (
        found.usd_per_gib_month, found.source, found.observed_on,
    )  # fmt: skip
    (cluster,) = Settings.model_validate(given).cluster_specs
    assert 0.0196 == cluster.storage["object"].usd_per_gib_month
    (again,) = refresh(settings, DAY)
    assert 0 == again.storage
    assert Catalog.load(tmp_path).storage.price("azure", "westeurope", "object") == found
