"""Spread and anti-affinity hold for every plan, however it was made, and for every route."""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from dataclasses import replace
from datetime import UTC, datetime
from unittest.mock import patch

import numpy as np
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from aiops_provider.domain.cluster import Capacity, ClusterSpec, Pool
from aiops_provider.domain.plan import Objective, PlacementPlan, PlanStatus, WorkloadGroup
from aiops_provider.domain.profile import ResourceRequest
from aiops_provider.domain.separation import (
    AntiAffinityRule,
    FailureDomain,
    SpreadRule,
    Strictness,
)
from aiops_provider.domain.task import TaskKey
from aiops_provider.errors import PlanError
from aiops_provider.placement.feasibility import check_plan
from aiops_provider.placement.live_instances import LiveInstances, Neighbour
from aiops_provider.placement.live_load import has_room
from aiops_provider.placement.planner import plan_placement
from aiops_provider.placement.problem import make_problem
from aiops_provider.placement.problem_columns import make_columns
from aiops_provider.placement.router import InUse, Router, RouterSnapshot
from aiops_provider.placement.spreading import largest_spread, spread_evenly
from aiops_provider.profiling.profiler import Profiler

NOW = datetime(2026, 1, 7, 15, 30, tzinfo=UTC)
PLANNER = "aiops_provider.placement.planner.MOST_OPTIONS_AT_ONCE"

# A solver is started for each example: few, but each in full.
solved = settings(
    max_examples=25,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)

counted = settings(max_examples=200, deadline=None, derandomize=True)

domains = st.sampled_from(FailureDomain)
strictness = st.sampled_from(Strictness)
objectives = st.builds(
    Objective,
    maximize_sla=st.booleans(),
    budget_usd_per_hour=st.none() | st.floats(0.5, 20.0),
    sla=st.sampled_from([0.5, 0.9, 1.0]),
)


def key(number: int) -> TaskKey:
    return TaskKey("dag", f"t{number}")


@st.composite
def separated_groups(draw: st.DrawFn) -> list[WorkloadGroup]:
    count = draw(st.integers(1, 5))
    made = []
    for number in range(count):
        cores = draw(st.sampled_from([0.5, 2.0, 6.0]))
        spread, apart = None, ()
        if draw(st.booleans()):
            spread = SpreadRule(
                domain=draw(domains), at_least=draw(st.integers(2, 3)), strictness=draw(strictness)
            )
        if draw(st.integers(0, 2)) == 0:
            others = draw(st.sets(st.integers(0, count), min_size=1, max_size=2))
            apart = (
                AntiAffinityRule(
                    domain=draw(domains),
                    tasks=tuple(sorted(key(other) for other in others)),
                    strictness=draw(strictness),
                ),
            )
        made.append(
            WorkloadGroup(
                name=f"g{number}",
                tasks=(key(number),),
                request=ResourceRequest(cores=0.5, memory_gib=0.5),
                cores_by_slot=(cores,),
                memory_gib_by_slot=(1.0,),
                accelerators_by_slot=(0.0,),
                peak_of_sum_cores=cores,
                sum_of_peaks_cores=cores,
                sla_weight=draw(st.sampled_from([1.0, 2.0, 5.0])),
                allowed_regions=draw(st.sampled_from([(), (), ("eu", "us")])),
                spread=spread,
                anti_affinity=apart,
            )
        )
    return made


@st.composite
def some_clusters(draw: st.DrawFn) -> list[ClusterSpec]:
    return [
        ClusterSpec(
            name=f"c{number}",
            kind="local",
            provider=draw(st.sampled_from(["aws", "azure"])),
            region=draw(st.sampled_from(["eu", "us", "sa"])),
            pools=tuple(
                Pool(
                    name=f"p{pool}",
                    machine=Capacity(cores=draw(st.sampled_from([1.0, 4.0])), memory_gib=8.0),
                    max_instances=draw(st.integers(1, 3)),
                    price_usd_per_hour=draw(st.none() | st.floats(0.0, 5.0)),
                )
                for pool in range(draw(st.integers(1, 2)))
            ),
        )
        for number in range(draw(st.integers(1, 5)))
    ]


def held(plan: PlacementPlan, clusters: list[ClusterSpec], group: str, kind: FailureDomain):
    place = {cluster.name: cluster.failure_domain(kind) for cluster in clusters}
    found: dict[str, float] = defaultdict(float)
    for each in plan.assignments:
        if each.group == group:
            found[place[each.cluster]] += each.share
    return found


