"""The replay of memory traces and the peers in it."""

from __future__ import annotations

import gzip

import pytest

from benchmarks.profiling.memory_ours import OurProfiler
from benchmarks.profiling.memory_peers import PEERS, UserRequest
from benchmarks.profiling.memory_replay import cold_jobs, replay
from benchmarks.profiling.memory_traces import Job, read_traces

HEADER = "process,status,cpus,memory,submit,complete,realtime,%cpu,peak_rss,rchar"


def job(number: int, *, at: float, peak: float, asked: float = 8.0, kind: str = "sort") -> Job:
    """One hour long."""
    return Job(
        number=number,
        workflow="w",
        kind=kind,
        submitted_s=at,
        completed_s=at + 3600,
        runtime_s=3600,
        asked_gib=asked,
        peak_gib=peak,
        cpus=1,
        cpu_seconds=3600,
    )


class Fixed:
    """Gives 2 GiB, then 4."""

    def __init__(self) -> None:
        self.learned = []

    def first(self, job):
        return 2.0

    def next(self, job, failed_gib):
        return 4.0

    def learn(self, outcome):
        self.learned.append((outcome.number, outcome.attempt, outcome.killed))


def test_a_killed_try_is_lost_as_a_whole():
    """Its memory counts in full, then what the larger try held beyond the peak."""
    found = replay([job(0, at=0, peak=3.0)], Fixed())
    assert (found.cold.kills, found.cold.waste_gib_h) == (1, pytest.approx(2.0 + 1.0))
    assert found.warm.jobs == 0


def test_outcomes_are_told_only_when_complete():
    """At the third submission only what had ended by then was told, a second try later still."""
    sizer = Fixed()
    replay([job(0, at=0, peak=3.0), job(1, at=1, peak=1.0), job(2, at=3601, peak=1.0)], sizer)
    assert sizer.learned == [(0, 1, True), (1, 1, False)]


def test_cold_is_what_was_submitted_before_any_run_of_its_kind_had_ended():
    """Another kind's end does not make a kind warm."""
    jobs = [job(0, at=0, peak=1), job(1, at=10, peak=1), job(2, at=3600, peak=1)]
    assert cold_jobs([*jobs, job(3, at=9000, peak=1, kind="plot")]) == {0, 1, 3}


@pytest.mark.parametrize("peer", PEERS)
def test_peers_give_the_users_request_until_a_run_has_ended(peer):
    """Cold every rule wastes what the user does; after a constant need each gives enough of it."""
    cold = replay([job(0, at=0, peak=1.0)], PEERS[peer]())
    assert cold.cold.waste_gib_h == pytest.approx(7.0)
    warm = replay([job(n, at=4000.0 * n, peak=1.0) for n in range(6)], PEERS[peer]()).warm
    assert warm.kills == 0
    assert warm.waste_gib_h <= 5 * 7.0


def test_ours_is_the_real_profiler_and_learns_in_the_replay():
    """A constant need is met with less waste than the user's, cold and warm, without a kill."""
    jobs = [job(n, at=4000.0 * n, peak=1.0) for n in range(12)]
    ours, user = replay(jobs, OurProfiler()), replay(jobs, UserRequest())
    assert ours.cold.waste_gib_h < user.cold.waste_gib_h
    assert ours.warm.waste_gib_h < user.warm.waste_gib_h / 2
    assert ours.warm.kills == 0


def test_traces_of_the_format_are_read_and_unfinished_rows_left_out(tmp_path):
    """Bytes become GiB and milliseconds seconds; what failed or was not measured is no job."""
    rows = [
        "sort,COMPLETED,2,8589934592,5000,9000,2000,150,1073741824,7",
        "sort,FAILED,2,8589934592,5000,9000,2000,150,1073741824,7",
        "sort,COMPLETED,2,8589934592,5000,9000,2000,150,-,7",
    ]
    (tmp_path / "nfcore_memory").mkdir()
    with gzip.open(tmp_path / "nfcore_memory" / "trace_x.csv.gz", "wt") as file:
        file.write("\n".join([HEADER, *rows]))
    [read] = read_traces(tmp_path)["nfcore x"]
    assert (read.submitted_s, read.completed_s, read.runtime_s) == (5.0, 9.0, 2.0)
    assert (read.asked_gib, read.peak_gib, read.cpu_seconds) == (8.0, 1.0, 3.0)
    assert read.input_gib is None
