"""The simulated change of code on a trace."""

from __future__ import annotations

import pytest

from benchmarks.profiling.code_change import _changed, _Counting, _ranks
from benchmarks.profiling.memory_replay import replay
from benchmarks.profiling.memory_traces import Job


def jobs(count: int, *, kind: str = "sort") -> list[Job]:
    """One an hour, each over before the next."""
    return [
        Job(
            number=number,
            workflow="w",
            kind=kind,
            submitted_s=3600.0 * number,
            completed_s=3600.0 * number + 3600,
            runtime_s=3600,
            asked_gib=3.0,
            peak_gib=1.0,
            cpus=1,
            cpu_seconds=3600,
        )
        for number in range(count)
    ]


class Fixed:
    """Gives 1.5 GiB, then 4."""

    def first(self, job):
        return 1.5

    def next(self, job, failed_gib):
        return 4.0

    def learn(self, outcome):
        pass


def test_the_change_is_in_the_middle_of_each_kind():
    """Kinds of few jobs keep their code."""
    assert _ranks(jobs(9)) == {4: 1, 5: 2, 6: 3, 7: 4, 8: 5}
    assert _ranks(jobs(7)) == {}


def test_only_what_comes_after_counts():
    """Twice as much is killed at 1.5 GiB, as a whole; the first ten are counted apart."""
    rank = _ranks(jobs(24))
    changed = [_changed(job, 2.0) if job.number in rank else job for job in jobs(24)]
    sizer = _Counting(Fixed(), rank)
    replay(changed, sizer)
    found = sizer.found
    assert (found.all.jobs, found.all.kills) == (12, 12)
    assert (found.first.jobs, found.first.kills) == (10, 10)
    assert found.all.waste_gib_h == pytest.approx(12 * (1.5 + 4.0 - 2.0))


def test_what_people_ask_for_is_enough_after_the_change():
    """Who writes code that needs more asks for more."""
    assert _changed(jobs(1)[0], 4.0).asked_gib == 4.0
    assert _changed(jobs(1)[0], 2.0).asked_gib == 3.0
