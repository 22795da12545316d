"""What is learned as normal, and what is set aside."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

from aiops_provider.detection.memory import Memory
from aiops_provider.domain.alarm import AlarmState

WEEK = timedelta(days=7)


def normal(memory, series, start):
    return memory.past(series).before(start + timedelta(days=99))[1].tolist()


def test_what_an_alarm_holds_is_not_learned(sample, start):
    """An incident does not teach its own figures as normal."""
    memory = Memory(WEEK)
    memory.learn(sample(1.0))
    memory.set_aside(sample(99.0, hours=1))

    assert [1.0] == normal(memory, sample(0.0).series, start)


def test_a_deviation_that_lasts_is_the_new_normal(sample, start):
    """After a week the series has a new level."""
    memory = Memory(WEEK)
    for day in range(9):
        memory.set_aside(sample(float(day), hours=24 * day))

    assert [0.0, 1.0] == normal(memory, sample(0.0).series, start)


def test_a_false_alarm_is_learned_at_once(sample, start):
    """What a person calls normal is normal."""
    memory = Memory(WEEK)
    memory.set_aside(sample(99.0))
    memory.accept(sample(0.0).series)

    assert [99.0] == normal(memory, sample(0.0).series, start)


def test_history_is_primed_without_what_alarms_held(sample, start, alarm):
    """After a restart the baselines are what they were."""
    held = replace(alarm(minutes=60), last_seen_at=start + timedelta(minutes=120))
    history = {held.series: [(start + timedelta(minutes=30 * n), float(n)) for n in range(7)]}

    for state, learned in (
        (AlarmState.RESOLVED, [0.0, 1.0, 5.0, 6.0]),
        (AlarmState.FALSE_POSITIVE, [0.0, 1.0, 2.0, 3.0, 4.0, 5.0, 6.0]),
    ):
        memory = Memory(WEEK)
        memory.prime(history, [replace(held, state=state)])
        assert learned == normal(memory, held.series, start)


def test_an_excursion_is_remembered_once_it_is_over(sample, start):
    """While an alarm lasts it is no habit of the series."""
    memory = Memory(WEEK)
    later = start + timedelta(days=1)
    for hour, value in enumerate((50.0, 70.0)):
        memory.set_aside(sample(value, hours=hour))
    past = memory.past(sample(0.0).series)
    assert [] == past.excursions_before(later)

    memory.learn(sample(1.0, hours=2))
    assert [(start.timestamp(), 50.0, 70.0)] == past.excursions_before(later)


def test_a_series_without_past_is_known(sample):
    """Its history is asked for once only."""
    memory = Memory(WEEK)
    memory.prime({sample(0.0).series: []})

    assert sample(0.0).series in memory
