"""Machines of each pool over the week: what a plan needs, in whole machines and ahead of time."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from aiops_provider.control.plan_schedule import schedule_pools
from aiops_provider.control.schedule_export import Export, export_schedule
from aiops_provider.domain.cluster import Capacity, ClusterSpec, Pool
from aiops_provider.domain.plan import (
    Assignment,
    Objective,
    PlacementPlan,
    PlanStatus,
    WorkloadGroup,
)
from aiops_provider.domain.profile import ResourceRequest
from aiops_provider.domain.task import TaskKey
from aiops_provider.errors import DataError
from aiops_provider.placement.pool_need import machines_by_pool

WEEK = range(168)


def pool(name: str, machines: int = 4, **accelerators: int) -> Pool:
    machine = Capacity(cores=8, memory_gib=32, accelerators=accelerators)
    return Pool(name=name, machine=machine, max_instances=machines, price_usd_per_hour=1.0)


CLUSTERS = [
    ClusterSpec(
        name="east",
        kind="local",
        provider="aws",
        region="r",
        pools=(pool("cpu"), pool("gpu", T4=2), pool("idle")),
    )
]


def group(name: str, cores: tuple[float, ...], **changes) -> WorkloadGroup:
    fields = {
        "name": name,
        "tasks": (TaskKey("dag", name),),
        "request": ResourceRequest(cores=1, memory_gib=1),
        "cores_by_slot": cores,
        "memory_gib_by_slot": (1.0,),
        "accelerators_by_slot": (0.0,),
        "peak_of_sum_cores": max(cores),
        "sum_of_peaks_cores": max(cores),
    }
    return WorkloadGroup(**{**fields, **changes})


def plan(*placed: tuple[WorkloadGroup, str, float]) -> PlacementPlan:
    return PlacementPlan(
        groups=tuple({group.name: group for group, _, _ in placed}.values()),
        assignments=tuple(
            Assignment(group=g.name, cluster="east", pool=p, share=share, cost_usd_per_hour=0.0)
            for g, p, share in placed
        ),
        objective=Objective(),
        objective_value=1.0,
        bound=1.0,
        gap=0.0,
        status=PlanStatus.OPTIMAL,
        cost_usd_per_hour=0.0,
        sla_attainment=1.0,
        created_at=datetime(2026, 1, 5, tzinfo=UTC),
        version=7,
    )


STEADY = group("steady", (4.0,))
NIGHT = group("night", tuple(20.0 if slot % 24 in {2, 3} else 0.0 for slot in WEEK))
TRAINING = group(
    "training",
    (1.0,),
    request=ResourceRequest(cores=1, memory_gib=1, accelerators=1),
    accelerators_by_slot=(3.0,),
)


def test_the_scarcest_resource_of_all_groups_together_decides():
    """Resources are summed over the groups first: one may need cores and another accelerators."""
    needed = machines_by_pool(
        plan((STEADY, "cpu", 1.0), (NIGHT, "cpu", 0.5), (TRAINING, "gpu", 1.0)), CLUSTERS
    )
    assert needed["east", "cpu"] == tuple(1.75 if slot % 24 in {2, 3} else 0.5 for slot in WEEK)
    assert needed["east", "gpu"] == (1.5,) * 168
    assert needed["east", "idle"] == (0.0,) * 168


def test_whole_machines_are_there_before_they_are_needed():
    """Ordered by the cold start earlier, given back when the hour is over; no more than there may be."""
    (cpu, _, idle) = schedule_pools(
        plan((STEADY, "cpu", 1.0), (NIGHT, "cpu", 1.0)), CLUSTERS, cold_start_s=600
    )
    assert ("east", "cpu", ("night", "steady")) == (cpu.cluster, cpu.pool, cpu.groups)
    assert cpu.schedule.instances == tuple(3 if slot % 24 in {2, 3} else 1 for slot in WEEK)
    first, second, *_ = cpu.schedule.events
    assert (60 + 50, 1, 3) == (first.minute_of_week, first.before, first.instances)
    assert (4 * 60, 3, 1) == (second.minute_of_week, second.before, second.instances)
    assert "plan 7 assigns 2 groups" in cpu.schedule.reason
    assert ((0,) * 168, ()) == (idle.schedule.instances, idle.schedule.events)


def test_a_schedule_speaks_the_language_of_what_scales():
    """As schedules of demand do; seven nights of two changes are two rules."""
    (cpu,) = schedule_pools(plan((STEADY, "cpu", 1.0), (NIGHT, "cpu", 1.0)), CLUSTERS, pool="cpu")
    exported = export_schedule(cpu.schedule, Export.AWS, target="asg-1")
    actions = exported["put_scheduled_update_group_action"]
    assert {(3, "59 1 * * *"), (1, "0 4 * * *")} == {
        (action["MinSize"], action["Recurrence"]) for action in actions
    }
    assert {4} == {action["MaxSize"] for action in actions}


@pytest.mark.parametrize("names", [{"cluster": "west"}, {"pool": "tpu"}])
def test_unknown_names_are_refused(names):
    """With those that there are."""
    with pytest.raises(DataError, match=r"is not configured.*Use one of "):
        schedule_pools(plan((STEADY, "cpu", 1.0)), CLUSTERS, **names)
