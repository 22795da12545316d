"""How often each run of a task has been moved, over its tries and over schedulers."""

from __future__ import annotations

from dataclasses import replace

from aiops_provider.control import past_moves
from aiops_provider.control.past_moves import MovedBefore, PastMoves, earlier_tries
from aiops_provider.domain.task import TaskKey, TaskRun

FIRST = TaskRun(TaskKey("medical", "train"), "r1")


def attempt(number: int) -> TaskRun:
    return replace(FIRST, try_number=number)


def test_a_first_try_has_no_past():
    """Nobody has to be asked."""
    assert MovedBefore() == PastMoves().before(FIRST)


def test_own_moves_are_known_at_once():
    """With the work that they have kept."""
    past = PastMoves()
    past.moved(attempt(1), 600.0)
    past.moved(attempt(2), 1200.0)
    assert MovedBefore(moves=2, kept_s=1800.0, through=2) == past.before(attempt(3))


def test_a_try_that_another_scheduler_had_is_missing():
    """It may have moved it as well, so that the store has to be asked."""
    past = PastMoves()
    past.moved(attempt(1), 600.0)
    assert past.before(attempt(3)) is None
    past.hear(attempt(3), {}, {}, 600.0)
    assert MovedBefore(through=2) == past.before(attempt(3))


def test_instances_of_a_mapped_task_have_a_past_each():
    """What happened to one says nothing of the other."""
    past = PastMoves()
    past.moved(attempt(1), 600.0)
    assert past.before(replace(attempt(2), map_index=3)) is None


def test_the_oldest_are_forgotten(monkeypatch):
    """They are asked for again."""
    monkeypatch.setattr(past_moves, "_REMEMBERED", 2)
    past = PastMoves()
    for index in range(3):
        past.moved(replace(FIRST, map_index=index), 0.0)
    known = [past.before(replace(attempt(2), map_index=index)) for index in range(3)]
    assert [False, True, True] == [each is not None for each in known]


def test_so_many_tries_are_asked_for_at_most():
    """Those just before; a task may have thousands."""
    assert [attempt(number) for number in (1, 2)] == earlier_tries(attempt(3))
    assert 20 == len(earlier_tries(attempt(5000)))
    assert attempt(4999) == earlier_tries(attempt(5000))[-1]
