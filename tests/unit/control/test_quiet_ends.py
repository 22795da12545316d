"""Ends of healthy tries, as noisy as real ones are, tell of nothing."""

from __future__ import annotations

import math
import random
from collections import Counter, defaultdict
from datetime import UTC, datetime, timedelta

import pytest

from aiops_provider.control.outcome_kpis import outcome_samples
from aiops_provider.detection.limits import WatchConfig
from aiops_provider.detection.rules_file import default_rules
from aiops_provider.detection.watch import Watch
from aiops_provider.domain.execution import ExecutionRecord, Outcome, Usage
from aiops_provider.domain.task import TaskKey, TaskRun
from aiops_provider.testing.incidents import clusters

NOW = datetime(2026, 11, 24, 14, 3, tzinfo=UTC)
PERIOD = timedelta(hours=6)
PAST, PRESENT = 56, 12  # runs: two weeks, then three days
# The dearest is four times as dear as the cheapest, in USD an hour for the share of a machine.
PRICES = dict(zip([spec.name for spec in clusters()], (0.5, 1.0, 1.2, 2.0), strict=True))


class Ends:
    """
    Forty tasks of minutes to hours, each run four times a day.

    Nineteen of twenty durations lie within a factor of two of the task's own. One in five waits for a
    machine to be started, and in one run of ten all wait for one another. One try in thirty fails. A task
    changes its cluster every tenth time.
    """

    def __init__(self, seed: int, *, waiting_s: float = 0.0) -> None:
        self._random = random.Random(seed)  # noqa: S311 - a simulation
        self._places = clusters()
        self._minutes = [math.exp(self._random.uniform(0, math.log(240))) for _ in range(40)]
        self._place = [self._random.choice(self._places) for _ in self._minutes]
        self._waiting_s = waiting_s

    def run(self, number: int, *, trouble: bool = False):
        """The samples of one run of all tasks."""
        rng, samples = self._random, []
        begins = NOW + PERIOD * number
        crowd_s = rng.expovariate(1 / 120) if rng.random() < 0.1 else 0.0
        for task, minutes in enumerate(self._minutes):
            if rng.random() < 0.1:
                self._place[task] = rng.choice(self._places)
            place = self._place[task]
            retries = 0
            while rng.random() < 1 / 30:
                retries += 1
            cold = rng.random() < 0.2
            waits = rng.uniform(60, 240) if cold else rng.expovariate(1 / 8)
            waits += crowd_s * rng.random()
            if trouble and place.name == "aws-us-east-1":
                waits += self._waiting_s
            took = minutes * 60 * math.exp(rng.gauss(0, 0.35))
            start = begins + timedelta(seconds=waits)
            record = ExecutionRecord(
                run=TaskRun(TaskKey("dag", f"task-{task}"), f"run-{number}", -1, retries + 1),
                cluster=place.name,
                provider=place.provider,
                region=place.region,
                queued_at=begins,
                started_at=start,
                ended_at=start + timedelta(seconds=took),
                outcome=Outcome.SUCCESS,
                usage=Usage(
                    peak_memory_gib=2 * math.exp(rng.gauss(0, 0.2)), cpu_seconds=1, duration_s=took
                ),
            )
            cost = PRICES[place.name] * took / 3600
            samples += outcome_samples(record, cost_usd=cost, retries=retries)
        return samples


def watched(world: Ends, *, trouble: bool = False):
    """Two weeks are known; what is told of the three days after them."""
    watch = Watch(WatchConfig(), default_rules(), clusters=clusters())
    history = defaultdict(list)
    for number in range(-PAST, 0):
        for sample in world.run(number):
            history[sample.series].append((sample.observed_at, sample.value))
    watch.prime(history)
    told, responses, alarms, judged = {}, [], {}, 0
    for number in range(PRESENT):
        samples = sorted(world.run(number, trouble=trouble), key=lambda sample: sample.observed_at)
        watch.observe(samples)
        found = watch.evaluate(max(NOW + PERIOD * number, samples[-1].observed_at))
        told |= {one.id: one for one in found.super_alarms}
        alarms |= {one.id: one for one in found.alarms}
        responses += found.responses
        judged += found.judged
    return told, responses, Counter(one.series.name for one in alarms.values()), judged


@pytest.mark.parametrize("seed", range(12))
def test_noisy_ends_make_no_super_alarm(seed):
    """2880 samples of three days, all well: a stray alarm of a single task at most."""
    told, responses, alarms, judged = watched(Ends(seed))
    assert ({}, []) == (told, responses)
    assert sum(alarms.values()) <= 3, alarms
    assert 40 * 6 * PRESENT == judged


def test_a_queue_of_an_hour_is_told_and_quarantines_nothing():
    """Its cluster is among what is looked at first, for it needs room; its work is well."""
    told, responses, alarms, _ = watched(Ends(1, waiting_s=3600), trouble=True)
    assert alarms["queue_s"] >= 3
    suspected = [
        dict(one.cause)
        for super_alarm in told.values()
        for one in super_alarm.root_cause.hypotheses[:2]
    ]
    assert {"cluster": "aws-us-east-1"} in suspected
    assert [] == responses
