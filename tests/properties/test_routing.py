"""The router's shortcuts decide what a plain look at every place decides."""

from __future__ import annotations

import math
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from random import Random
from typing import NamedTuple

from hypothesis import given, settings
from hypothesis import strategies as st

from aiops_provider.domain.cluster import (
    Capacity,
    CarbonRate,
    ClusterSpec,
    Pool,
    Purchase,
    StorageRate,
)
from aiops_provider.domain.plan import Assignment, Objective, PlacementPlan, PlanStatus, RouteCode
from aiops_provider.domain.profile import (
    ClusterLimit,
    ComputeType,
    Quantity,
    ResourceRequest,
    Source,
    StorageNeed,
    WorkloadProfile,
)
from aiops_provider.domain.task import TaskKey
from aiops_provider.errors import InfeasibleError
from aiops_provider.placement.cost import planning_price
from aiops_provider.placement.demand import stored_gib_by_run
from aiops_provider.placement.eligibility import limit_against, rule_against
from aiops_provider.placement.live_load import IDLE, InUse, LiveLoad, fill, has_room
from aiops_provider.placement.multiplexing import make_group
from aiops_provider.placement.places import pace_on
from aiops_provider.placement.plan_shares import PlanShares
from aiops_provider.placement.router import Router, RouterSnapshot

NOW = datetime(2026, 3, 2, 12, tzinfo=UTC)
REGIONS = ("r0", "r1", "r2")
# A few sizes and prices, so that many places are equal; and enough places for every shortcut.
MACHINES = [(2.0, 4.0), (4.0, 16.0), (8.0, 16.0), (8.0, 64.0), (64.0, 128.0)]
PRICES = [None, 0.1, 0.2, 0.4, 0.4, 1.7]


class Case(NamedTuple):
    """One question and all that the answer depends on."""

    snapshot: RouterSnapshot
    profile: WorkloadProfile
    load: LiveLoad
    avoid: Mapping[str, str]
    now: datetime | None


class Judged(NamedTuple):
    """A place that can hold the task; sorts by preference."""

    tier: int
    score: float
    key: tuple[str, str]
    obstacle: int


def case_of(random: Random) -> Case:
    """A fleet with everything that may stand in the way of a place."""
    clusters = tuple(_cluster(number, random) for number in range(random.choice([1, 2, 7, 60])))
    names = [cluster.name for cluster in clusters]

    def some(share: float, why: str) -> dict[str, str]:
        return {name: f"{why} {name}" for name in names if random.random() < share}

    trouble = random.choice([0.0, 0.1, 0.6])
    profile = _profile(random, names)
    tasks = [profile, _profile(random, names, name="other")]
    plan = _plan(random, clusters, tasks) if random.random() < 0.6 else None
    snapshot = RouterSnapshot(
        clusters=clusters,
        plan=plan,
        quarantined=some(trouble, "quarantined"),
        unreachable=some(trouble / 2, "unreachable"),
        unfit=some(trouble / 2, "unfit"),
        held_tasks=frozenset({profile.task} if random.random() < 0.1 else ()),
        carbon_usd_per_kg=random.choice([0.0, 0.0, 0.3]),
    )
    now = random.choice([None, NOW, NOW + timedelta(hours=random.randrange(168))])
    return Case(snapshot, profile, _load(random, clusters), some(trouble, "failed on"), now)


def _cluster(number: int, random: Random) -> ClusterSpec:
    pools = []
    for n in range(random.choice([1, 1, 3])):
        cores, memory_gib = random.choice(MACHINES)
        accelerators = random.choice([{}, {}, {"T4": 1}, {"T4": 4}, {"A100": 8, "T4": 2}])
        pools.append(
            Pool(
                name=f"p{n}",
                machine=Capacity(
                    cores=cores,
                    memory_gib=memory_gib,
                    accelerators=accelerators,
                    accelerator_memory_gib=random.choice([{}, {"T4": 16.0, "A100": 80.0}]),
                ),
                max_instances=random.choice([1, 2, 20]),
                price_usd_per_hour=random.choice(PRICES),
                purchase=random.choice(list(Purchase)),
                carbon=random.choice([None, CarbonRate(kg_per_hour=random.choice([0.1, 2.0]))]),
            )
        )
    return ClusterSpec(
        name=f"c{number:02d}",
        kind="local",
        provider=random.choice(["aws", "azure"]),
        region=random.choice(REGIONS),
        pools=tuple(pools),
        storage=random.choice(
            [{}, {"object": StorageRate(usd_per_gib_month=random.choice([1, 9]))}]
        ),
    )


