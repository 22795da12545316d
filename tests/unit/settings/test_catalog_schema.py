"""Pools that name only their machine type get the rest from the catalogue, the user's word first."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from aiops_provider.domain.cluster import Capacity, Pool
from aiops_provider.settings.load import load_settings
from aiops_provider.settings.schema import Settings

PRICES = "provider,region,name,purchase,usd_per_hour,source,date\n"


def settings(pool: dict[str, Any], **catalog: Any) -> Settings:
    cluster = {
        "name": "eks", "kind": "local", "provider": "aws", "region": "us-east-1", "pools": [pool],
    }  # fmt: skip
    return Settings.model_validate({"clusters": [cluster], "catalog": catalog})


def only_pool(made: Settings) -> Pool:
    return made.cluster_specs[0].pools[0]


def test_machine_type_is_enough():
    """A pool given only its instance_type has the machine and the price of the catalogue."""
    pool = only_pool(settings({"instance_type": "g5.xlarge"}))

    machine = pool.machine
    assert (machine.cores, machine.memory_gib, machine.accelerators) == (4, 16, {"A10G": 1})
    assert (1.006, "g5.xlarge") == (pool.price_usd_per_hour, pool.name)


def test_unknown_price_stays_unknown():
    """No spot price is made of the on-demand one."""
    pool = only_pool(settings({"instance_type": "g5.xlarge", "purchase": "spot"}))

    assert pool.price_usd_per_hour is None


def test_pool_wins_over_the_catalogue():
    """What the pool says itself holds."""
    machine = {"cores": 3, "memory_gib": 12}
    pool = only_pool(
        settings({"instance_type": "g5.xlarge", "machine": machine, "price_usd_per_hour": 0.7})
    )

    assert (Capacity(cores=3, memory_gib=12), 0.7) == (pool.machine, pool.price_usd_per_hour)


@pytest.mark.parametrize("region", [None, "us-east-1"])
def test_negotiated_price_wins(region: str | None):
    """A negotiated price holds in its region, or everywhere when it names none."""
    own = {"provider": "aws", "instance_type": "g5.xlarge", "price_usd_per_hour": 0.6}
    if region is not None:
        own["region"] = region
    pool = only_pool(settings({"instance_type": "g5.xlarge"}, prices=[own]))

    assert 0.6 == pool.price_usd_per_hour


def test_price_of_another_region_does_not_hold_here():
    """A price negotiated for Frankfurt says nothing of Virginia."""
    own = {
        "provider": "aws", "region": "eu-central-1", "instance_type": "g5.xlarge",
        "price_usd_per_hour": 0.6,
    }  # fmt: skip

    assert (
        1.006
        == only_pool(settings({"instance_type": "g5.xlarge"}, prices=[own])).price_usd_per_hour
    )


def test_on_premises_machine_has_the_cost_that_the_user_worked_out():
    """A data centre's cost per hour is given once for all pools of that machine."""
    pool = {"instance_type": "rack-2024", "machine": {"cores": 64, "memory_gib": 512}}
    made = Settings.model_validate(
        {
            "clusters": [{"name": "onprem", "kind": "local", "pools": [pool]}],
            "catalog": {"prices": [{"instance_type": "rack-2024", "price_usd_per_hour": 1.9}]},
        }
    )

    assert 1.9 == only_pool(made).price_usd_per_hour


def test_refreshed_folder_lies_beside_the_file(tmp_path):
    """A relative catalog.folder is looked for beside aiops.yaml."""
    (tmp_path / "tables").mkdir()
    (tmp_path / "tables" / "prices.csv").write_text(
        PRICES + "aws,us-east-1,g5.xlarge,spot,0.41,test,2026-11-20\n"
    )
    file = tmp_path / "aiops.yaml"
    file.write_text(
        "catalog: {folder: tables}\n"
        "clusters:\n"
        "  - {name: eks, kind: local, provider: aws, region: us-east-1,\n"
        "     pools: [{instance_type: g5.xlarge, purchase: spot}]}\n"
    )

    assert 0.41 == only_pool(load_settings(file, {})).price_usd_per_hour


def test_broken_table_is_an_error_of_the_configuration(tmp_path):
    """A table of the user's folder that cannot be used is named with its line."""
    (tmp_path / "prices.csv").write_text(
        PRICES + "aws,us-east-1,g5.xlarge,spot,cheap,t,2026-11-20\n"
    )

    with pytest.raises(ValidationError, match=r"prices\.csv:2: usd_per_hour"):
        settings({"instance_type": "g5.xlarge"}, folder=str(tmp_path))


def test_key_of_a_price_list_may_come_from_the_environment():
    """The key need not stand in a file, and is masked wherever settings are shown."""
    made = load_settings(None, {"AIOPS__CATALOG__GOOGLE_API_KEY": "hush"})

    assert made.catalog.google_api_key is not None
    assert "hush" == made.catalog.google_api_key.get_secret_value()
    assert "hush" not in repr(made)
