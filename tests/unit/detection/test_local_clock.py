"""Local time: the days on which it jumps, and the days on which people rest."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from aiops_provider.detection.baseline import Baseline
from aiops_provider.detection.local_clock import ClockError, LocalClock
from aiops_provider.detection.reference import DAY_S, references
from aiops_provider.detection.rhythm import utc_hour_of_week
from aiops_provider.detection.rules_file import load_rules
from aiops_provider.detection.seasonal import SeasonalDetector
from aiops_provider.detection.verdict import ALARM_P
from aiops_provider.domain.kpi import KpiSample
from aiops_provider.errors import RuleError

ZONES = (
    "UTC", "Europe/Berlin", "America/New_York", "Australia/Sydney", "America/Santiago",
    "Australia/Lord_Howe", "Asia/Kolkata", "Pacific/Apia", "Africa/Casablanca",
)  # fmt: skip


def wall(moment_s, zone):
    """What Python's own calendar makes of it."""
    at = datetime.fromtimestamp(moment_s, ZoneInfo(zone))
    return at.replace(tzinfo=UTC).timestamp()


@pytest.mark.parametrize("zone", ZONES)
@given(
    moments=st.lists(
        st.floats(8e8, 2.08e9),
        min_size=1, max_size=40,
    )
)  # fmt: skip
@settings(max_examples=40, deadline=None)
def test_local_time_is_that_of_the_calendar(zone, moments):
    """To the second in any year, one by one and all at once."""
    ordered = np.sort(np.array(moments))
    clock = LocalClock(zone)
    expected = [wall(float(moment), zone) for moment in ordered]

    assert expected == pytest.approx([clock.local(float(moment)) for moment in ordered], abs=1e-3)
    assert expected == pytest.approx(clock.local_times(ordered), abs=1e-3)


JUMPS = [
    # zone, first second of the new offset (UTC), seconds that the clock jumps by
    ("Europe/Berlin", datetime(2026, 3, 29, 1, tzinfo=UTC), 3_600.0),
    ("Europe/Berlin", datetime(2026, 10, 25, 1, tzinfo=UTC), -3_600.0),
    ("America/New_York", datetime(2026, 3, 8, 7, 0, tzinfo=UTC), 3_600.0),
    ("America/New_York", datetime(2026, 11, 1, 6, 0, tzinfo=UTC), -3_600.0),
    ("Australia/Sydney", datetime(2026, 4, 4, 16, 0, tzinfo=UTC), -3_600.0),
    ("Australia/Sydney", datetime(2026, 10, 3, 16, 0, tzinfo=UTC), 3_600.0),
    ("Australia/Lord_Howe", datetime(2026, 4, 4, 15, 0, tzinfo=UTC), -1_800.0),
    ("Australia/Lord_Howe", datetime(2026, 10, 3, 15, 30, tzinfo=UTC), 1_800.0),
]


@pytest.mark.parametrize(("zone", "jump", "by"), JUMPS)
def test_the_very_second_of_a_change(zone, jump, by):
    """The clock jumps at that second, and not one before."""
    at = jump.timestamp()
    clock = LocalClock(zone)

    assert 1.0 == clock.local(at - 1.0) - clock.local(at - 2.0)
    assert by + 1.0 == clock.local(at) - clock.local(at - 1.0)
    times = np.arange(at - 7_200.0, at + 7_200.0, 60.0)
    assert [by + 60.0] == [step for step in np.diff(clock.local_times(times)) if step != 60.0]


def busy_from_nine(zone, begin, days, *, level=lambda day: 100.0):
    """Half-hourly values that follow the local clock: a peak from nine to ten."""
    baseline = Baseline()
    at = begin
    rng = np.random.default_rng(2)
    while at < begin + timedelta(days=days):
        local = at.astimezone(ZoneInfo(zone))
        value = level(local.date()) * (5.0 if local.hour == 9 else 1.0)
        baseline.add(at, value * (1.0 + 0.02 * rng.normal()))
        at += timedelta(minutes=30)
    return baseline


def judged(zone, at, value, history, holidays=""):
    sample = KpiSample(name="requests", observed_at=at, value=value)
    return SeasonalDetector(8, LocalClock(zone, holidays)).score(sample, history).p_value


@pytest.mark.parametrize(("zone", "jump", "by"), JUMPS)
def test_nine_is_nine_after_a_change_of_summer_time(zone, jump, by):
    """The day after, the peak at nine local time is as usual, and one at eleven is not."""
    history = busy_from_nine(zone, jump - timedelta(days=25), 25.5)
    local = jump.astimezone(ZoneInfo(zone)) + timedelta(days=1)
    nine = local.replace(hour=9, minute=30, second=0).astimezone(UTC)

    assert judged(zone, nine, 500.0, history) > 0.05
    assert judged(zone, nine + timedelta(hours=2), 500.0, history) < ALARM_P
    early, late = nine - timedelta(minutes=30), nine + timedelta(minutes=10)
    in_utc = [judged("UTC", moment, 500.0, history) for moment in (early, late)]
    assert min(in_utc) < ALARM_P or abs(by) < 3_600.0  # what this is for


@pytest.mark.parametrize(("zone", "jump", "by"), JUMPS)
def test_every_half_hour_of_a_day_with_23_or_25_hours_is_judged_as_usual(zone, jump, by):
    """No moment of such a day, twice there or not, is odd when the series does as it does."""
    history = busy_from_nine(zone, jump - timedelta(days=25), 25.0)
    day = busy_from_nine(zone, jump - timedelta(hours=4), 1.2)
    times, values = day.before(jump + timedelta(days=3))
    for moment, value in zip(times, values, strict=True):
        at = datetime.fromtimestamp(moment, UTC)
        assert judged(zone, at, float(value), history) > ALARM_P


