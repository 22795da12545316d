"""Busy time: how fast samples usually come in that hour of the week."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from aiops_provider.detection.rhythm import Rhythm, utc_hour_of_week

MONDAY = datetime(2026, 11, 2, tzinfo=UTC)
HOUR = 3_600.0


def at(days, hours=0.0):
    return (MONDAY + timedelta(days=days, hours=hours)).timestamp()


@pytest.fixture
def office():
    """Every five minutes from eight to eighteen on five days of three weeks."""
    rhythm = Rhythm()
    for day in range(19):
        if day % 7 < 5:
            for minute in range(0, 600, 5):
                rhythm.add(at(day, 8 + minute / 60))
    return rhythm


def test_hours_of_the_week_begin_on_monday():
    """Whatever day 1970 began with."""
    assert 0 == utc_hour_of_week(int(MONDAY.timestamp() // HOUR))
    assert 167 == utc_hour_of_week(int(MONDAY.timestamp() // HOUR) - 1)


def test_nights_and_weekends_take_no_time(office):
    """Busy time stands still while nothing is reported, and runs faster when something is."""
    assert office.settled(at(18, 18))
    assert 0.0 == pytest.approx(office.busy_time(at(21, -54), at(21, 8)))  # Friday 18:00 to Monday
    assert 168 / 50 * HOUR == pytest.approx(office.busy_time(at(17, 10), at(17, 11)), rel=0.01)


def test_a_week_of_busy_time_is_a_week(office):
    """On the mean it runs like the clock, over a week and over many."""
    for weeks in (1, 3, 10):
        length = weeks * 7 * 24 * HOUR
        passed = office.busy_time(at(10, 3.3), at(10, 3.3) + length)
        assert length == pytest.approx(passed, rel=0.02)


def test_after_is_the_inverse_of_busy_time(office):
    """The moment by which so much busy time has passed has that much behind it."""
    for begin in (at(18, 17.9), at(19, 3.0), at(17, 9.5)):
        for busy in (60.0, HOUR, 30 * HOUR):
            end = office.after(begin, busy)
            assert busy == pytest.approx(office.busy_time(begin, end), rel=1e-6)


def test_an_outage_does_not_change_the_week(office):
    """Hours that an alarm held are not counted as quiet ones."""
    before = office.busy_time(at(21, 9), at(21, 10))
    office.add(at(23, 17), usual=False)

    assert before == pytest.approx(office.busy_time(at(21, 9), at(21, 10)), rel=0.05)


def test_two_weeks_make_a_rhythm():
    """Before, a weekend could be chance; without any sample there is none."""
    rhythm = Rhythm()
    assert not rhythm.settled(at(100))
    assert 5.0 == rhythm.busy_time(at(0), at(0) + 5.0)
    rhythm.add(at(0))
    rhythm.add(at(13, 23))
    assert not rhythm.settled(at(13, 23))
    assert rhythm.settled(at(14, 1))
