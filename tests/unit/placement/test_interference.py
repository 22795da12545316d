"""Tasks that slow one another too much share no group; others count with the time that they take."""

from __future__ import annotations

import os
from dataclasses import replace
from datetime import UTC, datetime
from itertools import permutations
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from aiops_provider.domain.cluster import Capacity, ClusterSpec, Pool
from aiops_provider.domain.plan import Objective
from aiops_provider.domain.profile import (
    ComputeType,
    Quantity,
    ResourceRequest,
    Source,
    WorkloadProfile,
)
from aiops_provider.domain.task import TaskKey
from aiops_provider.placement.demand import concurrent_runs
from aiops_provider.placement.feasibility import check_plan
from aiops_provider.placement.improvement import refresh_plan
from aiops_provider.placement.interference import Interference, Slowdown
from aiops_provider.placement.multiplexing import make_group, multiplex
from aiops_provider.placement.workloads import plan_workloads
from benchmarks.placement.interference import read_gavel

NOW = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)
SHARED = Path(os.environ.get("AIOPS_SHARED_DATA") or Path(__file__).parents[4] / "shared/data")
GAVEL = SHARED / "placement" / "gavel-throughputs" / "simulation_throughputs.json.gz"


def exactly(value: float) -> Quantity:
    return Quantity(p50=value, p80=value, p95=value, source=Source.PRIOR)


def workload(name: str, hour: int, hours: float = 1.0, **changes) -> WorkloadProfile:
    """Every day at that hour."""
    starts = tuple(1.0 if slot % 24 == hour else 0.0 for slot in range(168))
    made = WorkloadProfile(
        task=TaskKey("dag", name),
        compute_type=ComputeType.CPU,
        cores=exactly(2),
        memory_gib=exactly(4),
        duration_s=exactly(hours * 3600),
        request=ResourceRequest(cores=2, memory_gib=4),
        predicted_at=NOW,
        starts_by_hour_of_week=starts,
    )
    return replace(made, **changes)


def slow(task: str, beside: str, slowdown: float, accelerator: str | None = None) -> Slowdown:
    return Slowdown(
        task=f"dag/{task}", beside=f"dag/{beside}", slowdown=slowdown, accelerator=accelerator
    )


def together(*rows: Slowdown, most: float = 1.2, profiles=None) -> list[set[str]]:
    profiles = profiles or [workload("a", 2), workload("b", 10), workload("c", 18)]
    groups = multiplex(profiles, interference=Interference(rows, most=most))
    return sorted(({task.name for task in group.tasks} for group in groups), key=sorted)


def test_without_measurements_nothing_changes():
    """An empty table is no table."""
    profiles = [workload(name, hour) for name, hour in (("a", 2), ("b", 10), ("c", 18))]
    assert multiplex(profiles) == multiplex(profiles, interference=Interference([], most=1.0))
    assert [{"a", "b", "c"}] == together()


@pytest.mark.parametrize("row", [slow("a", "b", 1.5), slow("b", "a", 1.5), slow("a", "[b]", 1.5)])
def test_a_pair_that_slows_too_much_shares_no_group(row):
    """Whichever of them is slowed, and by a pattern too."""
    groups = together(row)
    assert 2 == len(groups)
    assert not any({"a", "b"} <= group for group in groups)


def test_what_is_bearable_is_for_the_user_to_say():
    """At most a half longer."""
    assert [{"a", "b", "c"}] == together(slow("a", "b", 1.5), most=1.5)


def test_names_go_before_patterns_and_the_worst_counts():
    """A measurement of the two beats a guess for all; of several models the slowest."""
    rows = [
        slow("*", "*", 3.0),
        slow("a", "b", 1.1, "T4"),
        slow("a", "b", 1.3, "V100"),
        slow("b", "a", 0.9),
    ]
    found = Interference(rows, most=1.2)
    a, b, c = (TaskKey("dag", name) for name in "abc")
    assert (1.1, 1.3) == (found.slowdown(a, b, "T4"), found.slowdown(a, b, None))
    assert 1.0 == found.slowdown(b, a, None)  # nobody is promised to be faster
    assert 3.0 == found.slowdown(a, c, "T4")


def test_need_is_what_runs_in_progress_take():
    """By Little's law: in the hours in which both run, each takes half as long again."""
    one, two = workload("a", 2, 2.0), workload("b", 3, 1.0)
    rows = [slow("a", "b", 1.5), slow("b", "a", 1.25)]
    group = make_group([one, two], Interference(rows, most=2.0))
    a, b = concurrent_runs(one), concurrent_runs(two)
    expected = [
        2 * (a[slot] * (1 + 0.5 * b[slot]) + b[slot] * (1 + 0.25 * a[slot])) for slot in range(168)
    ]
    assert group.cores_by_slot == pytest.approx(expected)
    assert group.memory_gib_by_slot == pytest.approx([2 * value for value in expected])
    alone = make_group([one, two])
    assert group.sum_of_peaks_cores == alone.sum_of_peaks_cores
    assert group.peak_of_sum_cores > alone.peak_of_sum_cores


def test_what_never_runs_at_the_same_time_costs_nothing():
    """The slowdown is bearable and never comes to pass."""
    one, two = workload("a", 2, 0.5), workload("b", 12, 0.5)
    group = make_group([one, two], Interference([slow("a", "b", 1.1)], most=1.2))
    assert group == make_group([one, two])
    assert 1.0 == group.slowdown


