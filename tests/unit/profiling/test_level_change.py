"""Changes of level."""

from __future__ import annotations

import random

import pytest

from aiops_provider.profiling.level_change import runs_since_change


@pytest.fixture
def noise():
    """``noise(20, around=2.0)``: a history without a change."""
    generator = random.Random(7)  # noqa: S311 – no secret

    def make(count, *, around=1.0, spread=0.05):
        return [around * generator.lognormvariate(0.0, spread) for _ in range(count)]

    return make


@pytest.mark.parametrize("level", [0.5, 2.0])
def test_four_runs_at_another_level_are_a_change(noise, level):
    """Whether more or less is needed."""
    assert runs_since_change(noise(20) + noise(4, around=level)) == 4


def test_a_single_wild_run_is_none(noise):
    """Once in a while a run needs ten times as much."""
    assert runs_since_change([*noise(20), 10.0]) is None
    assert runs_since_change([*noise(20), 10.0, *noise(10)]) is None


def test_old_changes_are_found_despite_wild_runs(noise):
    """Ranks do not care how far out a run is."""
    values = noise(30) + noise(30, around=1.5)
    values[10], values[45] = 50.0, 0.01
    assert runs_since_change(values) == pytest.approx(30, abs=2)


def test_small_changes_are_not_worth_forgetting(noise):
    """A tenth more is within the room that a request has."""
    assert runs_since_change(noise(30, spread=0.01) + noise(30, around=1.1, spread=0.01)) is None


def test_false_alarms_are_rare(noise):
    """At most one history in a hundred without a change, whatever its spread."""
    alarms = [runs_since_change(noise(40, spread=0.5)) for _ in range(400)]
    assert sum(alarm is not None for alarm in alarms) <= 8


@pytest.mark.parametrize("values", [[], [1.0], [1.0] * 64, [1.0, 2.0, 3.0, 4.0, 5.0]])
def test_few_or_constant_values_say_nothing(values):
    """No change can be told from chance."""
    assert runs_since_change(values) is None
