"""Past demand by the wall clock: gaps, clock changes, disorder, and what is refused."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import numpy as np
import pytest

from aiops_provider.errors import DataError
from aiops_provider.profiling.capacity_demand import minute_of_week, week_of_demand

BERLIN = ZoneInfo("Europe/Berlin")
# Three weeks around the end of summer time (25 October 2026), from a Wednesday at noon.
START = datetime(2026, 10, 7, 12, tzinfo=UTC)
HOURS = [START + timedelta(hours=n) for n in range(24 * 21)]


def office(moment: datetime) -> float:
    """Busy from 9 to 17 on working days in Berlin."""
    wall = moment.astimezone(BERLIN)
    return 100.0 if wall.weekday() < 5 and 9 <= wall.hour < 17 else 10.0


def test_the_week_starts_on_monday_of_the_wall_clock():
    """Before and after the clocks change, nine o'clock is nine o'clock."""
    week = week_of_demand([office(t) for t in HOURS], HOURS, timezone="Europe/Berlin")
    expected = [
        100.0 if day < 5 and 9 <= hour < 17 else 10.0 for day in range(7) for hour in range(24)
    ]
    assert np.abs(week.quantiles[0.5] - expected).mean() < 3.0
    busy = np.array(expected) == 100.0
    assert week.quantiles[0.5][busy].min() > 50.0 > week.quantiles[0.5][~busy].max()


def test_disorder_and_missing_days_change_little():
    """Two days are lost and the rows shuffled; the working hours are still the busy ones."""
    kept = [t for t in HOURS if t.date().isoformat() not in {"2026-10-14", "2026-10-20"}]
    shuffled = list(np.random.default_rng(0).permutation(len(kept)))
    times = [kept[index] for index in shuffled]
    week = week_of_demand([office(t) for t in times], times, timezone="Europe/Berlin")
    assert week.quantiles[0.5][2 * 24 + 12] > 4 * week.quantiles[0.5][6 * 24 + 12]
    assert "48 missing steps filled" in week.forecast.reason


def test_a_constant_demand_stays_constant():
    week = week_of_demand([7.0] * len(HOURS), HOURS)
    assert set(week.at(0.95)) == {7.0}


def test_one_value_is_enough_to_say_something():
    assert set(week_of_demand([7.0], HOURS[:1]).at(0.5)) == {7.0}


def test_shorter_slots():
    """A week of quarter hours; the samples within one count by their 0.9 quantile."""
    times = [START + timedelta(minutes=5 * n) for n in range(3 * 24 * 12)]
    values = [float(n % 3) for n in range(len(times))]
    week = week_of_demand(values, times, slot_s=900.0)
    assert len(week.at(0.8)) == 7 * 96
    assert week.at(0.5)[0] == pytest.approx(np.quantile([0, 1, 2], 0.9))


def test_between_two_levels_lies_the_line():
    week = week_of_demand([office(t) for t in HOURS], HOURS)
    assert np.allclose(week.at(0.85), (week.at(0.8) + week.at(0.9)) / 2)
    assert np.array_equal(week.at(0.999), week.at(0.975))


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"values": [-1.0] * 3}, "values[0]"),
        ({"values": [1.0, float("inf"), 1.0]}, "values[1]"),
        ({"values": [float("nan")] * 3}, "values"),
        ({"values": [], "times": []}, "values"),
        ({"values": [1.0]}, "times"),
        ({"times": [t.replace(tzinfo=None) for t in HOURS[:3]]}, "times"),
        ({"slot_s": 7 * 60.0}, "slot_s"),
        ({"slot_s": 90.0}, "slot_s"),
        ({"slot_s": float("nan")}, "slot_s"),
        ({"timezone": "Mars/Olympus"}, "timezone"),
        ({"timezone": ""}, "timezone"),
        ({"timezone": "../etc/passwd"}, "timezone"),
    ],
)
def test_what_cannot_be_used_is_named(change, field):
    given = {"values": [1.0] * 3, "times": HOURS[:3], **change}
    with pytest.raises(DataError) as refused:
        week_of_demand(given.pop("values"), given.pop("times"), **given)
    assert refused.value.field == field


def test_the_minute_of_the_week_is_that_of_the_wall_clock():
    assert minute_of_week(datetime(2026, 7, 6, 22, 30, tzinfo=UTC), BERLIN) == 24 * 60 + 30
    with pytest.raises(DataError, match="time zone"):
        minute_of_week(datetime(2026, 7, 6), BERLIN)  # noqa: DTZ001
