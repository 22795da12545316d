"""Runs on small and on large inputs have profiles of their own."""

from __future__ import annotations

import math
import random
from dataclasses import replace

import pytest

from aiops_provider.domain.execution import Outcome
from aiops_provider.domain.input_facts import INPUT_GIB, MOST_INPUT_FACTS, input_facts
from aiops_provider.domain.profile import Source, WorkloadProfile
from aiops_provider.domain.workload import Generic
from aiops_provider.profiling.input_lookup import at_input
from aiops_provider.profiling.profiler import Profiler
from aiops_provider.store.payload import decode, encode


@pytest.fixture
def learned(run, task, now):
    """``learned((1.0, 0.2), (50.0, 1.5))``: the profile after runs on inputs of n with that peak."""

    def make(*points, name="n", description=None, **fields):
        profiler = Profiler()
        profiler.restore(
            run(
                len(points) - place,
                peak=peak,
                duration=60 * peak,
                inputs=input_facts({"same": 7.0, name: value}),
                **fields,
            )
            for place, (value, peak) in enumerate(points)
        )
        return profiler.predict(task, description, now=now)

    return make


def asked(profile, value, name="n"):
    return at_input(profile, ((name, value), ("same", 7.0))).request.memory_gib


def test_one_run_of_each_size_is_enough_where_they_differ_by_factors(learned):
    """The small one asks for little and the large one for much, at their next dispatch."""
    profile = learned((1.0, 0.2), (50.0, 1.5))
    small, large = asked(profile, 1.0), asked(profile, 50.0)
    assert 0.2 < small < 0.6
    assert 1.5 < large < 3.0
    assert small < profile.request.memory_gib


def test_sizes_that_change_nothing_do_not_tell_runs_apart(learned):
    """Else each class would have few runs and a wide margin."""
    rng = random.Random(7)  # noqa: S311 - must be repeatable
    points = [(rng.choice([1.0, 50.0]), 0.5 * rng.lognormvariate(0, 0.1)) for _ in range(40)]
    profile = learned(*points)
    assert profile.by_input is None
    assert at_input(profile, (("n", 50.0),)) == profile


def test_chance_is_not_taken_for_a_size(run, task, now):
    """With twenty measures that mean nothing one of them always looks as if it did."""
    rng = random.Random(3)  # noqa: S311 - must be repeatable
    found = 0
    for _ in range(30):
        profiler = Profiler()
        profiler.restore(
            run(
                hours,
                peak=0.5 * rng.lognormvariate(0, 0.3),
                inputs=input_facts({f"m{i}": rng.uniform(1, 100) for i in range(20)}),
            )
            for hours in range(1, 11)
        )
        found += profiler.predict(task, now=now).by_input is not None
    assert found <= 3


def test_many_sizes_lie_on_a_line(learned):
    """Between and beyond the sizes seen the need is on the line through them."""
    profile = learned(*((float(n), 0.2 + 0.05 * n) for n in (1, 3, 7, 12, 20, 30, 40)))
    assert profile.by_input.linear
    for n in (5.0, 25.0, 80.0):
        at = at_input(profile, (("n", n),))
        assert at.memory_gib.p50 == pytest.approx(0.2 + 0.05 * n, rel=0.05)
        assert at.request.memory_gib > 0.2 + 0.05 * n


def test_a_size_between_two_classes_gets_the_higher_need(learned):
    """Nothing is known of it; too little would kill it."""
    profile = learned((1.0, 0.2), (64.0, 1.5), (1.0, 0.2), (64.0, 1.6))
    assert asked(profile, 10.0) == asked(profile, 64.0)
    assert asked(profile, 0.1) == asked(profile, 1.0)


def test_beyond_the_largest_class_more_is_asked_for_but_not_without_end(learned):
    """In proportion, up to four times as much."""
    profile = learned((1.0, 0.2), (64.0, 1.5), (1.0, 0.2), (64.0, 1.5))
    twice, farther, farthest = (asked(profile, n) for n in (128.0, 256.0, 64_000.0))
    assert asked(profile, 64.0) < twice < farther == farthest


def test_kinds_are_told_apart_by_a_text(learned):
    """Once each was seen about twice; a new one is any task's."""
    points = [("a", 0.2), ("b", 1.5)] * 3
    profile = learned(*points, name="model")
    assert asked(profile, "a", "model") < 0.6
    assert asked(profile, "b", "model") > 1.5
    assert asked(profile, "c", "model") == profile.request.memory_gib


def test_texts_that_never_repeat_are_no_kinds(learned):
    """The path of each day's file."""
    assert learned(*((f"day {n}", 0.2 + n) for n in range(6)), name="path").by_input is None


