"""Where one task goes: the same each time, by the plan, and always somewhere if that is possible."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import permutations

import pytest

from aiops_provider.domain.cluster import Capacity, ClusterSpec, Pool
from aiops_provider.domain.plan import (
    Assignment,
    Objective,
    PlacementPlan,
    PlanStatus,
    RouteCode,
)
from aiops_provider.domain.profile import ClusterLimit, ResourceRequest, WorkloadProfile
from aiops_provider.domain.task import TaskKey
from aiops_provider.errors import InfeasibleError
from aiops_provider.placement.multiplexing import make_group
from aiops_provider.placement.router import InUse, Router, RouterSnapshot
from aiops_provider.profiling.profiler import Profiler

NOW = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)
TASK = TaskKey("medical", "train")
PROFILE: WorkloadProfile = replace(
    Profiler().predict(TASK, now=NOW), request=ResourceRequest(cores=1, memory_gib=2)
)


def cluster(name: str, price: float | None) -> ClusterSpec:
    machine = Capacity(cores=8, memory_gib=32)
    pool = Pool(name="p", machine=machine, max_instances=1, price_usd_per_hour=price)
    return ClusterSpec(name=name, kind="local", provider=name, region=f"r-{name}", pools=(pool,))


A, B, C = CLUSTERS = (cluster("a", 1.0), cluster("b", 2.0), cluster("c", 3.0))
EVERYWHERE = {"a": "was tried", "b": "was tried", "c": "was tried"}
FULL = InUse(cores=8, memory_gib=32)


def snapshot(**changes: object) -> RouterSnapshot:
    return replace(RouterSnapshot(clusters=CLUSTERS), **changes)


def shares(**by_cluster: float) -> PlacementPlan:
    group = make_group([PROFILE])
    return PlacementPlan(
        groups=(group,),
        assignments=tuple(
            Assignment(group=group.name, cluster=name, pool="p", share=share, cost_usd_per_hour=1.0)
            for name, share in by_cluster.items()
        ),
        objective=Objective(),
        objective_value=1.0,
        bound=1.0,
        gap=0.0,
        status=PlanStatus.OPTIMAL,
        cost_usd_per_hour=1.0,
        sla_attainment=1.0,
        created_at=NOW,
        version=7,
    )


def test_same_question_same_answer_in_any_order_of_clusters():
    """The order in which clusters are configured decides nothing."""
    routes = {
        repr(Router(snapshot(clusters=order)).route(PROFILE)) for order in permutations(CLUSTERS)
    }
    assert len(routes) == 1


def test_without_a_plan_the_cheapest_is_taken():
    """Without a plan the price decides; the others follow in order."""
    route = Router(snapshot()).route(PROFILE)
    assert (route.cluster, route.reason.code, route.plan_version) == ("a", RouteCode.CHEAPEST, 0)
    assert [each.cluster for each in route.alternatives] == ["b", "c"]


def test_plan_wins_over_price():
    """The plan's cluster is taken although another is cheaper."""
    route = Router(snapshot(plan=shares(c=1.0))).route(PROFILE)
    assert (route.cluster, route.reason.code, route.plan_version) == ("c", RouteCode.PLAN, 7)


def test_shares_are_honoured_as_load_grows():
    """Runs that stay follow the plan's shares."""
    router = Router(snapshot(plan=shares(b=0.25, c=0.75)))
    load: dict[tuple[str, str], InUse] = {}
    for _ in range(8):
        key = (router.route(PROFILE, load=load, now=NOW).cluster, "p")
        booked = load.get(key, InUse())
        load[key] = InUse(cores=booked.cores + 1, memory_gib=booked.memory_gib + 2)
    assert {name: use.cores for (name, _), use in load.items()} == {"b": 2, "c": 6}


def test_shares_are_honoured_over_the_hours_of_a_week():
    """A task that never overlaps with itself meets the shares over a week, roughly."""
    router = Router(snapshot(plan=shares(b=0.25, c=0.75)))
    hours = (NOW + timedelta(hours=hour) for hour in range(168))
    count = Counter(router.route(PROFILE, now=hour).cluster for hour in hours)
    assert set(count) == {"b", "c"}
    assert 0.15 < count["b"] / 168 < 0.35


