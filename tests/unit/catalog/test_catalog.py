from __future__ import annotations

import subprocess
import sys
from datetime import date
from pathlib import Path

import pytest

from aiops_provider.catalog import Catalog
from aiops_provider.domain.cluster import Capacity, Purchase
from aiops_provider.domain.machine import Price
from aiops_provider.errors import DataError

CLOUDS = ("aws", "azure", "google_cloud")


@pytest.fixture(scope="module")
def catalog() -> Catalog:
    return Catalog.embedded()


def test_knows_at_least_sixty_machine_types_over_three_clouds(catalog: Catalog) -> None:
    """The embedded catalogue holds at least 60 types, some of each of the three clouds."""
    machines = list(catalog.machines())

    assert len(machines) >= 60
    assert set(CLOUDS) == {machine.provider for machine in machines}


@pytest.mark.parametrize("model", ["T4", "V100", "A10G", "L4", "A100", "A100-80GB", "H100"])
def test_knows_the_common_accelerators(catalog: Catalog, model: str) -> None:
    """Each common generation has facts and a machine that offers it."""
    facts = catalog.accelerator(model)

    assert facts is not None
    assert None not in {facts.fp16_tflops, facts.bandwidth_gb_per_s}
    assert any(machine.capacity.accelerators for machine in catalog.machines(accelerator=model))


@pytest.mark.parametrize("provider", CLOUDS)
def test_prices_at_least_three_regions_of_each_cloud(catalog: Catalog, provider: str) -> None:
    """Each cloud has three regions or more in which at least twenty types have a price."""
    priced = {
        region.name: len(list(catalog.machines(provider=provider, region=region.name)))
        for region in catalog.regions(provider)
    }

    assert sum(count >= 20 for count in priced.values()) >= 3


def test_every_row_says_where_it_is_from(catalog: Catalog) -> None:
    """A source is a link or stands in the list of sources, with title, licence and date."""
    named = {row.source for row in (*catalog.machines(), *catalog.prices())}
    named |= {facts.source for facts in catalog.accelerators()}
    named |= {region.source for region in catalog.regions() if region.source}

    assert set() == {
        name
        for name in named
        if not name.startswith("https://")
        and not ((source := catalog.source(name)) and source.title and source.licence)
    }


def test_no_price_is_zero(catalog: Catalog) -> None:
    """A price of 0 is a price that could not be read."""
    assert [] == [price for price in catalog.prices() if price.usd_per_hour == 0]


def test_machine_of_aws(catalog: Catalog) -> None:
    """The shape of a machine is the one that its provider documents."""
    machine = catalog.machine("aws", "p4d.24xlarge")

    assert machine.capacity == Capacity(cores=96, memory_gib=1152, accelerators={"A100": 8})
    assert machine.network_gbps == 400
    assert machine.accelerator_memory_gib == 40


def test_variants_of_one_model_stand_in_for_each_other(catalog: Catalog) -> None:
    """A task that asks for an H100 also finds the NVL form, whose own facts are kept."""
    machine = catalog.machine("azure", "Standard_NC40ads_H100_v5")
    facts = catalog.accelerator("H100-NVL")

    assert {"H100": 1} == dict(machine.capacity.accelerators)
    assert facts is not None
    assert facts.memory_gib == 94


def test_unknown_machine_type_names_the_nearest(catalog: Catalog) -> None:
    """A misspelt machine type is refused with the names that are spelt most like it."""
    with pytest.raises(DataError, match=r"m7i\.4xlarge") as refused:
        catalog.machine("aws", "m7i.4xlarg")

    assert refused.value.value == "m7i.4xlarg"


def test_provider_has_many_spellings(catalog: Catalog) -> None:
    """``gcp`` and ``google_cloud`` are one provider."""
    assert catalog.machine("gcp", "n2-standard-8") is catalog.machine(
        "google_cloud", "n2-standard-8"
    )


@pytest.mark.parametrize("name", ["NVIDIA H100 80GB", "nvidia-h100-80gb", "h100", "H100-SXM5-80GB"])
def test_accelerator_has_many_spellings(catalog: Catalog, name: str) -> None:
    """The names that drivers, Google Cloud and people write lead to one accelerator."""
    facts = catalog.accelerator(name)

    assert facts is not None
    assert facts.name == "H100"


def test_unknown_stays_unknown(catalog: Catalog) -> None:
    """What no source tells is None, not 0."""
    assert catalog.price("aws", "eu-central-1", "p5.48xlarge") is None
    assert catalog.price("aws", "us-east-1", "m7i.xlarge", Purchase.SPOT) is None
    assert catalog.accelerator("TPU v99") is None
    assert catalog.egress_usd_per_gib("aws", "us-east-1", "aws", "mars-1") is None
    assert catalog.round_trip_ms("aws", "us-east-1", "on_premises", "no-oslo") is None
    assert catalog.carbon_g_per_kwh("aws", "xx-test-1") is None


