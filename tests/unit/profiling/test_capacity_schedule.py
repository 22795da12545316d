"""Instances over a week: ahead of the demand, within limits, with few changes."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import numpy as np
import pytest

from aiops_provider.errors import DataError
from aiops_provider.profiling.capacity_demand import week_of_demand
from aiops_provider.profiling.capacity_policy import CapacityPolicy
from aiops_provider.profiling.capacity_reaction import reaction_for
from aiops_provider.profiling.capacity_schedule import capacity_schedule, schedule_for

START = datetime(2026, 1, 5, tzinfo=UTC)
HOURS = [START + timedelta(hours=n) for n in range(24 * 28)]
POLICY = CapacityPolicy(capacity_per_instance=10.0, cold_start_s=300.0, quantile=0.8)


def office(moment: datetime) -> float:
    return 100.0 if moment.weekday() < 5 and 9 <= moment.hour < 17 else 10.0


DEMAND = [office(moment) for moment in HOURS]


def test_instances_are_ordered_before_they_are_needed():
    """Ten from nine o'clock on, ordered at 8:55; given back at five, not earlier."""
    made = capacity_schedule(DEMAND, HOURS, POLICY)
    assert (made.smallest, made.largest) == (1, 10)
    monday = [(e.minute_of_week, e.instances) for e in made.events if e.minute_of_week < 24 * 60]
    assert monday == [(8 * 60 + 55, 10), (17 * 60, 1)]
    assert len(made.events) == 10
    assert "ready at Mon 09:00" in made.events[0].reason
    assert made.sample_count == len(HOURS)


def test_terms_come_from_the_last_days():
    """Without a quantile the one is taken that would have cost least; the working hours are met."""
    made = capacity_schedule(DEMAND, HOURS, replace(POLICY, quantile=None))
    assert "replayed" in made.reaction.reason
    assert made.largest == 10
    short = capacity_schedule(DEMAND[:20], HOURS[:20], replace(POLICY, quantile=None))
    assert (short.quantile, short.reaction.sample_count) == (0.8, 0)


def test_what_stands_is_never_undercut_and_never_above_the_maximum():
    week = week_of_demand(DEMAND, HOURS)
    reaction = reaction_for(DEMAND, HOURS, 60.0)
    always = schedule_for(week, POLICY, reaction, 0.8, 35.0)
    assert min(always.instances) == always.smallest == 4
    assert "4 all week" in always.reason
    limited = schedule_for(week, replace(POLICY, maximum=3), reaction, 0.8, 35.0)
    assert set(limited.instances) == {3}


@pytest.mark.parametrize("cold_start_s", [0.0, 60.0, 300.0, 5400.0])
def test_every_slot_has_its_instances_when_it_begins(cold_start_s):
    """Also where the cold start is longer than a slot."""
    made = capacity_schedule(DEMAND, HOURS, replace(POLICY, cold_start_s=cold_start_s))
    for slot, instances in enumerate(made.instances):
        begins = START + timedelta(hours=slot)
        assert made.ordered_at(begins - timedelta(seconds=cold_start_s)) >= instances


def test_events_lead_from_one_to_the_next_and_round_the_week():
    rng = np.random.default_rng(3)
    noisy = [value * float(rng.lognormal(0, 0.3)) for value in DEMAND]
    made = capacity_schedule(noisy, HOURS, replace(POLICY, change_cost_hours=0.0))
    for event, following in zip(made.events, made.events[1:] + made.events[:1], strict=True):
        assert event.instances == following.before != event.before


def test_dearer_changes_are_fewer():
    rng = np.random.default_rng(3)
    noisy = [value * float(rng.lognormal(0, 0.3)) for value in DEMAND]
    counts = [
        len(capacity_schedule(noisy, HOURS, replace(POLICY, change_cost_hours=cost)).events)
        for cost in (0.0, 2.0, 20.0, 2000.0)
    ]
    assert counts == sorted(counts, reverse=True)
    assert counts[0] > counts[2]
    assert counts[3] == 0


def test_limits_hold_and_what_is_short_is_counted():
    made = capacity_schedule(DEMAND, HOURS, replace(POLICY, minimum=2, maximum=6))
    assert (made.smallest, made.largest, made.short_slots) == (2, 6, 40)


def test_nothing_changes_where_nothing_is_asked():
    made = capacity_schedule([35.0] * len(HOURS), HOURS, POLICY)
    assert made.events == ()
    assert (made.smallest, made.largest) == (4, 4)
    assert made.ordered_at(START) == 4


def test_without_demand_and_minimum_nothing_runs():
    made = capacity_schedule([0.0] * len(HOURS), HOURS, replace(POLICY, minimum=0))
    assert set(made.instances) == {0}


def test_the_clock_change_keeps_the_hours_of_the_people():
    """In summer and winter, ten instances at nine in Berlin; the day without 02:30 has no hole."""
    berlin = ZoneInfo("Europe/Berlin")
    demand = [office(moment.astimezone(berlin)) for moment in HOURS]
    made = capacity_schedule(demand, HOURS, replace(POLICY, timezone="Europe/Berlin"))
    for day in (datetime(2026, 1, 12), datetime(2026, 7, 13)):  # noqa: DTZ001
        assert made.ordered_at(day.replace(hour=9, tzinfo=berlin)) == 10
        assert made.ordered_at(day.replace(hour=8, minute=50, tzinfo=berlin)) == 1
    spring, autumn = datetime(2026, 3, 29, tzinfo=UTC), datetime(2026, 10, 25, tzinfo=UTC)
    for changing in (spring, autumn):
        assert {made.ordered_at(changing + timedelta(minutes=5 * n)) for n in range(48)} == {1}


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"capacity_per_instance": 0.0}, "capacity_per_instance"),
        ({"capacity_per_instance": float("nan")}, "capacity_per_instance"),
        ({"quantile": 1.0}, "quantile"),
        ({"shortage_cost": 0.0}, "shortage_cost"),
        ({"patience_s": -1.0}, "patience_s"),
        ({"cold_start_s": -1.0}, "cold_start_s"),
        ({"hold_s": float("inf")}, "hold_s"),
        ({"change_cost_hours": -0.1}, "change_cost_hours"),
        ({"minimum": -1}, "minimum"),
        ({"minimum": 3, "maximum": 2}, "maximum"),
        ({"maximum": 0, "minimum": 0}, "maximum"),
    ],
)
def test_an_impossible_policy_is_refused(change, field):
    with pytest.raises(DataError) as refused:
        replace(POLICY, **change)
    assert refused.value.field == field
