"""A run costs the same whoever asks: the plan, the router without a plan, the replay."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

import pytest

from aiops_provider.domain.cluster import Capacity, CarbonRate, ClusterSpec, Pool, StorageRate
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
from aiops_provider.placement.demand import stored_gib, stored_gib_by_run
from aiops_provider.placement.multiplexing import make_group
from aiops_provider.placement.planner import plan_placement
from aiops_provider.placement.router import Router, RouterSnapshot

NOW = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)
USD_PER_KG = 0.4


def exactly(value: float) -> Quantity:
    return Quantity(p50=value, p80=value, p95=value, source=Source.PRIOR)


def need(role: str, gib: float, name: str = "object") -> StorageNeed:
    return StorageNeed(role=role, storage_class=name, capacity_gib=exactly(gib))


def workload(*needs: StorageNeed, starts: tuple[float, ...], hours: float) -> WorkloadProfile:
    return WorkloadProfile(
        task=TaskKey("dag", "t"),
        compute_type=ComputeType.CPU,
        cores=exactly(1),
        memory_gib=exactly(1),
        duration_s=exactly(3600 * hours),
        request=ResourceRequest(cores=2, memory_gib=1),
        predicted_at=NOW,
        starts_by_hour_of_week=starts,
        storage=needs,
    )


def cluster(name: str, usd: float, *, kg: float, stored: float, file: float = 0.0) -> ClusterSpec:
    pool = Pool(
        name="p",
        machine=Capacity(cores=8, memory_gib=64),
        max_instances=9,
        price_usd_per_hour=usd,
        carbon=CarbonRate(kg_per_hour=kg),
    )
    storage = {"object": StorageRate(usd_per_gib_month=stored)}
    if file:
        storage["file"] = StorageRate(usd_per_gib_month=file)
    return ClusterSpec(
        name=name, kind="local", provider="x", region="r", pools=(pool,), storage=storage
    )


PLAIN = cluster("plain", 1.0, kg=0.0, stored=0.0)
CADENCES = [(2.0,) * 168, (3.0, *([0.0] * 83)) * 2]


def route(profile: WorkloadProfile, *clusters: ClusterSpec, usd_per_kg: float = USD_PER_KG):
    return Router(RouterSnapshot(clusters=clusters, carbon_usd_per_kg=usd_per_kg)).route(profile)


@pytest.mark.parametrize("starts", CADENCES)
@pytest.mark.parametrize("hours", [0.25, 3.0])
def test_the_runs_of_a_week_cost_what_a_plan_counts_for_it(starts, hours):
    """Machine, emissions at their price, and storage, whatever the cadence and the duration."""
    needs = (need("target", 500), need("intermediate", 70), need("target", 9, "file"))
    profile = workload(*needs, starts=starts, hours=hours)
    there = cluster("c", 0.8, kg=1.5, stored=30.0, file=200.0)
    objective = Objective(carbon_usd_per_kg=USD_PER_KG)
    plan = plan_placement([make_group([profile])], [there], objective, now=NOW)
    by_run = route(profile, there).expected_cost_usd
    assert by_run is not None
    assert plan.sla_attainment == 1.0
    assert pytest.approx(168 * plan.cost_usd_per_hour) == sum(starts) * by_run
    assert by_run > 1.5 * (hours * 0.25 * 0.8)


def test_a_dearer_machine_beside_cheap_storage_is_chosen_without_a_plan():
    """As a plan would; where nothing is stored the cheaper machine is."""
    clusters = (
        cluster("machines", 1.0, kg=0.0, stored=73.0),
        cluster("storage", 1.4, kg=0.0, stored=7.3),
    )
    bare = workload(starts=(1.0,) * 168, hours=1.0)
    assert "machines" == route(bare, *clusters).cluster
    assert "storage" == route(replace(bare, storage=(need("target", 10),)), *clusters).cluster
    # What it reads is there in any case.
    assert "machines" == route(replace(bare, storage=(need("source", 10),)), *clusters).cluster


def test_a_price_of_emissions_decides_and_is_in_the_cost():
    """At no price they do neither."""
    clusters = (
        cluster("dirty", 1.0, kg=2.0, stored=0.0),
        cluster("clean", 1.2, kg=0.1, stored=0.0),
    )
    profile = workload(starts=(1.0,) * 168, hours=2.0)
    free = route(profile, *clusters, usd_per_kg=0.0)
    assert ("dirty", pytest.approx(2 * 0.25)) == (free.cluster, free.expected_cost_usd)
    priced = route(profile, *clusters)
    expected = 2 * 0.25 * (1.2 + 0.1 * USD_PER_KG)
    assert ("clean", pytest.approx(expected)) == (priced.cluster, priced.expected_cost_usd)
    assert pytest.approx(2 * 0.25 * (1.0 + 2.0 * USD_PER_KG)) == (
        priced.alternatives[0].expected_cost_usd
    )


def test_a_changed_profile_is_looked_at_anew():
    """What was worked out belongs to one profile, told by identity."""
    there = cluster("c", 1.0, kg=0.0, stored=73.0)
    router = Router(RouterSnapshot(clusters=(there,)))
    often = workload(need("target", 10), starts=(1.0,) * 168, hours=1.0)
    seldom = replace(often, starts_by_hour_of_week=(0.5,) * 168)
    more = replace(often, storage=(need("target", 20),))
    costs = [router.route(profile).expected_cost_usd for profile in (often, seldom, more, often)]
    assert [pytest.approx(0.25 + 1.0 * part) for part in (1, 2, 2, 1)] == costs


def test_what_never_starts_counts_as_of_unknown_cadence():
    """A share of nothing is not a number; of no duration there is no hour to pay for."""
    known = workload(need("target", 10), starts=(0.0,) * 168, hours=6.0)
    unknown = replace(known, starts_by_hour_of_week=())
    assert {"object": pytest.approx(40.0)} == stored_gib_by_run(known) == stored_gib_by_run(unknown)
    assert {"object": 10.0} == stored_gib(known)
    assert {} == stored_gib_by_run(replace(known, duration_s=exactly(0.0)))
    assert {} == stored_gib_by_run(replace(known, storage=()))