def test_filters_by_what_a_machine_offers(catalog: Catalog) -> None:
    """Only machines that offer all that is asked for are listed."""
    found = list(
        catalog.machines(
            provider="aws", region="us-east-1", min_cores=16, min_memory_gib=64,
            accelerator="a10g", min_accelerators=4,
        )
    )  # fmt: skip

    assert found
    assert all(machine.accelerator == "A10G" for machine in found)
    assert min(machine.accelerator_count for machine in found) >= 4
    assert min(machine.cores for machine in found) >= 16


def test_filters_by_memory_of_one_accelerator(catalog: Catalog) -> None:
    """Where the machine does not say how much memory an accelerator has, the datasheet does."""
    found = {
        machine.accelerator
        for machine in catalog.machines(provider="google_cloud", min_accelerator_memory_gib=80)
    }

    assert {"A100-80GB", "H100"} == found


def test_egress_depends_on_the_direction(catalog: Catalog) -> None:
    """Data that leaves São Paulo is dearer than data that goes there, and none inside a region."""
    away = catalog.egress_usd_per_gib("aws", "sa-east-1", "aws", "us-east-1")
    back = catalog.egress_usd_per_gib("aws", "us-east-1", "aws", "sa-east-1")

    assert (away, back) == (0.138, 0.02)
    assert catalog.egress_usd_per_gib("aws", "sa-east-1", "aws", "sa-east-1") == 0


def test_round_trip_over_clouds(catalog: Catalog) -> None:
    """Round trips between clouds are those measured."""
    between = catalog.round_trip_ms("aws", "eu-central-1", "gcp", "europe-west3")

    assert between is not None
    assert 0 < between < 10


def test_carbon_of_a_region(catalog: Catalog) -> None:
    """Carbon intensity is known for Google Cloud."""
    assert catalog.carbon_g_per_kwh("gcp", "europe-west4") == 236


def test_negotiated_price_wins() -> None:
    """A price of the user wins over the embedded one."""
    own = Price(
        provider="aws", region="us-east-1", name="g5.xlarge", purchase=Purchase.ON_DEMAND,
        usd_per_hour=0.5, source="aiops.yaml", observed_on=date(2026, 11, 1),
    )  # fmt: skip

    assert own == Catalog.load(prices=[own]).price("aws", "us-east-1", "g5.xlarge")


def test_refreshed_folder_wins_row_by_row(tmp_path: Path) -> None:
    """Rows of the user's folder replace embedded ones, the others stay."""
    (tmp_path / "prices.csv").write_text(
        "provider,region,name,purchase,usd_per_hour,source,date\n"
        "aws,us-east-1,g5.xlarge,on_demand,0.9,AWS Price List,2026-11-20\n"
    )
    catalog = Catalog.load(tmp_path)
    new = catalog.price("aws", "us-east-1", "g5.xlarge")
    old = catalog.price("aws", "us-east-1", "g5.2xlarge")

    assert new is not None
    assert (new.usd_per_hour, new.source) == (0.9, "AWS Price List")
    assert old is not None


def test_missing_folder_is_no_error(tmp_path: Path) -> None:
    """Nothing refreshed yet: the embedded catalogue alone."""
    assert Catalog.load(tmp_path / "none").machine("aws", "g5.xlarge").cores == 4


@pytest.mark.parametrize(
    ("cell", "field"),
    [
        ("aws,us-east-1,g5.xlarge,on_demand,dear,list,2026-11-20", "usd_per_hour"),
        ("aws,us-east-1,g5.xlarge,on_demand,nan,list,2026-11-20", "usd_per_hour"),
        ("aws,us-east-1,g5.xlarge,on_demand,,list,2026-11-20", "usd_per_hour"),
        ("aws,us-east-1,g5.xlarge,lottery,1,list,2026-11-20", "purchase"),
        ("aws,us-east-1,g5.xlarge,on_demand,1,list,yesterday", "date"),
        ("aws,us-east-1,,on_demand,1,list,2026-11-20", "name"),
    ],
)
def test_a_cell_that_cannot_be_used_is_named(tmp_path: Path, cell: str, field: str) -> None:
    """The error names file, line and column."""
    file = tmp_path / "prices.csv"
    file.write_text(f"provider,region,name,purchase,usd_per_hour,source,date\n{cell}\n")

    with pytest.raises(DataError) as refused:
        Catalog.load(tmp_path).price("aws", "us-east-1", "g5.xlarge")

    assert (field, str(file), 2) == (refused.value.field, refused.value.file, refused.value.line)


def test_prices_age(catalog: Catalog) -> None:
    """A price tells its age, and is stale after the time in which prices of its kind change."""
    price = catalog.price("gcp", "us-central1", "n2-standard-8", Purchase.SPOT)

    assert price is not None
    assert price.observed_on == date(2026, 8, 3)
    assert price.age_days(date(2026, 8, 5)) == 2
    assert not price.stale(date(2026, 8, 5))
    assert price.stale(date(2026, 8, 11))


def test_imports_nothing_heavy() -> None:
    """Looking up a machine loads no engine, no cloud's library and no YAML."""
    program = (
        "import sys; from aiops_provider.catalog import Catalog;"
        "Catalog.embedded().machine('aws', 'g5.xlarge');"
        "print(sorted({'numpy', 'pandas', 'boto3', 'httpx', 'yaml'} & set(sys.modules)))"
    )
    said = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )

    assert said.stdout.strip() == "[]"
