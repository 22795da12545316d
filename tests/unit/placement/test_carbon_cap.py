"""A cap on emissions: kept by every plan, checked, explained when it conflicts, and mended as told."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import UTC, datetime
from itertools import product
from random import Random

import pytest

from aiops_provider.domain.cluster import Capacity, CarbonRate, ClusterSpec, Pool
from aiops_provider.domain.plan import Objective, PlanStatus, WorkloadGroup
from aiops_provider.domain.profile import ResourceRequest
from aiops_provider.domain.task import TaskKey
from aiops_provider.errors import PlanError
from aiops_provider.placement import planner
from aiops_provider.placement.feasibility import check_plan
from aiops_provider.placement.planner import plan_placement

NOW = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)


def _group(name: str, cores: float, weight: float = 1.0) -> WorkloadGroup:
    return WorkloadGroup(
        name=name,
        tasks=(TaskKey("dag", name),),
        request=ResourceRequest(cores=1, memory_gib=1),
        cores_by_slot=(cores,),
        memory_gib_by_slot=(1.0,),
        accelerators_by_slot=(0.0,),
        peak_of_sum_cores=cores,
        sum_of_peaks_cores=cores,
        sla_weight=weight,
    )


def _cluster(
    name: str, price: float, kg: float | None, machines: int = 9, *, known: bool = True
) -> ClusterSpec:
    pool = Pool(
        name="p",
        machine=Capacity(cores=8, memory_gib=64),
        max_instances=machines,
        price_usd_per_hour=price,
        carbon=None if kg is None else CarbonRate(kg_per_hour=kg, known=known),
    )
    return ClusterSpec(name=name, kind="local", provider="aws", region="r", pools=(pool,))


# Each takes half a machine: 0.5 kg on the cheap cluster, 0.05 kg on the clean one.
GROUPS = [_group(f"g{number}", 4.0) for number in range(4)]
CLUSTERS = [_cluster("dirty", 1.0, 1.0), _cluster("clean", 3.0, 0.1)]


def _plan(clusters=CLUSTERS, groups=GROUPS, *, gap_tolerance=0.0, **objective):
    return plan_placement(
        groups, clusters, Objective(**objective), now=NOW, gap_tolerance=gap_tolerance
    )


@pytest.mark.parametrize("most", [{"maximize_sla": True}, {"maximize_sla": False, "sla": 1.0}])
@pytest.mark.parametrize(
    ("cap", "dirty"), [(None, 4), (2.0, 4), (1.9, 3), (1.2, 2), (0.7, 1), (0.2, 0)]
)
def test_as_much_as_may_be_emitted_is_where_it_is_cheap(most, cap, dirty):
    """The rest is paid for; whichever way the objective looks."""
    made = _plan(**most, max_carbon_kg_per_hour=cap)
    assert dirty == sum(given.cluster == "dirty" for given in made.assignments)
    assert 4 == len(made.assignments)
    assert pytest.approx(0.5 * dirty + 1.5 * (4 - dirty)) == made.cost_usd_per_hour
    assert () == check_plan(made, CLUSTERS)
    told = [line for line in made.explanation if "CO2e" in line]
    emitted = 0.5 * dirty + 0.05 * (4 - dirty)
    wanted = [
        f"The machines emit {emitted:.4g} kg of CO2e an hour of the {cap or 0:g} that they may."
    ]
    assert ([] if cap is None else wanted) == told


@pytest.mark.parametrize("cap", [0.7e-6, 1.2e-6, 1.9e-6])
def test_a_cap_of_milligrams_is_kept_as_exactly(cap):
    """What a small workload emits is far below a solver's absolute tolerance."""
    clusters = [_cluster("dirty", 1.0, 1e-6), _cluster("clean", 3.0, 1e-7)]
    made = _plan(clusters=clusters, max_carbon_kg_per_hour=cap)
    assert () == check_plan(made, clusters)
    kilograms = _plan(max_carbon_kg_per_hour=cap * 1e6)
    assert made.cost_usd_per_hour == pytest.approx(kilograms.cost_usd_per_hour)


def test_most_of_the_sla_within_the_cap():
    """What has no room under it is left out, and told."""
    made = _plan(clusters=CLUSTERS[:1], max_carbon_kg_per_hour=1.25)
    assert pytest.approx(2.5 / 4) == made.sla_attainment
    assert () == check_plan(made, CLUSTERS[:1])
    assert any("within capacity and the cap on emissions" in line for line in made.explanation)


