"""What is kept between the rounds of the detection."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from aiops_provider.control.watch_position import Position
from aiops_provider.store import Store

NOW = datetime(2026, 11, 24, 14, tzinfo=UTC)
MINUTE = timedelta(minutes=1)


def test_false_alarms_of_a_week_are_expected_by_those_of_the_last_day(tmp_path):
    """Short rounds say little each, and a restart forgets nothing."""
    position = Position().moved(0, NOW, by_chance=1.0)
    assert position.false_alarms_per_week is None
    for minute in range(1, 3 * 1440):
        position = position.moved(minute, NOW + minute * MINUTE, by_chance=0.001)
    assert pytest.approx(10.08) == position.false_alarms_per_week
    busier = position.moved(9999, NOW + 3 * 1440 * MINUTE, by_chance=1.0)
    assert 10.08 < busier.false_alarms_per_week < 20
    store = Store.open(f"sqlite:///{tmp_path / 'aiops.db'}")
    store.upgrade()
    busier.write(store, Position())
    assert busier == Position.read(store)
    store.close()