def test_the_hour_that_comes_twice_counts_once_for_each_day():
    """Values of both runs of the hour are compared with that hour of other days."""
    jump = datetime(2026, 10, 25, 1, tzinfo=UTC)
    times = np.arange((jump - timedelta(days=20)).timestamp(), jump.timestamp() + 5 * DAY_S, 600.0)
    clock = LocalClock("Europe/Berlin")
    at = datetime(2026, 10, 30, 1, 30, tzinfo=UTC).timestamp()  # half past two, local time
    shown = clock.local_times(times)
    found = {one.name: one for one in references(times, shown, at, minimum=8, clock=clock)}

    # Values are local times themselves: all are from two to three o'clock.
    day = found["at this time of day"]
    assert clock.local(at) % DAY_S == pytest.approx(day.location % DAY_S, abs=1_800.0)


def test_the_29th_of_february_compares_with_the_28th():
    """A year back the day is not there; the days around it are."""
    at = datetime(2028, 2, 29, 9, tzinfo=UTC)
    moments = [at - timedelta(days=n) for n in range(1, 400)]
    times = np.array(sorted(moment.timestamp() for moment in moments))
    last_year = {date(2027, 2, 26) + timedelta(days=n) for n in range(6)}
    values = np.array(
        [7.0 if datetime.fromtimestamp(t, UTC).date() in last_year else 1.0 for t in times]
    )
    doubled = np.repeat(times, 2), np.repeat(values, 2)
    found = {
        one.name: one
        for one in references(*doubled, at.timestamp(), minimum=8, clock=LocalClock("Europe/Oslo"))
    }
    assert 7.0 == found["at this time of the year"].location


def test_without_a_setting_nothing_changes():
    """UTC and no holidays: the same references, to the last bit."""
    rng = np.random.default_rng(0)
    times = np.sort(rng.uniform(0.0, 400 * DAY_S, 3_000))
    values = rng.normal(size=3_000)
    plain = list(references(times, values, 401 * DAY_S, minimum=8))

    assert plain == list(references(times, values, 401 * DAY_S, minimum=8, clock=LocalClock()))
    assert plain == list(references(times, values, 401 * DAY_S, minimum=8, clock=LocalClock("UTC")))
    hours = range(0, 100_000, 777)
    assert [utc_hour_of_week(h) for h in hours] == [LocalClock().hour_of_week(h) for h in hours]


def test_hours_of_the_week_are_local():
    """Monday at midnight in Sydney is Sunday in UTC."""
    hour = int(datetime(2026, 11, 1, 13, tzinfo=UTC).timestamp() // 3_600)

    assert (0, 157) == (LocalClock("Australia/Sydney").hour_of_week(hour), utc_hour_of_week(hour))


@pytest.mark.parametrize("zone", ["Mars/Olympus", "../etc/passwd", "Europe/"])
def test_an_unknown_zone_is_refused(zone):
    """With a way out."""
    with pytest.raises(ClockError, match="Europe/Oslo"):
        LocalClock(zone)


def test_a_rule_chooses_a_clock_of_its_own():
    """Checked when it is read; the message names the field."""
    rules = load_rules(
        "rules:\n  - {name: shop, when: 'task == \"shop\"', time_zone: Asia/Tokyo}", "r"
    )
    sample = KpiSample(
        name="a", observed_at=datetime(2026, 1, 1, tzinfo=UTC), value=1.0,
        dimensions={"task": "shop"},
    )  # fmt: skip
    assert "Asia/Tokyo" == rules.choice(sample).time_zone
    with pytest.raises(RuleError, match="time_zone"):
        load_rules("rules:\n  - {name: shop, time_zone: Nowhere/Here}", "r.yaml")


def quiet_sundays(holiday):
    """A hundred on working days, ten on Sundays and on one holiday."""
    return lambda day: 10.0 if day.weekday() == 6 or day == holiday else 100.0


def test_the_first_holiday_is_compared_with_sundays():
    """Constitution day, a Thursday as quiet as a Sunday: odd to those who do not know."""
    pytest.importorskip("holidays")
    day = date(2029, 5, 17)
    begin = datetime(2029, 3, 1, tzinfo=UTC)
    history = busy_from_nine("Europe/Oslo", begin, 76.9, level=quiet_sundays(day))
    noon = datetime(2029, 5, 17, 10, tzinfo=UTC)

    assert judged("Europe/Oslo", noon, 10.0, history) < ALARM_P
    assert judged("Europe/Oslo", noon, 10.0, history, "NO") > 0.05
    assert judged("Europe/Oslo", noon, 100.0, history, "NO") > 0.05  # some work all the same
    assert judged("Europe/Oslo", noon, 1.0, history, "NO") < ALARM_P
    ordinary = noon - timedelta(days=2)
    assert judged("Europe/Oslo", ordinary, 10.0, history, "NO") < ALARM_P


def test_a_holiday_is_a_sunday_of_the_week():
    """For silence as well; an unknown country is refused."""
    pytest.importorskip("holidays")
    clock = LocalClock("Europe/Oslo", "NO")
    hour = int(datetime(2029, 5, 17, 10, tzinfo=UTC).timestamp() // 3_600)

    assert 6 * 24 + 12 == clock.hour_of_week(hour)
    assert [date(2029, 5, 10), date(2029, 5, 13), date(2029, 5, 17), date(2029, 5, 20), date(2029, 5, 21)] == [
        date(1970, 1, 1) + timedelta(days=int(day))
        for day in clock.rest_days(
            datetime(2029, 5, 8, tzinfo=UTC).timestamp(), datetime(2029, 5, 22, tzinfo=UTC).timestamp()
        )
    ]  # fmt: skip
    with pytest.raises(ClockError, match="DE-BY"):
        LocalClock("", "XX")
