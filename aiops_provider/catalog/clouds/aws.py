"""
AWS: machine types and spot prices by EC2, on-demand and reserved prices by the Price List API.

DescribeInstanceTypes, DescribeSpotPriceHistory and GetProducts, see
https://docs.aws.amazon.com/AWSEC2/latest/APIReference/ and
https://docs.aws.amazon.com/awsaccountbilling/latest/aboutv2/using-price-list-query-api.html. They
need the permissions of those names and cost nothing.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import UTC, date, datetime
from functools import partial
from typing import Any

from aiops_provider.catalog.listing import Item, Listing, Page
from aiops_provider.domain.cluster import Purchase
from aiops_provider.domain.machine import InstanceType, Price
from aiops_provider.errors import CatalogError

Clients = Callable[[str, str], Any]
"""Makes the client of a service in a region."""

PROVIDER = "aws"
_MACHINES, _SPOT, _LIST = "DescribeInstanceTypes", "DescribeSpotPriceHistory", "AWS Price List"
# The Price List API answers for every region, but only from a few.
_PRICING_REGION = "us-east-1"
_MIB_PER_GIB = 1024
_GIB_PER_GB = 1e9 / 2**30
# Two sizes of memory are sold under one name; the larger has a name of its own here.
_LARGER = {("V100", 32768): "V100-32GB", ("A100", 81920): "A100-80GB"}
_SHARED_LINUX = {
    "operatingSystem": "Linux",
    "tenancy": "Shared",
    "preInstalledSw": "NA",
    "capacitystatus": "Used",
}
_PLAIN_YEAR = {
    "LeaseContractLength": "1yr",
    "OfferingClass": "standard",
    "PurchaseOption": "No Upfront",
}


def listings(regions: Sequence[str], clients: Clients) -> list[Listing]:
    """
    Everything that is asked of AWS.

    Args:
        regions: Names of regions, such as ``eu-central-1``.
        clients: See ``open_client``.
    """
    found = []
    for region in regions:
        found += [
            Listing(
                f"aws {region} machine types",
                partial(_machine_page, clients, region),
                machines,
            ),
            Listing(
                f"aws {region} spot prices",
                partial(_spot_page, clients, region),
                partial(spot_prices, region),
            ),
            Listing(
                f"aws {region} price list",
                partial(_product_page, clients, region),
                partial(listed_prices, region),
            ),
        ]
    return found


def open_client(service: str, region: str) -> Any:
    """
    A client with the credentials and settings of boto3's own files and variables.

    Raises:
        CatalogError: The extra ``aws`` is not installed, or boto3 cannot be set up.
    """
    try:
        import boto3
        from botocore.exceptions import BotoCoreError
    except ModuleNotFoundError as error:
        raise CatalogError("AWS needs boto3: pip install 'aiops-provider[aws]'") from error
    try:
        return boto3.client(service, region_name=region)
    except BotoCoreError as error:
        raise CatalogError(f"boto3 cannot be set up for {service} in {region}: {error}") from error


def machines(items: Iterable[Item], day: date) -> Iterator[InstanceType]:
    """Machine types by what DescribeInstanceTypes says of them."""
    for item in items:
        yield machine(item, _MACHINES, day)


def machine(item: Mapping[str, Any], source: str, day: date) -> InstanceType:
    """
    One machine type of DescribeInstanceTypes.

    Args:
        item: An entry of ``InstanceTypes``.
        source: Where it is from.
        day: When it was asked for.
    """
    name, count, memory_gib = _accelerators(item)
    cards = item["NetworkInfo"]["NetworkCards"]
    lasting = [card.get("BaselineBandwidthInGbps") for card in cards]
    disks_gb = item.get("InstanceStorageInfo", {}).get("TotalSizeInGB", 0)
    return InstanceType(
        provider=PROVIDER,
        name=item["InstanceType"],
        cores=float(item["VCpuInfo"]["DefaultVCpus"]),
        memory_gib=item["MemoryInfo"]["SizeInMiB"] / _MIB_PER_GIB,
        accelerator=name,
        accelerator_model=name,
        accelerator_count=count,
        accelerator_memory_gib=memory_gib,
        network_gbps=None if None in lasting else sum(lasting),
        local_disk_gib=round(disks_gb * _GIB_PER_GB, 1),
        architecture=item["ProcessorInfo"]["SupportedArchitectures"][0],
        source=source,
        observed_on=day,
    )


def spot_prices(region: str, items: Iterable[Item], day: date) -> Iterator[Price]:
    """
    Spot prices in force; of the zones of a region the dearest counts.

    No plan looks cheaper than it is, whichever zone has a machine.
    """
    dearest: dict[str, float] = {}
    for item in items:
        usd = float(item["SpotPrice"])
        dearest[item["InstanceType"]] = max(usd, dearest.get(item["InstanceType"], 0.0))
    for name, usd in dearest.items():
        yield Price(
            provider=PROVIDER, region=region, name=name, purchase=Purchase.SPOT,
            usd_per_hour=usd, source=_SPOT, observed_on=day,
        )  # fmt: skip


def listed_prices(region: str, items: Iterable[Item], day: date) -> Iterator[Price]:
    """On-demand prices, and reserved ones of one year without upfront payment."""
    for item in items:
        for purchase, usd in item["usd"].items():
            yield Price(
                provider=PROVIDER, region=region, name=item["name"], purchase=Purchase(purchase),
                usd_per_hour=usd, source=_LIST, observed_on=day,
            )  # fmt: skip


def _accelerators(item: Mapping[str, Any]) -> tuple[str | None, int, float | None]:
    """Name, number and memory of one; a slice of one holds no task that asks for the whole."""
    whole = [
        gpu
        for gpu in item.get("GpuInfo", {}).get("Gpus", [])
        if gpu.get("GpuPartitionSize", 1) == 1
    ]
    devices = whole or item.get("NeuronInfo", {}).get("NeuronDevices", [])
    if not devices:
        return None, 0, None
    name, memory_mib = devices[0]["Name"], devices[0]["MemoryInfo"]["SizeInMiB"]
    count = sum(device["Count"] for device in devices)
    return _LARGER.get((name, memory_mib), name), count, memory_mib / _MIB_PER_GIB


def _machine_page(clients: Clients, region: str, token: str | None) -> Page:
    answer = _ask(clients, "ec2", region, "describe_instance_types", token, MaxResults=100)
    kept = (
        "InstanceType", "VCpuInfo", "MemoryInfo", "GpuInfo", "NeuronInfo", "NetworkInfo",
        "InstanceStorageInfo", "ProcessorInfo",
    )  # fmt: skip
    items = ({key: item[key] for key in kept if key in item} for item in answer["InstanceTypes"])
    return Page(tuple(items), answer.get("NextToken") or None)


def _spot_page(clients: Clients, region: str, token: str | None) -> Page:
    answer = _ask(
        clients, "ec2", region, "describe_spot_price_history", token,
        StartTime=datetime.now(UTC),  # the prices in force at that moment
        ProductDescriptions=["Linux/UNIX"],
        MaxResults=1000,
    )  # fmt: skip
    items = (
        {"InstanceType": item["InstanceType"], "SpotPrice": item["SpotPrice"]}
        for item in answer["SpotPriceHistory"]
        if item["ProductDescription"].startswith("Linux/UNIX")
    )
    return Page(tuple(items), answer.get("NextToken") or None)


def _product_page(clients: Clients, region: str, token: str | None) -> Page:
    wanted = {**_SHARED_LINUX, "regionCode": region}
    products, following = product_page(clients, "AmazonEC2", wanted, token)
    items = (_product(json.loads(text)) for text in products)
    return Page(tuple(item for item in items if item["usd"]), following)


def product_page(
    clients: Clients, service: str, wanted: Mapping[str, str], token: str | None
) -> tuple[Sequence[str], str | None]:
    """
    A page of the Price List API: products as JSON, and the token of the page after it.

    Args:
        clients: See ``open_client``.
        service: Code of the service, such as ``AmazonEC2``.
        wanted: Attributes that the products must have.
        token: Of the page; ``None``: the first.

    Raises:
        CatalogError: No answer, or a refusal.
    """
    answer = _ask(
        clients, "pricing", _PRICING_REGION, "get_products", token,
        ServiceCode=service,
        Filters=[
            {"Type": "TERM_MATCH", "Field": field, "Value": value}
            for field, value in wanted.items()
        ],
        MaxResults=100,
    )  # fmt: skip
    return answer["PriceList"], answer.get("NextToken") or None


def _product(product: Mapping[str, Any]) -> Item:
    name = product["product"]["attributes"].get("instanceType", "")
    terms = product.get("terms", {})
    usd = {
        Purchase.ON_DEMAND.value: _hourly(terms.get("OnDemand", {}).values()),
        Purchase.RESERVED.value: _hourly(
            filter(_is_plain_year, terms.get("Reserved", {}).values())
        ),
    }
    return {"name": name, "usd": {kind: price for kind, price in usd.items() if price and name}}


def _is_plain_year(term: Mapping[str, Any]) -> bool:
    said = term.get("termAttributes", {})
    return all(said.get(attribute) == value for attribute, value in _PLAIN_YEAR.items())


def _hourly(terms: Iterable[Mapping[str, Any]]) -> float | None:
    """The price of an hour in the first term that has one; 0 stands for none."""
    for term in terms:
        for part in term["priceDimensions"].values():
            usd = float(part["pricePerUnit"].get("USD", 0))
            if part["unit"] == "Hrs" and usd > 0:
                return usd
    return None


def _ask(
    clients: Clients, service: str, region: str, call: str, token: str | None, **arguments: Any
) -> Any:
    client = clients(service, region)  # says what to install, where anything is missing
    from botocore.exceptions import BotoCoreError, ClientError

    if token is not None:
        arguments["NextToken"] = token
    try:
        return getattr(client, call)(**arguments)
    except (BotoCoreError, ClientError) as error:
        raise CatalogError(f"aws {region} does not answer {service}:{call}: {error}") from error
