"""A plan says how good it is, what it could not place, and what stands in the way."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

import pytest

from aiops_provider.domain.cluster import Capacity, ClusterSpec, Pool
from aiops_provider.domain.plan import Objective, PlanStatus, WorkloadGroup
from aiops_provider.domain.profile import ResourceRequest
from aiops_provider.domain.residency import regions_within
from aiops_provider.domain.separation import AntiAffinityRule, FailureDomain
from aiops_provider.domain.task import TaskKey
from aiops_provider.placement.feasibility import check_plan
from aiops_provider.placement.model import Goal, Question, build_model
from aiops_provider.placement.planner import plan_placement
from aiops_provider.placement.problem import make_problem
from aiops_provider.placement.solver import solve

NOW = datetime(2026, 1, 5, tzinfo=UTC)


def group(name: str, cores: float, **changes) -> WorkloadGroup:
    fields = {
        "name": name,
        "tasks": (TaskKey("dag", name),),
        "request": ResourceRequest(cores=1, memory_gib=1),
        "cores_by_slot": (cores,),
        "memory_gib_by_slot": (cores,),
        "accelerators_by_slot": (0.0,),
        "peak_of_sum_cores": cores,
        "sum_of_peaks_cores": cores,
    }
    return WorkloadGroup(**{**fields, **changes})


def cluster(
    name: str, *, cores: float = 4, machines: int = 1, price: float | None = 1.0, **changes
):
    pool = Pool(
        name="p",
        machine=Capacity(cores=cores, memory_gib=4 * cores),
        max_instances=machines,
        price_usd_per_hour=price,
    )
    fields = {"kind": "local", "provider": "aws", "region": name, "pools": (pool,)}
    return ClusterSpec(name=name, **{**fields, **changes})


def make(groups, clusters, objective=None, **options):
    chosen = objective or Objective()
    plan = plan_placement(groups, clusters, chosen, now=NOW, gap_tolerance=0.0, **options)
    if plan.status is not PlanStatus.INFEASIBLE:
        assert () == check_plan(plan, clusters, options.get("unavailable", frozenset()))
    return plan


def where(plan) -> dict[str, str]:
    return {given.group: given.cluster for given in plan.assignments}


def test_the_cheaper_cluster_is_used_until_it_is_full():
    """Of plans that place all, the cheapest is taken, and it is proven to be."""
    plan = make([group("a", 3), group("b", 3)], [cluster("cheap"), cluster("dear", price=9.0)])
    assert {"cheap", "dear"} == set(where(plan).values())
    assert PlanStatus.OPTIMAL is plan.status
    assert 1.0 == plan.sla_attainment == plan.bound


def test_the_heavier_group_goes_first_when_capacity_is_short():
    """What found no place is in the plan, with its share."""
    plan = make([group("vip", 4, sla_weight=9.0), group("other", 4)], [cluster("only")])
    assert {"vip": "only"} == where(plan)
    assert pytest.approx(1.0) == plan.unplaced["other"]
    assert pytest.approx(0.9) == plan.sla_attainment


def test_what_the_solver_says_and_what_it_returns_agree():
    """HiGHS 1.16 improves the start of this search, says so, and returns the start."""
    runs = {144: 1.5, 145: 2 - 1 / 2400, 146: 0.05 + 1 / 2400}
    slots = tuple(runs.get(slot, 0.0) for slot in range(168))
    busy = group("b", 2 - 1 / 2400, cores_by_slot=slots, memory_gib_by_slot=slots)
    tiny = [group(name, 1 / 1440) for name in "ac"]
    tied = group("d", 1 / 1440, allowed_regions=("c0",))
    plan = make(
        [*tiny, busy, tied],
        [cluster("c0", cores=2, price=None), cluster("c1", cores=2, price=0.0)],
    )
    assert pytest.approx(1.0) == plan.sla_attainment


def test_a_budget_limits_what_is_placed():
    """The spend stays within it, and the most valuable share is bought."""
    plan = make([group("a", 4)], [cluster("c", price=2.0)], Objective(budget_usd_per_hour=1.0))
    assert pytest.approx(0.5, abs=1e-5) == plan.sla_attainment
    assert plan.cost_usd_per_hour <= 1.0 + 1e-6


def test_an_unknown_price_counts_as_high_and_is_said():
    """It is never taken as nothing, so a known price is preferred."""
    clusters = [cluster("unknown", price=None), cluster("known", price=3.0)]
    assert {"a": "known"} == where(make([group("a", 1)], clusters))
    plan = make([group("a", 1)], clusters[:1])
    assert plan.cost_usd_per_hour > 0
    assert any("price of unknown/p is unknown" in line for line in plan.explanation)


def test_a_group_that_fits_one_machine_is_not_torn_apart():
    """One reservation is better than two halves of one."""
    plan = make([group("a", 3)], [cluster("x", cores=4), cluster("y", cores=4)])
    assert 1 == len(plan.assignments)


def test_a_group_larger_than_any_machine_may_be_split():
    """It needs several machines anyway."""
    plan = make([group("a", 7)], [cluster("x"), cluster("y")])
    assert {"x", "y"} == {given.cluster for given in plan.assignments}
    assert not plan.unplaced


def test_an_unavailable_cluster_is_not_used():
    """Not even when it is the only one for a pinned group, which then has no place."""
    groups = [group("free", 1), group("pinned", 1, pinned_cluster="away")]
    plan = make(groups, [cluster("away"), cluster("here")], unavailable=frozenset({"away"}))
    assert {"free": "here"} == where(plan)
    assert any("pinned has no place" in line for line in plan.explanation)


def test_a_budget_below_the_sla_level_is_named_with_the_cheapest_way_out():
    """The conflict is told in the user's own settings."""
    level = Objective(maximize_sla=False, sla=1.0, budget_usd_per_hour=0.5)
    plan = make([group("a", 4)], [cluster("c", machines=9)], level)
    text = " ".join(plan.explanation)
    assert PlanStatus.INFEASIBLE is plan.status
    assert "objective.sla = 1; objective.budget_usd_per_hour = 0.5." in text
    assert "raise objective.budget_usd_per_hour from 0.5 to 1." in text


