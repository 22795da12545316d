"""How fast a task is on each pool that it has run on."""

from __future__ import annotations

import random

import pytest

from aiops_provider.domain.execution import Outcome
from aiops_provider.profiling.pool_pace import pool_paces
from aiops_provider.profiling.profiler import Profiler


@pytest.fixture
def on(run):
    """``on("fast", 10, seconds=50)``: ten runs there, alternating with those elsewhere."""
    chance = random.Random(5)  # noqa: S311 -- figures, no secrets

    def make(cluster, count, *, seconds, spread=0.1, gib=None, **others):
        return [
            run(
                1 + place + len(cluster) / 100,
                cluster=cluster,
                duration=seconds
                * (gib[place % len(gib)] if gib else 1.0)
                * chance.lognormvariate(0, spread),
                gib=gib[place % len(gib)] if gib else None,
                **others,
            )
            for place in range(count)
        ]

    return make


def test_a_slow_pool_is_told(on):
    """As a multiple of a usual run, a little less than was seen."""
    found = pool_paces([*on("fast", 20, seconds=100), *on("slow", 6, seconds=300)])
    ((cluster, pool, pace),) = found
    assert (cluster, pool) == ("slow", "default")
    assert 2.0 < pace < 3.0


def test_the_size_of_the_input_is_no_pace(on):
    """The larger inputs ran on one pool, and took as long as they do on the other."""
    small = on("one", 9, seconds=100, gib=[1.0, 2.0, 4.0])
    large = on("other", 9, seconds=100, gib=[8.0, 16.0, 32.0])
    assert pool_paces([*small, *large]) == ()
    slow = on("other", 9, seconds=300, gib=[8.0, 16.0, 32.0])
    assert {pace > 1 for cluster, _, pace in pool_paces([*small, *slow]) if cluster == "other"} == {
        True
    }


def test_chance_is_no_pace(on):
    """Among pools that are alike few are told, and none by much."""
    found = [
        pool_paces(
            [*on("one", 8, seconds=100, spread=0.4), *on("other", 8, seconds=100, spread=0.4)]
        )
        for _ in range(100)
    ]
    assert sum(map(bool, found)) <= 15


def test_few_runs_and_failures_tell_nothing(on):
    """Two good runs may differ by chance; a run that failed was not fast."""
    usual = on("one", 9, seconds=100)
    assert pool_paces([*usual, *on("other", 2, seconds=900)]) == ()
    failed = on("other", 9, seconds=5, outcome=Outcome.FAILED)
    assert pool_paces([*usual, *failed]) == ()
    assert pool_paces(usual) == ()
    assert pool_paces([]) == ()


def test_a_profile_has_the_paces(on, task, now):
    """Whichever order the runs were learned in; not for a task with accelerators."""
    profiler = Profiler()
    profiler.restore([*on("fast", 20, seconds=100), *on("slow", 6, seconds=300)])
    profile = profiler.predict(task, now=now)
    assert [cluster for cluster, _, _ in profile.pool_pace] == ["slow"]
    from aiops_provider.domain.workload import Generic

    assert profiler.predict(task, Generic(accelerator="A100"), now=now).pool_pace == ()
