"""What the clouds' own APIs say becomes machine types and prices, page by page."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from datetime import date
from typing import Any

import boto3
import pytest
from botocore.config import Config
from moto.server import ThreadedMotoServer

from aiops_provider.catalog import Catalog
from aiops_provider.catalog.clouds import aws, azure, google_cloud
from aiops_provider.catalog.listing import Listing
from aiops_provider.domain.cluster import Purchase
from aiops_provider.domain.machine import InstanceType, Price
from aiops_provider.errors import CatalogError

DAY = date(2026, 11, 20)
D4S = "Standard_D4s_v5"


def rows(listing: Listing) -> list[InstanceType | Price]:
    """Every page, read."""
    items, token = [], None
    while True:
        page = listing.page(token)
        items += page.items
        json.dumps(page.items)  # a checkpoint must be able to keep them
        token = page.next
        if token is None:
            return list(listing.rows(items, DAY))


def usd(found: list[Any]) -> dict[tuple[str, Purchase], float]:
    return {(price.name, price.purchase): round(price.usd_per_hour, 9) for price in found}


class PriceListClient:
    """The Price List API, which no emulator has: two pages."""

    def __init__(self) -> None:
        self.asked: list[dict[str, Any]] = []
        self.pages = {
            None: ([product("m7i.large", 0.1008, 0.0668), product("g5.xlarge", 0.0, None)], "t"),
            "t": ([product("g5.xlarge", 1.006, 0.634)], None),
        }

    def get_products(self, **arguments: Any) -> dict[str, Any]:
        """One page."""
        self.asked.append(arguments)
        products, token = self.pages[arguments.get("NextToken")]
        answer: dict[str, Any] = {"PriceList": [json.dumps(each) for each in products]}
        return answer | ({"NextToken": token} if token else {})


def product(name: str, on_demand: float, reserved: float | None) -> dict[str, Any]:
    def term(price: float, **said: str) -> dict[str, Any]:
        hourly = {"unit": "Hrs", "pricePerUnit": {"USD": f"{price:.10f}"}}
        return {"priceDimensions": {"x": hourly}, "termAttributes": said}

    year = {"LeaseContractLength": "1yr", "OfferingClass": "standard"}
    reserved_terms = {
        "a": term(0.001, **{**year, "PurchaseOption": "All Upfront"}),
        "b": term(0.002, **{**year, "LeaseContractLength": "3yr", "PurchaseOption": "No Upfront"}),
    }
    if reserved is not None:
        reserved_terms["c"] = term(reserved, **year, PurchaseOption="No Upfront")
    return {
        "product": {"attributes": {"instanceType": name}},
        "terms": {"OnDemand": {"x": term(on_demand)}, "Reserved": reserved_terms},
    }


@pytest.fixture(scope="module")
def amazon() -> Iterator[aws.Clients]:
    """EC2 of an emulator over HTTP; the Price List API is none of its services."""
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    price_list = PriceListClient()

    def client(service: str, region: str) -> Any:
        if service == "pricing":
            return price_list
        return boto3.client(
            service, region_name=region, endpoint_url=f"http://{host}:{port}",
            aws_access_key_id="x", aws_secret_access_key="x",
        )  # fmt: skip

    yield client
    server.stop()


@pytest.mark.slow
def test_machine_types_of_ec2(amazon: aws.Clients) -> None:
    """DescribeInstanceTypes gives shapes with accelerators, over HTTP."""
    found = {row.name: row for row in rows(aws.listings(["eu-central-1"], amazon)[0])}
    known = Catalog.embedded().machine("aws", "p4de.24xlarge")
    fresh = found["p4de.24xlarge"]

    assert (known.cores, known.memory_gib, "A100-80GB", 8) == (
        fresh.cores, fresh.memory_gib, fresh.accelerator, fresh.accelerator_count,
    )  # fmt: skip
    assert ("Trainium", 1) == (
        found["trn1.2xlarge"].accelerator, found["trn1.2xlarge"].accelerator_count,
    )  # fmt: skip
    assert found["g6f.large"].accelerator is None  # an eighth of an L4
    assert DAY == fresh.observed_on


def test_spot_prices_of_ec2(amazon: aws.Clients) -> None:
    """DescribeSpotPriceHistory gives one price per machine type of a region, over HTTP."""
    found = rows(aws.listings(["eu-central-1"], amazon)[1])

    assert len(found) > 100
    assert len(found) == len({price.name for price in found})
    assert {("eu-central-1", Purchase.SPOT)} == {(p.region, p.purchase) for p in found}


def test_price_list_of_aws(amazon: aws.Clients) -> None:
    """GetProducts gives on-demand prices and those of one year without upfront payment, no zeros."""
    listing = aws.listings(["sa-east-1"], amazon)[2]
    found = rows(listing)
    asked = amazon("pricing", "us-east-1").asked[-1]

    assert {
        ("m7i.large", Purchase.ON_DEMAND): 0.1008,
        ("m7i.large", Purchase.RESERVED): 0.0668,
        ("g5.xlarge", Purchase.ON_DEMAND): 1.006,
        ("g5.xlarge", Purchase.RESERVED): 0.634,
    } == usd(found)
    assert {"Type": "TERM_MATCH", "Field": "regionCode", "Value": "sa-east-1"} in asked["Filters"]


def test_dearest_zone_counts() -> None:
    """Of two zones the dearer one is the region's price."""
    items = [{"InstanceType": "m7i.large", "SpotPrice": text} for text in ("0.03", "0.05", "0.04")]

    assert [0.05] == [price.usd_per_hour for price in aws.spot_prices("r", items, DAY)]


