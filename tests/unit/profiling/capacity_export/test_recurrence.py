"""Cron expressions that, taken together, are the schedule again."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from aiops_provider.profiling.capacity_export.recurrence import changes_of, windows_of
from aiops_provider.profiling.cron import parse_cron

MONDAY = datetime(2026, 1, 5, tzinfo=UTC)


def test_the_same_change_on_five_days_is_one_line(schedule):
    assert [(c.cron, c.instances) for c in changes_of(schedule)] == [
        ("55 8 * * 1,2,3,4,5", 10),
        ("0 17 * * 1,2,3,4,5", 1),
    ]


def test_changes_are_the_schedule_again(restless):
    """Every change of every day, read back from its cron expression."""
    assert len(restless.events) > 100
    found = {}
    for change in changes_of(restless):
        cron = parse_cron(change.cron)
        for day in cron.weekdays:
            (hour,), (minute,) = cron.hours, cron.minutes
            found[day * 1440 + hour * 60 + minute] = change.instances
    assert found == {e.minute_of_week: e.instances for e in restless.events}


def test_windows_are_the_schedule_again(restless, make):
    """At each minute the highest open window, or the least level, is what must have been ordered."""
    for schedule in (restless, make(), make(night=200.0)):
        level = [schedule.smallest] * (7 * 1440)
        for window in windows_of(schedule):
            for begin_day in window.start_weekdays:
                begin = begin_day * 1440 + window.start_minute
                ends = [day * 1440 + window.end_minute for day in window.end_weekdays]
                end = min((end - begin) % (7 * 1440) for end in ends)
                for minute in range(begin, begin + end):
                    level[minute % (7 * 1440)] = window.instances
        for minute in range(0, 7 * 1440, 5):
            # The restless schedule is one of UTC; the others repeat by the wall clock of Berlin.
            zone_shift = timedelta(hours=0 if schedule is restless else -1)
            moment = MONDAY + timedelta(minutes=minute) + zone_shift
            assert level[minute] == schedule.ordered_at(moment)


def test_a_weekend_of_two_days_stands_alone(make):
    """Windows of a day and more are not taken together, or they would run into each other."""
    lengths = [window.start_weekdays for window in windows_of(make(night=200.0))]
    assert all(len(days) >= 1 for days in lengths)
    assert (4,) in lengths
