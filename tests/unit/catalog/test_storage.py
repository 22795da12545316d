"""Prices of storage: the user's own, imported ones, and what stands for an unknown one."""

from __future__ import annotations

from datetime import date

import pytest

from aiops_provider.catalog import Catalog
from aiops_provider.catalog.draft import Draft
from aiops_provider.catalog.publish import publish
from aiops_provider.control.catalog_storage import import_storage, list_storage
from aiops_provider.domain.cluster import StorageRate
from aiops_provider.domain.machine import InstanceType, StoragePrice
from aiops_provider.errors import DataError
from aiops_provider.settings.schema import Settings

DAY = date(2026, 11, 20)
HEADING = "provider,region,storage_class,usd_per_gib_month,source,date\n"


def price(usd: float = 0.02, *, provider: str = "aws", region: str = "xx-test-1") -> StoragePrice:
    return StoragePrice(
        provider=provider, region=region, storage_class="object", usd_per_gib_month=usd,
        source="test", observed_on=DAY,
    )  # fmt: skip


def put(folder, *rows: StoragePrice) -> None:
    publish(Draft.of(rows), folder, provider="aws", regions=(), whole=False)


def test_the_package_brings_no_price_of_storage():
    """No list that it may copy covers its regions: unknown stays unknown."""
    assert [] == list(Catalog.embedded().storage)
    assert {} == Catalog.embedded().storage.rates("aws", "us-east-1")


def test_prices_round_trip(tmp_path):
    """What is published is found again, and a later one of the same place replaces it."""
    put(tmp_path, price(0.0234567), price(0.5, region="xx-test-2"))
    put(tmp_path, price(0.03, region="xx-test-2"))
    storage = Catalog.load(tmp_path).storage
    assert price(0.0234567) == storage.price("Amazon", "xx-test-1", "object")
    assert price(0.03, region="xx-test-2") == storage.price("aws", "xx-test-2", "object")
    assert storage.price("aws", "xx-test-1", "file") is None


def test_a_refresh_of_machines_keeps_prices_of_storage(tmp_path):
    """No list of machines is all there is of storage."""
    put(tmp_path, price())
    machine = InstanceType(
        provider="aws", name="x9.large", cores=2.0, memory_gib=8.0, source="test", observed_on=DAY
    )
    publish(Draft.of([machine]), tmp_path, provider="aws", regions={"xx-test-1"})
    assert price() == Catalog.load(tmp_path).storage.price("aws", "xx-test-1", "object")


def test_the_dearest_known_price_stands_for_an_unknown_one(tmp_path):
    """And says that it does."""
    put(tmp_path, price(0.02), price(0.04, region="xx-test-2"))
    storage = Catalog.load(tmp_path).storage
    assert {"object": StorageRate(usd_per_gib_month=0.02)} == storage.rates("aws", "xx-test-1")
    stands_in = StorageRate(usd_per_gib_month=0.04, known=False)
    assert {"object": stands_in} == storage.rates("on_premises", "no-oslo")


def configured(tmp_path, **given: object) -> Settings:
    clusters = [
        {
            "name": "here", "kind": "local", "provider": "aws", "region": "xx-test-1",
            "capacity": {"cores": 4, "memory_gib": 16}, **given,
        }
    ]  # fmt: skip
    own = [
        {"provider": "aws", "storage_class": "object", "usd_per_gib_month": 0.011},
        {
            "provider": "aws", "region": "xx-test-1", "storage_class": "sql",
            "usd_per_gib_month": 0.2,
        },
    ]  # fmt: skip
    return Settings.model_validate(
        {"clusters": clusters, "catalog": {"folder": str(tmp_path), "storage": own}}
    )


def test_the_users_prices_win(tmp_path):
    """That of the cluster before that of the provider before the imported one."""
    put(tmp_path, price(0.02))
    (cluster,) = configured(tmp_path).cluster_specs
    assert 0.011 == cluster.storage["object"].usd_per_gib_month
    (cluster,) = configured(tmp_path, storage_usd_per_gib_month={"object": 0}).cluster_specs
    assert StorageRate(usd_per_gib_month=0) == cluster.storage["object"]
    assert StorageRate(usd_per_gib_month=0.2) == cluster.storage["sql"]


@pytest.mark.parametrize(
    "bad",
    [
        {"storage_usd_per_gib_month": {"objects": 0.02}},
        {"storage_usd_per_gib_month": {"in_memory": 0.02}},
        {"storage_usd_per_gib_month": {"object": -0.02}},
    ],
)
def test_wrong_prices_in_the_settings_are_refused(tmp_path, bad):
    """A class that has no price, and a price below nothing."""
    with pytest.raises(ValueError, match="storage_usd_per_gib_month"):
        configured(tmp_path, **bad)


def test_import(tmp_path):
    """Rows of a file are known from then on, with their source and age."""
    file = tmp_path / "prices.csv"
    file.write_text(HEADING + "gcp,xx-test-9,object,0.02,my bill,2026-01-02\n")
    settings = configured(tmp_path / "catalog")
    done = import_storage(settings, file)
    assert (1, ("google_cloud",)) == (done.prices, done.providers)
    shown = {s.price.key: s for s in list_storage(configured(tmp_path / "catalog"), DAY)}
    found = shown["google_cloud", "xx-test-9", "object"]
    assert (322, True, "my bill") == (found.age_days, found.stale, found.price.source)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("provider,region,usd\naws,r,1\n", "has no column storage_class"),
        (HEADING, "holds no price"),
        (HEADING + "aws,r,objects,0.02,s,2026-01-02\n", "no class of storage"),
        (HEADING + "aws,r,object,200,s,2026-01-02\n", "cannot cost this"),
        (HEADING + "aws,r,object,0,s,2026-01-02\n", "cannot cost this"),
        (HEADING + "aws,r,object,cheap,s,2026-01-02\n", "no number"),
    ],
)
def test_a_file_that_cannot_be_right_changes_nothing(tmp_path, text, words):
    """The error names what is wrong; the catalogue stays as it was."""
    file = tmp_path / "prices.csv"
    file.write_text(text)
    settings = configured(tmp_path / "catalog")
    with pytest.raises(DataError, match=words):
        import_storage(settings, file)
    assert not (tmp_path / "catalog" / "storage.csv").exists()
