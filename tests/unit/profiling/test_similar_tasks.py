"""Predictions from the outcomes of similar tasks."""

from __future__ import annotations

import time
from datetime import timedelta

import pytest

from aiops_provider.domain.execution import Outcome
from aiops_provider.domain.profile import Source
from aiops_provider.domain.task import TaskKey
from aiops_provider.domain.workload import Generic
from aiops_provider.profiling.profiler import Profiler
from aiops_provider.profiling.similar_tasks import LEAST_SHARE_OF_REQUEST, SimilarTasks

SORT = TaskKey("flow", "sort_reads")
LIKE = TaskKey("other", "sort_reads")


def asking(gib: float) -> Generic:
    return Generic(requested_memory_gib=gib)


def test_a_like_name_gives_level_and_neighbour(now, run):
    """Without any request known, the namesake's peak is the answer, and the namesake is shown."""
    similar = SimilarTasks()
    similar.learn(run(1, task=LIKE, peak=6.0), None)
    estimate = similar.predict(SORT, None, (), now=now)
    assert estimate.neighbours == (LIKE,)
    assert estimate.memory_gib.p50 == pytest.approx(6.0)
    assert estimate.memory_gib.source is Source.SIMILAR_TASKS
    assert estimate.memory_gib.sample_count == 1
    assert estimate.memory_gib.reason == (
        "peak memory of 1 run of 1 similar task (other/sort_reads)"
    )


def test_nothing_is_said_without_neighbours(now, run):
    """Neither before the first record nor about a task that shares nothing."""
    similar = SimilarTasks()
    assert similar.predict(SORT, asking(8), (), now=now) is None
    similar.learn(run(1, task=TaskKey("x", "plot"), peak=6.0), None)
    assert similar.predict(SORT, asking(8), (), now=now) is None


def test_own_runs_and_the_future_are_not_looked_at(now, run):
    """The task itself and runs that ended later leave the predictor silent."""
    similar = SimilarTasks()
    similar.learn(run(1, task=SORT), None)
    similar.learn(run(-1, task=LIKE), None)
    assert similar.predict(SORT, None, (), now=now) is None
    assert similar.predict(SORT, None, (), now=now + timedelta(hours=2)) is not None


def test_strangers_say_how_people_ask(now, run):
    """One that uses little of its request lowers the request, but not below the least share."""
    similar = SimilarTasks()
    similar.learn(run(1, task=TaskKey("flow", "plot"), peak=0.4), asking(4))
    thrifty = similar.predict(SORT, asking(8), (), now=now)
    assert thrifty.memory_gib.p95 == pytest.approx(LEAST_SHARE_OF_REQUEST * 8)
    assert thrifty.neighbours is None
    similar.learn(run(1, task=TaskKey("flow", "join"), peak=3.9), asking(4))
    assert similar.predict(SORT, asking(8), (), now=now).memory_gib.p95 == pytest.approx(8.0)


def test_the_more_namesakes_the_more_they_are_trusted(now, run):
    """Each further task of the name moves the answer from the request towards what they needed."""
    similar, tops = SimilarTasks(), []
    for number in range(6):
        task = TaskKey(f"flow{number}", "sort_reads")
        similar.learn(run(1, task=task, peak=0.5), asking(16))
        tops.append(similar.predict(SORT, asking(16), (), now=now).memory_gib.p95)
    assert tops == sorted(tops, reverse=True)
    assert 0.5 < tops[-1] < tops[0] / 2 < 8


def test_the_same_record_twice_is_one(now, run):
    """Counts do not grow when a record is delivered again."""
    similar = SimilarTasks()
    for _ in range(3):
        similar.learn(run(1, task=LIKE), None)
    assert similar.predict(SORT, None, (), now=now).memory_gib.sample_count == 1


@pytest.mark.parametrize("outcome", [Outcome.FAILED, Outcome.OUT_OF_MEMORY, Outcome.CLUSTER_LOST])
def test_only_good_runs_teach(now, run, outcome):
    """What a broken run used is no level for others."""
    similar = SimilarTasks()
    similar.learn(run(1, task=LIKE, outcome=outcome), None)
    assert similar.predict(SORT, None, (), now=now) is None


def test_the_profile_of_a_first_run_names_its_neighbours(now, run):
    """Cold, the profiler blends the prior with similar tasks and shows them."""
    profiler = Profiler()
    profiler.restore(
        run(1, task=TaskKey(f"flow{number}", "sort_reads"), peak=6.0) for number in range(4)
    )
    profile = profiler.predict(SORT, now=now)
    assert len(profile.neighbours) == 4
    assert profile.memory_gib.source is Source.SIMILAR_TASKS
    assert profile.request.memory_gib > 6.0


def test_own_runs_take_over(now, run):
    """Once the task has run, its own history outweighs a neighbour that was wrong."""
    profiler = Profiler()
    profiler.restore([run(1, task=LIKE, peak=6.0)])
    profiler.restore(run(number, task=SORT, peak=0.5) for number in range(1, 6))
    memory = profiler.predict(SORT, now=now).memory_gib
    assert memory.source is Source.OWN_HISTORY
    assert memory.p50 < 0.7


def test_a_profile_of_many_tasks_is_quick(now, run):
    """With 2,000 tasks known, learning takes < 20 ms and a prediction < 50 ms of processor time."""
    similar = SimilarTasks()
    tasks = [TaskKey(f"flow{number % 50}", f"sort_reads_{number}") for number in range(2_000)]
    begun = time.process_time()
    for task in tasks:
        similar.learn(run(1, task=task), asking(8))
    assert (time.process_time() - begun) / len(tasks) < 0.020
    begun = time.process_time()
    assert similar.predict(SORT, asking(8), (), now=now) is not None
    assert time.process_time() - begun < 0.050
