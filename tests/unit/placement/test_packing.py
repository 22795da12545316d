"""Tasks with shares of GPUs are packed where they leave least that others cannot use."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from aiops_provider.errors import DataError
from aiops_provider.placement.fleet import GPU_MILLI, Fleet, Machine, TaskKind
from aiops_provider.placement.fragmentation import Fragmentation
from aiops_provider.placement.packing import (
    LeastFragmentation,
    pack,
    planned_order,
    typical_tasks,
)

WHOLE = TaskKind(8000, 1024, 1, GPU_MILLI)
HALF = TaskKind(4000, 1024, 1, 500)
NO_GPU = TaskKind(8000, 1024)


def machine(name: str = "m", *, cores: int = 32, gpus: int = 2, model: str = "T4") -> Machine:
    return Machine(name, cores * 1000, 256 * 1024, gpus, model)


def least_fragmentation(typical: dict[TaskKind, float], **options: bool) -> LeastFragmentation:
    return LeastFragmentation(Fragmentation(typical), **options)


def fragments(typical: dict[TaskKind, float], cores: int, gpus: list[int]) -> float:
    return float(Fragmentation(typical).of("T4", np.array([cores]), np.array([gpus]))[0])


def test_what_a_typical_task_can_use_is_no_fragment():
    """Two free GPUs and enough cores."""
    assert 0.0 == fragments({WHOLE: 1.0}, 32_000, [1000, 1000])


def test_free_gpus_without_cores_are_a_fragment():
    """All that is free, since the task does not fit."""
    assert 2000.0 == fragments({WHOLE: 1.0}, 7_999, [1000, 1000])


def test_a_gpu_too_full_is_a_fragment_and_the_free_one_beside_it_is_not():
    """By the weights of the tasks: the half fits on both, the whole on one."""
    assert math.isclose(125.0, fragments({WHOLE: 0.25, HALF: 0.75}, 32_000, [1000, 500]))


def test_to_a_task_without_gpus_or_for_another_model_every_free_gpu_is_a_fragment():
    """As in the paper."""
    other = TaskKind(1000, 0, 1, 500, ("A10",))
    assert 2000.0 == fragments({NO_GPU: 0.5, other: 0.5}, 32_000, [1000, 1000])


def test_a_share_goes_beside_another_rather_than_onto_a_free_gpu():
    """Whole GPUs are what comes most."""
    fleet = Fleet([machine()])
    placements = pack(fleet, [HALF, HALF, WHOLE], least_fragmentation({WHOLE: 0.6, HALF: 0.4}))
    assert [(0,), (0,), (1,)] == [placement.devices for placement in placements if placement]
    assert 1.0 == fleet.allocated


def test_a_task_without_gpus_leaves_the_cores_beside_free_gpus():
    """It goes to the machine that has none, though that has more left over."""
    fleet = Fleet([machine("with", cores=16), machine("without", cores=64, gpus=0)])
    (placement,) = pack(fleet, [NO_GPU], least_fragmentation({WHOLE: 1.0}))
    assert placement is not None
    assert 1 == placement.row


def test_of_equal_machines_the_tightest_is_taken_or_else_the_first():
    """Both machines are as good as each other to the tasks to come."""
    machines = [machine("wide", cores=64), machine("tight", cores=32)]
    for tightest, row in ((True, 1), (False, 0)):
        policy = least_fragmentation({WHOLE: 1.0}, tightest=tightest)
        placement = policy.choose(Fleet(machines), WHOLE)
        assert placement is not None
        assert row == placement.row


def test_a_task_that_fits_nowhere_is_left_out():
    """By cores, by memory, by GPUs or by model."""
    policy = least_fragmentation({WHOLE: 1.0})
    for kind in (
        TaskKind(33_000, 0),
        TaskKind(0, 257 * 1024),
        TaskKind(0, 0, 3, GPU_MILLI),
        TaskKind(0, 0, 1, 100, ("A10",)),
    ):
        assert policy.choose(Fleet([machine()]), kind) is None


def test_what_is_given_back_can_be_taken_again():
    """The policy sees the change though it was not told of it."""
    fleet, policy = Fleet([machine(gpus=1)]), least_fragmentation({WHOLE: 1.0})
    assert [True, False] == [place is not None for place in pack(fleet, [WHOLE, HALF], policy)]
    fleet.give_back(0, WHOLE, (0,))
    assert policy.choose(fleet, HALF) is not None


def test_a_planned_order_leaves_out_what_wastes_most():
    """One GPU for 600 + 400 or for 700, which nothing at hand completes."""
    tasks = [TaskKind(0, 0, 1, size) for size in (700, 600, 400)]
    policy = least_fragmentation(typical_tasks(dict.fromkeys(tasks, 1.0)))
    as_they_come, planned = Fleet([machine(gpus=1)]), Fleet([machine(gpus=1)])
    pack(as_they_come, tasks, policy)
    pack(planned, [tasks[place] for place in planned_order(tasks)], policy)
    assert (0.7, 1.0) == (as_they_come.allocated, planned.allocated)


def test_typical_tasks_are_the_most_frequent_up_to_the_coverage():
    """Memory does not tell kinds apart."""
    counts = {WHOLE: 40.0, TaskKind(8000, 2048, 1, GPU_MILLI): 20.0, HALF: 36.0, NO_GPU: 4.0}
    typical = typical_tasks(counts, coverage=0.95)
    assert [1, 1] == [kind.gpus for kind in typical]
    assert [0.625, 0.375] == [round(share, 9) for share in typical.values()]


@pytest.mark.parametrize(
    ("faulty", "message"),
    [
        (lambda: TaskKind(-1, 0), "cores_milli of a task is -1"),
        (lambda: TaskKind(0, 0, 2, 500), "gpu_milli of a task with 2 GPUs is 500: give 1000"),
        (lambda: TaskKind(0, 0, 0, 500), "gpu_milli of a task with 0 GPUs is 500"),
        (lambda: Fleet([]), "no machine"),
        (lambda: Fragmentation({}), "no typical task"),
        (lambda: typical_tasks({}), "no task was counted"),
    ],
)
def test_faulty_input_is_refused(faulty, message):
    """The error names the value and the mend."""
    with pytest.raises(DataError, match=message):
        faulty()


KINDS = st.one_of(
    st.builds(TaskKind, st.integers(0, 9000), st.integers(0, 99_999)),
    st.builds(
        TaskKind, st.integers(0, 9000), st.integers(0, 99_999), st.just(1), st.integers(1, 999)
    ),
    st.builds(
        TaskKind, st.integers(0, 9000), st.integers(0, 9999), st.integers(1, 4), st.just(GPU_MILLI)
    ),
)


@settings(max_examples=40, deadline=None)
@given(tasks=st.lists(KINDS, min_size=1, max_size=30), tightest=st.booleans())
def test_no_machine_holds_more_than_it_has(tasks, tightest):
    """Nothing free is ever negative, and what was placed is what is gone."""
    fleet = Fleet([machine("a", gpus=1), machine("b", cores=16, gpus=4), machine("c", gpus=0)])
    policy = least_fragmentation(typical_tasks(dict.fromkeys(tasks, 1.0)), tightest=tightest)
    before = fleet.gpus.sum()
    placements = pack(fleet, tasks, policy)
    assert (fleet.cores >= 0).all()
    assert (fleet.memory >= 0).all()
    assert (fleet.gpus >= 0).all()
    placed = [task for task, place in zip(tasks, placements, strict=True) if place is not None]
    assert before - fleet.gpus.sum() == sum(task.total_gpu_milli for task in placed)
