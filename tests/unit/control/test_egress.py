"""The planner learns what moving data costs from the catalogue and the settings."""

from __future__ import annotations

from aiops_provider.control.egress import egress_prices
from aiops_provider.settings.schema import Settings


def settings(**catalog: object) -> Settings:
    machine = {"cores": 4, "memory_gib": 16}
    return Settings.model_validate(
        {
            "clusters": [
                {
                    "name": "brazil", "kind": "local", "provider": "aws", "region": "sa-east-1",
                    "capacity": machine,
                },
                {
                    "name": "oslo", "kind": "local", "region": "no-oslo", "capacity": machine,
                },
            ],
            "catalog": catalog,
        }
    )  # fmt: skip


def test_prices_come_from_the_catalogue():
    """Data in Virginia that is read in São Paulo has the price of the catalogue."""
    made = settings()

    assert 0.02 == egress_prices(made, made.cluster_specs)["us-east-1"]["sa-east-1"]


def test_prices_between_clouds():
    """Data of Azure that leaves for AWS pays the internet price."""
    made = settings()

    assert 0.0875 == egress_prices(made, made.cluster_specs)["eastus"]["sa-east-1"]


def test_unknown_price_is_left_out():
    """Nothing is known of a data centre until the user says it."""
    made = settings()

    assert "no-oslo" not in egress_prices(made, made.cluster_specs)["us-east-1"]


def test_price_of_the_user_wins():
    """A price in aiops.yaml wins, and adds what the catalogue cannot know."""
    own = [
        {"from_region": "us-east-1", "to_region": "sa-east-1", "usd_per_gib": 0.01},
        {"from_region": "no-oslo", "to_region": "sa-east-1", "usd_per_gib": 0.0},
    ]
    made = settings(egress=own)
    prices = egress_prices(made, made.cluster_specs)

    assert (0.01, 0.0) == (prices["us-east-1"]["sa-east-1"], prices["no-oslo"]["sa-east-1"])
