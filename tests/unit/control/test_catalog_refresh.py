"""A refresh asks the clouds, checks what they say, and replaces the old catalogue whole or not."""

from __future__ import annotations

from datetime import date
from pathlib import Path
from typing import Any

import pytest

from aiops_provider.catalog import Catalog
from aiops_provider.control.catalog_refresh import Progress, refresh
from aiops_provider.domain.cluster import Purchase
from aiops_provider.errors import ConfigurationError
from aiops_provider.settings.schema import Settings

DAY = date(2026, 11, 20)
NAMES = [f"Standard_D{cores}s_v5" for cores in (2, 4, 8, 16, 32, 48, 64, 96)]


def settings(folder: Path, prices: Any, *places: tuple[str, str]) -> Settings:
    machine = {"cores": 1, "memory_gib": 1}
    clusters = [
        {"name": f"c{at}", "kind": "local", "provider": p, "region": r, "capacity": machine}
        for at, (p, r) in enumerate(places)
    ]
    catalog = {
        "folder": str(folder),
        "azure_url": prices.azure_url,
        "google_cloud_url": prices.url,
        "google_api_key": "k",
    }
    return Settings.model_validate({"clusters": clusters, "catalog": catalog})


def meters(prices: Any, usd: float) -> list[dict[str, Any]]:
    return [prices.meter(name, usd * at) for at, name in enumerate(NAMES, start=1)]


def spot_price(folder: Path, name: str, region: str = "westeurope") -> float | None:
    found = Catalog.load(folder).price("azure", region, name, Purchase.SPOT)
    return found.usd_per_hour if found else None


def spot(prices: Any, usd: float) -> list[dict[str, Any]]:
    return [{**each, "meterName": "Spot"} for each in meters(prices, usd)]


def test_providers_and_regions_are_those_of_the_clusters(tmp_path, prices):
    """Without arguments only what is used is asked for, and what was fetched is in force."""
    prices.meters = spot(prices, 0.03)
    (outcome,) = refresh(settings(tmp_path, prices, ("azure", "westeurope")), DAY)
    found = Catalog.load(tmp_path).price("azure", "westeurope", NAMES[0], Purchase.SPOT)

    assert ("azure", ("westeurope",), 8, None) == (
        outcome.provider, outcome.regions, outcome.prices, outcome.problem,
    )  # fmt: skip
    assert found is not None
    assert (0.03, DAY) == (found.usd_per_hour, found.observed_on)


def test_one_provider_that_refuses_does_not_keep_the_others(tmp_path, prices):
    """What Google Cloud refuses does not touch Azure's prices."""
    prices.meters = spot(prices, 0.03)
    prices.failing = {5: 403}
    given = settings(tmp_path, prices, ("azure", "westeurope"), ("gcp", "europe-west4"))
    azure, google = refresh(given, DAY)

    assert (None, 0) == (azure.problem, azure.exit_status)
    assert google.problem is not None
    assert "403" in google.problem
    assert (1, 0.03) == (google.exit_status, spot_price(tmp_path, NAMES[0]))


def test_interrupted_refresh_goes_on_and_publishes_nothing_before(tmp_path, prices):
    """A page that fails costs that page; readers see the old prices until all are there."""
    prices.meters = spot(prices, 0.03)
    given = settings(tmp_path, prices, ("azure", "westeurope"))
    refresh(given, DAY)
    prices.meters, prices.asked = spot(prices, 0.04), []
    prices.failing = {3: 403}
    (failed,) = refresh(given, DAY)
    between = spot_price(tmp_path, NAMES[0])
    prices.failing, prices.asked = {}, []
    (went_on,) = refresh(given, DAY)

    assert failed.problem is not None
    assert (0.03, 0.04) == (between, spot_price(tmp_path, NAMES[0]))
    assert went_on.problem is None
    assert ["4", "6"] == [asked["$skip"] for _, asked in prices.asked]


