"""Why a large problem has no plan."""

from __future__ import annotations

from datetime import UTC, datetime
from unittest.mock import patch

from aiops_provider.domain.cluster import Capacity, ClusterSpec, Pool
from aiops_provider.domain.plan import Objective, PlanStatus, WorkloadGroup
from aiops_provider.domain.profile import ResourceRequest
from aiops_provider.domain.task import TaskKey
from aiops_provider.placement.planner import plan_placement


def infeasible(
    machines: dict[str, int], budget: float | None = None, names: tuple[str, ...] = ("one", "two")
) -> str:
    groups = [
        WorkloadGroup(
            name=name,
            tasks=(TaskKey("dag", name),),
            request=ResourceRequest(cores=1, memory_gib=1),
            cores_by_slot=(8.0,),
            memory_gib_by_slot=(1.0,),
            accelerators_by_slot=(0.0,),
            peak_of_sum_cores=8.0,
            sum_of_peaks_cores=8.0,
            allowed_regions=() if name == "anywhere" else ("a",),
        )
        for name in names
    ]
    clusters = [
        ClusterSpec(
            name=name,
            kind="local",
            provider="aws",
            region=name,
            pools=(
                Pool(
                    name="p",
                    machine=Capacity(cores=4, memory_gib=16),
                    max_instances=count,
                    price_usd_per_hour=1.0,
                ),
            ),
        )
        for name, count in machines.items()
    ]
    objective = Objective(maximize_sla=False, sla=0.9, budget_usd_per_hour=budget)
    with patch("aiops_provider.placement.planner.MOST_OPTIONS_AT_ONCE", 0):
        plan = plan_placement(groups, clusters, objective, now=datetime(2026, 1, 7, tzinfo=UTC))
    assert PlanStatus.INFEASIBLE is plan.status
    return " ".join(plan.explanation)


def test_too_little_capacity_is_named_with_a_factor_that_suffices():
    """Two groups need four machines of the one cluster where they may run; the other is not allowed."""
    text = infeasible({"a": 2, "b": 9})
    assert "the capacity of a" in text
    assert "a, b" not in text
    assert "where groups may run" in text
    assert "Way out: raise max_instances of every pool of a to" in text


def test_groups_without_a_place_are_named_with_what_keeps_them_out():
    """As many as it takes to miss the level, and no more than a few clusters of each."""
    text = infeasible({f"c{n}": 9 for n in range(8)}, names=("anywhere", "one", "two"))
    assert "where one can run (c0: region c0 is not allowed (only a); " in text
    assert "c4: region c4 is not allowed (only a); and 3 more)." in text
    assert "where two can run" not in text


def test_a_budget_that_is_too_small_is_named_with_one_that_suffices():
    """Capacity is no part of that conflict."""
    text = infeasible({"a": 9}, budget=1.0)
    assert "objective.sla = 0.9; objective.budget_usd_per_hour = 1." in text
    assert "raise objective.budget_usd_per_hour from 1 to 3.6" in text
