"""Every promise that a plan can break is found in a plan broken on purpose."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest

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
from aiops_provider.placement.feasibility import check_plan

NOW = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)


def cluster(name: str, *, gpus: int = 0) -> ClusterSpec:
    machine = Capacity(cores=4, memory_gib=16, accelerators={"T4": gpus} if gpus else {})
    pool = Pool(name="p", machine=machine, max_instances=2, price_usd_per_hour=1.0)
    return ClusterSpec(name=name, kind="local", provider=f"of-{name}", region="r", pools=(pool,))


CLUSTERS = (cluster("a"), cluster("b", gpus=1))
GROUP = WorkloadGroup(
    name="g",
    tasks=(TaskKey("dag", "t"),),
    request=ResourceRequest(cores=2, memory_gib=4),
    cores_by_slot=(6.0,),
    memory_gib_by_slot=(12.0,),
    accelerators_by_slot=(0.0,),
    peak_of_sum_cores=6.0,
    sum_of_peaks_cores=6.0,
)


def assigned(where: str = "a", *, share: float = 1.0, cost: float | None = None) -> Assignment:
    # A machine has 4 cores and costs 1 USD an hour, so 6 cores cost 1.5.
    usd = 1.5 * share if cost is None else cost
    return Assignment(group="g", cluster=where, pool="p", share=share, cost_usd_per_hour=usd)


def plan(*assignments: Assignment, group: WorkloadGroup = GROUP, **changes: Any) -> PlacementPlan:
    placed = min(1.0, sum(each.share for each in assignments))
    cost = sum(each.cost_usd_per_hour for each in assignments)
    sound = PlacementPlan(
        groups=(group,),
        assignments=assignments,
        objective=Objective(),
        objective_value=placed,
        bound=1.0,
        gap=0.0,
        status=PlanStatus.OPTIMAL,
        cost_usd_per_hour=cost,
        sla_attainment=placed,
        created_at=NOW,
        unplaced={"g": 1 - placed} if placed < 1 else {},
    )
    return replace(sound, **changes)


def kinds(made: PlacementPlan, **arguments: Any) -> set[str]:
    return {each.kind for each in check_plan(made, CLUSTERS, **arguments)}


@pytest.mark.parametrize(
    "sound",
    [
        plan(assigned()),
        plan(assigned("a", share=0.5), assigned("b", share=0.5)),
        plan(assigned(share=0.25)),
        plan(),
    ],
    ids=["whole", "split", "part", "nothing"],
)
def test_sound_plan_breaks_nothing(sound):
    """Whole, split, partly or not placed: what is stated truthfully is no violation."""
    assert check_plan(sound, CLUSTERS) == ()


LARGE = replace(GROUP, cores_by_slot=(1.0, 9.0), memory_gib_by_slot=(1.0, 1.0))
HUNGRY = replace(GROUP, memory_gib_by_slot=(33.0,))
GPU = replace(
    GROUP,
    request=replace(GROUP.request, accelerator="T4", accelerators=1),
    accelerators_by_slot=(3.0,),
)
SMALL = replace(GROUP, cores_by_slot=(2.0,), memory_gib_by_slot=(4.0,))
LEAST_COST = Objective(maximize_sla=False, sla=0.99)


@pytest.mark.parametrize(
    ("kind", "broken"),
    [
        ("unknown", plan(assigned("nowhere"))),
        ("unknown", plan(replace(assigned(), group="other"))),
        ("unknown", plan(replace(assigned(), pool="other"))),
        ("duplicate", plan(assigned(share=0.5), assigned(share=0.5))),
        ("duplicate", plan(assigned(), groups=(GROUP, GROUP))),
        ("share", plan(assigned(share=-0.1))),
        ("share", plan(assigned(share=1.1))),
        ("share", plan(assigned("a", share=0.7), assigned("b", share=0.7))),
        ("unplaced", plan(assigned(share=0.5), unplaced={})),
        ("machine", plan(assigned(), group=replace(GROUP, request=ResourceRequest(cores=5, memory_gib=1)))),
        ("machine", plan(assigned(), group=replace(GROUP, request=ResourceRequest(cores=1, memory_gib=17)))),
        ("machine", plan(assigned("a"), group=GPU)),
        ("pin", plan(assigned(), group=replace(GROUP, pinned_cluster="b"))),
        ("region", plan(assigned(), group=replace(GROUP, allowed_regions=("elsewhere",)))),
        ("provider", plan(assigned(), group=replace(GROUP, allowed_providers=("of-b",)))),
        ("split", plan(assigned("a", share=0.5), assigned("b", share=0.5), group=SMALL)),
        ("capacity", plan(assigned(), group=LARGE)),
        ("capacity", plan(assigned(), group=HUNGRY)),
        ("capacity", plan(assigned("b"), group=GPU)),
        ("budget", plan(assigned(), objective=Objective(budget_usd_per_hour=1.0))),
        ("cost", plan(assigned(cost=0.1))),
        ("cost", plan(assigned(), cost_usd_per_hour=9.0)),
        ("sla", plan(assigned(share=0.5), sla_attainment=1.0)),
        ("sla", plan(assigned(share=0.9), objective=LEAST_COST)),
        ("bound", plan(assigned(), bound=0.5)),
        ("bound", plan(assigned(), objective_value=0.5)),
    ],
)  # fmt: skip
def test_broken_promise_is_found(kind, broken):
    """Each way to break a plan is told by its kind."""
    assert kind in kinds(broken)


def test_unavailable_cluster_is_found():
    """A plan must not use a cluster that is away; the sentence names both."""
    (found,) = check_plan(plan(assigned()), CLUSTERS, {"a"})
    assert (found.kind, found.subject, found.value) == ("unavailable", "g", "a")
    assert "a/p" in found.sentence


def test_pin_overrides_regions():
    """A pinned group may lie outside its allowed regions: the pin is the more definite wish."""
    pinned = replace(GROUP, pinned_cluster="a", allowed_regions=("elsewhere",))
    assert check_plan(plan(assigned(), group=pinned), CLUSTERS) == ()


def test_capacity_names_the_hour():
    """The sentence says in which hour of the week the pool is overfull, and by how much."""
    (found,) = (
        each
        for each in check_plan(plan(assigned(), group=LARGE), CLUSTERS)
        if each.kind == "capacity"
    )
    assert (found.limit, found.value) == (8.0, 9.0)
    assert "hour 1 of the week" in found.sentence


def test_capacity_counts_all_groups_of_a_pool():
    """Two groups that fit one by one may be too much together."""
    both = replace(GROUP, name="h")
    made = plan(assigned(), replace(assigned(), group="h"), groups=(GROUP, both))
    assert kinds(made) == {"capacity"}
