"""What own runs say."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from aiops_provider.domain.execution import Outcome
from aiops_provider.domain.profile import Source
from aiops_provider.domain.workload import Dataset, Etl
from aiops_provider.profiling.own_figures import age_in_words
from aiops_provider.profiling.own_history import OwnHistory


@pytest.fixture
def ask(task, now):
    """Ask for the task's next run from these runs."""

    def estimate(*runs, gib=None, rows=None, **options):
        description = Etl(source=Dataset(volume_gib=gib, rows=rows)) if gib or rows else None
        return OwnHistory(**options).predict(task, description, runs, now=now)

    return estimate


def test_nothing_is_said_without_runs(ask, run):
    """No run, or only runs that say nothing about the task, give no answer."""
    assert ask() is None
    assert ask(run(outcome=Outcome.CLUSTER_LOST)) is None


def test_too_few_runs_are_held_back(ask, run):
    """The minimum is a setting."""
    runs = [run(2), run(1)]
    assert ask(*runs, minimum_runs=3) is None
    assert ask(*runs, minimum_runs=2) is not None


def test_all_measured_figures_are_answered(ask, run):
    """Memory, cores and duration come with source, count and a sentence."""
    answer = ask(
        run(2, peak=0.3, cores=0.5, duration=30), run(26, peak=0.3, cores=0.5, duration=30)
    )
    assert answer.memory_gib.p50 == pytest.approx(0.3)
    assert answer.cores.p50 == pytest.approx(0.5)
    assert answer.duration_s.p50 == pytest.approx(30.0)
    assert answer.memory_gib.source is Source.OWN_HISTORY
    assert answer.memory_gib.sample_count == 2
    assert answer.memory_gib.reason == "peak memory of 2 own runs, newest 2 h ago"
    assert answer.own_runs == pytest.approx(2.0, abs=0.01)


def test_what_was_not_measured_is_not_answered(ask, run):
    """Without usage only the duration is known."""
    answer = ask(run(peak=None))
    assert (answer.memory_gib, answer.cores, answer.io_mib_per_s) == (None, None, None)
    assert answer.duration_s is not None


def test_disk_traffic_is_a_rate(ask, run):
    """What was read and written, per second."""
    record = run(duration=10)
    usage = replace(record.usage, io_read_gib=1.0, io_write_gib=None)
    answer = ask(replace(record, usage=usage))
    assert answer.io_mib_per_s.p50 == pytest.approx(102.4)


def test_recent_runs_weigh_more(ask, run):
    """After a half-life of a day the runs of last month are nearly forgotten."""
    old = [run(24 * 30 + hour, peak=2.0) for hour in range(5)]
    new = [run(hour + 1, peak=0.5) for hour in range(5)]
    assert ask(*old, *new, half_life_days=1).memory_gib.p95 < 1.0
    assert ask(*old, *new, half_life_days=1000).memory_gib.p95 > 2.0


def test_later_runs_outweigh_many_earlier_ones(ask, run):
    """Runs of one day all have the same age; the half-life in runs tells them apart."""
    runs = [run(20 - place / 10, peak=1.0 + place / 1000) for place in range(64)]
    quick, slow = (ask(*runs, half_life_runs=count) for count in (4, 1e9))
    assert quick.memory_gib.p50 > slow.memory_gib.p50 + 0.02
    assert 4 * quick.own_runs < slow.own_runs


def test_a_change_of_level_widens_and_moves_the_interval(ask, run):
    """A task that was rewritten needs twice as much: the old runs count as one."""
    old = [run(40 - place, peak=1.0 + place % 3 / 50) for place in range(24)]
    new = [run(5 - place, peak=2.0 + place % 3 / 50) for place in range(4)]
    before, after = ask(*old).memory_gib, ask(*old, *new).memory_gib
    assert after.p50 >= 2.0 > before.p95
    assert after.p95 / after.p50 > before.p95 / before.p50
    assert "its level changed with the last 4 runs, those before count as one" in after.reason


def test_after_a_fall_the_old_level_is_not_forgotten_at_once(ask, run):
    """A request that is too small costs a run: the p95 stays where it was until more is known."""
    old = [run(40 - place, peak=2.0 + place % 3 / 50) for place in range(24)]
    new = [run(5 - place, peak=1.0 + place % 3 / 50) for place in range(4)]
    fallen = ask(*old, *new).memory_gib
    assert fallen.p50 < 1.1
    assert fallen.p95 >= 2.0


