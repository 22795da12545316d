"""How often a task starts."""

from __future__ import annotations

import logging
from dataclasses import replace

import pytest

from aiops_provider.domain.units import hour_of_week
from aiops_provider.domain.workload import Cadence
from aiops_provider.profiling.starts import starts_by_hour_of_week


def test_nothing_known_nothing_said(run):
    """No cadence and no runs, or two: no rate is made up."""
    assert starts_by_hour_of_week(None, []) == ()
    assert starts_by_hour_of_week(None, [run(1), run(2)]) == ()
    assert starts_by_hour_of_week(Cadence(), []) == ()


def test_an_interval_is_spread_evenly():
    """Every ten minutes is six starts in each of 168 hours."""
    assert starts_by_hour_of_week(Cadence(every_s=600), []) == (6.0,) * 168


def test_cron_is_read():
    """One start on Monday at 06."""
    starts = starts_by_hour_of_week(Cadence(cron="0 6 * * 1"), [])
    assert (starts[6], sum(starts)) == (1.0, 1.0)


def test_a_bad_cron_is_ignored_with_a_warning(caplog):
    """A task gets its profile even if its cadence was mistyped."""
    with caplog.at_level(logging.WARNING):
        assert starts_by_hour_of_week(Cadence(cron="whenever"), []) == ()
    assert "'whenever' is ignored" in caplog.text


def test_two_weeks_of_runs_overrule_the_cadence(run):
    """A daily task that was said to run hourly."""
    runs = [run(24.0 * day) for day in range(21)]
    starts = starts_by_hour_of_week(Cadence(every_s=3600), runs)
    assert sum(starts) == pytest.approx(7.0)
    assert starts[hour_of_week(runs[0].started_at)] == pytest.approx(1.0)


def test_days_give_a_pattern_of_the_day(run):
    """Three days of six-hourly runs are repeated for every day of the week."""
    starts = starts_by_hour_of_week(None, [run(6.0 * n) for n in range(13)])
    assert len(starts) == 168
    assert sum(starts) == pytest.approx(28.0)
    assert starts[:24] == starts[24:48]


def test_a_cadence_goes_before_few_days(run):
    """Before two weeks are over, what was said is believed."""
    starts = starts_by_hour_of_week(Cadence(every_s=7200), [run(6.0 * n) for n in range(13)])
    assert starts == (0.5,) * 168


def test_three_runs_give_a_rate(run):
    """Two intervals of half an hour: two starts an hour."""
    starts = starts_by_hour_of_week(None, [run(1.0), run(1.5), run(2.0)])
    assert starts == pytest.approx((2.0,) * 168)


def test_retries_are_no_starts(run):
    """A second try is not asked for by the schedule."""
    tries = [replace(r, run=replace(r.run, try_number=2)) for r in (run(1.0), run(1.5), run(2.0))]
    assert starts_by_hour_of_week(None, tries) == ()


def test_a_backfill_is_no_demand(run):
    """A month made up for in an afternoon says nothing about the afternoons to come."""
    ordinary = [run(24.0 * day) for day in range(21)]
    made_up = [
        replace(one, run=replace(one.run, run_id=f"backfill__{number}"))
        for number, one in enumerate([run(24.0 + number / 60) for number in range(30)])
    ]
    assert starts_by_hour_of_week(None, ordinary + made_up) == starts_by_hour_of_week(
        None, ordinary
    )