def test_answer_that_cannot_be_right_is_refused(tmp_path, prices):
    """A list cut short leaves the old one, with exit status 2, and is asked for anew next time."""
    prices.meters = spot(prices, 0.03)
    given = settings(tmp_path, prices, ("azure", "westeurope"))
    refresh(given, DAY)
    prices.meters = prices.meters[:2]
    (outcome,) = refresh(given, DAY)
    prices.asked = []
    refresh(given, DAY)

    assert outcome.problem is not None
    assert "cut short" in outcome.problem
    assert (2, 0.03) == (outcome.exit_status, spot_price(tmp_path, NAMES[0]))
    assert prices.asked


def test_other_regions_stay(tmp_path, prices):
    """Renewing one region keeps the prices of another."""
    prices.meters = spot(prices, 0.03)
    given = settings(tmp_path, prices, ("azure", "westeurope"))
    refresh(given, DAY)
    prices.meters = spot(prices, 0.05)
    refresh(given, DAY, providers=["azure"], regions=["northeurope"])

    assert (0.03, 0.05) == (
        spot_price(tmp_path, NAMES[0]), spot_price(tmp_path, NAMES[0], "northeurope"),
    )  # fmt: skip


def test_nothing_is_left_behind(tmp_path, prices):
    """Pages that were used are gone."""
    prices.meters = spot(prices, 0.03)
    refresh(settings(tmp_path, prices, ("azure", "westeurope")), DAY)

    assert [] == list((tmp_path / "refresh").iterdir())


def test_progress_is_told_before_each_page(tmp_path, prices):
    """A watcher sees each list, its pages, and how many lists there are."""
    prices.meters = spot(prices, 0.03)
    seen: list[Progress] = []
    refresh(settings(tmp_path, prices, ("azure", "westeurope")), DAY, watch=seen.append)

    assert [("azure westeurope retail prices", 1, pages) for pages in range(5)] == [
        (each.listing, each.total, each.pages) for each in seen
    ]


def test_aws_by_injected_clients(tmp_path, prices):
    """Machine types, spot and listed prices of AWS come from three calls."""
    shape = {
        "InstanceType": "x9.large", "VCpuInfo": {"DefaultVCpus": 2},
        "MemoryInfo": {"SizeInMiB": 8192}, "ProcessorInfo": {"SupportedArchitectures": ["arm64"]},
        "NetworkInfo": {"NetworkCards": [{"BaselineBandwidthInGbps": 1.5}]},
    }  # fmt: skip
    spot = {
        "InstanceType": "x9.large", "SpotPrice": "0.02", "ProductDescription": "Linux/UNIX",
    }  # fmt: skip

    class Client:
        def describe_instance_types(self, **_: Any) -> dict[str, Any]:
            return {"InstanceTypes": [shape]}

        def describe_spot_price_history(self, **_: Any) -> dict[str, Any]:
            return {"SpotPriceHistory": [spot]}

        def get_products(self, **_: Any) -> dict[str, Any]:
            return {"PriceList": []}

    given = settings(tmp_path, prices, ("aws", "eu-north-1"))
    (outcome,) = refresh(given, DAY, clients=lambda *_: Client())
    catalog = Catalog.load(tmp_path)
    found = catalog.price("aws", "eu-north-1", "x9.large", Purchase.SPOT)

    assert (None, 1, 1) == (outcome.problem, outcome.machines, outcome.prices)
    assert (2, 8, 1.5) == (
        catalog.machine("aws", "x9.large").cores, catalog.machine("aws", "x9.large").memory_gib,
        catalog.machine("aws", "x9.large").network_gbps,
    )  # fmt: skip
    assert found is not None
    assert 0.02 == found.usd_per_hour


def test_provider_without_a_price_list_is_refused(tmp_path, prices):
    """There is nobody to ask for the prices of a data centre."""
    with pytest.raises(ConfigurationError, match="no price list that can be asked"):
        refresh(settings(tmp_path, prices), DAY, providers=["on_premises"])


def test_regions_of_two_providers_are_refused(tmp_path, prices):
    """A region is of one provider."""
    with pytest.raises(ConfigurationError, match="regions are of one provider"):
        refresh(settings(tmp_path, prices), DAY, regions=["eu-central-1"])
