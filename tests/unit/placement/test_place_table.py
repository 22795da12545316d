"""The ranking of many pools: the same however far one looks."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

import pytest

from aiops_provider.domain.cluster import Capacity, ClusterSpec, Pool
from aiops_provider.domain.plan import Assignment, Objective, PlacementPlan, PlanStatus
from aiops_provider.domain.profile import ResourceRequest, WorkloadProfile
from aiops_provider.domain.task import TaskKey
from aiops_provider.placement.candidates import Candidates
from aiops_provider.placement.multiplexing import make_group
from aiops_provider.placement.place_table import PlaceTable
from aiops_provider.placement.pool_columns import PoolColumns
from aiops_provider.placement.router import Router, RouterSnapshot
from aiops_provider.profiling.profiler import Profiler

NOW = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)
PROFILE: WorkloadProfile = replace(
    Profiler().predict(TaskKey("medical", "train"), now=NOW),
    request=ResourceRequest(cores=1, memory_gib=2),
)


def cluster(number: int) -> ClusterSpec:
    """Prices repeat, some are unknown, and some machines are too small for the request."""
    pools = tuple(
        Pool(
            name=f"p{n}",
            machine=Capacity(cores=2.0 + n, memory_gib=1.0 if number % 7 == n else 16.0),
            max_instances=1,
            price_usd_per_hour=None if number % 5 == n else float((number * 31 + n) % 11),
        )
        for n in range(2)
    )
    return ClusterSpec(
        name=f"c{number:03d}", kind="local", provider="x", region=f"r{number % 3}", pools=pools
    )


def table(count: int) -> PlaceTable:
    clusters = [cluster(number) for number in range(count)]
    columns = PoolColumns(
        clusters, quarantined={}, unreachable={}, unfit={}, scarcity_usd={"c003": 2.0}
    )
    return PlaceTable(columns)


@pytest.mark.parametrize("count", [1, 4, 40, 300])
@pytest.mark.parametrize("data_region", [None, "r1"])
@pytest.mark.parametrize(
    "pace", [(), (("c002", "p1", 0.2), ("c003", "p0", 5.0), ("gone", "p", 2.0))]
)
def test_looking_one_by_one_gives_the_order_of_looking_at_all(count, data_region, pace):
    """Few places or many: the walk visits each once, in the order of preference."""
    profile = replace(PROFILE, data_region=data_region, pool_pace=pace)
    candidates = Candidates(table(count), profile)
    walked = list(candidates)
    assert walked == sorted(candidates.all(), key=lambda place: place.preference)
    assert len({place.key for place in walked}) == len(walked) == candidates.count
    assert walked == list(candidates)


def test_a_pool_is_asked_for_by_name_only_if_it_can_hold_the_task():
    """A pool that is too small or unknown is no place, the others are those of the ranking."""
    candidates = Candidates(table(40), PROFILE)
    by_key = {place.key: place for place in candidates}
    for number in range(40):
        for pool in ("p0", "p1"):
            key = (f"c{number:03d}", pool)
            found = [candidates.place(entry.row) for entry in candidates.at([key])]
            assert found == ([by_key[key]] if key in by_key else [])
    assert [] == candidates.at([("nowhere", "p0")])


def test_a_cluster_that_the_plan_uses_is_not_said_to_be_unused():
    """Two pools of one cluster, one of them in the plan: its share is named."""
    clusters = (cluster(10), cluster(11))
    group = make_group([PROFILE])
    given = [("c010", "p1", 0.75), ("c011", "p0", 0.25)]
    plan = PlacementPlan(
        groups=(group,),
        assignments=tuple(
            Assignment(group=group.name, cluster=c, pool=p, share=s, cost_usd_per_hour=1.0)
            for c, p, s in given
        ),
        objective=Objective(),
        objective_value=1.0,
        bound=1.0,
        gap=0.0,
        status=PlanStatus.OPTIMAL,
        cost_usd_per_hour=1.0,
        sla_attainment=1.0,
        created_at=NOW,
        version=1,
    )
    route = Router(RouterSnapshot(clusters=clusters, plan=plan)).route(PROFILE)
    told = {c: f"the plan gives it {s:.0%}" for c, _, s in given if c != route.cluster}
    assert dict(route.reason.rejected) == told
