"""What machines emit: by the catalogue's figures, by the user's, and what stands for unknown ones."""

from __future__ import annotations

import csv
import os
from pathlib import Path

import pytest

from aiops_provider.catalog import Catalog
from aiops_provider.domain.cluster import Capacity
from aiops_provider.settings.schema import Settings

MACHINE = Capacity(cores=4, memory_gib=16)
# Half busy: 0.74 W idle and 3.5 W full for one virtual CPU of AWS, with 13.5 % for the data centre.
AWS_WATTS = 4 * (0.74 + 3.5) / 2 * 1.135
SHARED = Path(os.environ.get("AIOPS_SHARED_DATA") or Path(__file__).parents[4] / "shared/data")
IMPACT = SHARED / "placement" / "region-carbon" / "impact.csv"


@pytest.fixture(scope="module")
def catalog() -> Catalog:
    return Catalog.embedded()


def test_power_times_grid(catalog):
    """Four cores in Frankfurt: watts by the provider's mean, 311 g a kWh."""
    rate = catalog.emissions.rate("aws", "eu-central-1", MACHINE)
    assert rate.known
    assert rate.kg_per_hour == pytest.approx(AWS_WATTS / 1000 * 311 / 1000)


def test_accelerators_draw_by_their_datasheet(catalog):
    """A T4 takes 70 W; half busy it is nearer to idle than to that."""
    with_t4 = Capacity(cores=4, memory_gib=16, accelerators={"T4": 1})
    rate = catalog.emissions.rate("aws", "eu-central-1", with_t4)
    plain = catalog.emissions.rate("aws", "eu-central-1", MACHINE)
    watts = (rate.kg_per_hour - plain.kg_per_hour) * 1e6 / 311 / 1.135
    assert rate.known
    assert 35 < watts < 42


@pytest.mark.parametrize(
    ("provider", "region", "machine"),
    [
        ("aws", "xx-test-1", MACHINE),
        ("on_premises", "no-oslo", MACHINE),
        ("google_cloud", "europe-west4", MACHINE),  # its grid is known, its power is not
        ("aws", "eu-central-1", Capacity(cores=4, memory_gib=16, accelerators={"A10G": 1})),
    ],
)
def test_unknown_never_looks_clean(catalog, provider, region, machine):
    """The most that is known stands for it, and the rate says so."""
    rate = catalog.emissions.rate(provider, region, machine)
    assert not rate.known
    clean = catalog.emissions.rate("aws", "eu-central-1", MACHINE)
    dirty = catalog.emissions.rate("aws", "af-south-1", machine)
    assert rate.kg_per_hour > 0
    if region != "europe-west4":
        assert rate.kg_per_hour > clean.kg_per_hour
    else:
        assert rate.kg_per_hour >= dirty.kg_per_hour * 236 / 900.6


def test_what_the_user_knows_wins(catalog):
    """Measured watts and a contract for clean power."""
    rate = catalog.emissions.rate("on_premises", "no-oslo", MACHINE, watts=500, g_per_kwh=20)
    assert (True, pytest.approx(0.01)) == (rate.known, rate.kg_per_hour)


def test_settings_carry_it(tmp_path):
    """carbon_g_per_kwh of a cluster and watts of its pools; the objective has the price."""
    pool = {"name": "p", "machine": {"cores": 4, "memory_gib": 16}, "watts": 500}
    made = Settings.model_validate(
        {
            "objective": {"carbon_usd_per_kg": 0.2},
            "clusters": [
                {
                    "name": "oslo", "kind": "local", "region": "no-oslo", "pools": [pool],
                    "carbon_g_per_kwh": 20,
                }
            ],
        }
    )  # fmt: skip
    (rate,) = [pool.carbon for pool in made.cluster_specs[0].pools]
    assert rate is not None
    assert (True, pytest.approx(0.01)) == (rate.known, rate.kg_per_hour)
    assert 0.2 == made.objective.to_domain().carbon_usd_per_kg
    with pytest.raises(ValueError, match="carbon_usd_per_kg"):
        Settings.model_validate({"objective": {"carbon_usd_per_kg": -1}})


@pytest.mark.shared_data
@pytest.mark.skipif(not IMPACT.is_file(), reason=f"{IMPACT} is absent")
def test_regions_of_google_cloud_are_those_of_the_list(catalog):
    """Against the table that was put together apart from ours, region by region."""
    with IMPACT.open(encoding="utf-8-sig", newline="") as lines:
        listed = {row["region"]: float(row["impact"]) for row in csv.DictReader(lines)}
    misspelt = {"me-cenrtal1": "me-central1"}
    ours = {
        region: catalog.carbon_g_per_kwh("google_cloud", misspelt.get(region, region))
        for region in listed
    }
    assert len(listed) == 40
    assert listed == ours


def test_both_lists_agree_where_clouds_stand_in_one_city(catalog):
    """Lists of different makers name the same grids: far apart, one of them would be misread."""
    pairs = [
        (("aws", "eu-central-1"), ("google_cloud", "europe-west3")),
        (("aws", "eu-west-2"), ("google_cloud", "europe-west2")),
        (("aws", "ap-northeast-1"), ("google_cloud", "asia-northeast1")),
        (("aws", "ap-south-1"), ("google_cloud", "asia-south1")),
        (("azure", "eastus"), ("google_cloud", "us-east4")),
        (("azure", "uksouth"), ("google_cloud", "europe-west2")),
    ]
    for one, other in pairs:
        first, second = catalog.carbon_g_per_kwh(*one), catalog.carbon_g_per_kwh(*other)
        assert first is not None, one
        assert second is not None, other
        assert 0.5 < first / second < 2.0, (one, other, first, second)