def test_aws_that_does_not_answer_is_told() -> None:
    """An error of the SDK is an error of the catalogue."""

    def client(service: str, region: str) -> Any:
        return boto3.client(
            service, region_name=region, endpoint_url="http://127.0.0.1:9",
            aws_access_key_id="x", aws_secret_access_key="x",
            config=Config(retries={"max_attempts": 1}, connect_timeout=1),
        )  # fmt: skip

    with pytest.raises(CatalogError, match="aws eu-west-1 does not answer ec2:describe_instance_t"):
        rows(aws.listings(["eu-west-1"], client)[0])


def test_absent_boto3_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without the extra the message says what to install."""
    monkeypatch.setitem(sys.modules, "boto3", None)

    with pytest.raises(CatalogError, match=r"pip install 'aiops-provider\[aws\]'"):
        rows(aws.listings(["eu-west-1"], aws.open_client)[0])


def test_retail_prices_of_azure(prices: Any) -> None:
    """Consumption, spot and one-year meters of Linux machines become prices; others do not."""
    prices.meters = [
        prices.meter(D4S, 0.23),
        prices.meter(D4S, 0.41, productName="Virtual Machines DSv5 Series Windows"),
        prices.meter(D4S, 0.05, meterName="D4s v5 Spot", skuName="D4s v5 Spot"),
        prices.meter(D4S, 0.06, meterName="D4s v5 Low Priority"),
        prices.meter(D4S, 1314.0, type="Reservation", reservationTerm="1 Year"),
        prices.meter(D4S, 2500.0, type="Reservation", reservationTerm="3 Years"),
        prices.meter(D4S, 0.19, type="DevTestConsumption"),
        prices.meter("Standard_Unknown_v9", 0.5),
    ]
    (listing,) = azure.listings(["westeurope"], frozenset({D4S}), prices.azure_url)

    assert {
        (D4S, Purchase.ON_DEMAND): 0.23,
        (D4S, Purchase.SPOT): 0.05,
        (D4S, Purchase.RESERVED): 0.15,
    } == usd(rows(listing))
    assert 4 == len(prices.asked)
    assert "armRegionName eq 'westeurope'" in prices.asked[0][1]["$filter"]


def test_price_list_of_google_cloud(prices: Any) -> None:
    """A machine's price is put together from cores, memory and accelerators of its family."""
    prices.skus = [
        prices.sku("N2 Instance Core running in Netherlands", 0.03),
        prices.sku("N2 Instance Ram running in Netherlands", 0.004),
        prices.sku("N2 Custom Instance Core running in Netherlands", 0.9),
        prices.sku("Spot Preemptible N2 Instance Core running in Netherlands", 0.01),
        prices.sku("Spot Preemptible N2 Instance Ram running in Netherlands", 0.001),
        prices.sku("Commitment v1: N2 Cpu in Netherlands for 1 Year", 0.02),
        prices.sku("Commitment v1: N2 Ram in Netherlands for 1 Year", 0.003),
        prices.sku("G2 Instance Core running in Netherlands", 0.02),
        prices.sku("G2 Instance Ram running in Netherlands", 0.003),
        prices.sku("Nvidia L4 GPU running in Netherlands", 0.5),
        prices.sku("Spot Preemptible G2 Instance Core running in Netherlands", 0.01),
        prices.sku("Spot Preemptible G2 Instance Ram running in Netherlands", 0.001),
        prices.sku(
            "Nvidia L4 GPU attached to Spot Preemptible VMs running in Netherlands",
            0.2,
            category={"usageType": "Preemptible"},
        ),
        prices.sku("Commitment v1: G2 Cpu in Netherlands for 1 Year", 0.015),
        prices.sku("Commitment v1: G2 Ram in Netherlands for 1 Year", 0.002),
        prices.sku("Commitment v1: Nvidia L4 GPU in Netherlands for 1 Year", 0.4),
        prices.sku("Nvidia L4 Mega GPU running in Netherlands", 7.0),
        prices.sku("N2 Instance Core running in Iowa", 9.0, serviceRegions=["us-central1"]),
    ]
    catalog = Catalog.embedded()
    machines = [catalog.machine("gcp", name) for name in ("n2-standard-8", "g2-standard-24")]
    (listing,) = google_cloud.listings(["europe-west4"], machines, "key", prices.url)

    assert {
        ("n2-standard-8", Purchase.ON_DEMAND): round(8 * 0.03 + 32 * 0.004, 9),
        ("n2-standard-8", Purchase.SPOT): round(8 * 0.01 + 32 * 0.001, 9),
        ("n2-standard-8", Purchase.RESERVED): round(8 * 0.02 + 32 * 0.003, 9),
        ("g2-standard-24", Purchase.ON_DEMAND): round(24 * 0.02 + 96 * 0.003 + 2 * 0.5, 9),
        ("g2-standard-24", Purchase.SPOT): round(24 * 0.01 + 96 * 0.001 + 2 * 0.2, 9),
        ("g2-standard-24", Purchase.RESERVED): round(24 * 0.015 + 96 * 0.002 + 2 * 0.4, 9),
    } == usd(rows(listing))
    assert ["key"] * 6 == [given["key"] for _, given in prices.asked]
    assert f"/v1/services/{google_cloud.COMPUTE_ENGINE}/skus" == prices.asked[0][0]