def assert_separated(plan: PlacementPlan, clusters: list[ClusterSpec]) -> None:
    """Counted here once more, by what the rules say."""
    for group in plan.groups:
        rule = group.spread
        if rule is not None and rule.strictness is Strictness.REQUIRED:
            found = held(plan, clusters, group.name, rule.domain)
            assert not found or len(found) >= rule.at_least
            most = math.fsum(found.values()) / rule.at_least
            assert all(share <= most + 1e-6 for share in found.values())
        for apart in group.anti_affinity:
            if apart.strictness is Strictness.REQUIRED:
                own = set(held(plan, clusters, group.name, apart.domain))
                for other in plan.groups:
                    if other is not group and set(other.tasks) & set(apart.tasks):
                        assert not own & set(held(plan, clusters, other.name, apart.domain))


def sound(plan: PlacementPlan, clusters: list[ClusterSpec]) -> None:
    broken = check_plan(plan, clusters)
    if plan.status is PlanStatus.INFEASIBLE:
        broken = tuple(each for each in broken if each.kind not in {"sla", "bound"})
        assert any("conflict" in line for line in plan.explanation)
    assert broken == ()
    assert_separated(plan, clusters)


def made(groups, clusters, objective) -> PlacementPlan:
    return plan_placement(groups, clusters, objective, now=NOW, gap_tolerance=0.0)


@counted
@given(separated_groups(), some_clusters())
def test_small_and_large_problems_are_written_down_alike(groups, clusters):
    """The same options, the same of them whole, the same that can be placed at most."""
    small, large = make_problem(groups, clusters), make_columns(groups, clusters)
    options = {(o.group, o.cluster.name, o.pool.name): o.holds_whole for o in small.options}
    assert options == {
        (group, *(each.name for each in large.pools[pool])): bool(large.whole[group, pool])
        for group, pool in zip(*np.nonzero(np.isfinite(large.cost)), strict=True)
    }
    assert math.isclose(small.placeable, large.placeable, abs_tol=1e-12)
    assert small.separation == large.separation
    for group in small.groups:
        assert dict(small.refusals[group.name]) == large.refusals(group)


@solved
@given(separated_groups(), some_clusters(), objectives)
def test_no_plan_breaks_what_is_required(groups, clusters, objective):
    """In one program."""
    sound(made(groups, clusters, objective), clusters)


@solved
@given(separated_groups(), some_clusters(), objectives)
def test_no_decomposed_plan_breaks_what_is_required(groups, clusters, objective):
    """By prices, column generation and a dive."""
    try:
        with patch(PLANNER, 0):
            plan = made(groups, clusters, objective)
    except PlanError:
        assert not objective.maximize_sla
        return
    sound(plan, clusters)


@solved
@given(separated_groups(), some_clusters(), st.none() | st.floats(0.5, 20.0))
def test_what_a_decomposition_proves_holds_for_the_best_plan(groups, clusters, budget):
    """Its bound lies above the optimum of one program, its plan not."""
    objective = Objective(budget_usd_per_hour=budget)
    required = [
        replace(
            group,
            spread=group.spread and replace(group.spread, strictness=Strictness.REQUIRED),
            anti_affinity=tuple(
                replace(rule, strictness=Strictness.REQUIRED) for rule in group.anti_affinity
            ),
        )
        for group in groups
    ]
    best = made(required, clusters, objective)
    with patch(PLANNER, 0):
        plan = made(required, clusters, objective)
    assert plan.bound >= best.sla_attainment - 1e-5
    assert plan.sla_attainment <= best.bound + 1e-5


@solved
@given(separated_groups(), some_clusters(), objectives)
def test_a_preference_costs_no_sla(groups, clusters, objective):
    """Who prefers to be spread rather runs than not; who requires it never gains by that."""

    def as_if(strictness: Strictness | None) -> list[WorkloadGroup]:
        return [
            replace(
                group,
                anti_affinity=(),
                spread=group.spread and strictness and replace(group.spread, strictness=strictness),
            )
            for group in groups
        ]

    objective = replace(objective, maximize_sla=True)
    free, preferred, required = (
        made(as_if(each), clusters, objective)
        for each in (None, Strictness.PREFERRED, Strictness.REQUIRED)
    )
    assert preferred.sla_attainment >= free.sla_attainment - 1.1e-3
    assert required.sla_attainment <= free.bound + 1e-5
    if required.sla_attainment >= 1.0 - 1e-6:
        assert_separated(replace(preferred, groups=tuple(as_if(Strictness.REQUIRED))), clusters)