def test_obstacles_are_relaxed_from_the_mildest():
    """Full is better than avoided, avoided than quarantined, quarantined than unreachable."""
    d = cluster("d", 4.0)
    load = {("d", "p"): FULL}
    obstacles = snapshot(
        clusters=(*CLUSTERS, d), quarantined={"b": "bad data"}, unreachable={"a": "no answer"}
    )
    route = Router(obstacles).route(PROFILE, load=load, avoid={"c": "failed there"})
    order = [route.cluster, *(each.cluster for each in route.alternatives)]
    assert order == ["d", "c", "b", "a"]


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"quarantined": {"a": "bad data"}}, "bad data"),
        ({"unreachable": {"a": "no answer"}}, "no answer"),
    ],
)
def test_cluster_in_trouble_is_passed_over_with_the_reason(changes, words):
    """The reason stands among the rejected clusters."""
    route = Router(snapshot(**changes)).route(PROFILE)
    assert route.cluster == "b"
    assert words in route.reason.rejected["a"]


def test_full_cluster_is_passed_over():
    """What has no room now comes after what has."""
    assert Router(snapshot()).route(PROFILE, load={("a", "p"): FULL}).cluster == "b"


def test_task_is_answered_when_every_cluster_is_in_trouble():
    """Whatever is the matter, a task that some machine can hold is not stopped."""
    for changes in ({"quarantined": EVERYWHERE}, {"unreachable": EVERYWHERE}):
        assert Router(snapshot(**changes)).route(PROFILE).cluster == "a"
    assert Router(snapshot()).route(PROFILE, avoid=EVERYWHERE).cluster == "a"


def test_failed_over_task_goes_on_and_a_held_one_stays():
    """A cluster that failed the run is avoided, unless the task itself is at fault."""
    avoid = {"a": "failed there"}
    route = Router(snapshot()).route(PROFILE, avoid=avoid)
    assert (route.cluster, route.reason.code) == ("b", RouteCode.FAIL_OVER)
    held = snapshot(held_tasks=frozenset({TASK}))
    assert Router(held).route(PROFILE, avoid=avoid).cluster == "a"


def test_pin_is_followed():
    """The user's pin is taken whatever the price."""
    route = Router(snapshot()).route(replace(PROFILE, pinned_cluster="c"))
    assert (route.cluster, route.reason.code) == ("c", RouteCode.PINNED)


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"pinned_cluster": "nowhere"}, "cluster"),
        ({"request": ResourceRequest(cores=1, memory_gib=33)}, "memory_gib"),
        ({"request": ResourceRequest(cores=9, memory_gib=1)}, "cores"),
        ({"pinned_cluster": "a", "request": ResourceRequest(cores=9, memory_gib=1)}, "cores"),
        (
            {"request": ResourceRequest(cores=1, memory_gib=1, accelerator="T4", accelerators=1)},
            "accelerators",
        ),
    ],
)
def test_impossible_task_is_refused_with_field_and_mend(changes, field):
    """What no cluster could ever hold is refused, naming what to change."""
    with pytest.raises(InfeasibleError) as caught:
        Router(snapshot()).route(replace(PROFILE, **changes))
    assert caught.value.field == field
    assert caught.value.mend


def test_forbidden_everywhere_is_refused():
    """A task that is allowed in no configured region is told so."""
    with pytest.raises(InfeasibleError) as caught:
        Router(snapshot()).route(replace(PROFILE, allowed_regions=("mars",)))
    assert caught.value.mend


def test_next_route_goes_through_all_clusters_and_ends():
    """Each refusal leads to another cluster, and after the last there is none."""
    router, avoid = Router(snapshot()), {}
    route = router.route(PROFILE)
    visited = [route.cluster]
    while (following := router.next_route(route, PROFILE, avoid=avoid)) is not None:
        avoid[route.cluster] = "refused"
        route = following
        visited.append(route.cluster)
    assert visited == ["a", "b", "c"]


