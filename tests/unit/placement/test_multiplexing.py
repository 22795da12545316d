"""Workloads are grouped where their peaks do not coincide, and nowhere else."""

from __future__ import annotations

import math
from dataclasses import replace
from datetime import UTC, datetime

import pytest

from aiops_provider.domain.cluster import Capacity, ClusterSpec, Pool
from aiops_provider.domain.plan import Objective
from aiops_provider.domain.profile import (
    REQUESTS,
    ByInput,
    Choice,
    ComputeType,
    InputShare,
    Quantity,
    ResourceRequest,
    Source,
    WeeklyUse,
    WorkloadProfile,
)
from aiops_provider.domain.task import TaskKey
from aiops_provider.errors import DataError
from aiops_provider.placement.demand import concurrent_runs
from aiops_provider.placement.multiplexing import make_group, multiplex
from aiops_provider.placement.workloads import plan_workloads

NOW = datetime(2026, 1, 5, tzinfo=UTC)


def exactly(value: float) -> Quantity:
    return Quantity(p50=value, p80=value, p95=value, source=Source.PRIOR)


def workload(name: str, hour: int | None = None, *, hours: float = 1.0, **changes):
    starts = [0.0] * 168
    if hour is not None:
        for day in range(7):
            starts[day * 24 + hour] = 1.0
    profile = WorkloadProfile(
        task=TaskKey("dag", name),
        compute_type=ComputeType.CPU,
        cores=exactly(2),
        memory_gib=exactly(4),
        duration_s=exactly(hours * 3600),
        request=ResourceRequest(cores=2, memory_gib=4),
        predicted_at=NOW,
        starts_by_hour_of_week=tuple(starts) if hour is not None else (),
    )
    return replace(profile, **changes)


def test_workloads_at_different_hours_share_a_group():
    """The peak of the sum is the peak of one of them."""
    (group,) = multiplex([workload("night", 2), workload("day", 14)])
    assert (TaskKey("dag", "day"), TaskKey("dag", "night")) == group.tasks
    assert math.isclose(2 * group.peak_of_sum_cores, group.sum_of_peaks_cores)


def test_who_must_keep_its_own_promise_is_not_tied_to_a_stricter_one():
    """A quick pool that the stricter one needs would else be the only place of both."""
    machine = Capacity(cores=8, memory_gib=32, accelerators={"T4": 1, "A100": 1})
    clusters = [
        ClusterSpec(
            name=name,
            kind="local",
            provider="aws",
            region=name,
            pools=(Pool(name="p", machine=machine, max_instances=1, price_usd_per_hour=1.0),),
            round_trip_ms={"eu": trip},
        )
        for name, trip in (("near", 5.0), ("far", 200.0))
    ]
    answers = exactly(20.0)
    strict = workload(
        "strict", 2, latency_objective_ms=100.0, latency_ms=answers, user_regions=("eu",)
    )
    patient = replace(strict, task=TaskKey("dag", "patient"), latency_objective_ms=900.0)
    patient = replace(patient, starts_by_hour_of_week=workload("", 14).starts_by_hour_of_week)
    unpromised = replace(patient, task=TaskKey("dag", "none"), latency_objective_ms=None)
    unpromised = replace(unpromised, starts_by_hour_of_week=workload("", 20).starts_by_hour_of_week)
    profiles = [strict, patient, unpromised]
    assert 1 == len(multiplex(profiles, clusters=clusters))
    groups = multiplex(profiles, clusters=clusters, every_workload=True)
    assert [{"none", "patient"}, {"strict"}] == [{t.name for t in g.tasks} for g in groups]
    made = plan_workloads(
        profiles, clusters[1:], Objective(every_workload=True), now=NOW, gap_tolerance=0.0
    )
    assert {"dag/strict"} == set(made.unplaced)


def test_workloads_at_the_same_hour_stay_apart():
    """Together they would need as much as apart."""
    assert 2 == len(multiplex([workload("a", 2), workload("b", 2)]))


