"""The doctor says which prices are unknown or too old, for plans are made from them."""

from __future__ import annotations

from datetime import date
from typing import Any

from aiops_provider.control.doctor_prices import check_prices
from aiops_provider.control.finding import Finding, Verdict
from aiops_provider.settings.schema import Settings

SOON = date(2026, 7, 25)
LATER = date(2027, 7, 25)


def findings(today: date, *pools: dict[str, Any]) -> list[Finding]:
    cluster = {
        "name": "eks", "kind": "local", "provider": "aws", "region": "us-east-1",
        "pools": list(pools),
    }  # fmt: skip
    return list(check_prices(Settings.model_validate({"clusters": [cluster]}), today))


def test_fresh_prices_are_fine():
    """One finding tells how many there are and how old the oldest is."""
    (found,) = findings(SOON, {"instance_type": "g5.xlarge"}, {"instance_type": "m7i.large"})

    assert Verdict.OK is found.verdict
    assert "2 from the catalogue, the oldest 5 days old" in found.detail


def test_old_price_is_a_warning():
    """A price of last year is named with its pool and what to do."""
    (found,) = findings(LATER, {"instance_type": "g5.xlarge"})

    assert Verdict.WARN is found.verdict
    assert "pool g5.xlarge of cluster eks is 370 days old" in found.detail
    assert "aiops catalog refresh" in found.mend


def test_unknown_price_is_a_warning():
    """A spot price that nobody knows makes plans avoid the pool, which one should know."""
    (found,) = findings(SOON, {"instance_type": "g5.xlarge", "purchase": "spot"})

    assert Verdict.WARN is found.verdict
    assert "no known spot price" in found.detail


def test_prices_of_the_user_are_not_judged():
    """What the user says holds, and pools without a machine type have no list price."""
    machine = {"cores": 4, "memory_gib": 16}

    assert [] == findings(
        LATER, {"instance_type": "g5.xlarge", "price_usd_per_hour": 0.7}, {"machine": machine}
    )
