"""A plan is made from stored profiles, judged, and put in force only when that is worth it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from aiops_provider.control.cluster_check import forget_check
from aiops_provider.control.decide import Decider, TaskRequest
from aiops_provider.control.installation import Installation
from aiops_provider.control.learn import learn
from aiops_provider.control.replan import planning_problem, replan, unavailable_clusters
from aiops_provider.control.snapshot_reader import load_snapshot
from aiops_provider.domain.alarm import Response, ResponseAction
from aiops_provider.domain.cluster import ClusterHealth, HealthState
from aiops_provider.domain.execution import ExecutionRecord, Outcome, Usage
from aiops_provider.domain.plan import PlacementPlan
from aiops_provider.domain.task import TaskKey, TaskRun
from aiops_provider.domain.workload import ModelCandidate, Serving
from aiops_provider.placement.multiplexing import make_group
from aiops_provider.profiling.profiler import Profiler
from aiops_provider.settings.schema import Settings
from aiops_provider.store import Store

NOW = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)
SMALL = {
    "name": "p",
    "machine": {"cores": 4, "memory_gib": 8},
    "max_instances": 4,
    "price_usd_per_hour": 0.1,
}
FAILED_CHECK = {"checked_at": "2026-03-02 11:00 UTC", "run_id": "r", "problem": "no bundle"}


def cluster(name: str, price: float, cores: int = 16) -> dict[str, Any]:
    machine = {"cores": cores, "memory_gib": 64}
    pool = {"name": "p", "machine": machine, "max_instances": 4, "price_usd_per_hour": price}
    return {"name": name, "kind": "local", "provider": name, "region": "r", "pools": [pool]}


def opened(folder: Any, **settings: Any) -> Installation:
    given = {
        "store": f"sqlite:///{folder}/aiops.db",
        "clusters": [cluster("cheap", 0.1), cluster("dear", 1.0)],
        **settings,
    }
    return Installation.open(Settings.model_validate(given))


@pytest.fixture
def installation(tmp_path) -> Iterator[Installation]:
    made = opened(tmp_path)
    made.require_store().upgrade()
    yield made
    made.close()


def add_tasks(installation: Installation, *names: str) -> None:
    profiler = Profiler()
    installation.require_store().save_profiles(
        [profiler.predict(TaskKey("dag", name), now=NOW) for name in names]
    )


def used(plan: PlacementPlan | None) -> set[str]:
    assert plan is not None
    return {given.cluster for given in plan.assignments}


def quarantine(name: str) -> Response:
    return Response(
        id=f"q-{name}",
        super_alarm="s",
        action=ResponseAction.QUARANTINE,
        reason="bad data",
        starts_at=NOW,
        expires_at=NOW + timedelta(hours=1),
        clusters=(name,),
    )


def lost(name: str) -> ClusterHealth:
    return ClusterHealth(cluster=name, state=HealthState.UNREACHABLE, observed_at=NOW)


def test_nothing_to_plan(installation):
    """Without a known task there is no plan."""
    assert replan(installation, NOW, "period") is None


def test_first_plan_is_put_in_force(installation):
    """The first plan takes over at once and uses the cheaper cluster."""
    add_tasks(installation, "a", "b")
    plan = replan(installation, NOW, "period")
    assert used(plan) == {"cheap"}
    assert plan == installation.require_store().plan_in_force()
    assert plan.version == 1


def test_plan_that_gains_nothing_is_not_switched_to(installation):
    """The same again keeps the version, so that no task moves for nothing."""
    add_tasks(installation, "a", "b")
    first = replan(installation, NOW, "period")
    assert replan(installation, NOW + timedelta(hours=1), "period") == first


def test_new_task_makes_a_new_plan(installation):
    """A task that the plan in force does not know is reason enough."""
    add_tasks(installation, "a")
    replan(installation, NOW, "period")
    add_tasks(installation, "b")
    plan = replan(installation, NOW, "period")
    assert {task.name for group in plan.groups for task in group.tasks} == {"a", "b"}
    assert plan.version == 2


def quarantined(store: Store) -> Callable[[], None]:
    store.save_response(quarantine("cheap"))
    return lambda: store.release_response("q-cheap", NOW)


def unreachable(store: Store) -> Callable[[], None]:
    store.record_health([lost("cheap")])
    well = replace(lost("cheap"), state=HealthState.HEALTHY, observed_at=NOW)
    return lambda: store.record_health([well])


def unfit(store: Store) -> Callable[[], None]:
    store.set_check("cluster_check/cheap", FAILED_CHECK)
    return lambda: forget_check(store, "cheap")


@pytest.mark.parametrize("trouble", [quarantined, unreachable, unfit])
def test_cluster_in_trouble_is_left_and_come_back_to(installation, trouble):
    """A plan leaves a cluster that must not be used, and comes back to it when it may be."""
    store = installation.require_store()
    add_tasks(installation, "a")
    assert used(replan(installation, NOW, "period")) == {"cheap"}
    end = trouble(store)
    assert used(replan(installation, NOW, "trouble")) == {"dear"}
    end()
    assert used(replan(installation, NOW + timedelta(minutes=1), "well again")) == {"cheap"}


def test_all_clusters_in_trouble_are_never_all_unavailable(installation):
    """Those that answer come back before unreachable ones; all lost count as none lost."""
    store = installation.require_store()
    store.save_response(quarantine("cheap"))
    store.record_health([lost("dear")])
    clusters = installation.clusters
    assert unavailable_clusters(store, clusters, NOW) == {"dear"}
    store.set_check("cluster_check/cheap", FAILED_CHECK)
    assert unavailable_clusters(store, clusters, NOW) == {"dear"}
    store.record_health([lost("cheap")])
    assert unavailable_clusters(store, clusters, NOW) == frozenset()


def test_dry_run_and_lapsed_quarantines_count_for_nothing(installation):
    """A response that routers need not honour does not move the plan either."""
    store = installation.require_store()
    store.save_response(replace(quarantine("cheap"), dry_run=True))
    store.save_response(quarantine("dear"))
    later = NOW + timedelta(hours=2)
    assert unavailable_clusters(store, installation.clusters, later) == frozenset()
    assert unavailable_clusters(store, installation.clusters, NOW) == {"dear"}


def test_unsound_plan_is_refused(installation, monkeypatch, caplog):
    """A plan that breaks a promise is logged and remembered, and the old one stays."""
    from aiops_provider.placement import workloads

    add_tasks(installation, "a")
    old = replan(installation, NOW, "period")
    made = workloads.plan_workloads

    def broken(*args: Any, **kwargs: Any) -> PlacementPlan:
        plan = made(*args, **kwargs)
        first, *others = plan.assignments
        return replace(plan, assignments=(replace(first, cluster="nowhere"), *others))

    monkeypatch.setattr(workloads, "plan_workloads", broken)
    add_tasks(installation, "b")
    assert replan(installation, NOW, "period") == old
    assert "nowhere" in caplog.text
    problem = planning_problem(installation.require_store())
    assert "nowhere" in problem["problem"]
    monkeypatch.setattr(workloads, "plan_workloads", made)
    assert replan(installation, NOW, "period").version == old.version + 1
    assert planning_problem(installation.require_store()) is None


def test_unreachable_sla_level_keeps_the_old_plan(tmp_path):
    """A plan that misses the SLA level asked for never takes over, and the conflict is told."""
    small = [cluster("cheap", 0.1, cores=16)]
    objective = {"minimize": "cost", "sla": 0.99, "budget_usd_per_hour": 1e-9}
    installation = opened(tmp_path, clusters=small, objective=objective)
    store = installation.require_store()
    store.upgrade()
    add_tasks(installation, "a")
    assert replan(installation, NOW, "period") is None
    assert "budget" in planning_problem(store)["problem"]
    installation.close()


def test_data_is_not_moved_where_that_is_dearer_than_the_machine(tmp_path):
    """The price of moving data out of its region, from the catalogue, decides against a cheap pool."""
    far = {**cluster("far", 0.1), "provider": "aws", "region": "us-east-1"}
    near = {**cluster("near", 0.2), "provider": "aws", "region": "sa-east-1"}
    installation = opened(tmp_path, clusters=[far, near])
    store = installation.require_store()
    store.upgrade()
    profile = Profiler().predict(TaskKey("dag", "a"), now=NOW)
    store.save_profiles([replace(profile, data_region="sa-east-1", input_gib=100.0)])
    plan = replan(installation, NOW, "period")
    installation.close()
    assert used(plan) == {"near"}


def test_where_moving_data_is_free_the_cheap_pool_is_taken(tmp_path):
    """A price of the user of 0 for the same pair of regions turns the decision round."""
    far = {**cluster("far", 0.1), "provider": "aws", "region": "us-east-1"}
    near = {**cluster("near", 0.2), "provider": "aws", "region": "sa-east-1"}
    free = {"from_region": "sa-east-1", "to_region": "us-east-1", "usd_per_gib": 0.0}
    installation = opened(tmp_path, clusters=[far, near], catalog={"egress": [free]})
    store = installation.require_store()
    store.upgrade()
    profile = Profiler().predict(TaskKey("dag", "a"), now=NOW)
    store.save_profiles([replace(profile, data_region="sa-east-1", input_gib=100.0)])
    plan = replan(installation, NOW, "period")
    installation.close()
    assert used(plan) == {"far"}


def test_measured_availability_decides_where_the_level_asks_for_it(tmp_path):
    """A cheap cluster that was away for a tenth of two days is left for one that never was."""
    made = opened(tmp_path, objective={"minimize": "cost", "sla": 0.99})
    store = made.require_store()
    store.upgrade()
    add_tasks(made, "train")
    replan(made, NOW, "test")
    assert used(store.plan_in_force()) == {"cheap"}
    for step in range(2 * 24 * 12 + 1):
        at = NOW + timedelta(minutes=5 * step)
        state = HealthState.UNREACHABLE if step % 10 == 1 else HealthState.HEALTHY
        store.record_health(
            [
                ClusterHealth(cluster="cheap", state=state, observed_at=at),
                ClusterHealth(cluster="dear", state=HealthState.HEALTHY, observed_at=at),
            ]
        )
    assert store.availability()["cheap"].share == pytest.approx(0.9, abs=0.01)
    replan(made, NOW + timedelta(days=2), "test")
    assert used(store.plan_in_force()) == {"dear"}
    made.close()


def test_said_availability_wins_over_the_measured_one(tmp_path):
    """Who knows of a repair says so in aiops.yaml."""
    clusters = [{**cluster("cheap", 0.1), "availability": 0.999}, cluster("dear", 1.0)]
    made = opened(tmp_path, clusters=clusters, objective={"minimize": "cost", "sla": 0.99})
    store = made.require_store()
    store.upgrade()
    add_tasks(made, "train")
    for step in range(2 * 24 * 12 + 1):
        state = HealthState.UNREACHABLE if step % 10 == 1 else HealthState.HEALTHY
        at = NOW + timedelta(minutes=5 * step)
        store.record_health([ClusterHealth(cluster="cheap", state=state, observed_at=at)])
    replan(made, NOW + timedelta(days=2), "test")
    assert used(store.plan_in_force()) == {"cheap"}
    made.close()


def test_serving_goes_where_its_users_are_answered_in_time(tmp_path):
    """The cheap cluster is an ocean away, and the objective leaves no time for that."""
    clusters = [
        {**cluster("cheap", 0.1), "provider": "aws", "region": "us-east-1"},
        {**cluster("dear", 1.0), "provider": "aws", "region": "sa-east-1"},
    ]
    made = opened(tmp_path, clusters=clusters)
    store = made.require_store()
    store.upgrade()
    described = Serving(
        model=ModelCandidate(family="linear"),
        requests_per_s=1.0,
        latency_objective_ms=90.0,
        user_regions=("sa-east-1",),
    )
    profile = Profiler().predict(TaskKey("dag", "serve"), described, now=NOW)
    assert profile.sla_attainment == 0.95
    store.save_profiles([profile])
    assert used(replan(made, NOW, "test")) == {"dear"}
    made.close()


def test_figures_that_move_a_little_do_not_switch_plans(tmp_path):
    """A plan at least cost keeps its level exactly; a lost probe more must not undo it."""
    made = opened(
        tmp_path,
        objective={"minimize": "cost", "sla": 0.95},
        planning={"switching_cost_usd": 1000.0},
    )
    store = made.require_store()
    store.upgrade()
    add_tasks(made, "train", "load")
    versions = set()
    for step in range(4 * 24 * 12 + 1):
        at = NOW + timedelta(minutes=5 * step)
        state = HealthState.UNREACHABLE if step % 289 == 288 else HealthState.HEALTHY
        for name in ("cheap", "dear"):
            store.record_health([ClusterHealth(cluster=name, state=state, observed_at=at)])
        if step >= 300 and step % 72 == 0 and state is HealthState.HEALTHY:
            plan = replan(made, at, "test")
            assert plan is not None
            versions.add(plan.version)
    assert len(versions) == 1
    made.close()


def claims_of_a_day(day: int) -> list[ExecutionRecord]:
    """Nine small runs of a minute, and a large one of two hours."""
    midnight = NOW - timedelta(days=day, hours=12)
    found = []
    for number in range(10):
        large = number == 9
        seconds, gib = (7200, 20.0) if large else (60, 0.4)
        started = midnight + timedelta(hours=number)
        found.append(
            ExecutionRecord(
                run=TaskRun(TaskKey("claims", "load"), f"{day}/{number}"),
                cluster="cheap",
                provider="cheap",
                region="r",
                started_at=started,
                ended_at=started + timedelta(seconds=seconds),
                outcome=Outcome.SUCCESS,
                usage=Usage(peak_memory_gib=gib, cpu_seconds=seconds, duration_s=seconds),
                inputs=(("rows", 1e7 if large else 1e4),),
            )
        )
    return found


def test_a_task_is_counted_by_its_inputs(tmp_path):
    """A plan reserves for nine small runs and one large one a day, as much as these hold."""
    installation = opened(
        tmp_path, clusters=[cluster("cheap", 0.1) | {"pools": [SMALL]}, cluster("dear", 1.0)]
    )
    store = installation.require_store()
    store.upgrade()
    learn(installation, [each for day in range(20, 0, -1) for each in claims_of_a_day(day)], NOW)
    plan = replan(installation, NOW, "test")
    (group,), (profile,) = plan.groups, store.profiles()
    small, large = profile.by_input.shares
    assert (small.share, large.share) == (0.9, 0.1)
    per_day = sum(profile.starts_by_hour_of_week) / 7
    assert 9 < per_day < 11

    gib_hours = sum(group.memory_gib_by_slot) / 7
    small_hours, large_hours = 0.9 * per_day / 60, 0.1 * per_day * 2
    expected = small_hours * small.memory_gib + large_hours * large.memory_gib
    assert gib_hours == pytest.approx(expected, rel=0.1)
    # What the runs of a day have held; by the quantiles of all runs together the rare long ones are lost.
    held = 9 / 60 * 0.4 + 2 * 20.0
    any_input = make_group([replace(profile, by_input=None)])
    assert held <= gib_hours < 1.3 * held
    assert sum(any_input.memory_gib_by_slot) / 7 < held / 2
    assert any_input.name == group.name
    assert any("claims/load is counted by its inputs, rows" in each for each in plan.explanation)

    # Only the dear one has a machine for the large runs, and the task is there as a whole.
    assert used(plan) == {"dear"}
    decider = Decider(installation, clock=lambda: NOW)
    decider.swap(load_snapshot(installation, NOW))
    for rows, gib in ((1e4, small.memory_gib), (1e7, large.memory_gib)):
        run = TaskRun(profile.task, f"next {rows:g}")
        route = decider.decide(TaskRequest(run=run, inputs=(("rows", rows),))).placement.route
        assert (route.cluster, route.request.memory_gib) == ("dear", gib)
        assert route.reason.figures["plan_share"] == 1.0
    installation.close()


def test_a_plan_by_inputs_stays_in_force_when_nothing_changes(installation):
    """The old one is judged by the same classes."""
    history = [each for day in range(20, 0, -1) for each in claims_of_a_day(day)]
    learn(installation, history, NOW)
    first = replan(installation, NOW, "test")
    assert replan(installation, NOW, "again").version == first.version


def test_runs_that_no_pool_can_hold_cost_the_others_no_place(tmp_path):
    """The plan says which; it stays when nothing changes."""
    installation = opened(
        tmp_path,
        clusters=[cluster(name, 0.1) | {"pools": [SMALL]} for name in ("cheap", "dear")],
        objective={"minimize": "cost", "sla": 0.99},
    )
    installation.require_store().upgrade()
    learn(installation, [each for day in range(20, 0, -1) for each in claims_of_a_day(day)], NOW)
    plan = replan(installation, NOW, "test")
    assert plan.sla_attainment == pytest.approx(0.99)  # as asked for
    (group,) = plan.groups
    assert group.request.memory_gib < 1
    (told,) = (each for each in plan.explanation if "counted by" in each)
    assert "10.0% of the runs, up to 1e+07, ask for up to" in told
    assert "which no pool has" in told
    assert replan(installation, NOW, "again").version == plan.version
    installation.close()
