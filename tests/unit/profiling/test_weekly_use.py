"""The use of a task over the week to come."""

from __future__ import annotations

import logging
import math
import random
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from aiops_provider.domain.profile import Source
from aiops_provider.domain.units import hour_of_week
from aiops_provider.domain.workload import Cadence, Generic, ModelCandidate, Serving
from aiops_provider.profiling import Profiler
from aiops_provider.profiling.weekly_use import weekly_use

NOW = datetime(2026, 1, 5, 12, tzinfo=UTC)  # a Monday, as of the runs of the fixture


def rate(moment: datetime) -> float:
    return 50.0 if moment.weekday() < 5 and 9 <= moment.hour < 17 else 5.0


def serving(hours: int, level=rate, *, now: datetime = NOW) -> Serving:
    """The hours end with the one before the present."""
    ends = now.replace(minute=0)
    past = tuple(level(ends - timedelta(hours=n)) for n in range(hours, 0, -1))
    return Serving(model=ModelCandidate(family="linear"), past_demand_per_s=past)


@pytest.fixture
def starting(run):
    """``starting(moments)``: runs that started then."""

    def make(moments):
        # A run is told by its end, a second after its start.
        return [
            run((NOW - moment).total_seconds() / 3600.0 - 1 / 3600.0, duration=1.0)
            for moment in sorted(moments)
        ]

    return make


def test_office_hours_are_forecast_for_the_right_hours(task):
    use = weekly_use(task, serving(24 * 28), (), now=NOW)
    assert (use.unit, use.source, use.sample_count) == ("requests/s", Source.FORECAST, 24 * 28)
    assert use.p50[10] == pytest.approx(50.0, rel=0.1)  # Monday, ten o'clock
    assert use.p50[3] == pytest.approx(5.0, rel=0.2)
    assert use.p50[5 * 24 + 10] < 20.0  # Saturday
    assert "cycles of" in use.reason


def test_levels_rise_and_there_is_one_for_each_hour(task):
    noise = random.Random(1)  # noqa: S311 – no secret
    use = weekly_use(
        task, serving(24 * 21, lambda m: rate(m) * noise.uniform(0.7, 1.3)), (), now=NOW
    )
    assert len(use.p50) == len(use.p80) == len(use.p95) == 168
    assert all(a <= b <= c for a, b, c in zip(use.p50, use.p80, use.p95, strict=True))
    assert any(b < c for b, c in zip(use.p80, use.p95, strict=True))


def test_a_constant_demand_is_that_constant(task):
    use = weekly_use(task, serving(100, lambda _: 7.0), (), now=NOW)
    assert set(use.p50) == set(use.p95) == {7.0}


def test_a_day_and_a_half_is_no_past(task):
    assert weekly_use(task, serving(36), (), now=NOW) is None


def test_gaps_in_the_demand_are_filled(task):
    """Every ninth hour and a whole day are missing."""

    def gappy(moment: datetime) -> float:
        gone = moment.hour % 9 == 4 or moment.date() == datetime(2025, 12, 30, tzinfo=UTC).date()
        return math.nan if gone else rate(moment)

    use = weekly_use(task, serving(24 * 28, gappy), (), now=NOW)
    assert use.p50[10] == pytest.approx(50.0, rel=0.15)
    assert use.sample_count < 24 * 28
    assert "missing steps filled" in use.reason


def test_a_past_that_cannot_be_used_costs_the_forecast_alone(task, caplog):
    mostly = serving(24 * 10, lambda moment: 1.0 if moment.hour == 0 else math.nan)
    with caplog.at_level(logging.WARNING):
        profile = Profiler().predict(task, mostly, now=NOW)
    assert profile.instances >= 1
    assert profile.use_by_hour_of_week is None
    assert f"The use of {task} over a week is not forecast" in caplog.text


def test_a_change_of_starts_is_followed_where_the_mean_lags(task, starting):
    """Four weeks at three starts a day, then four weeks at six."""
    begins = NOW.replace(minute=0) - timedelta(weeks=8)
    moments = [
        begins + timedelta(hours=hour, minutes=7 * n)
        for hour in range(8 * 168)
        for n in range((3 if hour < 4 * 168 else 6) * (hour % 24 == 5))
    ]
    profile = Profiler()
    profile.restore(starting(moments))
    made = profile.predict(task, now=NOW)
    use = made.use_by_hour_of_week
    assert (use.unit, use.source) == ("starts", Source.FORECAST)
    assert made.starts_by_hour_of_week == use.p50
    busy = hour_of_week(begins + timedelta(hours=5))
    assert use.p50[busy] == pytest.approx(6.0, abs=1.0)
    assert use.p50[(busy + 5) % 168] == pytest.approx(0.0, abs=0.5)


