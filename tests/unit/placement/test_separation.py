"""Instances that are kept apart by failure domain: in plans, in their explanations, on the way."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

import pytest

from aiops_provider.domain.cluster import Capacity, ClusterSpec, Pool
from aiops_provider.domain.plan import Assignment, Objective, PlacementPlan, PlanStatus, RouteCode
from aiops_provider.domain.profile import ResourceRequest, WorkloadProfile
from aiops_provider.domain.separation import (
    AntiAffinityRule,
    FailureDomain,
    SpreadRule,
    Strictness,
)
from aiops_provider.domain.task import TaskKey
from aiops_provider.placement import planner
from aiops_provider.placement.feasibility import check_plan
from aiops_provider.placement.improvement import refresh_plan
from aiops_provider.placement.live_instances import LiveInstances, Neighbour
from aiops_provider.placement.multiplexing import make_group, multiplex
from aiops_provider.placement.planner import plan_placement
from aiops_provider.placement.router import InUse, Router, RouterSnapshot
from aiops_provider.profiling.profiler import Profiler

NOW = datetime(2026, 3, 2, 12, tzinfo=UTC)
REQUIRED, PREFERRED = Strictness.REQUIRED, Strictness.PREFERRED
REGION, CLUSTER = FailureDomain.REGION, FailureDomain.CLUSTER
TWO_REGIONS = SpreadRule(domain=REGION, at_least=2)
FULL = InUse(cores=8, memory_gib=32)


def cluster(name: str, price: float, *, region: str | None = None, machines: int = 1):
    machine = Capacity(cores=8, memory_gib=32)
    pool = Pool(name="p", machine=machine, max_instances=machines, price_usd_per_hour=price)
    return ClusterSpec(
        name=name, kind="local", provider="aws", region=region or f"r-{name}", pools=(pool,)
    )


def workload(name: str, cores: float = 2.0, **changes: object) -> WorkloadProfile:
    profile: WorkloadProfile = replace(
        Profiler().predict(TaskKey("dag", name), now=NOW),
        request=ResourceRequest(cores=cores, memory_gib=2),
    )
    return replace(profile, **changes)


def apart(*names: str, domain: FailureDomain = CLUSTER, strictness: Strictness = REQUIRED):
    tasks = tuple(TaskKey("dag", name) for name in names)
    return (AntiAffinityRule(domain=domain, tasks=tasks, strictness=strictness),)


# Two cheap clusters in one region, a dear one elsewhere.
NEAR, NEXT, FAR = CLUSTERS = (
    cluster("near", 1.0, region="eu"),
    cluster("next", 1.1, region="eu"),
    cluster("far", 3.0, region="us"),
)


@pytest.fixture(params=["one program", "decomposed"])
def plan(request, monkeypatch):
    """As small and as large problems are planned."""
    if request.param == "decomposed":
        monkeypatch.setattr(planner, "MOST_OPTIONS_AT_ONCE", 0)

    def make(profiles, clusters=CLUSTERS, objective: Objective | None = None) -> PlacementPlan:
        groups = [make_group([profile]) for profile in profiles]
        made = plan_placement(
            groups, clusters, objective or Objective(), now=NOW, gap_tolerance=0.0
        )
        if made.status is not PlanStatus.INFEASIBLE:
            assert check_plan(made, clusters) == ()
        return made

    return make


def regions(made: PlacementPlan, name: str) -> dict[str, float]:
    place = {each.name: each.region for each in CLUSTERS}
    found: dict[str, float] = {}
    for given in made.assignments:
        if given.group == f"dag/{name}":
            found[place[given.cluster]] = found.get(place[given.cluster], 0.0) + given.share
    return found


class TestPlan:
    def test_a_group_is_spread_in_equal_parts_over_as_many_domains(self, plan):
        """Though one cheap machine would hold all of it."""
        made = plan([workload("a", spread=TWO_REGIONS)])
        assert regions(made, "a") == pytest.approx({"eu": 0.5, "us": 0.5})
        assert "dag/a is spread over at least 2 regions: eu 50%, us 50%." in made.explanation

    def test_too_few_domains_are_no_place(self, plan):
        """And it says so."""
        three = replace(TWO_REGIONS, at_least=3)
        made = plan([workload("a", spread=three), workload("b")])
        assert made.unplaced == {"dag/a": 1.0}
        told = " ".join(made.explanation)
        assert "it is to be spread over at least 3 regions, and 2 may and can hold it" in told

    def test_a_preference_gives_way_to_the_sla_and_is_told(self, plan):
        """The far cluster can hold one of both only."""
        full = workload("full", cores=8.0, pinned_cluster="far", sla_weight=5.0)
        spread = replace(TWO_REGIONS, strictness=PREFERRED)
        large = busy(workload("a", cores=4.0, spread=spread))
        assert regions(plan([large]), "a").keys() == {"eu", "us"}
        taken = plan([large, busy(full)])
        assert taken.sla_attainment == pytest.approx(1.0)
        assert regions(taken, "a").keys() == {"eu"}
        assert taken.groups[0].spread == spread
        assert any(
            "not spread over at least 2 regions as it prefers" in line for line in taken.explanation
        )
        required = plan([replace(large, spread=TWO_REGIONS), busy(full)])
        assert required.unplaced
        assert required.sla_attainment < 1.0 - 1e-2

    def test_groups_that_are_kept_apart_share_no_domain(self, plan):
        """Whoever of both says so."""
        rule = apart("b", domain=REGION)
        made = plan([workload("a", anti_affinity=rule), workload("b")])
        assert made.sla_attainment == pytest.approx(1.0)
        assert not regions(made, "a").keys() & regions(made, "b").keys()
        assert "dag/a and dag/b share no region." in made.explanation
        one_region = [NEAR, NEXT]
        made = plan([workload("a", anti_affinity=rule), workload("b")], one_region)
        assert len(made.unplaced) == 1

    def test_a_preferred_distance_gives_way_too(self, plan):
        """With both in the only region there is."""
        rule = apart("b", domain=REGION, strictness=PREFERRED)
        made = plan([workload("a", anti_affinity=rule), workload("b")], [NEAR, NEXT])
        assert not made.unplaced
        assert any("dag/a shares eu with dag/b" in line for line in made.explanation)

    def test_the_conflict_names_what_keeps_instances_apart(self, plan):
        """Beside capacities and budgets, and nothing that has no part in it."""
        objective = Objective(maximize_sla=False, sla=1.0)
        three = replace(TWO_REGIONS, at_least=3)
        made = plan([workload("a", spread=three), workload("b")], objective=objective)
        assert made.status is PlanStatus.INFEASIBLE
        assert "spread" in made.explanation[0]
        assert "capacity" not in made.explanation[0]

    def test_kept_apart_in_one_domain_is_a_conflict(self):
        """Of which neither the capacity nor the budget is a part."""
        groups = [make_group([p]) for p in (workload("a", anti_affinity=apart("b")), workload("b"))]
        objective = Objective(maximize_sla=False, sla=1.0, budget_usd_per_hour=50.0)
        made = plan_placement(groups, [NEAR], objective, now=NOW)
        assert made.status is PlanStatus.INFEASIBLE
        assert "that dag/a shares no cluster with dag/b" in made.explanation[0]
        assert "capacity" not in made.explanation[0]
        assert "budget" not in made.explanation[0]


def busy(profile: WorkloadProfile) -> WorkloadProfile:
    """All the time one run, so that it needs all that it asks for."""
    duration = replace(profile.duration_s, p50=3600.0, p80=3600.0, p95=3600.0)
    return replace(profile, duration_s=duration, starts_by_hour_of_week=(1.0,) * 168)


class TestChecker:
    """It shares no code with the model."""

    def judged(self, shares: dict[tuple[str, str], float], *profiles: WorkloadProfile):
        groups = tuple(make_group([profile]) for profile in profiles)
        made = PlacementPlan(
            groups=groups,
            assignments=tuple(
                Assignment(group=group, cluster=name, pool="p", share=share, cost_usd_per_hour=0.0)
                for (group, name), share in shares.items()
            ),
            objective=Objective(),
            objective_value=1.0,
            bound=1.0,
            gap=0.0,
            status=PlanStatus.OPTIMAL,
            cost_usd_per_hour=0.0,
            sla_attainment=1.0,
            created_at=NOW,
        )
        found = check_plan(made, CLUSTERS)
        return [(each.kind, each.subject) for each in found if each.kind not in {"cost", "bound"}]

    def test_a_domain_with_more_than_its_part(self):
        """Two clusters of one region are one domain."""
        one = workload("a", spread=TWO_REGIONS)
        uneven = {("dag/a", "near"): 0.4, ("dag/a", "next"): 0.2, ("dag/a", "far"): 0.4}
        assert self.judged(uneven, one) == [("spread", "dag/a")]
        even = {("dag/a", "near"): 0.3, ("dag/a", "next"): 0.2, ("dag/a", "far"): 0.5}
        assert self.judged(even, one) == []
        preferred = replace(one, spread=replace(TWO_REGIONS, strictness=PREFERRED))
        assert self.judged(uneven, preferred) == []

    def test_groups_in_one_domain(self):
        """Only where it is required."""
        shares = {("dag/a", "near"): 1.0, ("dag/b", "next"): 1.0}
        by_region, by_cluster = apart("b", domain=REGION), apart("b")
        a, b = workload("a", anti_affinity=by_region), workload("b")
        assert self.judged(shares, a, b) == [("anti-affinity", "dag/a")]
        assert self.judged(shares, replace(a, anti_affinity=by_cluster), b) == []
        preferred = apart("b", domain=REGION, strictness=PREFERRED)
        assert self.judged(shares, replace(a, anti_affinity=preferred), b) == []


class TestGroups:
    def test_only_who_agrees_shares_a_reservation(self):
        """Also who is named by another, though it says nothing itself."""

        def at(name: str, hour: int, **changes: object) -> WorkloadProfile:
            starts = tuple(float(slot % 24 == hour) for slot in range(168))
            one = workload(name, starts_by_hour_of_week=starts, **changes)
            hour_long = replace(one.duration_s, p50=3600.0, p80=3600.0, p95=3600.0)
            return replace(one, duration_s=hour_long)

        free = [at("a", 1), at("b", 7), at("c", 13)]
        assert len(multiplex(free)) == 1
        spread = [free[0], replace(free[1], spread=TWO_REGIONS), free[2]]
        assert len(multiplex(spread)) == 2
        named = [*free, at("d", 19, anti_affinity=apart("c"))]
        groups = {frozenset(task.name for task in group.tasks) for group in multiplex(named)}
        assert groups == {frozenset("ab"), frozenset("c"), frozenset("d")}

    def test_a_new_rule_breaks_up_what_the_old_plan_placed(self, plan):
        """The plan in force is judged by what is required now."""
        old = plan([workload("a")])
        now = [workload("a", spread=TWO_REGIONS)]
        stay = refresh_plan(old, now, CLUSTERS)
        assert "spread" in {each.kind for each in check_plan(stay, CLUSTERS)}


class TestRouter:
    ROUTER = Router(RouterSnapshot(clusters=CLUSTERS))
    ONE = workload("a", spread=TWO_REGIONS)

    def route(self, own: dict[str, int], profile: WorkloadProfile = ONE, **options: object):
        router = options.pop("router", self.ROUTER)
        neighbours = options.pop("neighbours", ())
        instances = LiveInstances(own=own, neighbours=neighbours)
        return router.route(profile, instances=instances, now=NOW, **options)

    def test_the_next_instance_goes_where_the_domain_has_its_part_left(self):
        """The cheapest region first, then the other, then again the cheapest."""
        assert self.route({}).cluster == "near"
        second = self.route({"near": 1})
        assert second.cluster == "far"
        why = "region eu holds 1 of 1 instances, which are to be spread over at least 2 regions"
        assert second.reason.code is RouteCode.FAIL_OVER
        assert why in second.reason.sentence
        assert second.reason.rejected["next"] == why
        assert self.route({"near": 1, "far": 1}).cluster == "near"

    def test_fail_over_keeps_what_is_required(self):
        """It rather queues, or waits for a cluster that is lost, than shares the region."""
        full = {("far", "p"): FULL}
        assert self.route({"near": 1}, load=full).cluster == "far"
        lost = Router(RouterSnapshot(clusters=CLUSTERS, unreachable={"far": "no answer"}))
        route = self.route({"near": 1}, router=lost)
        assert route.cluster == "far"
        assert "although unreachable: no answer" in route.reason.sentence
        avoided = self.route({"near": 1}, avoid={"far": "it failed there"})
        assert avoided.cluster == "far"

    def test_what_is_preferred_gives_way_and_says_so(self):
        """As soon as no other place has room."""
        prefers = replace(self.ONE, spread=replace(TWO_REGIONS, strictness=PREFERRED))
        assert self.route({"near": 1}, prefers).cluster == "far"
        full = {("far", "p"): FULL}
        route = self.route({"near": 1}, prefers, load=full)
        assert route.cluster == "near"
        assert "although region eu holds 1 of 1 instances" in route.reason.sentence

    def test_where_every_place_breaks_it_the_task_runs_all_the_same(self):
        """A rule that no place can keep stops nobody, and is told."""
        router = Router(RouterSnapshot(clusters=(NEAR, NEXT)))
        route = self.route({"near": 1}, router=router)
        assert (route.cluster, route.reason.code) == ("near", RouteCode.FALLBACK)
        assert "although region eu holds 1 of 1" in route.reason.sentence

    def test_it_keeps_away_from_others(self):
        """By the domain that the rule is about."""
        other = TaskKey("dag", "b")

        def with_b(domain: FailureDomain, strictness: Strictness = REQUIRED):
            return (Neighbour(other, frozenset({"near"}), domain, strictness),)

        free = workload("a")
        assert self.route({}, free, neighbours=with_b(CLUSTER)).cluster == "next"
        route = self.route({}, free, neighbours=with_b(REGION))
        assert route.cluster == "far"
        assert "it shares a region with dag/b, which runs there" in route.reason.sentence
        full = {("far", "p"): FULL}
        preferred = with_b(REGION, PREFERRED)
        assert self.route({}, free, neighbours=preferred, load=full).cluster == "near"

    def test_the_plan_is_followed_as_far_as_it_keeps_them_apart(self):
        """Its first place has its part already."""
        groups = [make_group([self.ONE])]
        made = plan_placement(groups, CLUSTERS, Objective(), now=NOW, gap_tolerance=0.0)
        router = Router(RouterSnapshot(clusters=CLUSTERS, plan=made))
        for own, name in (({"far": 1}, "near"), ({"near": 2, "far": 1}, "far")):
            route = self.route(own, router=router)
            assert route.cluster == name
            assert "plan 0 gives" in route.reason.sentence or "stands in" in route.reason.sentence

    def test_the_next_route_keeps_them_apart_too(self):
        """After a refusal."""
        instances = LiveInstances(own={"next": 1, "far": 1})
        first = self.ROUTER.route(self.ONE, instances=instances, now=NOW)
        assert first.cluster == "near"
        follows = self.ROUTER.next_route(first, self.ONE, instances=instances, now=NOW)
        assert follows is not None
        assert follows.cluster in {"next", "far"}