@st.composite
def instances(draw: st.DrawFn) -> LiveInstances:
    names = [f"c{number}" for number in range(5)]
    return LiveInstances(
        own=draw(st.dictionaries(st.sampled_from(names), st.integers(1, 4))),
        neighbours=tuple(
            draw(
                st.lists(
                    st.builds(
                        Neighbour,
                        st.builds(TaskKey, st.just("dag"), st.sampled_from("uvw")),
                        st.frozensets(st.sampled_from(names), min_size=1, max_size=2),
                        domains,
                        strictness,
                    ),
                    max_size=2,
                )
            )
        ),
    )


def broken_by(cluster, spread, live, clusters) -> set[Strictness]:
    """What one more instance there would break, counted as the rules say it."""
    found = set()
    if spread is not None:
        kind, here = spread.domain, cluster.failure_domain(spread.domain)
        own = sum(live.own.get(c.name, 0) for c in clusters if c.failure_domain(kind) == here)
        if own + 1 > math.ceil((sum(live.own.values()) + 1) / spread.at_least):
            found.add(spread.strictness)
    for other in live.neighbours:
        there = {c.failure_domain(other.domain) for c in clusters if c.name in other.clusters}
        if cluster.failure_domain(other.domain) in there:
            found.add(other.strictness)
    return found


@counted
@given(
    some_clusters(),
    instances(),
    st.none()
    | st.builds(SpreadRule, domain=domains, at_least=st.integers(2, 3), strictness=strictness),
    st.dictionaries(
        st.sampled_from([(f"c{c}", f"p{p}") for c in range(5) for p in range(2)]),
        st.builds(InUse, cores=st.floats(0, 12), memory_gib=st.floats(0, 8)),
    ),
    st.sets(st.sampled_from([f"c{number}" for number in range(5)]), max_size=2),
    st.sets(st.sampled_from([f"c{number}" for number in range(5)]), max_size=2),
)
def test_no_route_breaks_what_is_required_while_another_is_left(
    clusters, live, spread, load, lost, avoid
):
    """Nor what is preferred while another place has room; and the same question, the same answer."""
    profile = replace(
        Profiler().predict(key(0), now=NOW),
        request=ResourceRequest(cores=0.5, memory_gib=0.5),
        spread=spread,
    )
    gone = dict.fromkeys(lost, "no answer")
    router = Router(RouterSnapshot(clusters=tuple(clusters), unreachable=gone))
    told = {"load": load, "avoid": dict.fromkeys(avoid, "it failed"), "now": NOW, "instances": live}
    route = router.route(profile, **told)
    broken = {each.name: broken_by(each, spread, live, clusters) for each in clusters}
    required = {name for name, kinds in broken.items() if Strictness.REQUIRED in kinds}
    assert route.cluster not in required or required == broken.keys()
    free = {
        cluster.name
        for cluster in clusters
        if not broken[cluster.name] and cluster.name not in {*lost, *avoid}
        for pool in cluster.pools
        if has_room(profile.request, pool.capacity, load.get((cluster.name, pool.name), InUse()))
    }
    assert route.cluster in free or not free
    assert ("although" in route.reason.sentence) or not broken[route.cluster]
    assert route == router.route(profile, **told)
    assert {c.name for c in clusters} == {route.cluster, *route.reason.rejected}


@counted
@given(
    st.lists(st.floats(0.0, 2.0), max_size=6),
    st.integers(1, 4),
    st.floats(0.0, 3.0),
)
def test_the_largest_spread_is_spread_and_none_is_larger(room, parts, wanted):
    """Against a search by halves."""

    def fits(total: float) -> bool:
        return math.fsum(min(each, total / parts) for each in room) >= total * (1 - 1e-12)

    total = largest_spread(room, parts, wanted)
    shares = spread_evenly(room, parts, wanted)
    assert math.isclose(math.fsum(shares), total, abs_tol=1e-12)
    assert all(
        0 <= share <= min(each, total / parts) + 1e-12
        for share, each in zip(shares, room, strict=True)
    )
    low, high = 0.0, wanted
    for _ in range(60):
        middle = (low + high) / 2
        low, high = (middle, high) if fits(middle) else (low, middle)
    assert math.isclose(total, low, rel_tol=1e-6, abs_tol=1e-6)


@counted
@given(st.integers(2, 4), st.integers(1, 40))
def test_a_domain_that_has_room_is_left_for_every_instance(parts, instances):
    """As many domains as wanted suffice, however many instances there are."""
    rule = SpreadRule(domain=FailureDomain.REGION, at_least=parts)
    here: Counter[int] = Counter(dict.fromkeys(range(parts), 0))
    for number in range(1, instances + 1):
        domain = max(d for d in here if here[d] + 1 <= rule.most(number))
        here[domain] += 1
    assert max(here.values()) <= rule.most(instances)