def test_what_is_not_known_counts_as_the_most_that_is_known():
    """And is said; a pool whose emissions nobody asked for is refused."""
    unknown = [_cluster("dirty", 1.0, 1.0, known=False), CLUSTERS[1]]
    made = _plan(clusters=unknown, max_carbon_kg_per_hour=0.7)
    assert 1 == sum(given.cluster == "dirty" for given in made.assignments)
    assert any("What dirty/p emits is not known" in line for line in made.explanation)
    assert () == check_plan(made, unknown)
    with pytest.raises(PlanError, match="what dirty/p emits is missing"):
        _plan(clusters=[_cluster("dirty", 1.0, None)], max_carbon_kg_per_hour=0.7)


def test_the_checker_finds_too_much():
    """It counts for itself: what the assignments say about their emissions is not asked."""
    made = _plan()
    capped = replace(
        made,
        objective=replace(made.objective, max_carbon_kg_per_hour=1.9),
        assignments=tuple(replace(a, carbon_kg_per_hour=None) for a in made.assignments),
    )
    (found,) = check_plan(capped, CLUSTERS)
    assert ("carbon", "plan", 1.9) == (found.kind, found.subject, found.limit)
    assert "emits 2 kg of CO2e an hour; the cap is 1.9" in found.sentence


@pytest.mark.parametrize("maximize_sla", [True, False])
@pytest.mark.parametrize("cap", [0.9, 2.0, 40.0])
@pytest.mark.parametrize("budget", [None, 6.0])
def test_a_decomposed_plan_is_about_as_good_as_one_program(monkeypatch, maximize_sla, cap, budget):
    """Within the cap, its bound one of the program too; nothing is left out."""
    random = Random(7)  # noqa: S311 - nothing secret
    groups = [
        _group(f"g{n:02}", random.uniform(1, 12), random.choice([1.0, 3.0])) for n in range(24)
    ]
    clusters = [
        _cluster(f"c{n}", random.uniform(0.5, 3), random.uniform(0.05, 1), random.randint(3, 9))
        for n in range(6)
    ]
    wanted = {
        "maximize_sla": maximize_sla,
        "sla": 0.2,
        "max_carbon_kg_per_hour": cap,
        "budget_usd_per_hour": budget,
        "gap_tolerance": 0.005,
    }
    one = _plan(clusters, groups, **wanted)
    monkeypatch.setattr(planner, "MOST_OPTIONS_AT_ONCE", 3)
    many = _plan(clusters, groups, **wanted)
    assert "decomposed" in many.solver
    assert "decomposed" not in one.solver
    assert one.status is not PlanStatus.INFEASIBLE
    assert () == check_plan(many, clusters)
    if maximize_sla:
        assert many.bound >= one.objective_value - 1e-6
        assert many.objective_value >= 0.98 * one.objective_value
    else:
        assert many.bound <= one.objective_value * (1 + 1e-6)
        assert many.objective_value <= 1.02 * one.objective_value


def test_a_large_conflict_with_the_cap_is_named_with_a_cap_that_suffices(monkeypatch):
    """By bounds, so the cap told may be a little more than the least."""
    monkeypatch.setattr(planner, "MOST_OPTIONS_AT_ONCE", 3)
    clusters = [CLUSTERS[0], _cluster("clean", 3.0, 0.1, machines=1)]
    wanted = Objective(maximize_sla=False, sla=1.0, max_carbon_kg_per_hour=0.3)
    made = plan_placement(GROUPS, clusters, wanted, now=NOW)
    assert PlanStatus.INFEASIBLE == made.status
    told = "\n".join(made.explanation)
    assert "objective.max_carbon_kg_per_hour = 0.3; the capacity of clean." in told
    cap = float(re.findall(r"max_carbon_kg_per_hour from 0\.3 to ([0-9.]+)\.", told)[0])
    assert 1.1 <= cap < 1.2
    again = plan_placement(GROUPS, clusters, replace(wanted, max_carbon_kg_per_hour=cap), now=NOW)
    assert again.status is not PlanStatus.INFEASIBLE
    assert () == check_plan(again, clusters)


def test_a_conflict_with_the_cap_is_named_with_the_least_that_suffices():
    """Two on the clean cluster at most, and two on the other emit a kilogram."""
    clusters = [CLUSTERS[0], _cluster("clean", 3.0, 0.1, machines=1)]
    made = _plan(clusters=clusters, maximize_sla=False, sla=1.0, max_carbon_kg_per_hour=0.3)
    assert PlanStatus.INFEASIBLE == made.status
    told = "\n".join(made.explanation)
    assert "objective.max_carbon_kg_per_hour = 0.3; the capacity of clean." in told
    assert "raise objective.max_carbon_kg_per_hour from 0.3 to 1.1." in told
    assert "raise max_instances of clean/p from 1 to 2 (the cheapest machines" in told
    kinds = {each.kind for each in check_plan(made, clusters)}
    assert kinds <= {"sla", "bound"}