def test_growing_input_is_no_change(ask, run):
    """What the size of the input explains is the same task."""
    small = [run(60 - place, peak=1.0, gib=1.0) for place in range(10)]
    middle = [run(40 - place, peak=2.0, gib=2.0) for place in range(10)]
    large = [run(20 - place, peak=4.0, gib=4.0) for place in range(10)]
    assert "level changed" not in ask(*small, *middle, *large, gib=4.0).memory_gib.reason


def test_a_pause_forgets_nothing(ask, run):
    """Ages count from the newest run: a task that paused for a year is known as it was."""
    recent = ask(run(1), run(2)).memory_gib
    paused = ask(run(9001), run(9002)).memory_gib
    assert (paused.p50, paused.p80, paused.p95) == pytest.approx(
        (recent.p50, recent.p80, recent.p95)
    )


def test_larger_inputs_need_more(ask, run):
    """Memory follows the line that the runs have shown."""
    runs = [run(9 - gib, peak=0.2 + 0.1 * gib, gib=float(gib)) for gib in (1, 2, 3, 4, 5, 6)]
    answer = ask(*runs, gib=12.0)
    assert answer.memory_gib.p50 == pytest.approx(1.4)
    assert "+75 % for input growth" in answer.memory_gib.reason
    assert ask(*runs, gib=1.0).memory_gib.p50 == pytest.approx(0.3)


def test_rows_serve_where_no_volume_is_known(ask, run):
    """The effect is learned from rows when only those were recorded."""
    runs = [run(9 - n, peak=0.2 + 0.1 * n, rows=n * 1000) for n in (1, 2, 3, 4, 5)]
    assert ask(*runs, rows=10_000).memory_gib.p50 == pytest.approx(1.2)


def test_runs_that_keep_breaking_their_record_widen_the_interval(ask, run):
    """The same peaks in falling order are no trend; in rising order the next may need still more."""
    peaks = [1.0 + number / 20 for number in range(30)]
    rising = ask(*(run(30 - hour, peak=peak) for hour, peak in enumerate(peaks))).memory_gib
    falling = ask(*(run(1 + hour, peak=peak) for hour, peak in enumerate(peaks))).memory_gib
    assert rising.p95 > 1.1 * max(peaks) > falling.p95
    assert rising.p50 > falling.p50
    assert "keep needing more" in rising.reason
    assert "keep needing more" not in falling.reason


def test_unknown_input_leaves_quantiles_as_they_are(ask, run):
    """Without a size to come there is nothing to scale to."""
    runs = [run(9 - gib, peak=0.1 * gib, gib=float(gib)) for gib in (1, 2, 3, 4, 5)]
    assert ask(*runs).memory_gib.p50 == pytest.approx(0.3)


def test_kills_raise_the_quantiles_and_are_remembered(ask, run):
    """A killed run counts as more than it was allowed, and says so."""
    good = [run(9 - place, peak=0.3) for place in range(4)]
    calm = ask(*good)
    shaken = ask(*good, run(1, peak=0.5, asked=0.5, outcome=Outcome.OUT_OF_MEMORY))
    assert shaken.memory_gib.p95 > calm.memory_gib.p95
    assert (shaken.killed_at_gib, shaken.killed_first_gib) == (0.5, 0.5)
    assert "1 of them killed for memory" in shaken.memory_gib.reason


def test_a_kill_is_scaled_to_the_input_to_come(ask, run):
    """Killed on a large input: a small one need not ask for as much."""
    runs = [run(19 - gib, peak=0.2 + 0.1 * gib, gib=float(gib)) for gib in (1, 2, 3, 4, 5, 6)]
    kill = run(1, peak=1.2, asked=1.2, gib=12.0, outcome=Outcome.OUT_OF_MEMORY)
    assert ask(*runs, kill, gib=1.0).killed_at_gib == pytest.approx(1.2 * 0.3 / 1.4)


def test_runs_that_have_not_ended_are_not_seen(ask, run):
    """The future does not leak, even when it is handed over."""
    assert ask(run(-1)) is None


def test_nonsense_is_refused():
    """A half-life of zero would forget everything at once."""
    with pytest.raises(ValueError, match="half_life_days"):
        OwnHistory(half_life_days=0)
    with pytest.raises(ValueError, match="half_life_runs"):
        OwnHistory(half_life_runs=0)
    with pytest.raises(ValueError, match="minimum_runs"):
        OwnHistory(minimum_runs=0)


