"""What workloads store is part of the plan's cost where it has a price, and said where it has none."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

import numpy as np
import pytest

from aiops_provider.domain.cluster import Capacity, ClusterSpec, Pool, StorageRate
from aiops_provider.domain.plan import Objective
from aiops_provider.domain.profile import (
    ComputeType,
    Quantity,
    ResourceRequest,
    Source,
    StorageNeed,
    WorkloadProfile,
)
from aiops_provider.domain.task import TaskKey
from aiops_provider.placement.demand import stored_gib
from aiops_provider.placement.feasibility import check_plan
from aiops_provider.placement.improvement import refresh_plan
from aiops_provider.placement.multiplexing import make_group
from aiops_provider.placement.planner import plan_placement
from aiops_provider.placement.problem import make_problem
from aiops_provider.placement.problem_columns import make_columns

NOW = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)
MONTH_H = 730.0


def exactly(value: float) -> Quantity:
    return Quantity(p50=value, p80=value, p95=value, source=Source.PRIOR)


def need(role: str, name: str, gib: float) -> StorageNeed:
    return StorageNeed(role=role, storage_class=name, capacity_gib=exactly(gib))


def workload(name: str, *needs: StorageNeed, starts: float = 1.0) -> WorkloadProfile:
    """One hour long, so that as many runs are in progress as start within an hour."""
    return WorkloadProfile(
        task=TaskKey("dag", name),
        compute_type=ComputeType.CPU,
        cores=exactly(1),
        memory_gib=exactly(1),
        duration_s=exactly(3600),
        request=ResourceRequest(cores=1, memory_gib=1),
        predicted_at=NOW,
        starts_by_hour_of_week=(starts,) * 168,
        storage=needs,
    )


def cluster(name: str, price: float = 1.0, **usd: float | StorageRate) -> ClusterSpec:
    pool = Pool(
        name="p",
        machine=Capacity(cores=8, memory_gib=64),
        max_instances=4,
        price_usd_per_hour=price,
    )
    rates = {
        key: rate if isinstance(rate, StorageRate) else StorageRate(usd_per_gib_month=rate)
        for key, rate in usd.items()
    }
    return ClusterSpec(
        name=name, kind="local", provider="aws", region=name, pools=(pool,), storage=rates
    )


def plan(profiles, clusters):
    return plan_placement(
        [make_group([profile]) for profile in profiles], clusters, Objective(), now=NOW
    )


def test_what_is_written_counts_once_and_what_is_held_while_it_runs():
    """Two runs at a time hold twice the spill; the target is one copy; the source is there anyway."""
    profile = workload(
        "t",
        need("source", "object", 1000),
        need("intermediate", "file", 50),
        need("target", "object", 10),
        starts=2.0,
    )
    assert stored_gib(profile) == pytest.approx({"file": 100.0, "object": 10.0})


def test_working_sets_in_memory_are_the_machines_own():
    """Memory is paid with the machine."""
    assert {} == stored_gib(workload("t", need("intermediate", "in_memory", 50)))


def test_a_group_stores_what_its_members_store():
    """Class by class."""
    one = workload("a", need("target", "object", 10))
    two = workload("b", need("target", "object", 5), need("intermediate", "file", 1))
    group = make_group([one, two])
    assert group.storage_gib == pytest.approx({"object": 15.0, "file": 1.0})


def test_storage_decides_between_like_machines():
    """Machines cost the same; a terabyte in object storage does not."""
    profile = workload("t", need("target", "object", 1000))
    dear, cheap = cluster("a", object=0.04), cluster("b", object=0.02)
    made = plan([profile], [dear, cheap])
    assert ["b"] == [given.cluster for given in made.assignments]
    assert made.cost_usd_per_hour == pytest.approx(1 / 8 + 1000 * 0.02 / MONTH_H)
    assert () == check_plan(made, [dear, cheap])
    assert any("0.0274 USD an hour" in line for line in made.explanation)


def test_a_plan_that_hides_what_storage_costs_is_found_out():
    """The checker counts storage anew, and the old plan is priced with it."""
    profile = workload("t", need("target", "object", 1000))
    bare, priced = cluster("a"), cluster("a", object=0.04)
    made = plan([profile], [bare])
    assert {"cost"} == {each.kind for each in check_plan(made, [priced])}
    stay = refresh_plan(made, [profile], [priced])
    assert stay.cost_usd_per_hour - made.cost_usd_per_hour == pytest.approx(40 / MONTH_H)
    assert () == check_plan(stay, [priced])


def test_storage_without_any_price_is_not_in_the_cost_and_said():
    """Unknown stays unknown."""
    made = plan([workload("t", need("target", "warehouse", 500))], [cluster("a")])
    assert made.cost_usd_per_hour == pytest.approx(1 / 8)
    (line,) = [line for line in made.explanation if "warehouse" in line]
    assert "500 GiB there is not in the cost" in line


def test_a_place_without_a_price_does_not_look_cheap():
    """The dearest known price stands for an unknown one, and that is said."""
    unknown = StorageRate(usd_per_gib_month=0.05, known=False)
    clusters = [cluster("a", object=unknown), cluster("b", object=0.05, price=1.01)]
    made = plan([workload("t", need("target", "object", 1000))], clusters)
    assert ["a"] == [given.cluster for given in made.assignments]
    assert made.cost_usd_per_hour == pytest.approx(1 / 8 + 50 / MONTH_H)
    assert any("counts as dear as anywhere it is known" in line for line in made.explanation)
    known = replace(clusters[1], storage={"object": StorageRate(usd_per_gib_month=0.02)})
    again = plan([workload("t", need("target", "object", 1000))], [clusters[0], known])
    assert ["b"] == [given.cluster for given in again.assignments]


def test_columns_say_the_same():
    """The large form of the problem has the same costs."""
    profiles = [
        workload("a", need("target", "object", 1000), need("intermediate", "file", 10)),
        workload("b"),
        workload("c", need("target", "warehouse", 30)),
    ]
    clusters = [cluster("x", object=0.04, file=0.1), cluster("y", warehouse=0.02)]
    groups = [make_group([profile]) for profile in profiles]
    columns = make_columns(groups, clusters)
    problem = make_problem(groups, clusters)
    costs = [[problem.options[i].cost_usd_per_hour for i in own] for own in problem.options_of]
    np.testing.assert_allclose(columns.cost, np.array(costs))
