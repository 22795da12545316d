"""What each outcome proves."""

from __future__ import annotations

from dataclasses import replace

import pytest

from aiops_provider.domain.execution import Outcome
from aiops_provider.profiling.evidence import (
    cores_readings,
    duration_readings,
    memory_readings,
    recent_kills,
    size_after_kill,
)


def same(_, bound):
    return bound


def test_a_good_run_tells_its_peak(run):
    """What was measured is what was needed."""
    (reading,) = memory_readings([run(peak=0.3)])
    assert (reading.value, reading.censored) == (0.3, False)


def test_a_kill_tells_only_more_than_the_request(run):
    """The peak of a killed run is where it was cut off."""
    (reading,) = memory_readings([run(peak=0.49, asked=0.5, outcome=Outcome.OUT_OF_MEMORY)])
    assert (reading.value, reading.censored) == (0.5, True)
    assert reading.beyond == size_after_kill(0.5, 0.5)


def test_a_kill_without_a_known_request_tells_its_peak(run):
    """Where nobody noted the request, what it had used is the bound; without that nothing is known."""
    (reading,) = memory_readings([run(peak=0.7, asked=None, outcome=Outcome.OUT_OF_MEMORY)])
    assert (reading.value, reading.censored) == (0.7, True)
    assert memory_readings([run(peak=None, asked=None, outcome=Outcome.OUT_OF_MEMORY)]) == []


def test_a_failed_run_tells_a_lower_bound(run):
    """It might have needed more had it gone on."""
    (memory,) = memory_readings([run(peak=0.3, outcome=Outcome.FAILED)])
    (duration,) = duration_readings([run(duration=5, outcome=Outcome.FAILED)])
    assert (memory.value, memory.censored, memory.beyond) == (0.3, True, 0.3)
    assert (duration.value, duration.censored) == (5.0, True)


@pytest.mark.parametrize("outcome", [Outcome.CLUSTER_LOST, Outcome.KILLED])
def test_a_lost_cluster_says_nothing_about_the_task(run, outcome):
    """Neither memory nor time nor cores of a run that was cut off from outside count."""
    record = run(peak=9.0, outcome=outcome)
    assert (
        memory_readings([record]) == duration_readings([record]) == cores_readings([record]) == []
    )


def test_duration_needs_no_usage(run):
    """Where nothing was measured the moments tell the time."""
    (reading,) = duration_readings([run(peak=None, duration=42)])
    assert reading.value == pytest.approx(42.0)


def test_saturated_cores_are_a_lower_bound(run):
    """A run that kept all its cores busy might have used more."""
    busy, idle = cores_readings([run(2, cores=1.99, granted=2), run(1, cores=0.5, granted=2)])
    assert (busy.censored, idle.censored) == (True, False)


def test_failed_runs_tell_cores_only_when_none_was_good(run):
    """What comes last may be the hungriest part."""
    failed, good = run(2, cores=0.1, outcome=Outcome.FAILED), run(1, cores=1.5)
    assert [r.value for r in cores_readings([failed, good])] == pytest.approx([1.5])
    assert [r.value for r in cores_readings([failed])] == pytest.approx([0.1])


def test_no_processor_time_means_not_measured(run):
    """Zero seconds of processor time tell nothing about cores."""
    record = run()
    unmeasured = replace(record, usage=replace(record.usage, cpu_seconds=0.0))
    assert cores_readings([unmeasured]) == []


def test_rows_of_kills_take_growing_steps():
    """Each further kill at least squares the step, so that a tenfold need takes few tries."""
    first = asked = 0.5
    steps = 0
    while asked < 5.0:
        asked = size_after_kill(asked, first)
        steps += 1
    assert steps <= 5
    assert size_after_kill(0.5, 0.5) == pytest.approx(0.5 * 1.2 + 100 / 1024)


def test_a_kill_is_heeded_until_outlived(run):
    """Nine good runs do not make it forgotten, ten do."""
    kill = run(100, asked=0.5, outcome=Outcome.OUT_OF_MEMORY)
    good = [run(50 - place) for place in range(10)]
    assert recent_kills([kill, *good[:9]], same).at_gib == 0.5
    assert recent_kills([kill, *good], same).count == 0


def test_a_row_of_kills_knows_its_first(run):
    """The step after the next kill depends on how far the row has come."""
    row = [
        run(3, peak=None, asked=0.5, outcome=Outcome.OUT_OF_MEMORY),
        run(2, peak=None, asked=0.7, outcome=Outcome.OUT_OF_MEMORY),
    ]
    kills = recent_kills(row, same)
    assert (kills.at_gib, kills.first_gib, kills.count) == (0.7, 0.5, 2)
