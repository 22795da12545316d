"""What holds for every plan, whatever the groups and clusters."""

from __future__ import annotations

from datetime import UTC, datetime

from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from aiops_provider.domain.cluster import Capacity, ClusterSpec, Pool
from aiops_provider.domain.plan import Objective, PlacementPlan, PlanStatus, WorkloadGroup
from aiops_provider.domain.profile import ResourceRequest
from aiops_provider.domain.workload import TaskKey
from aiops_provider.placement.feasibility import check_plan
from aiops_provider.placement.planner import plan_placement

NOW = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)
FEW = settings(
    max_examples=12,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.too_slow],
)
REGIONS = ("north", "south")


@st.composite
def clusters(draw: st.DrawFn) -> list[ClusterSpec]:
    made = []
    for number in range(draw(st.integers(1, 4))):
        machine = Capacity(
            cores=draw(st.sampled_from([2, 4, 8])), memory_gib=draw(st.sampled_from([4, 16, 64]))
        )
        pool = Pool(
            name="p",
            machine=machine,
            max_instances=draw(st.integers(1, 4)),
            price_usd_per_hour=draw(st.sampled_from([0.1, 0.5, 2.0])),
        )
        region = draw(st.sampled_from(REGIONS))
        made.append(
            ClusterSpec(name=f"c{number}", kind="local", provider="x", region=region, pools=(pool,))
        )
    return made


@st.composite
def groups(draw: st.DrawFn) -> list[WorkloadGroup]:
    made = []
    for number in range(draw(st.integers(1, 6))):
        request = ResourceRequest(
            cores=draw(st.sampled_from([0.5, 1, 4])), memory_gib=draw(st.sampled_from([1, 8, 32]))
        )
        runs = [draw(st.sampled_from([0.0, 0.3, 1.0, 2.0])) for _ in range(3)]
        cores = tuple(request.cores * count for count in runs)
        made.append(
            WorkloadGroup(
                name=f"g{number}",
                tasks=(TaskKey("dag", f"t{number}"),),
                request=request,
                cores_by_slot=cores,
                memory_gib_by_slot=tuple(request.memory_gib * count for count in runs),
                accelerators_by_slot=(0.0,),
                peak_of_sum_cores=max(cores),
                sum_of_peaks_cores=max(cores),
                sla_weight=draw(st.sampled_from([1.0, 5.0])),
                allowed_regions=draw(st.sampled_from([(), ("north",)])),
            )
        )
    return made


OBJECTIVES = st.sampled_from(
    [
        Objective(),
        Objective(budget_usd_per_hour=0.5),
        Objective(maximize_sla=False, sla=0.5),
    ]
)


def planned(
    made: list[WorkloadGroup], where: list[ClusterSpec], objective: Objective
) -> PlacementPlan:
    return plan_placement(made, where, objective, now=NOW, gap_tolerance=0.0, time_limit_s=10)


@FEW
@given(groups(), clusters(), OBJECTIVES)
def test_plan_keeps_its_promises(made, where, objective):
    """A checker that shares no code with the planner finds nothing broken."""
    plan = planned(made, where, objective)
    found = check_plan(plan, where)
    if plan.status is PlanStatus.INFEASIBLE:
        # Only that the SLA level is missed may be wrong with it, and it says so itself.
        assert plan.explanation
        assert {each.kind for each in found} <= {"sla", "bound"}
    else:
        assert found == ()


@FEW
@given(groups(), clusters(), OBJECTIVES, st.randoms(use_true_random=False))
def test_order_of_the_input_decides_nothing(made, where, objective, chance):
    """The same groups and clusters in another order get a plan that is worth the same."""
    first = planned(made, where, objective)
    other_groups, other_clusters = made[:], where[:]
    chance.shuffle(other_groups)
    chance.shuffle(other_clusters)
    second = planned(other_groups, other_clusters, objective)
    assert second.status is first.status
    assert second.assignments == first.assignments


@FEW
@given(groups(), clusters())
def test_one_cluster_more_is_never_worse(made, where):
    """More choice places at least as much."""
    assume(len(where) > 1)
    fewer = planned(made, where[:-1], Objective())
    more = planned(made, where, Objective())
    gained = more.sla_attainment - fewer.sla_attainment
    assert gained >= -1e-6
    if gained <= 1e-6:
        assert more.cost_usd_per_hour <= fewer.cost_usd_per_hour * (1 + 1e-3) + 1e-6