def _profile(random: Random, names: list[str], name: str = "train") -> WorkloadProfile:
    accelerators = random.choice([0, 0, 0, 1, 2])
    one = Quantity(p50=1.0, p80=1.0, p95=1.0, source=Source.PRIOR)
    limits = ClusterLimit(
        clusters=tuple(each for each in names if random.random() < 0.5),
        reason="the queue is mapped",
        binding=random.random() < 0.5,
    )
    return WorkloadProfile(
        task=TaskKey("dag", name),
        compute_type=ComputeType.GPU if accelerators else ComputeType.CPU,
        cores=one,
        memory_gib=one,
        duration_s=Quantity(p50=600.0, p80=900.0, p95=3600.0, source=Source.PRIOR),
        request=ResourceRequest(
            cores=random.choice([0.25, 1.0, 3.0, random.uniform(0.1, 9.0)]),
            memory_gib=random.choice([0.5, 2.0, 15.0, random.uniform(0.1, 40.0)]),
            accelerator=random.choice([None, "T4", "A100"]) if accelerators else None,
            accelerators=accelerators,
            accelerator_memory_gib=random.choice([0.0, 12.0, 60.0]) if accelerators else 0.0,
        ),
        predicted_at=NOW,
        deadline_s=random.choice([None, 1200.0]),
        data_region=random.choice([None, None, "r0", "nowhere"]),
        preferred_regions=random.choice([(), (), ("r1",), ("r1", "r2")]),
        allowed_regions=random.choice([(), (), (), ("r0", "r1")]),
        allowed_providers=random.choice([(), (), (), ("aws",)]),
        pinned_cluster=random.choice([None] * 8 + [random.choice(names)]),
        cluster_limits=random.choice([(), (), (), (limits,)]),
        accelerator_pace=random.choice([(), (("A100", 1.0), ("T4", 2.7))]) if accelerators else (),
        pool_pace=tuple(
            (each, f"p{random.randrange(3)}", random.choice([0.2, 0.5, 1.0, 3.0]))
            for each in names
            if random.random() < 0.1
        ),
        storage=random.choice(
            [(), (), (need(random.choice(["source", "target", "intermediate"])),)]
        ),
    )


def need(role: str) -> StorageNeed:
    """Of ten GiB."""
    ten = Quantity(p50=10.0, p80=10.0, p95=10.0, source=Source.PRIOR)
    return StorageNeed(role=role, storage_class="object", capacity_gib=ten)


def _plan(
    random: Random, clusters: tuple[ClusterSpec, ...], profiles: list[WorkloadProfile]
) -> PlacementPlan:
    groups, assignments = [], []
    for profile in profiles:
        group = make_group([profile])
        groups.append(group)
        chosen = random.sample(clusters, min(len(clusters), random.choice([1, 2, 3])))
        assignments += [
            Assignment(
                group=group.name,
                cluster=cluster.name,
                pool=random.choice(cluster.pools).name,
                share=1.0 / len(chosen),
                cost_usd_per_hour=1.0,
            )
            for cluster in chosen
        ]
    return PlacementPlan(
        groups=tuple(groups),
        assignments=tuple(assignments),
        objective=Objective(),
        objective_value=1.0,
        bound=1.0,
        gap=0.0,
        status=PlanStatus.OPTIMAL,
        cost_usd_per_hour=1.0,
        sla_attainment=1.0,
        created_at=NOW,
        shadow_prices={
            each.name: random.choice([0.0, 0.02]) for each in clusters if random.random() < 0.3
        },
        version=3,
    )


def _load(random: Random, clusters: tuple[ClusterSpec, ...]) -> dict[tuple[str, str], InUse]:
    busy = random.choice([0.0, 0.3, 0.95, 1.0])
    load = {}
    for cluster in clusters:
        for pool in cluster.pools:
            if random.random() < busy:
                used, whole = random.choice([0.2, 0.9, 1.0, 1.5]), pool.capacity
                load[cluster.name, pool.name] = InUse(
                    cores=used * whole.cores,
                    memory_gib=random.choice([0.1, used]) * whole.memory_gib,
                    accelerators=math.floor(used * sum(whole.accelerators.values())),
                    backlog_s=random.choice([0.0, 60.0, 600.0]),
                )
    return load


def judge(case: Case, avoid: Mapping[str, str]) -> list[Judged]:
    """Every place that may and can hold the task, the preferred first."""
    snapshot, profile = case.snapshot, case.profile
    near = {profile.data_region, *profile.preferred_regions} - {None}
    prices = snapshot.plan.shadow_prices if snapshot.plan is not None else {}
    found = []
    for cluster in snapshot.clusters:
        if rule_against(profile, cluster) or limit_against(profile, cluster):
            continue
        for pool in cluster.feasible_pools(profile.request):
            share = pool.machine_share(profile.request) * pace_on(cluster.name, pool, profile)
            emitted = 0.0 if pool.carbon is None else pool.carbon.kg_per_hour
            score = share * (planning_price(pool) + emitted * snapshot.carbon_usd_per_kg)
            score += prices.get(cluster.name, 0.0) * profile.request.cores
            if "object" in cluster.storage:
                price = cluster.storage["object"].usd_per_gib_month / 730.0
                score += stored_gib_by_run(profile).get("object", 0.0) * price
            far = bool(near) and cluster.region not in near
            tier = 2 * far + (pool.price_usd_per_hour is None)
            obstacle = 0
            if cluster.name in {**snapshot.unreachable, **snapshot.unfit}:
                obstacle = 4
            elif cluster.name in snapshot.quarantined:
                obstacle = 3
            elif cluster.name in avoid:
                obstacle = 2
            elif (
                not has_room(
                    profile.request, pool.capacity, case.load.get((cluster.name, pool.name), IDLE)
                )
                and (cluster.name, pool.name) in case.load
            ):
                obstacle = 1
            found.append(Judged(tier, score, (cluster.name, pool.name), obstacle))
    return sorted(found)


