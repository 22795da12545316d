"""Promises are kept as often as durations, latencies and clusters allow, and plans count that."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from itertools import product

import numpy as np
import pytest

from aiops_provider.domain.cluster import Availability, Capacity, ClusterSpec, Pool, Purchase
from aiops_provider.domain.plan import Objective, PlacementPlan, PlanStatus, WorkloadGroup
from aiops_provider.domain.profile import ResourceRequest
from aiops_provider.domain.promise import Promise, probability_below, value_at
from aiops_provider.domain.task import TaskKey
from aiops_provider.placement import planner
from aiops_provider.placement.feasibility import check_plan
from aiops_provider.placement.planner import plan_placement
from aiops_provider.placement.problem import make_problem
from aiops_provider.placement.problem_columns import make_columns
from aiops_provider.placement.promises import kept_share

NOW = datetime(2026, 1, 5, tzinfo=UTC)
LATE = Promise(deadline_s=100.0, duration_s=(100.0, 150.0, 200.0))
QUICK = Promise(deadline_s=100.0, duration_s=(50.0, 60.0, 70.0))


def group(name: str, *promises: Promise, weight: float = 1.0, **changes) -> WorkloadGroup:
    return WorkloadGroup(
        **{
            "name": name,
            "tasks": (TaskKey("dag", name),),
            "request": ResourceRequest(cores=1, memory_gib=1),
            "cores_by_slot": (1.0,),
            "memory_gib_by_slot": (1.0,),
            "accelerators_by_slot": (0.0,),
            "peak_of_sum_cores": 1.0,
            "sum_of_peaks_cores": 1.0,
            "sla_weight": weight,
            "promises": promises,
            **changes,
        }
    )


def cluster(name: str, price: float, available: float | None = None, **changes) -> ClusterSpec:
    pool = Pool(
        name="p",
        machine=Capacity(cores=2, memory_gib=8, **changes.pop("machine", {})),
        max_instances=1,
        price_usd_per_hour=price,
    )
    return ClusterSpec(
        name=name,
        kind="local",
        provider="aws",
        region=name,
        pools=(pool,),
        availability=None if available is None else Availability(share=available),
        **changes,
    )


def make(groups, clusters, objective: Objective | None = None) -> PlacementPlan:
    plan = plan_placement(groups, clusters, objective or Objective(), now=NOW, gap_tolerance=0.0)
    if plan.status is not PlanStatus.INFEASIBLE:
        assert check_plan(plan, clusters) == ()
    return plan


class TestProbability:
    @pytest.mark.parametrize(("limit", "share"), [(10.0, 0.5), (20.0, 0.8), (40.0, 0.95)])
    def test_quantiles_are_met(self, limit, share):
        """At a known quantile the probability is its level."""
        assert probability_below(limit, (10.0, 20.0, 40.0)) == pytest.approx(share)

    def test_it_grows_with_the_limit(self):
        """From nothing to all, in between and beyond the quantiles."""
        shares = [probability_below(float(limit), (10.0, 20.0, 40.0)) for limit in range(1, 200)]
        assert shares == sorted(shares)
        assert shares[0] < 0.01
        assert shares[-1] > 0.99

    @pytest.mark.parametrize(
        "quantiles", [(0.0, 0.0, 0.0), (5.0, 5.0, 5.0), (5.0, 5.0, 9.0), (1.0, 9.0, 9.0)]
    )
    def test_quantiles_that_coincide(self, quantiles):
        """A step where two of them are the same, never a division by nothing."""
        for limit in (-1.0, 0.0, 4.9, 5.0, 9.0, 10.0):
            assert 0.0 <= probability_below(limit, quantiles) <= 1.0
        assert probability_below(-0.1, quantiles) == 0.0
        assert probability_below(quantiles[2], quantiles) >= 0.95 - 1e-9

    def test_log_normal_is_told_exactly(self):
        """Quantiles of a log-normal give its probabilities, also beyond them."""
        import math
        from statistics import NormalDist

        normal = NormalDist(2.0, 0.7)
        quantiles = tuple(math.exp(normal.inv_cdf(level)) for level in (0.5, 0.8, 0.95))
        for level in (0.01, 0.3, 0.6, 0.9, 0.999):
            limit = math.exp(normal.inv_cdf(level))
            assert probability_below(limit, quantiles) == pytest.approx(level, abs=1e-6)
            assert value_at(level, quantiles) == pytest.approx(limit)

    @pytest.mark.parametrize("level", [0.2, 0.5, 0.7, 0.8, 0.9, 0.95, 0.999])
    def test_the_value_of_a_level_is_kept_so_often(self, level):
        """A plan and whoever waits for a cheaper cluster mean the same by a promise."""
        for quantiles in ((10.0, 20.0, 40.0), (10.0, 11.0, 60.0), (3.0, 3.5, 3.6)):
            assert probability_below(value_at(level, quantiles), quantiles) == pytest.approx(level)
        assert value_at(level, (5.0, 5.0, 5.0)) == pytest.approx(5.0)


class TestKeptShare:
    def test_availability_counts_for_all(self):
        """Also for what nothing was promised about."""
        place = cluster("c", 1.0, 0.9)
        assert kept_share(group("g"), place, place.pools[0]) == pytest.approx(0.9)
        assert kept_share(group("g", LATE), place, place.pools[0]) == pytest.approx(0.45)

    def test_members_count_by_their_weight(self):
        """A late member of a tenth of the weight costs a twentieth."""
        place = cluster("c", 1.0)
        late = replace(LATE, weight=0.1)
        assert kept_share(group("g", late), place, place.pools[0]) == pytest.approx(0.95)

    def test_users_far_away(self):
        """The way there and back leaves less time for the answer."""
        asked = Promise(
            latency_objective_ms=100.0,
            latency_ms=(40.0, 60.0, 90.0),
            user_regions=("sa-east-1",),
        )
        near = cluster("near", 1.0, round_trip_ms={"sa-east-1": 10.0})
        far = cluster("far", 1.0, round_trip_ms={"sa-east-1": 120.0})
        assert kept_share(group("g", asked), near, near.pools[0]) > 0.94
        assert kept_share(group("g", asked), far, far.pools[0]) == 0.0

    def test_faster_accelerator(self):
        """What takes twice as long on the slower model misses a deadline that the other keeps."""
        request = ResourceRequest(cores=1, memory_gib=1, accelerators=1)
        promise = Promise(
            deadline_s=100.0, duration_s=(60.0, 60.0, 60.0), pace={"A100": 1.0, "T4": 2.0}
        )
        asked = group("g", promise, request=request, accelerators_by_slot=(1.0,))
        fast = cluster("fast", 1.0, machine={"accelerators": {"A100": 1}})
        slow = cluster("slow", 1.0, machine={"accelerators": {"T4": 1}})
        assert kept_share(asked, fast, fast.pools[0]) == 1.0
        assert kept_share(asked, slow, slow.pools[0]) == 0.0


class TestPlans:
    def test_dearer_cluster_that_can_be_used_more_often(self):
        """Most SLA takes it; least cost takes it only where the level asks for it."""
        clusters = [cluster("shaky", 0.1, 0.9), cluster("steady", 1.0, 0.999)]
        for objective, chosen in (
            (Objective(), "steady"),
            (Objective(maximize_sla=False, sla=0.85), "shaky"),
            (Objective(maximize_sla=False, sla=0.95), "steady"),
        ):
            made = make([group("g")], clusters, objective)
            assert [given.cluster for given in made.assignments] == [chosen]
        assert made.sla_attainment == pytest.approx(0.95, abs=1e-5)

    def test_level_that_no_cluster_reaches(self):
        """It is said which promise cannot be kept, and which level can."""
        made = make(
            [group("g")], [cluster("c", 1.0, 0.99)], Objective(maximize_sla=False, sla=0.999)
        )
        assert made.status is PlanStatus.INFEASIBLE
        said = " ".join(made.explanation)
        assert "g keeps its promises 99.000% of the time at best" in said
        assert "lower objective.sla to 0.99" in said

    def test_missed_deadline_is_said_with_its_figures(self):
        """Where no other place would do, the plan says so."""
        made = make([group("g", LATE)], [cluster("c", 1.0)])
        assert made.sla_attainment == pytest.approx(0.5)
        said = " ".join(made.explanation)
        assert "the deadline of 100 s would be kept 50.00% of the time, 99.00% is promised" in said

    def test_every_workload_by_its_own_promise(self):
        """What cannot keep its promise anywhere has no place; what can counts wholly."""
        clusters = [cluster("shaky", 0.1, 0.9), cluster("steady", 1.0, 0.999)]
        groups = [group("late", LATE), group("quick", QUICK)]
        made = make(groups, clusters, Objective(every_workload=True))
        assert [(given.group, given.cluster) for given in made.assignments] == [("quick", "steady")]
        assert made.sla_attainment == pytest.approx(0.5)
        assert "99.00% is promised" in " ".join(made.explanation)

    def test_level_beyond_what_was_observed(self):
        """Ten runs cannot show 99.9 %."""
        seen = replace(QUICK, samples=10)
        made = make(
            [group("g", seen)], [cluster("c", 1.0)], Objective(maximize_sla=False, sla=0.999)
        )
        said = " ".join(made.explanation)
        assert "modelled, not measured: as few as 10 finished runs" in said

    def test_checker_finds_a_false_claim(self):
        """A plan that counts a late workload as kept is refused."""
        clusters = [cluster("c", 1.0, 0.9)]
        made = make([group("g", LATE)], clusters)
        false = replace(made, sla_attainment=1.0, objective_value=1.0, bound=1.0)
        assert "sla" in {each.kind for each in check_plan(false, clusters)}
        strict = replace(made, objective=Objective(every_workload=True))
        assert "promise" in {each.kind for each in check_plan(strict, clusters)}

    @pytest.mark.parametrize("seed", range(6))
    def test_decomposition_finds_what_enumeration_finds(self, seed, monkeypatch):
        """With promises kept differently everywhere, against every way to place whole groups."""
        draw = np.random.default_rng(seed)
        clusters = [
            cluster(
                f"c{number}",
                float(draw.choice([0.5, 1.0, 2.0])),
                (0.9, 0.99, None)[draw.integers(3)],
            )
            for number in range(3)
        ]
        groups = [
            group(
                f"g{number}",
                (LATE, QUICK)[draw.integers(2)],
                weight=float(draw.choice([1.0, 2.0, 4.0])),
            )
            for number in range(4)
        ]
        best = 0.0
        for places in product((None, 0, 1, 2), repeat=len(groups)):
            if max(places.count(here) for here in range(3)) > 2:
                continue
            kept = sum(
                one.sla_weight * kept_share(one, clusters[p], clusters[p].pools[0])
                for one, p in zip(groups, places, strict=True)
                if p is not None
            )
            best = max(best, kept / sum(one.sla_weight for one in groups))
        assert make(groups, clusters).sla_attainment == pytest.approx(best, abs=1e-6)
        monkeypatch.setattr(planner, "MOST_OPTIONS_AT_ONCE", 0)
        large = make(groups, clusters)
        assert large.sla_attainment == pytest.approx(best, abs=1e-6)
        assert large.bound >= best - 1e-6


def test_columns_say_what_options_say():
    """The two ways to write a problem down agree in what is kept, also promise by promise."""
    request = ResourceRequest(cores=1, memory_gib=1, accelerators=1)
    paced = Promise(deadline_s=100.0, duration_s=(40.0, 60.0, 90.0), pace={"A100": 1.0, "T4": 2.0})
    groups = [
        group("g0", LATE),
        group("g1"),
        group("g2", paced, request=request, accelerators_by_slot=(1.0,)),
    ]
    clusters = [
        cluster("c0", 1.0, 0.9, machine={"accelerators": {"T4": 1}}),
        cluster("c1", 1.0, machine={"accelerators": {"A100": 1}}),
        cluster("c2", 1.0, 0.995),
    ]
    for every_workload in (False, True):
        problem = make_problem(groups, clusters, every_workload=every_workload)
        columns = make_columns(groups, clusters, every_workload=every_workload)
        assert columns.options == len(problem.options)
        place = {(c.name, p.name): number for number, (c, p) in enumerate(columns.pools)}
        for option in problem.options:
            column = place[option.cluster.name, option.pool.name]
            assert columns.kept[option.group, column] == pytest.approx(option.kept)
        assert columns.placeable == pytest.approx(problem.placeable)


def test_checker_knows_which_accelerator_has_the_memory():
    """A machine with two models: the pace is that of the one that is large enough."""
    request = ResourceRequest(cores=1, memory_gib=1, accelerators=1, accelerator_memory_gib=40.0)
    promise = Promise(deadline_s=100.0, duration_s=(60.0, 60.0, 60.0), pace={"T4": 3.0})
    asked = group("g", promise, request=request, accelerators_by_slot=(1.0,))
    machine = {
        "accelerators": {"T4": 4, "A100": 2},
        "accelerator_memory_gib": {"T4": 16.0, "A100": 40.0},
    }
    made = make([asked], [cluster("c", 1.0, machine=machine)])
    assert made.sla_attainment == 1.0


def test_level_that_somebody_vouches_for_is_not_called_unmeasured():
    """An availability that was said has no probes behind it."""
    made = make([group("g")], [cluster("c", 1.0, 0.9999)], Objective(maximize_sla=False, sla=0.999))
    assert "modelled" not in " ".join(made.explanation)


class TestSpot:
    """A spot machine may go at any time: only who can lose a run and be in time counts on it."""

    RUN = (50.0, 55.0, 60.0)

    @pytest.mark.parametrize(
        ("deadline_s", "checkpoint_s", "where"),
        [
            (100.0, None, "steady"),  # one run fits, two do not
            (200.0, None, "spotty"),
            (100.0, 10.0, "spotty"),  # no more than ten seconds are done again
            (100.0, 90.0, "steady"),  # it ends before it writes one
            (None, None, "spotty"),
        ],
    )
    def test_it_is_used_where_the_deadline_allows(self, deadline_s, checkpoint_s, where):
        """Though it is a tenth of the price, and with one cluster for both as with two."""
        promise = Promise(deadline_s=deadline_s, duration_s=self.RUN, checkpoint_s=checkpoint_s)
        spotty, steady = cluster("spotty", 0.1), cluster("steady", 1.0)
        pool = replace(spotty.pools[0], purchase=Purchase.SPOT)
        spotty = replace(spotty, pools=(pool,))
        for every in (False, True):
            level = Objective(maximize_sla=False, sla=0.99, every_workload=every)
            members = [group("a", promise, sla_attainment=0.99)]
            plan = make(members, [spotty, steady], level)
            best = max(plan.assignments, key=lambda given: given.share)
            assert (PlanStatus.OPTIMAL, where) == (plan.status, best.cluster)
            both = replace(spotty, pools=(pool, replace(steady.pools[0], name="steady")))
            best = max(make(members, [both], level).assignments, key=lambda given: given.share)
            assert (best.pool == "steady") == (where == "steady")

    def test_large_problems_count_it_alike(self):
        """Written as arrays, with pools of both kinds in one cluster."""
        members = [
            group(f"g{n}", Promise(deadline_s=60.0 * n, duration_s=self.RUN), sla_attainment=0.9)
            for n in range(1, 5)
        ]
        steady = cluster("c", 1.0)
        spot = replace(steady.pools[0], name="spot", purchase=Purchase.SPOT)
        clusters = [replace(steady, pools=(steady.pools[0], spot))]
        for every in (False, True):
            problem = make_problem(members, clusters, every_workload=every)
            columns = make_columns(members, clusters, every_workload=every)
            kept = {(option.group, option.pool.name): option.kept for option in problem.options}
            for row, column in product(range(4), range(2)):
                key = (row, columns.pools[column][1].name)
                assert np.isfinite(columns.cost[row, column]) == (key in kept)
                if key in kept and not every:
                    assert columns.kept[row, column] == pytest.approx(kept[key])

    def test_where_there_is_nothing_else_the_plan_says_so(self):
        """It stays the best there is, at what it is worth."""
        spotty = cluster("spotty", 0.1)
        spotty = replace(spotty, pools=(replace(spotty.pools[0], purchase=Purchase.SPOT),))
        members = [group("a", Promise(deadline_s=100.0, duration_s=self.RUN))]
        plan = make(members, [spotty])
        assert plan.assignments[0].cluster == "spotty"
        assert any("if its spot machine is lost once" in line for line in plan.explanation)