def test_starts_follow_the_clock_change(task, starting):
    """A task at nine in Berlin starts at eight UTC, and since the end of March at seven."""
    zone = ZoneInfo("Europe/Berlin")
    end = datetime(2026, 4, 20, 12, tzinfo=UTC)
    moments = [
        (end - timedelta(days=day)).astimezone(zone).replace(hour=9, minute=5)
        for day in range(1, 50)
    ]
    runs = starting([m.astimezone(UTC) for m in moments])
    use = weekly_use(task, Generic(), runs, now=end)
    assert use is not None
    assert use.p50[24 + 7] > 0.8
    assert use.p50[24 + 8] < 0.2


def test_disorder_makes_no_difference(task, starting):
    runs = starting([NOW - timedelta(hours=3 * n) for n in range(1, 200)])
    shuffled = runs.copy()
    random.Random(0).shuffle(shuffled)  # noqa: S311 – no secret
    assert weekly_use(task, Generic(), shuffled, now=NOW) == weekly_use(
        task, Generic(), runs, now=NOW
    )


def test_missing_days_are_hours_without_starts(task, starting):
    """The host stood still for two days; the hourly task goes on hourly."""
    gone = {datetime(2025, 12, 20, tzinfo=UTC).date(), datetime(2025, 12, 21, tzinfo=UTC).date()}
    moments = [NOW - timedelta(hours=n) for n in range(1, 400)]
    use = weekly_use(
        task, Generic(), starting([m for m in moments if m.date() not in gone]), now=NOW
    )
    assert use is None or sum(use.p50) == pytest.approx(168.0, rel=0.1)


def test_regular_starts_are_the_same_every_week(task, starting):
    use = weekly_use(
        task, Generic(), starting([NOW - timedelta(hours=n) for n in range(1, 400)]), now=NOW
    )
    assert set(use.p50) == set(use.p95) == {1.0}
    assert use.reason.startswith("constant")


def test_what_a_forecast_does_not_beat_stays(task, starting):
    """Ten starts on working days, exactly: the mean by hour of the week cannot be improved."""
    hours = [NOW - timedelta(hours=n) for n in range(1, 24 * 28)]
    runs = starting([m for m in hours if m.weekday() < 5 and 8 <= m.hour < 18])
    use = weekly_use(task, Generic(), runs, now=NOW)
    assert (use.unit, use.source) == ("starts", Source.OWN_HISTORY)
    assert "no forecast was better" in use.reason
    assert [use.p50[n] for n in (7, 8, 17, 18, 24 + 8, 5 * 24 + 8)] == [0, 1, 1, 0, 1, 0]
    assert all(a <= b <= c for a, b, c in zip(use.p50, use.p80, use.p95, strict=True))


def test_chance_is_no_pattern(task, starting):
    """Starts at random: whatever stands, their number is kept."""
    draws = random.Random(4)  # noqa: S311 – no secret
    moments = [NOW - timedelta(hours=draws.uniform(0, 24 * 28)) for _ in range(300)]
    profiler = Profiler()
    profiler.restore(starting(moments))
    starts = profiler.predict(task, now=NOW).starts_by_hour_of_week
    assert sum(starts) == pytest.approx(75.0, rel=0.35)


def test_what_was_said_is_believed_for_two_weeks(task, starting):
    runs = starting([NOW - timedelta(hours=n) for n in range(1, 240)])
    said = Generic(cadence=Cadence(every_s=7200))
    assert weekly_use(task, said, runs, now=NOW) is None
    assert weekly_use(task, Generic(), runs, now=NOW) is not None


def test_a_stored_forecast_of_starts_stays_and_one_of_requests_is_renewed(task, starting):
    teacher = Profiler()
    teacher.restore(starting([NOW - timedelta(hours=n) for n in range(1, 400)]))
    known = teacher.predict(task, now=NOW)
    assert Profiler().constrain(known, Generic()).use_by_hour_of_week == known.use_by_hour_of_week
    renewed = Profiler().constrain(known, serving(24 * 14)).use_by_hour_of_week
    assert renewed.unit == "requests/s"
