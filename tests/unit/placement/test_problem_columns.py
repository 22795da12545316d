"""The problem in columns says the same as the problem in objects."""

from __future__ import annotations

import numpy as np
import pytest

from aiops_provider.domain.cluster import Capacity, ClusterSpec, Pool
from aiops_provider.domain.plan import WorkloadGroup
from aiops_provider.domain.profile import ResourceRequest
from aiops_provider.domain.task import TaskKey
from aiops_provider.placement.problem import make_problem
from aiops_provider.placement.problem_columns import make_columns

NIGHT = tuple(6.0 if slot % 24 < 8 else 1.0 for slot in range(168))
EGRESS = {"eu": {"us": 0.5}}


def group(name: str, **changes) -> WorkloadGroup:
    fields = {
        "name": name,
        "tasks": (TaskKey("dag", name),),
        "request": ResourceRequest(cores=2, memory_gib=4),
        "cores_by_slot": NIGHT,
        "memory_gib_by_slot": (8.0,),
        "accelerators_by_slot": (0.0,),
        "peak_of_sum_cores": 6.0,
        "sum_of_peaks_cores": 6.0,
    }
    return WorkloadGroup(**{**fields, **changes})


def cluster(name: str, region: str, *pools: Pool) -> ClusterSpec:
    return ClusterSpec(name=name, kind="local", provider="aws", region=region, pools=pools)


def pool(name: str, machines: int = 3, price: float | None = 2.0, **accelerators: int) -> Pool:
    machine = Capacity(cores=8, memory_gib=32, accelerators=accelerators)
    return Pool(name=name, machine=machine, max_instances=machines, price_usd_per_hour=price)


CLUSTERS = [
    cluster("b", "us", pool("plain"), pool("two", T4=1, A100=4)),
    cluster("a", "eu", pool("dear", price=None, T4=2)),
    cluster("gone", "eu", pool("plain")),
]
GPU = ResourceRequest(cores=1, memory_gib=1, accelerators=2)
GROUPS = [
    group("z", data_region="eu", data_gib_per_hour=3.0),
    group("y", allowed_regions=("us",)),
    group("x", request=GPU, accelerators_by_slot=(5.0,)),
    group("w", request=ResourceRequest(cores=1, memory_gib=1, accelerators=1, accelerator="T4")),
    group("v", pinned_cluster="a", data_region="us", data_gib_per_hour=1.0),
    group("u", pinned_cluster="gone"),
]


def test_cost_and_eligibility_are_those_of_the_objects():
    """For every group and pool, with egress, unknown prices and accelerators."""
    away = frozenset({"gone"})
    columns = make_columns(GROUPS, CLUSTERS, unavailable=away, egress=EGRESS)
    problem = make_problem(GROUPS, CLUSTERS, unavailable=away, egress=EGRESS)
    place = {(c.name, p.name): number for number, (c, p) in enumerate(columns.pools)}
    expected = np.full(columns.cost.shape, np.inf)
    for option in problem.options:
        where = (option.group, place[option.cluster.name, option.pool.name])
        expected[where] = option.cost_usd_per_hour
        assert option.holds_whole == columns.whole[where]
        assert option.far == columns.far[where]
    np.testing.assert_allclose(columns.cost, expected)
    assert len(problem.options) == columns.options
    assert pytest.approx(problem.placeable) == columns.placeable
    for each in GROUPS:
        assert problem.refusals[each.name] == columns.refusals(each)


def test_like_hours_are_one_slot():
    """The 168 hours of these groups are of two sorts."""
    assert 2 == make_columns(GROUPS, CLUSTERS).demand.shape[2]


def test_accelerators_count_against_the_model_that_is_used():
    """Without a model the one of which a machine has most."""
    columns = make_columns(GROUPS, CLUSTERS)
    place = {(c.name, p.name): number for number, (c, p) in enumerate(columns.pools)}
    names = [each.name for each in columns.groups]
    amounts = {
        name: columns.capacity[
            columns.limit_of[columns.kind[names.index(name)], 2, place["b", "two"]]
        ]
        for name in ("w", "x", "y")
    }
    assert {"w": 3.0, "x": 12.0, "y": np.inf} == amounts
