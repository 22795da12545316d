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


def sharing(
    *profiles: WorkloadProfile,
    rows,
    most_meetings: float = 0.01,
    largest_peak: float | None = None,
):
    table = Interference(rows, most=1.2, most_meetings=most_meetings)
    return table, multiplex(profiles, interference=table, largest_peak=largest_peak)


BOTH = (slow("a", "b", 9.0), slow("b", "a", 9.0))


def test_a_pair_that_never_meets_may_share_unless_nobody_may():
    """Hours apart they do not slow each other, however much they would."""
    profiles = [workload("a", 2), workload("b", 10)]
    (group,) = sharing(*profiles, rows=BOTH)[1]
    assert {"dag/a": 0.0, "dag/b": 0.0} == group.met_beyond
    assert 1.0 == group.slowdown
    assert make_group(profiles).cores_by_slot == group.cores_by_slot
    assert 2 == len(sharing(*profiles, rows=BOTH, most_meetings=0.0)[1])
    assert 2 == len(sharing(workload("a", 2), workload("b", 2), rows=BOTH)[1])


def test_hours_that_nobody_knows_are_no_reason_to_share():
    """A cadence that is only assumed says nothing about when both run."""
    brief = workload("a", 2, 0.01), workload("b", 10, 0.01)
    assert 1 == len(sharing(*brief, rows=BOTH)[1])
    for unknown in ((replace(brief[0], starts_by_hour_of_week=()), brief[1]), brief[::-1]):
        changed = (unknown[0], replace(unknown[1], starts_by_hour_of_week=()))
        assert 2 == len(sharing(*changed, rows=BOTH)[1])


def test_the_share_is_that_of_the_task_that_is_slowed():
    """One run a week meets all of its own, and one in 168 of those of an hourly task."""
    hourly = workload("hourly", 0, 0.5, starts_by_hour_of_week=(1.0,) * 168)
    weekly = workload("weekly", 5, 0.5)
    weekly = replace(weekly, starts_by_hour_of_week=(0.0,) * 5 + (1.0,) + (0.0,) * 162)
    suffers = [slow("hourly", "weekly", 3.0)]
    # Half an hour each: they meet if either starts within half an hour of the other.
    table, groups = sharing(hourly, weekly, rows=suffers)
    assert pytest.approx(1 / 168) == table.unbearable(hourly, weekly)
    assert 0.0 == table.unbearable(weekly, hourly)
    assert table.unbearable(hourly, weekly) <= 0.01
    assert {"dag/hourly": pytest.approx(1 / 168)} == make_group([hourly, weekly], table).met_beyond
    both = [*suffers, slow("weekly", "hourly", 3.0)]
    table, groups = sharing(hourly, weekly, rows=both)
    assert 1.0 == table.unbearable(weekly, hourly)
    assert 2 == len(groups)


def test_a_run_that_now_and_then_takes_long_reaches_into_the_hour_of_another():
    """The mean of its duration would end before."""
    tail = Quantity(p50=1800, p80=3600, p95=6 * 3600.0, source=Source.PRIOR)
    early, late = workload("a", 2, duration_s=tail), workload("b", 6)
    table, groups = sharing(early, late, rows=BOTH)
    assert 2 == len(groups)
    assert 0.05 < table.unbearable(early, late) < 0.2
    assert 0.0 == table.unbearable(workload("a", 2, 0.7), late)


def test_many_rare_meetings_are_not_rare():
    """Each pair is within the share, all of them together are not."""
    hourly = workload("a", 0, 0.1, starts_by_hour_of_week=(0.0,) + (1.0,) * 167)

    def once(name: str, at: int) -> WorkloadProfile:
        starts = tuple(1.0 if slot == at else 0.0 for slot in range(168))
        return workload(name, 0, 0.9, starts_by_hour_of_week=starts)

    others = [once(name, 7 * number + 9) for number, name in enumerate("bcdef")]
    rows = [slow("a", each.task.name, 5.0) for each in others]
    table, groups = sharing(hourly, *others, rows=rows, largest_peak=4.0)
    (own,) = [group for group in groups if hourly.task in group.tasks]
    each = table.unbearable(hourly, others[0])
    assert each < 0.01 < 5 * each
    assert len(own.tasks) - 1 <= 0.01 / each
    assert own.met_beyond.get("dag/a", 0.0) <= 0.01


def test_a_meeting_adds_no_more_than_the_time_of_the_other():
    """A task that cannot run beside another waits until that is over."""
    hourly = workload("a", 0, 0.5, starts_by_hour_of_week=(1.0,) * 168)
    weekly = replace(hourly, task=TaskKey("dag", "b"))
    weekly = replace(weekly, starts_by_hour_of_week=(1.0,) + (0.0,) * 167)
    never = Interference([slow("a", "b", 1e6)], most=1.2, most_meetings=0.01)
    plain = make_group([hourly, weekly])
    group = make_group([hourly, weekly], never)
    added_h = (sum(group.cores_by_slot) - sum(plain.cores_by_slot)) / hourly.request.cores
    meetings = 168 * group.met_beyond["dag/a"]
    assert pytest.approx(meetings * 0.5) == added_h
    assert 1.0 == group.slowdown


def test_the_checker_knows_which_meetings_are_rare():
    """By what the group says of them; a plan that says nothing was made without the table."""
    profiles = [workload("a", 2), workload("b", 10)]
    table = Interference(BOTH, most=1.2, most_meetings=0.01)
    made = plan_workloads(profiles, [cluster()], Objective(), now=NOW, interference=table)
    assert 1 == len(made.groups)
    assert () == check_plan(made, [cluster()], interference=table)
    assert any("may meet one that slows them" in line for line in made.explanation)
    strict = Interference(BOTH, most=1.2)
    assert 2 == len(check_plan(made, [cluster()], interference=strict))
    old = plan_workloads(profiles, [cluster()], Objective(), now=NOW)
    assert 2 == len(check_plan(old, [cluster()], interference=table))
    stay = refresh_plan(old, profiles, [cluster()], interference=table)
    assert () == check_plan(stay, [cluster()], interference=table)
    # Hours that have changed since break it up.
    moved = [workload("a", 10), profiles[1]]
    stay = refresh_plan(made, moved, [cluster()], interference=table)
    assert {"interference"} == {
        each.kind for each in check_plan(stay, [cluster()], interference=table)
    }


@many
@given(some_workloads, rows, st.sampled_from([0.0, 0.01, 0.2]), st.randoms())
def test_no_run_is_expected_to_meet_what_it_must_not_more_often_than_allowed(
    profiles, measured, most_meetings, chance
):
    """Whatever the hours; and the order of profiles and measurements decides nothing."""
    table = Interference(measured, most=1.2, most_meetings=most_meetings)
    groups = multiplex(profiles, clusters=[cluster()], interference=table)
    by_task = {profile.task: profile for profile in profiles}
    for group in groups:
        assert all(share <= most_meetings for share in group.met_beyond.values())
        assert 1.0 <= group.slowdown <= 1.2 * (1 + 1e-9)
        for task, beside in permutations(group.tasks, 2):
            if table.slowdown(task, beside, None) > 1.2:
                share = table.unbearable(by_task[task], by_task[beside])
                assert share <= group.met_beyond[str(task)] + 1e-12
    shuffled = chance.sample(profiles, len(profiles))
    assert groups == multiplex(shuffled, clusters=[cluster()], interference=table)


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