@pytest.mark.parametrize(
    "changes",
    [
        {"allowed_regions": ("eu-central-1",)},
        {"allowed_providers": ("aws",)},
        {"data_region": "sa-east-1"},
        {"pinned_cluster": "onprem"},
        {"request": ResourceRequest(cores=2, memory_gib=4, accelerator="T4", accelerators=1)},
    ],
)
def test_limits_that_differ_keep_workloads_apart(changes):
    """A group may go wherever each of its members may go."""
    assert 2 == len(multiplex([workload("a", 2), workload("b", 14, **changes)]))


def test_the_order_of_the_profiles_does_not_matter():
    """The same workloads give the same groups with the same names."""
    profiles = [workload(f"t{hour}", hour) for hour in range(12)]
    assert multiplex(profiles) == multiplex(profiles[::-1])


def test_a_small_workload_is_not_bound_to_the_machines_of_a_large_one():
    """Where the same pools cannot hold both they are not grouped."""
    pools = tuple(
        Pool(
            name=f"p{cores}",
            machine=Capacity(cores=cores, memory_gib=64),
            max_instances=1,
            price_usd_per_hour=1.0,
        )
        for cores in (4, 32)
    )
    cluster = ClusterSpec(name="c", kind="local", provider="aws", region="r", pools=pools)
    large = workload("large", 14, request=ResourceRequest(cores=16, memory_gib=4))
    assert 2 == len(multiplex([workload("small", 2), large], clusters=[cluster]))


def test_of_two_profiles_of_one_task_the_latest_counts():
    """A task is in exactly one group."""
    newer = workload("a", 3, predicted_at=NOW.replace(year=2027), sla_weight=7.0)
    (group,) = multiplex([newer, workload("a", 2)])
    assert 7.0 == group.sla_weight


def test_an_unknown_cadence_is_one_start_a_day_at_any_hour():
    """A run of an hour a day is a twenty-fourth of a run in every hour."""
    assert math.isclose(1 / 24, *concurrent_runs(workload("a")))


def endpoint(*, instances: int = 1, rates: tuple[float, ...] = ()):
    described = workload(
        "answers", serving_runtime=Choice(value="cpu"), instances=instances, hours=5.0
    )
    if not rates:
        return described
    use = WeeklyUse(unit=REQUESTS, p50=rates, p80=rates, p95=rates)
    return replace(described, use_by_hour_of_week=use)


def test_an_endpoint_is_up_all_the_time():
    """Its cores are not free for others in the hours for which nobody said that it starts."""
    (group,) = multiplex([endpoint()])
    assert (2.0,) == group.cores_by_slot


def test_the_instances_of_an_endpoint_follow_the_forecast_of_its_requests():
    """In whole instances, one at least; who peaks at other hours shares its reservation."""
    day = tuple(100.0 if 8 <= slot % 24 < 20 else 10.0 for slot in range(168))
    night = tuple(110.0 - rate for rate in day)
    (group,) = multiplex([endpoint(instances=4, rates=day)])
    assert {2.0, 8.0} == set(group.cores_by_slot)
    assert 8.0 == group.cores_by_slot[12]
    other = replace(endpoint(instances=4, rates=night), task=TaskKey("dag", "other"))
    (both,) = multiplex([endpoint(instances=4, rates=day), other], largest_peak=10.0)
    assert (10.0, 16.0) == (both.peak_of_sum_cores, both.sum_of_peaks_cores)


@pytest.mark.parametrize("hours", [0.1, 1.0, 5.5, 30.0, 500.0])
def test_no_running_time_is_lost_when_it_is_spread_over_hours(hours):
    """The sum over the week is starts times duration, however long a run takes."""
    assert math.isclose(7 * hours, math.fsum(concurrent_runs(workload("a", 23, hours=hours))))


def test_a_cadence_that_is_not_of_a_week_is_refused():
    """The message names the field and how many entries it needs."""
    with pytest.raises(DataError, match=r"starts_by_hour_of_week.*24 entries.*168"):
        multiplex([workload("a", starts_by_hour_of_week=(1.0, 2.0) * 12)])


