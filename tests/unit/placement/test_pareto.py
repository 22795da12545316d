"""The front holds only plans worth a choice, and says what may still lie between them."""

from __future__ import annotations

from itertools import pairwise, product

import pytest

from aiops_provider.domain.cluster import Capacity, ClusterSpec, Pool
from aiops_provider.domain.plan import Objective, PlacementPlan, PlanStatus, WorkloadGroup
from aiops_provider.domain.profile import ResourceRequest
from aiops_provider.domain.task import TaskKey
from aiops_provider.domain.units import utc_now
from aiops_provider.errors import PlanError
from aiops_provider.placement.pareto import pareto_front
from aiops_provider.placement.planner import plan_placement

NOW = utc_now()
SIZES = (1.0, 2.0, 3.0)
WEIGHTS = (1.0, 3.0, 2.0)
PRICES = (1.0, 4.0)


def group(number: int) -> WorkloadGroup:
    size = SIZES[number]
    return WorkloadGroup(
        name=f"g{number}",
        tasks=(TaskKey("dag", f"g{number}"),),
        request=ResourceRequest(cores=size, memory_gib=1),
        cores_by_slot=(size,),
        memory_gib_by_slot=(1.0,),
        accelerators_by_slot=(0.0,),
        peak_of_sum_cores=size,
        sum_of_peaks_cores=size,
        sla_weight=WEIGHTS[number],
    )


def cluster(name: str, price: float) -> ClusterSpec:
    pool = Pool(
        name="p",
        machine=Capacity(cores=3, memory_gib=64),
        max_instances=1,
        price_usd_per_hour=price,
    )
    return ClusterSpec(name=name, kind="local", provider="aws", region="r", pools=(pool,))


GROUPS = [group(number) for number in range(3)]
CLUSTERS = [cluster(f"c{number}", price) for number, price in enumerate(PRICES)]


def solve(objective: Objective) -> PlacementPlan:
    return plan_placement(GROUPS, CLUSTERS, objective, now=NOW, gap_tolerance=0.0)


def dominated(sla: float, usd: float) -> bool:
    """By a way to put whole groups somewhere; every such way is tried."""
    for places in product((None, 0, 1), repeat=3):
        used = [
            sum(s for s, p in zip(SIZES, places, strict=True) if p == here) for here in range(2)
        ]
        if max(used) > 3:
            continue
        placed = sum(w for w, p in zip(WEIGHTS, places, strict=True) if p is not None)
        cost = sum(s / 3 * PRICES[p] for s, p in zip(SIZES, places, strict=True) if p is not None)
        if placed / sum(WEIGHTS) > sla + 1e-6 and cost < usd - 1e-6:
            return True
    return False


def test_no_point_is_beaten_by_any_way_to_place_whole_groups():
    """Against all 27 ways, tried one by one."""
    front = pareto_front(solve, Objective(), most_points=10)
    assert len(front.points) > 3
    for point in front.points:
        assert not dominated(point.sla_attainment, point.cost_usd_per_hour)
    for before, after in pairwise(front.points):
        assert before.sla_attainment < after.sla_attainment
        assert before.cost_usd_per_hour < after.cost_usd_per_hour


def test_ends_are_the_plan_that_places_most_and_half_of_it():
    """What all capacity allows is the top; the bottom is asked for by nobody."""
    front = pareto_front(solve, Objective(), most_points=8)
    assert front.points[-1].sla_attainment == pytest.approx(1.0)
    assert front.points[0].sla_attainment == pytest.approx(0.5, abs=0.01)
    assert front.plans_made == 8


def test_more_plans_leave_less_hidden():
    """What a better plan could hide in shrinks, and so does the widest step."""
    few = pareto_front(solve, Objective(), most_points=3)
    many = pareto_front(solve, Objective(), most_points=20)
    assert many.hidden < few.hidden
    assert many.largest_step < few.largest_step


def test_budget_ends_the_front():
    """No point costs more than the budget, whatever it would place."""
    front = pareto_front(solve, Objective(budget_usd_per_hour=2.0), most_points=8)
    assert front.points[-1].cost_usd_per_hour <= 2.0 + 1e-6
    assert front.points[-1].sla_attainment < 1.0


def test_level_without_a_plan_is_named_and_the_rest_stays():
    """A solver that runs out of time at one level costs that level only."""
    asked = []

    def sometimes(objective: Objective) -> PlacementPlan:
        asked.append(objective.sla)
        if len(asked) == 3:
            raise PlanError("time ran out")
        return solve(objective)

    front = pareto_front(sometimes, Objective(), most_points=8)
    assert len(front.failed) == 1
    assert "time ran out" in front.failed[0]
    assert len(front.points) >= 2


def test_nothing_can_be_placed():
    """One point that places nothing, and no attempt at levels that do not exist."""

    def nothing(objective: Objective) -> PlacementPlan:
        return plan_placement(GROUPS, [], objective, now=NOW)

    front = pareto_front(nothing, Objective())
    assert [point.sla_attainment for point in front.points] == [0.0]
    assert front.plans_made == 1


def test_every_plan_keeps_its_level():
    """What is asked for at a level is made at that level or better."""
    levels = []

    def watched(objective: Objective) -> PlacementPlan:
        made = solve(objective)
        if not objective.maximize_sla:
            levels.append((objective.sla, made))
        return made

    pareto_front(watched, Objective(), most_points=8)
    for level, made in levels:
        assert made.status is not PlanStatus.INFEASIBLE
        assert made.sla_attainment >= level - 1e-6


def test_all_plans_count_alike():
    """Also the best one is made for an objective in which every workload keeps its own promise."""
    asked = []

    def watched(objective: Objective) -> PlacementPlan:
        asked.append(objective.every_workload)
        return solve(objective)

    pareto_front(watched, Objective(every_workload=True), most_points=4)
    assert all(asked)