def test_time_counts_where_memory_does_not_tell(run, task, now):
    """A task that reads large inputs in pieces."""
    profiler = Profiler()
    profiler.restore(
        run(hours, peak=0.3, duration=duration, inputs=(("n", n),))
        for hours, n, duration in [(4, 1.0, 10), (3, 9.0, 90), (2, 1.0, 11), (1, 9.0, 95)]
    )
    profile = profiler.predict(task, now=now)
    small, large = (at_input(profile, (("n", n),)).duration_s.p50 for n in (1.0, 9.0))
    assert small < 15
    assert large > 85


def test_runs_that_were_killed_make_their_class_larger(run, task, now):
    """The small ones keep their request; of the large ones none has ended well."""
    profiler = Profiler()
    sizes = [(5, 1.0, 0.2), (4, 30.0, 1.0), (3, 1.0, 0.2), (2, 30.0, 1.0)]
    profiler.restore(run(h, peak=peak, inputs=(("n", n),)) for h, n, peak in sizes)
    before = profiler.predict(task, now=now)
    killed = run(1, peak=8.0, asked=8.0, outcome=Outcome.OUT_OF_MEMORY, inputs=(("n", 300.0),))
    profiler.learn(killed)
    after = profiler.predict(task, now=now)
    assert asked(before, 300.0) < 8.0 < asked(after, 300.0)
    assert asked(after, 1.0) == asked(before, 1.0)


def test_pins_hold_for_every_class(learned):
    """The author knows better."""
    profile = learned((1.0, 0.2), (50.0, 1.5), description=Generic(memory_gib=3))
    assert asked(profile, 1.0) == asked(profile, 50.0) == 3
    assert at_input(profile, (("n", 1.0),)).memory_gib.source is Source.PINNED


def test_the_size_in_gib_is_the_profile_s(learned):
    """So that nothing grows it once more."""
    profile = learned((1.0, 0.2), (50.0, 1.5), name=INPUT_GIB)
    assert at_input(profile, ((INPUT_GIB, 50.0),)).input_gib == 50.0
    assert at_input(profile, ()).input_gib == profile.input_gib


def test_the_runs_of_each_class_are_counted(learned):
    """Nine small ones for each large one."""
    profile = learned(*[(1.0, 0.2)] * 9, (50.0, 1.5), *[(1.0, 0.2)] * 9, (40.0, 1.5))
    small, large = profile.by_input.shares
    assert (small.at, small.share) == (1.0, 0.9)
    assert (large.at, large.share) == (50.0, 0.1)
    assert small.request.memory_gib == asked(profile, 1.0)
    assert large.request.memory_gib == asked(profile, 50.0)
    assert small.duration_s.p50 < large.duration_s.p50 / 5


def test_on_a_line_a_class_counts_by_its_mean_size(learned):
    """While a machine must hold its largest."""
    profile = learned(*[(size, 0.1 + 0.05 * size) for size in (2.0, 17.0, 31.0, 18.0, 30.0, 3.0)])
    assert profile.by_input.linear
    small, large = profile.by_input.shares
    assert math.isclose(large.share, 4 / 6)
    assert large.request.memory_gib == asked(profile, 31.0)
    assert large.memory_gib == asked(profile, 24.0) < large.request.memory_gib
    assert small.memory_gib < large.memory_gib


def test_a_run_that_was_tried_twice_is_one_run(run, task, now):
    """And runs whose input is not known are the rest."""
    sizes = [(1.0, 0.2)] * 8 + [(50.0, 1.5)]
    runs = [
        run(40 - place, peak=peak, inputs=input_facts({"n": size}))
        for place, (size, peak) in enumerate(sizes)
    ]
    large = runs[-1]
    killed = run(35, peak=1.4, outcome=Outcome.OUT_OF_MEMORY, inputs=large.inputs, run=large.run)
    again = replace(large, run=replace(large.run, try_number=2))
    unknown = run(3, peak=0.2, inputs=input_facts({"other": 1.0}))
    profiler = Profiler()
    profiler.restore([*runs[:-1], killed, again, unknown])
    shares = profiler.predict(task, None, now=now).by_input.shares
    assert [each.share for each in shares] == [0.8, 0.1]


def test_it_travels_through_the_store(learned):
    """Nothing is lost in JSON."""
    for profile in (learned((1.0, 0.2), (50.0, 1.5)), learned(*[("a", 0.2), ("b", 1.5)] * 3)):
        assert profile.by_input is not None
        assert decode(WorkloadProfile, encode(profile)) == profile


def test_there_is_an_end_to_what_is_kept():
    """The size of the whole input is kept first."""
    facts = input_facts({f"a{n:03}": 1.0 for n in range(100)} | {INPUT_GIB: 2.0, "x" * 101: 1.0})
    assert len(facts) == MOST_INPUT_FACTS
    assert dict(facts)[INPUT_GIB] == 2.0