def test_with_a_largest_peak_as_little_as_possible_is_reserved():
    """Workloads that peak together fill groups up to it, steady ones included."""
    profiles = [workload(f"w{n}", hour) for n, hour in enumerate((2, 2, 2, 14))]
    profiles.append(workload("steady"))
    groups = multiplex(profiles, largest_peak=7.0)
    assert sorted(len(group.tasks) for group in groups) != [1] * 5
    assert all(group.peak_of_sum_cores <= 7.0 for group in groups)
    apart = multiplex(profiles)
    reserved = math.fsum(group.peak_of_sum_cores for group in groups)
    assert reserved <= math.fsum(group.peak_of_sum_cores for group in apart) + 1e-9
    assert len(groups) < len(apart)


def share_of_runs(at: float, share: float, hours: float, gib: float) -> InputShare:
    request = ResourceRequest(cores=1, memory_gib=gib)
    return InputShare(
        at=at,
        share=share,
        duration_s=exactly(hours * 3600),
        cores=1,
        memory_gib=gib,
        request=request,
    )


def by_input(*shares: InputShare) -> ByInput:
    return ByInput(measure="rows", classes=(), shares=shares)


NINE_SMALL_ONE_BIG = by_input(share_of_runs(1, 0.9, 0.1, 1), share_of_runs(50, 0.1, 4, 30))


def test_runs_count_by_what_their_class_of_input_needs():
    """Ten starts a day: nine of six minutes with 1 GiB, one of four hours with 30 GiB."""
    often = (10 / 24,) * 168
    task = workload("a", starts_by_hour_of_week=often, by_input=NINE_SMALL_ONE_BIG)
    group = make_group([task])
    (memory,), (cores,) = group.memory_gib_by_slot, group.cores_by_slot
    assert math.isclose(memory, (9 * 0.1 * 1 + 1 * 4 * 30) / 24)
    assert math.isclose(cores, (9 * 0.1 + 1 * 4) / 24)
    assert (group.request.memory_gib, group.request.cores) == (30, 1)
    assert make_group([replace(task, by_input=None)]).name == group.name


def test_runs_of_no_known_class_count_by_the_profile():
    """Half of them here."""
    task = workload("a", hours=2, by_input=by_input(share_of_runs(1, 0.5, 1, 1)))
    group = make_group([task])
    assert math.isclose(*group.memory_gib_by_slot, (0.5 * 1 * 1 + 0.5 * 2 * 4) / 24)
    assert group.request.memory_gib == 4


def test_a_long_class_reaches_into_later_hours():
    """The others have ended by then."""
    task = workload("a", 2, by_input=NINE_SMALL_ONE_BIG)
    memory = make_group([task]).memory_gib_by_slot
    assert math.isclose(memory[2 + 3], 0.1 * 30)
    assert memory[2] < memory[2 + 3]
    assert memory[2 + 5] == 0


def test_a_pool_must_hold_the_largest_class_and_the_plan_says_what_it_counts():
    """Although any run asks for less by the profile."""
    clusters = [
        ClusterSpec(
            name=name,
            kind="local",
            provider="aws",
            region="eu",
            pools=(
                Pool(
                    name="p",
                    machine=Capacity(cores=8, memory_gib=gib),
                    max_instances=4,
                    price_usd_per_hour=gib / 16,
                ),
            ),
        )
        for name, gib in (("small", 16), ("large", 64))
    ]
    task = workload("a", 2, by_input=NINE_SMALL_ONE_BIG)
    plan = plan_workloads([task], clusters, Objective(maximize_sla=False), now=NOW)
    assert {each.cluster for each in plan.assignments} == {"large"}
    (told,) = (line for line in plan.explanation if "counted by" in line)
    assert told == (
        "dag/a is counted by its inputs, rows: 90.0% of the runs, up to 1, ask for up to 1 GiB and "
        "1 cores; 10.0% of the runs, up to 50, ask for up to 30 GiB and 1 cores."
    )
    whole = plan_workloads(
        [replace(task, by_input=None)], clusters, Objective(maximize_sla=False), now=NOW
    )
    assert {each.cluster for each in whole.assignments} == {"small"}
    assert not any("counted by" in line for line in whole.explanation)