def rank(case: Case, places: list[Judged]) -> list[Judged]:
    """All places in the order in which they are taken."""
    profile, request = case.profile, case.profile.request
    plan = PlanShares(case.snapshot.plan)
    level = min(place.obstacle for place in places)
    capacities = {
        (cluster.name, pool.name): pool.capacity
        for cluster in case.snapshot.clusters
        for pool in cluster.pools
    }

    def queue(place: Judged) -> tuple[float, float]:
        in_use = case.load.get(place.key, IDLE)
        share = fill(request, capacities[place.key], in_use)
        over = place.key in case.load and share > 1.0 + 1e-9
        return (in_use.backlog_s, share) if over else (-1.0, 0.0)

    mildest = [place for place in places if place.obstacle == level]
    room = {place.key: place for place in mildest if queue(place)[0] < 0}
    due = plan.order(profile.task, request, among=room, load=case.load, now=case.now)
    mildest = [
        *(room.pop(key) for key in due),
        *room.values(),
        *sorted((place for place in mildest if queue(place)[0] >= 0), key=queue),
    ]
    others = [place for place in places if place.obstacle != level]
    return mildest + sorted(others, key=lambda place: place.obstacle)


def code_of(case: Case, places: list[Judged], best: Judged) -> RouteCode:
    """The word that stands for why the best place is it."""
    plan = case.snapshot.plan
    shares = PlanShares(plan).of(case.profile.task)
    if case.profile.pinned_cluster == best.key[0]:
        return RouteCode.PINNED
    if best.obstacle >= 2:
        return RouteCode.FALLBACK
    if {place.key[0] for place in places} == {best.key[0]}:
        return RouteCode.ONLY_CHOICE
    worse = [place for place in places if place.obstacle > 1 and place.key[0] != best.key[0]]
    if best.key in shares:
        worse = [place for place in worse if place.key in shares]
    else:
        worse = [place for place in worse if place.key in shares or place[:3] < best[:3]]
    if worse:
        return RouteCode.FAIL_OVER
    if best.key in shares:
        return RouteCode.PLAN
    scarce = best.obstacle == 0 and plan is not None and any(plan.shadow_prices.values())
    return RouteCode.SHADOW_PRICE if scarce else RouteCode.CHEAPEST


# Drawn from a seed: a fleet has so many draws that hypothesis would give up before it is whole.
DRAWS = st.integers(0, 2**63).map(Random)


@settings(max_examples=300, deadline=None)
@given(DRAWS)
def test_a_route_is_what_a_look_at_every_place_gives(random):
    """The place, the word for why, and the next best, whatever is full, broken, far or equal."""
    case = case_of(random)
    router = Router(case.snapshot)
    avoid = {} if case.profile.task in case.snapshot.held_tasks else case.avoid
    places = judge(case, avoid)
    for _ in range(2):  # what was remembered from the first time changes nothing
        try:
            route = router.route(case.profile, load=case.load, avoid=case.avoid, now=case.now)
        except InfeasibleError:
            assert not places
            continue
        ranked = rank(case, places)
        assert (route.cluster, route.pool) == ranked[0].key
        assert route.reason.code is code_of(case, places, ranked[0])
        following = [(each.cluster, each.pool) for each in route.alternatives]
        assert following == [place.key for place in ranked[1:6]]
        assert not {route.cluster} & route.reason.rejected.keys()


@settings(max_examples=30, deadline=None)
@given(DRAWS)
def test_a_router_that_has_answered_others_answers_the_same(random):
    """What it remembers of other tasks and loads decides nothing."""
    case = case_of(random)
    router, names = Router(case.snapshot), [each.name for each in case.snapshot.clusters]
    for _ in range(20):
        profile, load = _profile(random, names), _load(random, case.snapshot.clusters)
        try:
            used = repr(router.route(profile, load=load, avoid=case.avoid, now=case.now))
            new = Router(case.snapshot)
            assert used == repr(new.route(profile, load=load, avoid=case.avoid, now=case.now))
        except InfeasibleError:
            assert not judge(case._replace(profile=profile), case.avoid)


@settings(max_examples=60, deadline=None)
@given(DRAWS)
def test_an_explanation_is_of_the_moment_of_the_decision(random):
    """Whoever keeps count of the load goes on counting before somebody asks why."""
    case = case_of(random)
    load = dict(case.load)
    try:
        early = Router(case.snapshot).route(case.profile, load=load, now=case.now)
        late = Router(case.snapshot).route(case.profile, load=load, now=case.now)
    except InfeasibleError:
        return
    told = (tuple(early.alternatives), dict(early.reason.rejected))
    load |= {
        (cluster.name, pool.name): InUse(cores=1e6, memory_gib=1e6, accelerators=10**6)
        for cluster in case.snapshot.clusters
        for pool in cluster.pools
    }
    assert told == (tuple(late.alternatives), dict(late.reason.rejected))
