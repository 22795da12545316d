"""The alarm board."""

from __future__ import annotations

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aiops_provider.detection.board import AlarmBoard
from aiops_provider.detection.judge import Observation
from aiops_provider.detection.verdict import Verdict
from aiops_provider.domain.alarm import AlarmState


def board(clear_after=2):
    return AlarmBoard(clear_after=clear_after, give_up_after=timedelta(days=7))


@pytest.fixture
def seen(sample):
    """``seen("!", hours=3)``: ``!`` alarmed, ``~`` deviating, ``.`` normal, ``?`` not judged."""

    def make(mark, hours=0.0):
        verdict = Verdict(p_value=1e-9, expected=100.0, reason="", detector="seasonal")
        return Observation(
            sample=sample(22.0, hours=hours, task="train"),
            verdict=None if mark == "?" else verdict,
            alarmed=mark == "!",
            deviating=mark in "!~",
        )

    return make


def states(seen, marks, *, clear_after=2):
    """After each sample: whether an alarm is open."""
    one = board(clear_after)
    told = ""
    for hour, mark in enumerate(marks):
        one.update(seen(mark, hour))
        told += "O" if one.open_alarms else "-"
    return told


@pytest.mark.parametrize(
    ("marks", "told"),
    [
        ("..!..", "--OO-"),  # raised at once, cleared by the second normal sample
        ("~~~", "---"),  # what only deviates raises nothing …
        ("!~~~..", "OOOOO-"),  # … but holds
        ("!.!.!..", "OOOOOO-"),  # flapping is one alarm
        ("!.?.", "OOO-"),  # what cannot be judged says nothing
    ],
)
def test_raise_hold_and_clear(seen, marks, told):
    """Leaving an alarm takes more than entering it."""
    assert told == states(seen, marks)


def test_flapping_is_one_alarm(seen):
    """A series that comes and goes keeps its alarm and its onset."""
    one = board()
    told = [one.update(seen(mark, hour)) for hour, mark in enumerate("!.~.!")]
    alarms = [alarm for alarm in told if alarm is not None]

    assert [3, 1] == [len(alarms), len({(alarm.id, alarm.observed_at) for alarm in alarms})]


def test_ids_are_the_same_in_every_process(seen):
    """The same series and onset have the same id; another onset has another."""
    first, again = board().update(seen("!")), board().update(seen("!"))

    assert first.id == again.id
    assert first.id != board().update(seen("!", hours=1)).id


def test_samples_that_arrive_again_change_nothing(seen):
    """A duplicate neither raises nor clears."""
    one = board(clear_after=1)
    alarm = one.update(seen("!"))

    assert alarm == one.update(seen("!"))
    one.update(seen(".", 1))
    assert alarm.id == one.update(seen("!")).id
    assert {} == one.open_alarms


def test_a_late_sample_does_not_speak_for_the_present(seen):
    """What is known since then is newer: no alarm for the past, no end of the present one."""
    one = board(clear_after=1)
    one.update(seen(".", 5))
    assert one.update(seen("!", 4)) is None

    one.update(seen("!", 6))
    one.update(seen(".", 3))
    assert 1 == len(one.open_alarms)


def test_changes_are_handed_out_once(seen):
    """The last form of each alarm, then nothing until something happens."""
    one = board(clear_after=1)
    for hour, mark in enumerate("!~."):
        one.update(seen(mark, hour))

    assert [AlarmState.RESOLVED] == [alarm.state for alarm in one.take_changes()]
    assert [] == one.take_changes()


def test_a_false_positive_is_mute_until_it_is_normal(seen):
    """The series may deviate as long as it likes; after it was normal it may alarm again."""
    one = board(clear_after=1)
    one.mute(one.update(seen("!")))

    assert [None, None] == [one.update(seen("!", 1)), one.update(seen("~", 2))]
    assert {} == one.open_alarms
    one.update(seen(".", 3))
    assert one.update(seen("!", 4)) is not None


def test_nobody_waits_for_ever(seen, start):
    """An alarm of a series that is not reported any more is resolved after a week."""
    one = board()
    one.update(seen("!"))
    one.give_up(start + timedelta(days=7))
    assert one.open_alarms

    one.give_up(start + timedelta(days=7, seconds=1))
    assert {} == one.open_alarms


def test_restored_alarms_go_on(seen):
    """A new process holds the same alarm, and knows the ended one."""
    before = board(clear_after=1)
    before.update(seen("!"))
    before.update(seen(".", 1))
    before.update(seen("!", 2))
    after = board(clear_after=1)
    after.restore(before.take_changes())

    assert before.open_alarms.keys() == after.open_alarms.keys()
    assert after.update(seen("!")).observed_at == seen("!").sample.observed_at
    assert before.open_alarms.keys() == {after.update(seen("~", 3)).id}


@given(st.text("!~.", min_size=1, max_size=40))
def test_the_same_stream_twice_raises_the_same_alarms(marks):
    """Reading samples again after a crash adds no alarm."""
    from datetime import UTC, datetime

    from aiops_provider.domain.kpi import KpiSample

    start = datetime(2026, 1, 1, tzinfo=UTC)
    verdict = Verdict(p_value=1e-9, expected=1.0, reason="", detector="seasonal")
    stream = [
        Observation(
            sample=KpiSample(name="rows", observed_at=start + timedelta(hours=n), value=1.0),
            verdict=verdict,
            alarmed=mark == "!",
            deviating=mark != ".",
        )
        for n, mark in enumerate(marks)
    ]
    once, crashed = board(), board()
    ids = {alarm.id for one in stream if (alarm := once.update(one))}
    for one in stream:
        crashed.update(one)
    restored = board()
    restored.restore(crashed.take_changes())
    again = {alarm.id for one in stream if (alarm := restored.update(one))}

    assert again <= ids
    assert once.open_alarms.keys() == restored.open_alarms.keys()
