"""The planning benchmark ends peers that go on too long, keeps its answers, and judges fairly."""

from __future__ import annotations

import math
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import psutil
import pytest

from aiops_provider.domain.plan import Objective
from benchmarks.placement.kept_answers import KeptAnswers, name_of
from benchmarks.placement.plan_cases import PlanCase
from benchmarks.placement.plan_peers import CBC, HIGHS, Answer
from benchmarks.placement.plan_report import (
    OURS,
    Comparison,
    plan_musts,
    table_row,
    verdict,
    verdict_musts,
)
from benchmarks.placement.separate_process import run_apart

_ANSWER = Answer(
    peer=OURS,
    value=0.9,
    bound=0.91,
    seconds=1.0,
    process_seconds=1.0,
    violations=0,
    gib=0.1,
    ending="done",
)
_CASE = PlanCase(groups=(), clusters=(), egress={}, budget_usd_per_hour=1.0)
_LONG_S = 300.0


def _sum(one: int, other: int) -> int:
    return one + other


def _never_ends(note: Path) -> None:
    child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(300)"])
    note.write_text(str(child.pid))
    while True:
        pass


def _takes_all_memory() -> int:
    return len(bytearray(2**40))


def _fails() -> None:
    raise ValueError("no such machine")


def _told(note: Path) -> bool:
    return note.exists() and note.read_text() != ""


def test_what_ends_tells_its_result():
    """With the time that it took."""
    ended = run_apart(_sum, (1, 2), limit_s=_LONG_S, limit_gib=4.0)
    assert (3, "done") == (ended.result, ended.how)
    assert 0 < ended.seconds < _LONG_S


def test_what_does_not_end_is_killed_with_its_children(tmp_path):
    """A solver is a program of its own, which must not live on."""
    note = tmp_path / "pid"
    limit_s = 3.0
    while not _told(note):  # on a busy machine the child may not have come so far
        ended = run_apart(_never_ends, (note,), limit_s=limit_s, limit_gib=4.0)
        assert ended.result is None
        assert f"killed after {limit_s:.0f} s" == ended.how
        limit_s *= 2
    assert ended.process_seconds > 0
    deadline = time.monotonic() + _LONG_S
    while _lives(int(note.read_text())):
        assert time.monotonic() < deadline


def _lives(pid: int) -> bool:
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def test_what_takes_too_much_memory_is_told():
    """Not as an error of the benchmark, but as how that peer ended."""
    ended = run_apart(_takes_all_memory, (), limit_s=_LONG_S, limit_gib=4.0)
    assert (None, "out of 4 GiB") == (ended.result, ended.how)


def test_an_error_of_a_peer_is_raised():
    """It is a bug, not a result."""
    with pytest.raises(ValueError, match="no such machine"):
        run_apart(_fails, (), limit_s=_LONG_S, limit_gib=4.0)


def test_answers_are_found_again_also_those_with_nothing(tmp_path):
    """By another object, such as that of the next process."""
    file = tmp_path / "answers.json"
    nothing = replace(_ANSWER, value=math.nan, bound=-math.inf, ending="killed after 9 s")
    kept = KeptAnswers(file)
    kept.put("one", _ANSWER)
    kept.put("two", nothing)
    again = KeptAnswers(file)
    assert again.get("one") == _ANSWER
    found = again.get("two")
    assert found is not None
    assert math.isnan(found.value)
    assert (-math.inf, "killed after 9 s") == (found.bound, found.ending)
    assert again.get("three") is None
    assert [file] == list(tmp_path.iterdir())


def test_another_problem_limit_or_source_has_another_name():
    """So that what was kept of them does not count."""
    other = replace(_CASE, budget_usd_per_hour=2.0)
    names = {
        name_of("CBC", "most", _CASE, 30.0, "a"),
        name_of("CBC", "most", other, 30.0, "a"),
        name_of("CBC", "most", _CASE, 60.0, "a"),
        name_of("CBC", "most", _CASE, 30.0, "b"),
        name_of("CBC", "least", _CASE, 30.0, "a"),
        name_of("HiGHS", "most", _CASE, 30.0, "a"),
    }
    assert 6 == len(names)


def _comparison(*answers: Answer) -> Comparison:
    objective = Objective(budget_usd_per_hour=1.0)
    return Comparison(
        size="2x1x24", seed=0, case=_CASE, objective=objective, answers=answers, missing=()
    )


def test_the_gap_is_to_the_best_bound_that_anybody_proved():
    """A peer without a plan has a row with its bound of time, and no gap."""
    tighter = replace(_ANSWER, peer=HIGHS, value=0.9, bound=0.905)
    killed = replace(_ANSWER, peer=CBC, value=math.nan, bound=math.inf, ending="killed after 9 s")
    found = _comparison(_ANSWER, tighter, killed)
    assert 0.905 == found.limit
    assert pytest.approx(0.005 / 0.905) == plan_musts(found)[0].value
    told = table_row(found, killed)
    assert ("killed after 9 s", math.inf) == (told["ended"], told["gap %"])


def test_the_verdict_is_against_the_solver_that_is_slower_or_does_not_end():
    """It is not a belief: both limits can be missed."""
    quick, slow = replace(_ANSWER, process_seconds=1.0), replace(_ANSWER, process_seconds=4.0)
    good = _comparison(replace(quick, peer=HIGHS), replace(slow, peer=CBC))
    bad = _comparison(replace(slow, peer=HIGHS), replace(quick, peer=CBC))
    cut = _comparison(replace(quick, peer=HIGHS, ending="time limit"), replace(quick, peer=CBC))
    assert [True, True] == [must.met for must in verdict_musts([good])]
    assert [False, True] == [must.met for must in verdict_musts([bad])]
    assert [False, False] == [must.met for must in verdict_musts([bad, cut])]
    assert "HiGHS ended 1, CBC 2" in verdict([bad, cut])[0]
    assert not verdict_musts([_comparison(_ANSWER)])
    assert not verdict_musts([cut])
