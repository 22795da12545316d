"""What holds for every plan and every route, whatever the workloads and the clusters."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from unittest.mock import patch

from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from aiops_provider.domain.cluster import Capacity, CarbonRate, ClusterSpec, Pool, StorageRate
from aiops_provider.domain.plan import Objective, PlanStatus
from aiops_provider.domain.profile import (
    ComputeType,
    Quantity,
    ResourceRequest,
    Source,
    StorageNeed,
    WorkloadProfile,
)
from aiops_provider.domain.task import TaskKey
from aiops_provider.errors import PlanError
from aiops_provider.placement.bidding import place_by_prices
from aiops_provider.placement.cost import mean_and_peak_machines
from aiops_provider.placement.feasibility import check_plan
from aiops_provider.placement.lagrangian import Lagrangian
from aiops_provider.placement.limit_prices import Prices, Target
from aiops_provider.placement.multiplexing import make_group, multiplex
from aiops_provider.placement.planner import plan_placement
from aiops_provider.placement.problem_columns import make_columns
from aiops_provider.placement.router import InUse, Router, RouterSnapshot

NOW = datetime(2026, 1, 7, 15, 30, tzinfo=UTC)
REGIONS = ("eu", "us", "sa")

# A solver is started for each example: few, but each in full.
solved = settings(
    max_examples=20,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)
routed = settings(max_examples=200, deadline=None, derandomize=True)


def exactly(value: float) -> Quantity:
    return Quantity(p50=value, p80=value, p95=value, source=Source.PRIOR)


storage_needs = st.lists(
    st.builds(
        StorageNeed,
        role=st.sampled_from(["source", "intermediate", "target"]),
        storage_class=st.sampled_from(["object", "file", "in_memory"]),
        capacity_gib=st.floats(0.0, 5000.0).map(exactly),
    ),
    max_size=2,
).map(tuple)
storage_rates = st.dictionaries(
    st.sampled_from(["object", "file"]),
    st.builds(StorageRate, usd_per_gib_month=st.floats(0.0, 0.3), known=st.booleans()),
)

carbon_rates = st.none() | st.builds(
    CarbonRate, kg_per_hour=st.floats(0.0, 2.0), known=st.booleans()
)


@st.composite
def workloads(draw: st.DrawFn) -> list[WorkloadProfile]:
    profiles = []
    for number in range(draw(st.integers(1, 6))):
        starts = [0.0] * 168
        hour = draw(st.integers(0, 23))
        for day in range(7):
            starts[day * 24 + hour] = draw(st.sampled_from([0.0, 1.0, 3.0]))
        cores = draw(st.sampled_from([1.0, 2.0, 4.0]))
        profiles.append(
            WorkloadProfile(
                task=TaskKey("dag", f"t{number}"),
                compute_type=ComputeType.CPU,
                cores=exactly(cores),
                memory_gib=exactly(cores),
                duration_s=exactly(draw(st.floats(60, 20_000))),
                request=ResourceRequest(cores=cores, memory_gib=draw(st.floats(0.5, 8))),
                predicted_at=NOW,
                starts_by_hour_of_week=tuple(starts) if draw(st.booleans()) else (),
                sla_weight=draw(st.sampled_from([1.0, 2.0, 5.0])),
                allowed_regions=draw(st.sampled_from([(), (), ("eu",), ("us", "sa")])),
                storage=draw(storage_needs),
            )
        )
    return profiles


@st.composite
def some_clusters(draw: st.DrawFn) -> list[ClusterSpec]:
    made = []
    for number in range(draw(st.integers(1, 4))):
        pool = Pool(
            name="p",
            machine=Capacity(cores=draw(st.sampled_from([2.0, 4.0, 8.0])), memory_gib=8.0),
            max_instances=draw(st.integers(1, 3)),
            price_usd_per_hour=draw(st.none() | st.floats(0.0, 5.0)),
            carbon=draw(carbon_rates),
        )
        region = draw(st.sampled_from(REGIONS))
        name = f"c{number}"
        made.append(
            ClusterSpec(
                name=name,
                kind="local",
                provider="aws",
                region=region,
                pools=(pool,),
                storage=draw(storage_rates),
            )
        )
    return made


budgets = st.none() | st.floats(0.01, 5.0)
objectives = st.builds(
    Objective,
    maximize_sla=st.booleans(),
    budget_usd_per_hour=budgets,
    sla=st.sampled_from([0.5, 0.9, 1.0]),
    carbon_usd_per_kg=st.sampled_from([0.0, 0.1, 2.0]),
)


def plan(groups, clusters, objective, **options):
    return plan_placement(groups, clusters, objective, now=NOW, gap_tolerance=0.0, **options)


@solved
@given(workloads(), some_clusters(), objectives, st.integers(0, 4))
def test_no_plan_breaks_a_promise(profiles, clusters, objective, away):
    """The checker, which shares no code with the planner, finds nothing."""
    unavailable = frozenset({f"c{away}"})
    groups = multiplex(profiles, clusters=clusters)
    made = plan(groups, clusters, objective, unavailable=unavailable)
    broken = check_plan(made, clusters, unavailable)
    if made.status is PlanStatus.INFEASIBLE:
        broken = tuple(each for each in broken if each.kind not in {"sla", "bound"})
    assert () == broken


def by_rule_of_thumb(groups, clusters) -> float:
    """Heaviest group first, wholly on the first pool where it fits in the busiest hour."""
    left = {c.name: [c.pools[0].capacity.cores, c.pools[0].capacity.memory_gib] for c in clusters}
    placed = 0.0
    for group in sorted(groups, key=lambda g: -g.sla_weight):
        needs = [max(group.cores_by_slot), max(group.memory_gib_by_slot)]
        for cluster in clusters:
            room = left[cluster.name]
            allowed = not group.allowed_regions or cluster.region in group.allowed_regions
            holds = cluster.pools[0].machine.fits(group.request)
            if allowed and holds and all(n <= r for n, r in zip(needs, room, strict=True)):
                left[cluster.name] = [r - n for n, r in zip(needs, room, strict=True)]
                placed += group.sla_weight
                break
    return placed / sum(group.sla_weight for group in groups)


@solved
@given(workloads(), some_clusters())
def test_a_plan_is_never_worse_than_a_rule_of_thumb(profiles, clusters):
    """What a greedy placement reaches, the plan reaches too."""
    groups = multiplex(profiles, clusters=clusters)
    made = plan(groups, clusters, Objective())
    assert made.sla_attainment >= by_rule_of_thumb(groups, clusters) - 1e-6


@solved
@given(workloads(), some_clusters(), budgets)
def test_one_more_cluster_never_makes_the_best_plan_worse(profiles, clusters, budget):
    """Whoever adds a cluster loses nothing, in SLA or in cost."""
    groups = [make_group([profile]) for profile in profiles]
    objective = Objective(budget_usd_per_hour=budget)
    fewer, more = (plan(groups, some, objective) for some in (clusters[1:], clusters))
    assert more.sla_attainment >= fewer.sla_attainment - 1e-5
    assert more.bound >= fewer.sla_attainment - 1e-5
    if more.sla_attainment <= fewer.sla_attainment + 1e-6:
        assert more.cost_usd_per_hour <= fewer.cost_usd_per_hour * (1 + 1e-3) + 1e-5


@solved
@given(workloads(), some_clusters(), st.floats(0.05, 5.0))
def test_a_price_on_emissions_never_makes_a_plan_emit_more(profiles, clusters, usd_per_kg):
    """Of plans that place as much, the one made at the higher price emits no more than the other."""
    rated = [
        replace(
            c,
            pools=tuple(
                replace(p, carbon=p.carbon or CarbonRate(kg_per_hour=1.0)) for p in c.pools
            ),
        )
        for c in clusters
    ]
    groups = [make_group([profile]) for profile in profiles]
    free, priced = (
        plan(groups, rated, Objective(carbon_usd_per_kg=usd)) for usd in (0.0, usd_per_kg)
    )
    assert priced.sla_attainment >= free.sla_attainment - 1e-5
    if abs(priced.sla_attainment - free.sla_attainment) <= 1e-9:
        slack = (free.cost_usd_per_hour + priced.cost_usd_per_hour) * 1e-3 + 1e-4
        assert emitted(priced, rated) <= emitted(free, rated) + slack / usd_per_kg


def emitted(made, clusters) -> float:
    """kg an hour, with what stands for unknown rates."""
    pools = {(c.name, p.name): p for c in clusters for p in c.pools}
    groups = {group.name: group for group in made.groups}
    return sum(
        mean_and_peak_machines(groups[given.group], pools[given.cluster, given.pool])[0]
        * given.share
        * pools[given.cluster, given.pool].carbon.kg_per_hour
        for given in made.assignments
    )


@solved
@given(st.data(), workloads(), some_clusters(), objectives)
def test_the_order_of_the_inputs_changes_nothing(data, profiles, clusters, objective):
    """Neither of the workloads nor of the clusters."""
    other = plan(
        multiplex(data.draw(st.permutations(profiles)), clusters=clusters),
        data.draw(st.permutations(clusters)),
        objective,
    )
    made = plan(multiplex(profiles, clusters=clusters), clusters, objective)
    assert made.assignments == other.assignments
    assert made.groups == other.groups


def decomposed(groups, clusters, objective, **options):
    """As for a problem that is too large for one program."""
    with patch("aiops_provider.placement.planner.MOST_OPTIONS_AT_ONCE", 0):
        return plan(groups, clusters, objective, **options)


def steady(name: str, cores: float, memory_gib: float, *, duration_s: float, weight: float = 1.0):
    return WorkloadProfile(
        task=TaskKey("dag", name),
        compute_type=ComputeType.CPU,
        cores=exactly(cores),
        memory_gib=exactly(memory_gib),
        duration_s=exactly(duration_s),
        request=ResourceRequest(cores=cores, memory_gib=memory_gib),
        predicted_at=NOW,
        sla_weight=weight,
    )


def a_machine(name: str, cores: float, price: float | None) -> ClusterSpec:
    pool = Pool(
        name="p",
        machine=Capacity(cores=cores, memory_gib=8.0),
        max_instances=1,
        price_usd_per_hour=price,
    )
    return ClusterSpec(name=name, kind="local", provider="aws", region="eu", pools=(pool,))


# A level that no plan reaches within the budget: the prices of both once grew beyond all numbers.
OUT_OF_REACH = (
    [
        steady("t0", 1.0, 4.0, duration_s=20_000.0, weight=2.0),
        steady("t1", 4.0, 8.0, duration_s=20_000.0),
        steady("t2", 2.0, 3.0671595808615373, duration_s=20_000.0),
        steady("t3", 1.0, 8.0, duration_s=2089.462373709239),
    ],
    [
        a_machine("c0", 8.0, 1.0),
        a_machine("c1", 2.0, 0.0),
        a_machine("c2", 2.0, None),
        a_machine("c3", 8.0, 4.29973264397645),
    ],
    Objective(maximize_sla=False, budget_usd_per_hour=0.01, sla=1.0),
    0,
)


@solved
@example(*OUT_OF_REACH)
@given(workloads(), some_clusters(), objectives, st.integers(0, 4))
def test_no_decomposed_plan_breaks_a_promise(profiles, clusters, objective, away):
    """Neither a limit nor a figure: the checker shares no code with it."""
    unavailable = frozenset({f"c{away}"})
    groups = [make_group([profile]) for profile in profiles]
    try:
        made = decomposed(groups, clusters, objective, unavailable=unavailable)
    except PlanError:
        # A level within a solver's tolerance of the most that can be placed is neither.
        assert not objective.maximize_sla
        return
    broken = check_plan(made, clusters, unavailable)
    if made.status is PlanStatus.INFEASIBLE:
        broken = tuple(each for each in broken if each.kind not in {"sla", "bound"})
        assert "conflict" in made.explanation[0]
    assert () == broken


@solved
@given(workloads(), some_clusters(), budgets)
def test_a_decomposed_plan_lies_between_greedy_and_the_optimum_and_its_bound_above(
    profiles, clusters, budget
):
    """What it proves holds for the plan that one program finds, and it beats the rule of thumb."""
    groups = [make_group([profile]) for profile in profiles]
    objective = Objective(budget_usd_per_hour=budget)
    best, made = plan(groups, clusters, objective), decomposed(groups, clusters, objective)
    assert made.bound >= best.sla_attainment - 1e-5
    assert made.sla_attainment <= best.bound + 1e-5
    columns = make_columns(groups, clusters)
    lagrangian = Lagrangian(columns, Target(budget_usd_per_hour=budget))
    rows, _, shares = place_by_prices(lagrangian)
    assert made.sla_attainment >= float((lagrangian.worth[rows] * shares).sum()) - 1e-6


@solved
@given(workloads(), some_clusters(), budgets, st.sampled_from([0.3, 0.6, 0.9]))
def test_the_least_cost_is_never_below_the_decomposed_bound(profiles, clusters, budget, level):
    """With and without a budget."""
    groups = [make_group([profile]) for profile in profiles]
    objective = Objective(maximize_sla=False, sla=level, budget_usd_per_hour=budget)
    best = plan(groups, clusters, objective)
    if best.status is PlanStatus.INFEASIBLE:
        return
    try:
        made = decomposed(groups, clusters, objective)
    except PlanError:
        return
    if made.status is not PlanStatus.INFEASIBLE:
        assert made.bound <= best.cost_usd_per_hour * (1 + 1e-6) + 1e-5
        assert made.cost_usd_per_hour >= best.bound * (1 - 1e-6) - 1e-5


@solved
@given(st.data(), workloads(), some_clusters(), budgets)
def test_the_order_of_the_inputs_changes_nothing_in_a_decomposed_plan(
    data, profiles, clusters, budget
):
    """Ties are broken by name."""
    groups, objective = (
        [make_group([profile]) for profile in profiles],
        Objective(budget_usd_per_hour=budget),
    )
    made = decomposed(groups, clusters, objective)
    other = decomposed(
        data.draw(st.permutations(groups)), data.draw(st.permutations(clusters)), objective
    )
    assert made.assignments == other.assignments
    assert made.bound == other.bound


@routed
@given(workloads(), some_clusters(), budgets, st.lists(st.floats(0, 2), min_size=1, max_size=5))
def test_whatever_the_prices_the_bound_holds(profiles, clusters, budget, drawn):
    """A rule of thumb never beats it."""
    groups = [make_group([profile]) for profile in profiles]
    columns = make_columns(groups, clusters)
    lagrangian = Lagrangian(columns, Target(budget_usd_per_hour=budget))
    limits = lagrangian.money_alone().limits
    if len(lagrangian.active):
        some = [drawn[i % len(drawn)] for i in range(len(lagrangian.active))]
        limits.ravel()[lagrangian.active] = some
    prices = Prices(limits=limits, budget=0.0 if budget is None else drawn[0], level=1.0)
    rows, _, shares = place_by_prices(lagrangian)
    assert float((lagrangian.worth[rows] * shares).sum()) <= lagrangian.bound(prices) + 1e-6


loads = st.dictionaries(
    st.tuples(st.sampled_from(["c0", "c1", "c2", "c3"]), st.just("p")),
    st.builds(InUse, cores=st.floats(0, 30), memory_gib=st.floats(0, 30)),
)
reasons = st.dictionaries(st.sampled_from(["c0", "c1", "c2", "c3"]), st.just("a reason"))


@routed
@given(workloads(), some_clusters(), loads, reasons, reasons, reasons)
def test_a_task_that_some_machine_can_hold_always_gets_the_least_bad_place(
    profiles, clusters, load, quarantined, unreachable, avoid
):
    """Never forbidden; no quarantined or lost cluster while another is left; always the same."""
    profile = profiles[0]
    router = Router(
        RouterSnapshot(clusters=tuple(clusters), quarantined=quarantined, unreachable=unreachable)
    )
    able = [
        c
        for c in clusters
        if c.pools[0].machine.fits(profile.request)
        and (not profile.allowed_regions or c.region in profile.allowed_regions)
    ]
    if not able:
        return
    route = router.route(profile, load=load, avoid=avoid, now=NOW)
    assert route.cluster in {c.name for c in able}
    sound = {c.name for c in able} - set(unreachable) - set(quarantined)
    assert route.cluster in sound or not sound
    untried = sound - set(avoid)
    assert route.cluster in untried or not untried
    assert route == Router(router.snapshot).route(profile, load=load, avoid=avoid, now=NOW)
    assert {c.name for c in clusters} == {route.cluster, *route.reason.rejected}
