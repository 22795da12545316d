"""Two plans are compared task by task, and given to dispatchers as lists of clusters."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

from aiops_provider.domain.cluster import Capacity, ClusterSpec, Pool
from aiops_provider.domain.plan import (
    Assignment,
    Objective,
    PlacementPlan,
    PlanStatus,
    WorkloadGroup,
)
from aiops_provider.domain.plan_difference import Change
from aiops_provider.domain.profile import ResourceRequest
from aiops_provider.domain.task import TaskKey
from aiops_provider.placement.nomination import MOST_NOMINATED, Nomination, nominate
from aiops_provider.placement.plan_difference import plan_difference

NOW = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)


def group(name: str, *tasks: str, cores: float = 1.0) -> WorkloadGroup:
    return WorkloadGroup(
        name=name,
        tasks=tuple(TaskKey("dag", task) for task in tasks),
        request=ResourceRequest(cores=cores, memory_gib=1.0),
        cores_by_slot=(1.0,),
        memory_gib_by_slot=(1.0,),
        accelerators_by_slot=(0.0,),
        peak_of_sum_cores=1.0,
        sum_of_peaks_cores=1.0,
    )


def plan(
    places: dict[str, dict[str, float]], *groups: WorkloadGroup, cost: float = 1.0
) -> PlacementPlan:
    return PlacementPlan(
        groups=groups,
        assignments=tuple(
            Assignment(group=name, cluster=where, pool="p", share=share, cost_usd_per_hour=1.0)
            for name, clusters in places.items()
            for where, share in clusters.items()
        ),
        objective=Objective(),
        objective_value=1.0,
        bound=1.0,
        gap=0.0,
        status=PlanStatus.OPTIMAL,
        cost_usd_per_hour=cost,
        sla_attainment=1.0,
        created_at=NOW,
    )


def cluster(name: str, price: float = 1.0, cores: float = 4.0, region: str = "r") -> ClusterSpec:
    machine = Capacity(cores=cores, memory_gib=16)
    pool = Pool(name="p", machine=machine, max_instances=2, price_usd_per_hour=price)
    return ClusterSpec(name=name, kind="local", provider="x", region=region, pools=(pool,))


def test_a_task_that_only_changes_its_group_stays():
    """One member more renames a group; the tasks that stay where they are did not change."""
    old = plan({"g": {"a": 1.0}}, group("g", "t1"))
    new = plan({"g+1": {"a": 1.0}}, group("g+1", "t1", "t2"), cost=1.5)
    found = plan_difference(old, new)

    assert [("t2", Change.ADDED)] == [(each.task.name, each.change) for each in found.changes]
    assert (1, 0.5) == (found.unchanged, found.cost_usd_per_hour)


def test_every_kind_of_change():
    """Moved, split, gone and without a place are told apart."""
    groups = [group(name, name) for name in ("moved", "split", "lost", "same")]
    old = plan({name: {"a": 1.0} for name in ("moved", "split", "lost", "same", "gone")}, *groups,
               group("gone", "gone"))  # fmt: skip
    new = plan(
        {"moved": {"b": 1.0}, "split": {"a": 0.5, "b": 0.5}, "same": {"a": 1.0 - 1e-9}}, *groups
    )
    found = {each.task.name: each for each in plan_difference(old, new).changes}

    assert {
        "moved": Change.MOVED, "split": Change.MOVED, "lost": Change.UNPLACED,
        "gone": Change.REMOVED,
    } == {name: each.change for name, each in found.items()}  # fmt: skip
    assert {"a/p": 0.5, "b/p": 0.5} == dict(found["split"].after)


def test_plans_for_other_objectives_do_not_compare():
    """A plan for least cost is not worse because it places less."""
    old = plan({"g": {"a": 1.0}}, group("g", "t"))
    new = replace(old, objective=Objective(maximize_sla=False))

    assert plan_difference(old, new).objective_changed
    assert not plan_difference(old, old).objective_changed


def test_clusters_of_the_plan_are_nominated_together():
    """The largest share first; others that may and can hold it come after them, the cheapest first."""
    clusters = [
        cluster("a"), cluster("b"), cluster("dear", 9.0), cluster("cheap", 0.5),
        cluster("small", cores=0.5),
    ]  # fmt: skip
    (found,) = nominate(plan({"g": {"a": 0.3, "b": 0.7}}, group("g", "t")), clusters)

    assert (
        Nomination(
            task=TaskKey("dag", "t"), group="g", nominated=("b", "a"), next=("cheap", "dear")
        )
        == found
    )


def test_cluster_that_must_not_be_used_is_on_no_list():
    """A quarantined cluster is neither nominated nor next."""
    clusters = [cluster("a"), cluster("b"), cluster("c")]
    (found,) = nominate(plan({"g": {"a": 0.5, "b": 0.5}}, group("g", "t")), clusters, {"a", "c"})

    assert (("b",), ()) == (found.nominated, found.next)


def test_forbidden_region_is_on_no_list():
    """Rules of the user hold for lists, too."""
    only = replace(group("g", "t"), allowed_regions=("eu",))
    clusters = [cluster("a", region="eu"), cluster("b", region="us"), cluster("c", region="eu")]
    (found,) = nominate(plan({"g": {"a": 1.0}}, only), clusters)

    assert (("a",), ("c",)) == (found.nominated, found.next)


def test_no_more_than_a_dispatcher_takes():
    """MultiKueue takes ten."""
    names = [f"c{number:02}" for number in range(15)]
    spread = plan({"g": dict.fromkeys(names, 1 / 15)}, group("g", "t"))
    (found,) = nominate(spread, [cluster(name) for name in names])

    assert MOST_NOMINATED == len(found.nominated) == 10
    assert names[:10] == list(found.nominated)
