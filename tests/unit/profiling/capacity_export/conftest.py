"""A schedule of office hours in Berlin."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from aiops_provider.profiling.capacity_policy import CapacityPolicy
from aiops_provider.profiling.capacity_schedule import CapacitySchedule, capacity_schedule

BERLIN = ZoneInfo("Europe/Berlin")
HOURS = [datetime(2026, 1, 5, tzinfo=UTC) + timedelta(hours=n) for n in range(24 * 28)]


def made_for(night: float = 10.0, **changes) -> CapacitySchedule:
    def demand(moment: datetime) -> float:
        wall = moment.astimezone(BERLIN)
        return 100.0 if wall.weekday() < 5 and 9 <= wall.hour < 17 else night

    terms = {
        "capacity_per_instance": 10.0,
        "cold_start_s": 300.0,
        "quantile": 0.8,
        "timezone": "Europe/Berlin",
        **changes,
    }
    return capacity_schedule([demand(t) for t in HOURS], HOURS, CapacityPolicy(**terms))


@pytest.fixture
def schedule() -> CapacitySchedule:
    return made_for()


@pytest.fixture
def make():
    return made_for


@pytest.fixture
def restless() -> CapacitySchedule:
    """A level of its own for nearly every hour."""
    values = [10.0 + 7.0 * ((31 * (n % 168)) % 97) for n in range(len(HOURS))]
    policy = CapacityPolicy(
        capacity_per_instance=1.0, change_cost_hours=0.0, hold_s=0.0, quantile=0.8
    )
    return capacity_schedule(values, HOURS, policy)