def test_durations_of_promises_are_those_beside_the_others():
    """A deadline that is kept alone is missed beside one that slows it."""
    one = workload("a", 2, 1.0, deadline_s=4000.0)
    two = workload("b", 2, 1.0)
    group = make_group([one, two], Interference([slow("a", "b", 1.5)], most=2.0))
    (promise,) = group.promises
    worst = 1 + 0.5 * max(concurrent_runs(two))
    assert promise.duration_s == pytest.approx((3600 * worst,) * 3)
    assert group.slowdown == pytest.approx(worst)


def cluster() -> ClusterSpec:
    pool = Pool(
        name="p",
        machine=Capacity(cores=16, memory_gib=64),
        max_instances=2,
        price_usd_per_hour=1.0,
    )
    return ClusterSpec(name="c", kind="local", provider="aws", region="r", pools=(pool,))


def test_the_checker_finds_a_group_that_must_not_be():
    """A plan of before the measurement no longer holds; one made with it does."""
    profiles = [workload("a", 2), workload("b", 10)]
    interference = Interference([slow("a", "b", 1.5)], most=1.2)
    old = plan_workloads(profiles, [cluster()], Objective(), now=NOW)
    assert 1 == len(old.groups)
    stay = refresh_plan(old, profiles, [cluster()], interference=interference)
    found = check_plan(stay, [cluster()], interference=interference)
    assert {"interference"} == {each.kind for each in found}
    assert "1.5 times as long beside dag/b" in found[0].sentence
    new = plan_workloads(profiles, [cluster()], Objective(), now=NOW, interference=interference)
    assert 2 == len(new.groups)
    assert () == check_plan(new, [cluster()], interference=interference)


def test_the_checker_finds_a_group_that_is_slowed_too_much_in_all():
    """Each pair is bearable, all of them together are not."""
    profiles = [workload("a", 2, 1.0), workload("b", 2, 1.0)]
    made = plan_workloads(profiles, [cluster()], Objective(), now=NOW)
    broken = replace(made, groups=tuple(replace(g, slowdown=1.3) for g in made.groups))
    found = check_plan(broken, [cluster()], interference=Interference([], most=1.2))
    assert {"interference"} == {each.kind for each in found}


def test_a_plan_says_who_slows_whom():
    """What sharing costs is among the explanations, and in the cost."""
    profiles = [workload("a", 2, 2.0), workload("b", 4, 2.0)]
    interference = Interference([slow("a", "b", 1.1), slow("b", "a", 1.1)], most=1.2)
    plans = [
        plan_workloads(profiles, [cluster()], Objective(), now=NOW, interference=each)
        for each in (None, interference)
    ]
    assert [1, 1] == [len(made.groups) for made in plans]
    assert plans[1].cost_usd_per_hour > plans[0].cost_usd_per_hour
    assert any("slow one another" in line for line in plans[1].explanation)
    assert not any("slow one another" in line for line in plans[0].explanation)


names = st.sampled_from("abcdef")
rows = st.lists(
    st.builds(
        Slowdown,
        task=names.map("dag/{}".format),
        beside=names.map("dag/{}".format),
        slowdown=st.floats(0.5, 3.0),
    ),
    max_size=12,
)
some_workloads = st.lists(
    st.builds(workload, names, st.integers(0, 23), st.sampled_from([0.2, 1.0, 5.0])),
    min_size=1,
    max_size=6,
    unique_by=lambda profile: profile.task,
)
many = settings(max_examples=150, deadline=None, derandomize=True)


@many
@given(some_workloads, rows, st.sampled_from([1.0, 1.2, 2.0]), st.randoms())
def test_what_holds_for_all_groups(profiles, measured, most, chance):
    """Nobody is lost, no pair is unbearable, nothing counts less than alone, no order matters."""
    interference = Interference(measured, most=most)
    groups = multiplex(profiles, clusters=[cluster()], interference=interference)
    tasks = [task for group in groups for task in group.tasks]
    assert sorted(tasks) == sorted(profile.task for profile in profiles)
    by_task = {profile.task: profile for profile in profiles}
    for group in groups:
        assert 1.0 <= group.slowdown <= most * (1 + 1e-9)
        for task, beside in permutations(group.tasks, 2):
            assert interference.slowdown(task, beside, None) <= most
        alone = make_group([by_task[task] for task in group.tasks])
        pairs = zip(group.cores_by_slot, alone.cores_by_slot, strict=True)
        assert all(slowed >= plain - 1e-12 for slowed, plain in pairs)
    shuffled = chance.sample(profiles, len(profiles))
    again = Interference(chance.sample(measured, len(measured)), most=most)
    assert groups == multiplex(shuffled, clusters=[cluster()], interference=again)


@pytest.mark.shared_data
@pytest.mark.skipif(not GAVEL.is_file(), reason=f"{GAVEL} is absent")
@pytest.mark.parametrize("accelerator", ["v100", "p100"])
def test_real_measurements_of_shared_accelerators(accelerator):
    """Jobs of a day that would share a group without the table do not where that slows them."""
    measured = read_gavel(GAVEL, accelerator)
    assert 676 == len(measured)
    jobs = sorted({row.task.removeprefix("jobs/") for row in measured})
    profiles = [
        workload(job, hour=index % 24, hours=3.0, task=TaskKey("jobs", job))
        for index, job in enumerate(jobs)
    ]
    interference = Interference(measured, most=1.2)
    careless = multiplex(profiles, clusters=[cluster()])
    careful = multiplex(profiles, clusters=[cluster()], interference=interference)

    def worst(groups) -> float:
        return max(
            interference.slowdown(task, beside, None)
            for group in groups
            for task, beside in permutations(group.tasks, 2)
        )

    assert worst(careless) > 1.5
    assert worst(careful) <= 1.2
    assert len(profiles) > len(careful) > len(careless)