def test_too_little_capacity_is_named_with_the_machines_that_are_missing():
    """Only the clusters that really limit it are named."""
    level = Objective(maximize_sla=False, sla=1.0)
    plan = make([group("a", 10)], [cluster("c"), cluster("idle", cores=0.5)], level)
    text = " ".join(plan.explanation)
    assert "the capacity of c." in text
    assert "max_instances of c/p from 1 to 3" in text


def test_a_cluster_that_is_one_capacity_is_told_what_that_must_be():
    """It has no max_instances that its owner could raise."""
    whole = replace(cluster("c").pools[0], name="default")
    level = Objective(maximize_sla=False, sla=1.0)
    plan = make([group("a", 10)], [cluster("c", pools=(whole,))], level)
    assert "raise the capacity of c to 10 cores and 40 GiB" in " ".join(plan.explanation)


def test_a_region_that_is_too_small_is_named():
    """Where a group may run is a limit that its author can move."""
    level = Objective(maximize_sla=False, sla=1.0)
    groups = [group("a", 6, allowed_regions=("small",))]
    plan = make(groups, [cluster("small"), cluster("large", machines=9)], level)
    assert "region large is not allowed (only small)" in plan.explanation[0]
    assert "the capacity of small" in plan.explanation[0]


def test_of_two_groups_without_a_place_one_is_the_conflict_and_both_are_the_way_out():
    """An irreducible set names no more than it needs, and what it names is not yet enough to mend."""
    level = Objective(maximize_sla=False, sla=0.9)
    groups = [group(name, 1, allowed_regions=("away",)) for name in ("a", "b")]
    plan = make([*groups, group("c", 1)], [cluster("here", machines=9)], level)
    conflict, *ways_out = plan.explanation
    assert 1 == sum(f"where {name} can run" in conflict for name in ("a", "b", "c"))
    assert any("let a, b run elsewhere" in line for line in ways_out)


def test_only_those_are_freed_without_whom_the_level_is_missed():
    """A quarter may be left out, so one of the two is enough: the one that weighs more."""
    level = Objective(maximize_sla=False, sla=0.7)
    groups = [
        group(name, 1, allowed_regions=("away",), sla_weight=weight)
        for name, weight in (("heavy", 2.0), ("light", 1.0))
    ]
    plan = make([*groups, group("c", 1)], [cluster("here", machines=9)], level)
    assert "where heavy can run" in plan.explanation[0]
    assert "light" not in plan.explanation[0]
    assert any("let heavy run elsewhere" in line for line in plan.explanation)