def test_budget_and_cap_that_only_mend_together_are_raised_together():
    """Neither the money for the clean cluster nor the emissions of the other are there."""
    made = _plan(maximize_sla=False, sla=1.0, budget_usd_per_hour=1.0, max_carbon_kg_per_hour=0.1)
    told = "\n".join(made.explanation)
    assert PlanStatus.INFEASIBLE == made.status
    assert (
        "raise objective.budget_usd_per_hour from 1 to 2 "
        "and objective.max_carbon_kg_per_hour from 0.1 to 2." in told
    )


_RAISED = re.compile(
    r"objective\.(budget_usd_per_hour|max_carbon_kg_per_hour)[^;]*? to ([0-9.e-]+)"
)
_MACHINES = re.compile(r"max_instances of (\w+)/p from \d+ to (\d+)")


def _mended(way, objective, clusters):
    """As the sentence says."""
    raised = {name: float(value.rstrip(".")) for name, value in _RAISED.findall(way)}
    if level := re.search(r"lower objective\.sla to ([0-9.]+),", way):
        raised["sla"] = float(level[1])
    counts = {name: int(count) for name, count in _MACHINES.findall(way)}
    more = [
        replace(c, pools=(replace(c.pools[0], max_instances=counts[c.name]),))
        if c.name in counts
        else c
        for c in clusters
    ]
    return replace(objective, **raised), more, bool(raised or counts)


@pytest.mark.parametrize("seed", range(40))
def test_plans_of_random_problems_keep_the_cap_and_every_way_out_suffices(seed):
    """Sound by the checker, at least as dear as without the cap; ways out are tried by planning anew."""
    random = Random(seed)  # noqa: S311 - nothing secret
    groups = [
        _group(f"g{n}", random.choice([2.0, 4.0, 7.0, 12.0]), random.choice([1.0, 3.0]))
        for n in range(random.randint(2, 5))
    ]
    clusters = [
        _cluster(name, random.uniform(0.5, 3), random.uniform(0.05, 1), random.randint(1, 3))
        for name in ("a", "b", "c")
    ]
    free = Objective(maximize_sla=False, sla=1.0)
    objective = replace(
        free,
        max_carbon_kg_per_hour=round(random.uniform(0.05, 1.5), 2),
        budget_usd_per_hour=random.choice([None, round(random.uniform(0.5, 5), 2)]),
    )
    made = plan_placement(groups, clusters, objective, now=NOW, gap_tolerance=0.0)
    kinds = {each.kind for each in check_plan(made, clusters)}
    if made.status is not PlanStatus.INFEASIBLE:
        assert not kinds
        loose = plan_placement(groups, clusters, free, now=NOW, gap_tolerance=0.0)
        assert loose.cost_usd_per_hour <= made.cost_usd_per_hour * (1 + 1e-6)
        return
    assert kinds <= {"sla", "bound"}
    ways = [line for line in made.explanation if line.startswith("Way out: ")]
    assert ways
    for way in ways:
        mended, more, understood = _mended(way, objective, clusters)
        assert understood, way
        again = plan_placement(groups, more, mended, now=NOW, gap_tolerance=0.0)
        assert again.status is not PlanStatus.INFEASIBLE, way
        assert () == check_plan(again, more)


def test_no_cheaper_choice_keeps_the_cap():
    """All choices of four groups of different size counted one by one."""
    groups = [_group(f"g{n}", cores) for n, cores in enumerate((2.0, 3.0, 5.0, 6.0))]
    prices = {"dirty": (1.0, 1.0), "clean": (3.0, 0.1)}
    for cap in (0.3, 0.7, 1.0, 1.3, 1.9):
        best = min(
            sum(g.peak_of_sum_cores / 8 * prices[c][0] for g, c in zip(groups, chosen, strict=True))
            for chosen in product(prices, repeat=4)
            if sum(
                g.peak_of_sum_cores / 8 * prices[c][1] for g, c in zip(groups, chosen, strict=True)
            )
            <= cap
        )
        made = _plan(groups=groups, maximize_sla=False, sla=1.0, max_carbon_kg_per_hour=cap)
        assert pytest.approx(best) == made.cost_usd_per_hour