def test_google_price_is_unknown_when_a_part_is(prices: Any) -> None:
    """Without the memory's price there is none, and none of machines that include disks."""
    prices.skus = [
        prices.sku("N2 Instance Core running in Netherlands", 0.03),
        prices.sku("A3 Instance Core running in Netherlands", 0.03),
        prices.sku("A3 Instance Ram running in Netherlands", 0.004),
        prices.sku("Nvidia H100 80GB GPU running in Netherlands", 9.0),
    ]
    catalog = Catalog.embedded()
    machines = [catalog.machine("gcp", name) for name in ("n2-standard-8", "a3-highgpu-8g")]
    (listing,) = google_cloud.listings(["europe-west4"], machines, None, prices.url)

    assert [] == rows(listing)


def test_busy_server_is_asked_again(prices: Any) -> None:
    """Too many requests pass by themselves."""
    prices.meters = [prices.meter(D4S, 0.23)]
    prices.failing = {1: 429, 2: 503}
    (listing,) = azure.listings(["westeurope"], frozenset({D4S}), prices.azure_url)

    assert 1 == len(rows(listing))


@pytest.mark.parametrize(("failing", "asked"), [({1: 403}, 1), (dict.fromkeys(range(9), 500), 4)])
def test_refusal_is_told_without_the_key(prices: Any, failing: dict[int, int], asked: int) -> None:
    """A refusal is not repeated, a broken server a few times; the key is in no message."""
    prices.failing = failing
    (listing,) = google_cloud.listings(["europe-west4"], [], "hush", prices.url)

    with pytest.raises(CatalogError, match="answers with status") as refused:
        rows(listing)

    assert "hush" not in str(refused.value)
    assert asked == len(prices.asked)
