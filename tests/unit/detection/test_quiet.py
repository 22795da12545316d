"""When nothing is wrong nothing is told."""

from __future__ import annotations

from collections import defaultdict
from datetime import UTC, datetime, timedelta

import pytest

from aiops_provider.detection.limits import WatchConfig
from aiops_provider.detection.rules_file import default_rules
from aiops_provider.detection.watch import Watch
from aiops_provider.testing.incidents import World, clusters

NOW = datetime(2026, 11, 24, 14, 3, tzinfo=UTC)


@pytest.mark.parametrize("seed", range(20))
def test_a_healthy_run_raises_no_super_alarm(seed):
    """825 samples of 25 tasks, all well: no super-alarm, at most a stray alarm."""
    world = World(seed)
    watch = Watch(WatchConfig(), default_rules(), clusters=clusters())
    history = defaultdict(list)
    for sample in world.history(NOW):
        history[sample.series].append((sample.observed_at, sample.value))
    watch.prime(history)
    watch.observe(world.run(NOW))
    found = watch.evaluate(NOW + timedelta(minutes=1))

    assert ((), ()) == (found.super_alarms, found.responses)
    assert len(found.alarms) <= 3
    assert 825 == found.judged
