"""Five-field cron expressions."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from aiops_provider.profiling.cron import CronError, parse_cron, starts_of_cron

MONDAY, SUNDAY = 0, 6


def test_a_daily_run_starts_once_a_day():
    """06:30 every day is one start in the seventh hour of each day."""
    starts = starts_of_cron("30 6 * * *")
    assert [hour for hour, count in enumerate(starts) if count] == [
        day * 24 + 6 for day in range(7)
    ]
    assert sum(starts) == 7


@pytest.mark.parametrize(
    ("expression", "per_week"),
    [
        ("*/15 * * * *", 4 * 168),
        ("0 9-17 * * 1-5", 45),
        ("0 0 * * 0", 1),
        ("0 0 * * 7", 1),
        ("0 0 * * SUN", 1),
        ("5,35 */6 * * mon,wed", 16),
        ("0 22-23,0-2 * * *", 35),
        ("10/20 0 * * *", 21),
        ("@hourly", 168),
        ("@weekly", 1),
        ("@daily", 7),
    ],
)
def test_starts_per_week(expression, per_week):
    """Lists, ranges, steps, names and nicknames are counted right."""
    assert sum(starts_of_cron(expression)) == pytest.approx(per_week)


def test_sunday_is_seven_and_zero():
    """Both mean the last day of our week."""
    assert starts_of_cron("0 3 * * 0") == starts_of_cron("0 3 * * 7")
    assert starts_of_cron("0 3 * * 0")[SUNDAY * 24 + 3] == 1
    assert parse_cron("0 3 * * 5-7").weekdays == {4, 5, 6}


def test_dates_are_averaged_over_the_calendar():
    """The first of the month is 48 times in 1461 days, spread over all weekdays."""
    starts = starts_of_cron("0 0 1 * *")
    assert sum(starts) == pytest.approx(48 / 1461 * 7, rel=0.01)
    assert all(starts[day * 24] > 0 for day in range(7))


def test_date_or_weekday_when_both_are_given():
    """The thirteenth or a Friday, as in every cron; with a star it is both."""
    either, both = parse_cron("0 0 13 * fri"), parse_cron("0 0 */2 * fri")
    friday_the_2nd, tuesday_the_13th = (
        datetime(2026, 1, 2, tzinfo=UTC),
        datetime(2026, 1, 13, tzinfo=UTC),
    )
    assert either.fires_on(friday_the_2nd)
    assert either.fires_on(tuesday_the_13th)
    assert not both.fires_on(friday_the_2nd)


def test_months_restrict():
    """Only in February."""
    cron = parse_cron("0 0 * feb *")
    days = [datetime(2026, 1, 1, tzinfo=UTC) + timedelta(days=n) for n in range(365)]
    assert sum(map(cron.fires_on, days)) == 28


def test_a_date_that_never_comes_never_starts():
    """The thirtieth of February is a valid expression and no start."""
    assert sum(starts_of_cron("0 0 30 2 *")) == 0


@pytest.mark.parametrize(
    ("expression", "said"),
    [
        ("", "has 0 fields"),
        ("* * * *", "has 4 fields"),
        ("0 0 * * * 2026", "has 6 fields"),
        ("60 * * * *", "minute"),
        ("* 24 * * *", "hour"),
        ("* * 0 * *", "day of month"),
        ("* * * 13 *", "month"),
        ("* * * * 8", "day of week"),
        ("* * * * someday", "day of week"),
        ("*/0 * * * *", "at least 1"),
        ("5-1 * * * *", "backwards"),
        ("1,,2 * * * *", "cannot be read"),
        ("1- * * * *", "cannot be read"),
        ("-1 * * * *", "cannot be read"),
        ("²  * * * *", "cannot be read"),
        ("0 0 L * *", "cannot be read"),
        ("mon * * * *", "cannot be read"),
        ("@reboot", "has 1 fields"),
    ],
)
def test_what_is_not_standard_is_refused(expression, said):
    """The message names the field or the shape."""
    with pytest.raises(CronError, match=said):
        parse_cron(expression)