def test_next_route_of_a_held_task_leaves_the_cluster():
    """A refusal is no failure of the task: even a held task goes elsewhere."""
    router = Router(snapshot(held_tasks=frozenset({TASK})))
    following = router.next_route(router.route(PROFILE), PROFILE)
    assert following is not None
    assert following.cluster == "b"


def limited(*clusters: str, pin: str | None = None, binding: bool = False) -> WorkloadProfile:
    limit = ClusterLimit(clusters=clusters, reason="the queue is mapped", binding=binding)
    return replace(PROFILE, pinned_cluster=pin, cluster_limits=(limit,))


def test_a_limit_leaves_its_clusters_only_and_is_told():
    """Cheaper ones are passed over by name of the rule; alternatives keep the rule too."""
    route = Router(snapshot()).route(limited("b", "c"), now=NOW)
    assert ("b", ["c"]) == (route.cluster, [each.cluster for each in route.alternatives])
    assert "the queue is mapped" == route.reason.rejected["a"]


def test_a_pin_overrides_a_limit_that_is_not_binding():
    """It is the more definite wish of the same author; a team's limit is not the author's."""
    router = Router(snapshot())
    assert "a" == router.route(limited("b", pin="a"), now=NOW).cluster
    with pytest.raises(InfeasibleError, match="the queue is mapped"):
        router.route(limited("b", pin="a", binding=True), now=NOW)


def test_a_limit_without_clusters_is_infeasible_with_its_reason():
    """The name it stands for is unknown."""
    with pytest.raises(InfeasibleError, match=r"no cluster: the queue is mapped.*aiops\.yaml"):
        Router(snapshot()).route(limited(), now=NOW)


def test_a_limit_holds_against_the_plan():
    """Plans are made without knowing queues."""
    route = Router(snapshot(plan=shares(a=1.0))).route(limited("c"), now=NOW)
    assert "c" == route.cluster


def test_among_full_places_the_shortest_queue_is_chosen():
    """Not the one that is least overbooked: a few long tasks may wait longer than many short ones."""
    load = {
        ("a", "p"): InUse(cores=8, memory_gib=8, backlog_s=900),
        ("b", "p"): InUse(cores=16, memory_gib=8, backlog_s=60),
        ("c", "p"): InUse(cores=8, memory_gib=8, backlog_s=300),
    }
    route = Router(snapshot()).route(PROFILE, load=load, now=NOW)
    assert "b" == route.cluster
    assert ["c", "a"] == [each.cluster for each in route.alternatives]
    assert "the shortest queue of all, about 60 s" in route.reason.sentence
    assert 60 == route.reason.figures["expected_wait_s"]


def test_a_place_with_room_has_no_queue():
    """Whatever is booked there."""
    load = {("a", "p"): InUse(cores=4, memory_gib=8, backlog_s=900)}
    route = Router(snapshot()).route(PROFILE, load=load, now=NOW)
    assert ("a", 0) == (route.cluster, route.reason.figures["expected_wait_s"])


def test_a_pool_on_which_the_task_is_slow_is_dearer_than_it_looks():
    """Four times as long at half the price: the faster pool costs less, as the alternatives say."""
    slow_on_a = replace(PROFILE, pool_pace=(("a", "p", 4.0),))
    route = Router(snapshot()).route(slow_on_a)
    assert route.cluster == "b"
    assert [each.cluster for each in route.alternatives] == ["c", "a"]
    by_cluster = {each.cluster: each.expected_cost_usd for each in route.alternatives}
    usual = Router(snapshot()).route(PROFILE)
    assert by_cluster["a"] == pytest.approx(4 * usual.expected_cost_usd)


def test_a_pace_on_a_pool_that_is_gone_does_nothing():
    """Runs remember pools that are configured no more."""
    assert Router(snapshot()).route(replace(PROFILE, pool_pace=(("x", "p", 4.0),))).cluster == "a"