@pytest.mark.parametrize(
    ("age", "words"),
    [
        (timedelta(seconds=-3), "0 s"),
        (timedelta(seconds=59), "59 s"),
        (timedelta(seconds=90), "2 min"),
        (timedelta(minutes=119), "119 min"),
        (timedelta(hours=47), "47 h"),
        (timedelta(days=3), "3 d"),
    ],
)
def test_ages_are_told_as_people_do(age, words):
    """Two significant units are one too many."""
    assert age_in_words(age) == words


def test_new_code_widens_until_its_runs_agree(ask, run):
    """The first run of another version widens the interval; some that agree narrow it again."""
    old = [run(60 - place, peak=1.0 + place % 3 / 10, code_hash="a") for place in range(24)]
    new = [run(20 - place, peak=1.2 - place % 3 / 10, code_hash="b") for place in range(8)]
    before, first, agreed = (ask(*old, *new[:count]).memory_gib for count in (0, 1, 8))
    assert first.p95 > before.p95
    assert agreed.p95 == pytest.approx(before.p95, rel=0.02)
    assert "its code changed with the last run, the 24 before count as" in first.reason
    assert "its code changed with the last 8 runs, which agree with those before" in agreed.reason
    assert ask(*old, *new[:1]).own_runs < 6 < ask(*old, *new).own_runs


def test_new_code_that_needs_more_is_followed_at_once(ask, run):
    """Two runs are no change of level by their figures alone, but they are with another version."""
    old = [run(60 - place, peak=1.0 + place % 3 / 50, code_hash="a") for place in range(24)]
    new = [run(20 - place, peak=2.0 + place % 3 / 50, code_hash="b") for place in range(2)]
    told = ask(*old, *new).memory_gib
    untold = ask(*old, *(replace(each, code_hash=None) for each in new)).memory_gib
    assert untold.p50 < 1.1
    assert told.p50 >= 2.0
    assert told.p95 > 2.1


def test_new_code_that_needs_less_asks_for_no_more(ask, run):
    """It widens downwards only: nothing says that it needs more than before."""
    old = [run(60 - place, peak=2.0 + place % 3 / 10, image="etl:1") for place in range(24)]
    new = [run(20, peak=1.0, image="etl:2")]
    before, after = ask(*old).memory_gib, ask(*old, *new).memory_gib
    assert after.p50 < before.p50
    assert after.p95 <= before.p95
    assert "its image changed with the last run" in after.reason


def test_new_code_that_may_need_a_little_less_changes_nothing_yet(ask, run):
    """One run below the others is an ordinary one; the request stays until more of them tell."""
    old = [run(60 - place, peak=2.0 + place % 3 / 10, image="etl:1") for place in range(24)]
    new = run(20, peak=1.9, image="etl:2")
    told, untold = ask(*old, new).memory_gib, ask(*old, replace(new, image=None)).memory_gib
    assert (told.p50, told.p95) == (untold.p50, untold.p95)
    assert (
        "its image changed with the last run, and there is no proof of a lesser need" in told.reason
    )


def test_a_kill_of_forgotten_code_is_not_heeded(ask, run):
    """A leak that was mended asks for no room any more; of code that agrees it does."""
    leak = [run(40 - place, peak=8.0, code_hash="a") for place in range(6)]
    kill = run(30, peak=9.0, asked=9.0, outcome=Outcome.OUT_OF_MEMORY, code_hash="a")
    mended = [run(9 - place, peak=1.0, code_hash="b") for place in range(4)]
    assert ask(*leak, kill, *mended).killed_at_gib == 0.0
    same = [replace(each, code_hash="a") for each in mended]
    assert ask(*leak, kill, *same).killed_at_gib == 9.0


def test_new_code_keeps_what_the_sizes_of_inputs_have_taught(ask, run):
    """A few new runs at one size do not make the need proportional to the input."""
    old = [
        run(60 - place, peak=4.0 + 0.1 * (1 + place % 4), gib=1.0 + place % 4, code_hash="a")
        for place in range(24)
    ]
    new = [run(9 - place, peak=8.1 + place / 50, gib=1.0, code_hash="b") for place in range(3)]
    grown = ask(*old, *new, gib=4.0).memory_gib
    assert "the 24 before count as" in grown.reason
    assert 8.0 < grown.p50 < 10.0
