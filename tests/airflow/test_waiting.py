"""When tasks that wait for room are placed anew, and when they are queued anew."""

import pytest

from aiops_provider.airflow.waiting import WaitingTimes


class Clock:
    now = 0.0

    def __call__(self):
        return self.now


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def waiting(clock):
    waiting = WaitingTimes(queued_timeout_s=60, choose_again_s=10, clock=clock)
    waiting.begin("a")
    return waiting


def test_a_task_is_placed_anew_from_time_to_time(waiting, clock):
    """Not at every heartbeat; one that is not known never."""
    heard = []
    for clock.now in (5, 10, 11, 19, 20):
        heard.append(waiting.choose_again("a"))
    assert [False, True, False, False, True] == heard
    assert not waiting.choose_again("b")


def test_a_task_is_queued_anew_before_its_token_expires(waiting, clock):
    """Once, and again as late after that: placing it anew does not make the token younger."""
    clock.now = 29
    waiting.choose_again("a")
    assert [] == waiting.too_long(["a"])
    clock.now = 30
    assert ["a"] == waiting.too_long(["a", "b"])
    assert [] == waiting.too_long(["a"])
    clock.now = 60
    assert ["a"] == waiting.too_long(["a"])


def test_what_left_does_not_wait(waiting, clock):
    """Nor does what is not asked about."""
    clock.now = 100
    assert [] == waiting.too_long([])
    waiting.forget("a")
    assert [] == waiting.too_long(["a"])
    assert not waiting.choose_again("a")