def test_what_no_machine_holds_is_told_apart_from_what_no_rule_allows():
    """To loosen a pin does not help who is too large everywhere; such groups are counted as needed."""
    level = Objective(maximize_sla=False, sla=0.7)
    request = ResourceRequest(cores=64, memory_gib=1)
    large = group("large", 64, request=request, sla_weight=2.0, pinned_cluster="here")
    plan = make(
        [large, group("huge", 64, request=request), group("c", 1)],
        [cluster("here"), cluster("there")],
        level,
    )
    conflict = plan.explanation[0]
    assert "where large can run (here, there: its machine has" in conflict
    assert "huge" not in conflict
    assert any("add a machine that holds large, or ask for less" in s for s in plan.explanation)
    assert not any("run elsewhere" in line for line in plan.explanation)


@pytest.mark.parametrize("level", [1.0, 0.9999999])
def test_what_the_solver_takes_for_an_integer_is_no_share(level):
    """HiGHS lets whole numbers be off by 1e-6, which at a level of everything is worth money."""
    apart = AntiAffinityRule(tasks=(TaskKey("dag", "y"),), domain=FailureDomain.CLUSTER)
    groups = [group("x", 4, anti_affinity=(apart,)), group("y", 4)]
    clusters = [cluster("cheap", cores=8, price=0.8), cluster("dear", cores=80, price=16.0)]
    plan = make(groups, clusters, Objective(maximize_sla=False, sla=level))
    assert {"cheap", "dear"} == set(where(plan).values())
    assert [1.0, 1.0] == [given.share for given in plan.assignments]


def test_a_legal_area_is_named_instead_of_its_regions():
    """Nobody reads a list of all regions of the European Union."""
    level = Objective(maximize_sla=False, sla=1.0)
    groups = [group("a", 1, allowed_regions=(*regions_within(("EU", "CH")), "no-oslo"))]
    plan = make(groups, [cluster("us-east-1")], level)
    assert "region us-east-1 is not allowed (only EU, CH, no-oslo)" in plan.explanation[0]


def test_a_time_limit_leaves_a_plan_with_an_honest_gap():
    """The gap is the distance to the bound, whatever the solver calls its status."""
    groups = [group(f"g{n:02}", 1.0 + n % 7 / 3, sla_weight=1.0 + n % 5) for n in range(60)]
    clusters = [cluster(f"c{n}", cores=4, machines=2, price=1.0 + n) for n in range(8)]
    plan = plan_placement(groups, clusters, Objective(), now=NOW, time_limit_s=0.0)
    assert () == check_plan(plan, clusters)
    assert pytest.approx((plan.bound - plan.objective_value) / plan.bound) == plan.gap
    assert (plan.status is PlanStatus.OPTIMAL) == (plan.gap <= 0.005 + 1e-6)


def test_the_demand_of_different_hours_shares_one_machine():
    """Capacity binds per hour of the week, not for the sum of peaks."""
    night = tuple(4.0 if slot % 24 < 12 else 0.0 for slot in range(168))
    day = tuple(4.0 - cores for cores in night)
    groups = [
        group(name, 4, cores_by_slot=series, memory_gib_by_slot=series)
        for name, series in (("night", night), ("day", day))
    ]
    assert not make(groups, [cluster("only")]).unplaced


def test_scarce_capacity_has_a_price_and_idle_capacity_has_none():
    """A core of the cheap cluster is worth what it saves on the dear one."""
    groups = [group(f"g{n}", 8) for n in range(2)]
    plan = make(groups, [cluster("cheap", machines=2), cluster("dear", machines=9, price=5.0)])
    assert pytest.approx(1.0) == plan.shadow_prices["cheap"]
    assert 0.0 == plan.shadow_prices["dear"]


def test_nothing_to_place_is_a_plan_too():
    """An empty plan is complete and free."""
    plan = make([], [cluster("c")])
    assert (1.0, 0.0) == (plan.sla_attainment, plan.cost_usd_per_hour)


@pytest.mark.parametrize("relaxed", [True, False])
def test_both_solvers_agree(relaxed):
    """The fallback finds the same value and a bound that holds."""
    groups = [group(f"g{n}", 3 + n, sla_weight=1.0 + n) for n in range(4)]
    problem = make_problem(groups, [cluster("x", cores=8), cluster("y", cores=6, price=2.0)])
    question = Question(goal=Goal.UNPLACED, budget_usd_per_hour=2.5)
    found = {
        name: solve(build_model(problem, question), time_limit_s=20, relaxed=relaxed, solver=name)
        for name in ("HiGHS", "CBC")
    }
    assert pytest.approx(found["HiGHS"].objective, abs=1e-6) == found["CBC"].objective
    assert found["CBC"].bound <= found["HiGHS"].objective + 1e-6
