"""Comparable past values, summed up."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import numpy as np
import pytest
from scipy import special

from aiops_provider.detection.reference import (
    DAY_S,
    HOUR_S,
    WEEK_S,
    YEAR_S,
    references,
    summarise,
)


def found(times_s, values, at_s=0.0, minimum=8):
    times = np.array(times_s, dtype=float)
    order = np.argsort(times)
    taken = references(times[order], np.array(values, dtype=float)[order], at_s, minimum=minimum)
    return {one.name: one for one in taken}


def test_too_few_values_give_no_reference():
    """Below the minimum there is nothing to compare with."""
    assert {} == found([-HOUR_S * n for n in range(1, 8)], range(7))


def test_the_same_time_of_day_needs_three_days():
    """Two days could be chance; from the third on the time of day is a reference."""
    quarter_hours = [-DAY_S * day + 600.0 * n for day in (1, 2) for n in range(-3, 4)]
    assert {"lately"} == found(quarter_hours, [1.0] * 14).keys()

    more = [*quarter_hours, -DAY_S * 3]
    assert {"lately", "at this time of day"} == found(more, [1.0] * 15).keys()


def test_the_same_time_of_the_week():
    """Eight Mondays are a reference of their own."""
    weeks = [-WEEK_S * week for week in range(1, 9)]
    other_days = [-DAY_S * day for day in range(1, 60) if day % 7]
    by_name = found([*weeks, *other_days], [5.0] * 8 + [50.0] * len(other_days))

    assert 5.0 == by_name["at this time of the week"].location
    assert 50.0 == by_name["at this time of day"].location


def test_the_same_season_a_year_back():
    """Days around the same date a year ago, at the same time of day, are a reference."""
    last_year = [-round(YEAR_S / DAY_S) * DAY_S + DAY_S * day for day in (-3, -2, -1, 0, 1, 2)]
    within_hour = [moment + 900.0 for moment in last_year]
    lately = [-DAY_S * day for day in range(1, 30)]
    values = [9.0] * 12 + [1.0] * 29
    by_name = found([*last_year, *within_hour, *lately], values)

    assert 9.0 == by_name["at this time of the year"].location


def test_many_values_of_one_season_vouch_for_less():
    """Twelve values of the same hour resemble each other; each day counts as two."""
    times = [-DAY_S * day + 60.0 * n for day in range(1, 11) for n in range(12)]

    assert 20 == found(times, np.arange(120.0))["at this time of day"].count


@pytest.mark.parametrize(
    ("values", "scale"),
    [
        ([1000.0] * 9, 5.0),  # half a percent of the level
        ([3.0] * 9, 0.5),  # half a unit of whole numbers
        ([0.95] * 9, 0.005 * 0.95),
        ([0.0] * 9, 0.5),
    ],
)
def test_a_constant_series_has_a_floor(values, scale):
    """A series that never changed does not alarm on rounding."""
    assert scale == pytest.approx(summarise("", np.array(values), 9).scale_above)


def test_rare_outliers_give_a_constant_series_a_scale():
    """Where most values are equal the mean deviation stands in for the median one."""
    summary = summarise("", np.array([0.0] * 18 + [50.0, 60.0]), 20)

    assert 0.0 == summary.location
    assert summary.scale_above > 5.0


def test_a_skewed_series_is_wider_on_its_long_side():
    """What is far below may be near above."""
    values = np.exp(np.random.default_rng(1).normal(size=400))
    summary = summarise("", values, 400)

    assert summary.scale_above > 1.3 * summary.scale_below


@pytest.mark.parametrize("count", [8, 14, 20, 56])
def test_p_values_are_not_too_small_when_all_is_well(count):
    """On normal noise at most 1.3 times as many samples fall below a p-value as it says."""
    generator = np.random.default_rng(count)
    trials = 4_000
    below = 0
    for _ in range(trials):
        *history, value = generator.normal(10.0, 2.0, count + 1)
        one = summarise("", np.array(history), count)
        p_value = 2 * special.stdtr(one.freedom, -abs(one.deviation(value)))
        below += p_value < 0.01
    assert below / trials < 0.013


@pytest.mark.parametrize("seed", range(12))
def test_looking_only_near_whole_periods_finds_what_a_full_search_does(seed):
    """At irregular moments over two years, some at the very edge, the same values are compared."""
    generator = np.random.default_rng(seed)
    edge = [-DAY_S * n + side * HOUR_S / 2 for n in range(400) for side in (-1, 1)]
    times = np.sort(np.concatenate((generator.uniform(-2 * YEAR_S, 0.0, 3_000), edge)))
    values = generator.normal(size=len(times))
    by_name = {one.name: one for one in references(times, values, 0.0, minimum=8)}
    for name, period_s in (("at this time of day", DAY_S), ("at this time of the week", WEEK_S)):
        seasons = np.round(-times / period_s)
        close = (np.abs(-times - seasons * period_s) <= HOUR_S / 2) & (seasons >= 1)
        count = min(int(close.sum()), 2 * len(np.unique(seasons[close])))

        assert summarise(name, values[close], count) == by_name[name]
    years, days = np.round(-times / YEAR_S), np.round(-times / DAY_S)
    close = (np.abs(-times - years * YEAR_S) <= 3 * DAY_S) & (years >= 1)
    close &= np.abs(-times - days * DAY_S) <= HOUR_S / 2
    name = "at this time of the year"
    count = min(int(close.sum()), 2 * len(np.unique(days[close])))

    assert summarise(name, values[close], count) == by_name[name]


@pytest.mark.parametrize(
    ("at", "is_peak"),
    [
        (datetime(2025, 3, 1, 6, tzinfo=UTC), lambda day: day.day == 1),
        (datetime(2025, 3, 15, 6, tzinfo=UTC), lambda day: day.day == 15),
        # Last days of 28, 30 and 31 days are the same day.
        (datetime(2025, 2, 28, 6, tzinfo=UTC), lambda day: (day + timedelta(days=1)).day == 1),
        (datetime(2025, 4, 30, 6, tzinfo=UTC), lambda day: (day + timedelta(days=1)).day == 1),
        (datetime(2024, 2, 29, 6, tzinfo=UTC), lambda day: (day + timedelta(days=1)).day == 1),
    ],
)
def test_the_same_day_of_the_month(at, is_peak):
    """Months have 28 to 31 days; what comes on every such day is found all the same."""
    past = [at - timedelta(days=n) for n in range(300, 0, -1)]
    values = [100.0 if is_peak(day) else 5.0 for day in past]
    by_name = found([day.timestamp() for day in past], values, at.timestamp())

    month = by_name["on this day of the month"]
    assert (100.0, 9, 5.0) == (month.location, month.count, by_name["lately"].location)


def test_the_day_of_the_month_needs_three_months():
    """Sixteen values of two months could be chance."""
    at = datetime(2025, 3, 1, 6, tzinfo=UTC)
    firsts = [datetime(2025, month, 1, 6, tzinfo=UTC).timestamp() for month in (1, 2)]
    near = [first + 120.0 * n for first in firsts for n in range(-4, 4)]
    old = [at.timestamp() - 95 * DAY_S + HOUR_S]
    name = "on this day of the month"
    assert name not in found([*old, *near], [1.0] * 17, at.timestamp())

    december = datetime(2024, 12, 1, 6, tzinfo=UTC).timestamp()
    month = found([*old, december, *near], [1.0] * 18, at.timestamp())[name]
    assert 6 == month.count  # two for each month, however many values it has
