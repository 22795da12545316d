"""Emissions are shown where they are known, and decide something only at a price."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

import numpy as np
import pytest

from aiops_provider.domain.cluster import Capacity, CarbonRate, ClusterSpec, Pool
from aiops_provider.domain.plan import Objective, WorkloadGroup
from aiops_provider.domain.profile import ResourceRequest
from aiops_provider.domain.task import TaskKey
from aiops_provider.placement.feasibility import check_plan
from aiops_provider.placement.planner import plan_placement
from aiops_provider.placement.problem import make_problem
from aiops_provider.placement.problem_columns import make_columns

NOW = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)
# Half a machine of 8 cores at any time.
GROUP = WorkloadGroup(
    name="g",
    tasks=(TaskKey("dag", "t"),),
    request=ResourceRequest(cores=2, memory_gib=4),
    cores_by_slot=(4.0,),
    memory_gib_by_slot=(8.0,),
    accelerators_by_slot=(0.0,),
    peak_of_sum_cores=4.0,
    sum_of_peaks_cores=4.0,
)


def cluster(name: str, price: float | None, kg: float, *, known: bool = True) -> ClusterSpec:
    pool = Pool(
        name="p",
        machine=Capacity(cores=8, memory_gib=64),
        max_instances=2,
        price_usd_per_hour=price,
        carbon=CarbonRate(kg_per_hour=kg, known=known),
    )
    return ClusterSpec(name=name, kind="local", provider="aws", region="r", pools=(pool,))


CLUSTERS = [cluster("clean", 1.1, 0.1), cluster("dirty", 1.0, 1.0)]


def plan(usd_per_kg: float, clusters=CLUSTERS):
    return plan_placement([GROUP], clusters, Objective(carbon_usd_per_kg=usd_per_kg), now=NOW)


def where(made) -> list[str]:
    return [given.cluster for given in made.assignments]


def test_without_a_price_emissions_decide_nothing_and_are_shown():
    """Off by default: the cheaper cluster, with what it emits."""
    made = plan(0.0)
    assert ["dirty"] == where(made)
    assert [pytest.approx(0.5)] == [given.carbon_kg_per_hour for given in made.assignments]
    assert made.cost_usd_per_hour == pytest.approx(0.5)
    assert () == check_plan(made, CLUSTERS)
    assert not any("CO2e" in line for line in made.explanation)


def test_a_price_changes_the_choice():
    """Ten cents more a machine against 0.9 kg at 20 cents."""
    made = plan(0.2)
    assert ["clean"] == where(made)
    assert made.cost_usd_per_hour == pytest.approx((1.1 + 0.1 * 0.2) / 2)
    assert () == check_plan(made, CLUSTERS)
    assert any("0.01 USD an hour of the cost" in line for line in made.explanation)


def test_what_is_not_known_is_not_shown_but_counts_and_is_said():
    """With a price on emissions the stand-in counts; the plan shows no figure."""
    unknown = [cluster("clean", 1.1, 0.1), cluster("dirty", 1.0, 1.0, known=False)]
    made = plan(0.2, unknown)
    assert ["clean"] == where(made)
    alone = plan(0.2, unknown[1:])
    assert [None] == [given.carbon_kg_per_hour for given in alone.assignments]
    assert alone.cost_usd_per_hour == pytest.approx(0.6)
    assert any("What dirty/p emits is not known" in line for line in alone.explanation)
    assert () == check_plan(alone, unknown)


@pytest.mark.parametrize(
    ("kind", "change"),
    [
        ("carbon", {"carbon_kg_per_hour": 0.1}),
        ("cost", {"cost_usd_per_hour": 0.5}),
    ],
)
def test_a_false_figure_is_found(kind, change):
    """The checker counts emissions and their price anew."""
    made = plan(0.2, CLUSTERS[1:])
    given = replace(made.assignments[0], **change)
    told = replace(made, assignments=(given,), cost_usd_per_hour=given.cost_usd_per_hour)
    assert kind in {each.kind for each in check_plan(told, CLUSTERS)}


def test_a_figure_for_what_nobody_knows_is_found():
    """A plan must not state emissions of a place whose emissions are unknown."""
    unknown = [cluster("dirty", 1.0, 1.0, known=False)]
    made = plan(0.0, unknown)
    told = replace(made, assignments=(replace(made.assignments[0], carbon_kg_per_hour=0.5),))
    assert {"carbon"} == {each.kind for each in check_plan(told, unknown)}


def test_columns_say_the_same():
    """The large form of the problem has the same costs."""
    columns = make_columns([GROUP], CLUSTERS, carbon_usd_per_kg=0.3)
    problem = make_problem([GROUP], CLUSTERS, carbon_usd_per_kg=0.3)
    np.testing.assert_allclose(
        columns.cost, [[option.cost_usd_per_hour for option in problem.options]]
    )


def test_the_budget_counts_the_price_of_emissions():
    """Half a dollar for machines, 10 cents for 0.5 kg: 55 cents do not do."""
    objective = Objective(carbon_usd_per_kg=0.2, budget_usd_per_hour=0.55)
    made = plan_placement([GROUP], CLUSTERS[1:], objective, now=NOW)
    assert made.cost_usd_per_hour <= 0.55 * (1 + 1e-6)
    assert made.unplaced
