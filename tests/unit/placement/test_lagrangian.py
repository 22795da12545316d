"""Prices of limits and the bound that follows from them."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from aiops_provider.domain.cluster import Capacity, CarbonRate, ClusterSpec, Pool
from aiops_provider.domain.plan import WorkloadGroup
from aiops_provider.domain.profile import ResourceRequest
from aiops_provider.domain.task import TaskKey
from aiops_provider.placement.lagrangian import Lagrangian
from aiops_provider.placement.limit_prices import Target
from aiops_provider.placement.model import Goal, Question, build_model
from aiops_provider.placement.problem import make_problem
from aiops_provider.placement.problem_columns import make_columns
from aiops_provider.placement.solver import solve


def some_groups(count: int) -> list[WorkloadGroup]:
    chance = np.random.default_rng(5)
    made = []
    for number in range(count):
        series = tuple((chance.uniform(0.5, 4.0, 6) * (1 + number % 4)).tolist())
        made.append(
            WorkloadGroup(
                name=f"g{number:02}",
                tasks=(TaskKey("dag", f"g{number:02}"),),
                request=ResourceRequest(cores=1, memory_gib=1),
                cores_by_slot=series,
                memory_gib_by_slot=(2.0,),
                accelerators_by_slot=(0.0,),
                peak_of_sum_cores=max(series),
                sum_of_peaks_cores=max(series),
                sla_weight=1.0 + number % 5,
            )
        )
    return made


GROUPS = some_groups(30)
CLUSTERS = [
    ClusterSpec(
        name=name,
        kind="local",
        provider="aws",
        region=name,
        pools=(
            Pool(
                name="p",
                machine=Capacity(cores=8, memory_gib=16),
                max_instances=machines,
                price_usd_per_hour=price,
                carbon=CarbonRate(kg_per_hour=kg),
            ),
        ),
    )
    for name, machines, price, kg in (("a", 3, 1.0, 0.8), ("b", 4, 2.0, 0.3), ("c", 2, 4.0, 0.1))
]
MOST = Target(budget_usd_per_hour=9.0)
LEAST = Target(level=0.6)
MOST_CAPPED = Target(budget_usd_per_hour=9.0, max_carbon_kg_per_hour=2.0)
LEAST_CAPPED = Target(level=0.5, max_carbon_kg_per_hour=1.5)
TARGETS = pytest.mark.parametrize(
    "target",
    [MOST, LEAST, MOST_CAPPED, LEAST_CAPPED],
    ids=["most", "least", "most-capped", "least-capped"],
)


def relaxation(target: Target) -> float:
    problem = make_problem(GROUPS, CLUSTERS)
    goal = Goal.UNPLACED if target.level is None else Goal.COST
    question = Question(
        goal=goal,
        budget_usd_per_hour=target.budget_usd_per_hour,
        max_carbon_kg_per_hour=target.max_carbon_kg_per_hour,
        attainment=target.level,
    )
    found = solve(build_model(problem, question), time_limit_s=30, relaxed=True)
    return -found.objective if target.level is None else found.objective


@pytest.mark.parametrize("budget", [None, 0.01])
def test_prices_stay_in_range_where_no_plan_reaches_the_level(budget):
    """They would grow without end; the bound then lies above whatever any plan could cost."""
    columns = make_columns(GROUPS, CLUSTERS)
    lagrangian = Lagrangian(columns, Target(level=1.0, budget_usd_per_hour=budget))
    prices = lagrangian.ascend(steps=500)
    assert max(prices.limits.max(), prices.budget, prices.level) <= 1e12 * (1 + 1e-9)
    assert lagrangian.bound(prices) > columns.cost.max(axis=1).sum()


@TARGETS
def test_the_bound_nears_the_linear_relaxation_from_the_right_side(target):
    """It can never pass it: with linear choices the two are equal at the best prices."""
    lagrangian = Lagrangian(make_columns(GROUPS, CLUSTERS, with_carbon=True), target)
    bound, limit = lagrangian.bound(lagrangian.ascend(steps=200)), relaxation(target)
    assert pytest.approx(limit, rel=0.03) == bound
    if target.level is None:
        assert bound >= limit - 1e-7
    else:
        assert bound <= limit + 1e-7


@TARGETS
def test_the_gradient_is_that_of_the_value(target):
    """By differences, in every price."""
    lagrangian = Lagrangian(make_columns(GROUPS, CLUSTERS, with_carbon=True), target)
    chance = np.random.default_rng(1)
    point = chance.uniform(0.0, 0.3, lagrangian._size)
    _, gradient = lagrangian._smoothed(point, 0.5)
    last = range(len(lagrangian.active), len(point))
    for index in {*chance.choice(len(point), 12, replace=False).tolist(), *last}:
        step = np.zeros(len(point))
        step[index] = 0.02
        above, below = (lagrangian._smoothed(point + s, 0.5)[0] for s in (step, -step))
        assert pytest.approx((above - below) / 0.04, abs=0.02) == gradient[index]


def test_without_scarcity_everything_is_placed_at_no_price():
    """No limit that all groups together keep has a price."""
    roomy = [
        ClusterSpec(
            name="a",
            kind="local",
            provider="aws",
            region="a",
            pools=(
                Pool(
                    name="p",
                    machine=Capacity(cores=8, memory_gib=16),
                    max_instances=900,
                    price_usd_per_hour=1.0,
                ),
            ),
        )
    ]
    lagrangian = Lagrangian(make_columns(GROUPS, roomy), Target())
    assert 0 == len(lagrangian.active)
    assert pytest.approx(1.0) == lagrangian.bound(lagrangian.ascend())


def test_the_cap_binds_in_the_relaxation_of_the_capped_targets():
    """Else the tests above would say nothing about it; columns without emissions are refused."""
    for capped in (MOST_CAPPED, LEAST_CAPPED):
        loose = replace(capped, max_carbon_kg_per_hour=None)
        assert abs(relaxation(capped) - relaxation(loose)) > 0.01
    with pytest.raises(ValueError, match="columns have none"):
        Lagrangian(make_columns(GROUPS, CLUSTERS), MOST_CAPPED)
