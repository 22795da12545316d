"""``aiops route`` keeps apart what lives already, as far as the store knows it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from aiops_provider.control.installation import Installation
from aiops_provider.control.route_task import route_task
from aiops_provider.control.stored_instances import stored_instances
from aiops_provider.domain.execution import ExecutionRecord, Outcome
from aiops_provider.domain.plan import (
    Mode,
    Placement,
    PlacementState,
    Route,
    RouteCode,
    RouteReason,
)
from aiops_provider.domain.profile import (
    ComputeType,
    Quantity,
    ResourceRequest,
    Source,
    WorkloadProfile,
)
from aiops_provider.domain.separation import AntiAffinityRule, FailureDomain, SpreadRule
from aiops_provider.domain.task import TaskKey, TaskRun
from aiops_provider.settings.schema import Settings
from aiops_provider.store import Store

NOW = datetime(2026, 3, 2, 12, tzinfo=UTC)
SEARCH, INDEX = TaskKey("shop", "search"), TaskKey("shop", "index")
APART = AntiAffinityRule(domain=FailureDomain.CLUSTER, tasks=(INDEX,))
SPREAD = SpreadRule(domain=FailureDomain.CLUSTER, at_least=2)


def exactly(value: float) -> Quantity:
    return Quantity(p50=value, p80=value, p95=value, source=Source.PRIOR)


def profile(task: TaskKey, **said: object) -> WorkloadProfile:
    return WorkloadProfile(
        task=task,
        compute_type=ComputeType.CPU,
        cores=exactly(1),
        memory_gib=exactly(1),
        duration_s=exactly(600),
        request=ResourceRequest(cores=1, memory_gib=1),
        predicted_at=NOW,
        **said,  # type: ignore[arg-type]
    )


def placed(
    task: TaskKey,
    cluster: str,
    run_id: str = "r",
    *,
    minutes_ago: float = 5,
    try_number: int = 1,
    epoch: int = 1,
    state: PlacementState = PlacementState.SUBMITTED,
) -> Placement:
    route = Route(
        task=task,
        cluster=cluster,
        pool="default",
        request=ResourceRequest(cores=1, memory_gib=1),
        reason=RouteReason(code=RouteCode.CHEAPEST, sentence="it is cheap"),
    )
    return Placement(
        run=TaskRun(task, run_id, try_number=try_number),
        epoch=epoch,
        route=route,
        mode=Mode.ENFORCE,
        applied=True,
        cluster=cluster,
        placed_at=NOW - timedelta(minutes=minutes_ago),
        state=state,
    )


@pytest.fixture
def installation(tmp_path):
    """The cheaper cluster is a."""
    clusters = [
        {
            "name": name,
            "kind": "local",
            "capacity": {"cores": 8, "memory_gib": 64},
            "price_usd_per_hour": price,
        }
        for name, price in (("a", 1.0), ("b", 2.0))
    ]
    settings = Settings.model_validate({"clusters": clusters, "fallback_cluster": "a"})
    store = Store.open(f"sqlite:///{tmp_path / 'aiops.db'}")
    store.upgrade()
    yield Installation(settings=settings, store=store, clusters=settings.cluster_specs)
    store.close()


def ended(placement: Placement) -> ExecutionRecord:
    return ExecutionRecord(
        run=placement.run,
        cluster=placement.cluster,
        provider="p",
        region="r",
        started_at=placement.placed_at,
        ended_at=NOW,
        outcome=Outcome.SUCCESS,
    )


def where(installation: Installation, task: TaskKey) -> str:
    return route_task(installation, task, NOW).route.cluster


def test_a_task_is_kept_from_what_runs_whoever_of_both_said_so(installation):
    """Until that one has ended; then the cheaper cluster is the best again."""
    store = installation.require_store()
    store.save_profiles([profile(SEARCH, anti_affinity=(APART,)), profile(INDEX)])
    assert "a" == where(installation, SEARCH)
    other = placed(INDEX, "a")
    store.record_placements([other])
    routed = route_task(installation, SEARCH, NOW).route
    assert "b" == routed.cluster
    assert "shares a cluster with shop/index" in routed.reason.rejected["a"]
    # Its own instances do not keep a task without a rule away, those of the one that shuns it do.
    assert "a" == where(installation, INDEX)
    store.record_placements([placed(SEARCH, "a")])
    assert "b" == where(installation, INDEX)
    store.record_executions([ended(other)])
    assert "a" == where(installation, SEARCH)


def test_a_task_that_is_spread_goes_to_the_domain_with_fewer_instances(installation):
    """Also where it is dearer; two of three must not be on one of two."""
    store = installation.require_store()
    store.save_profiles([profile(SEARCH, spread=SPREAD)])
    assert "a" == where(installation, SEARCH)
    store.record_placements([placed(SEARCH, "a", "r1")])
    assert "b" == where(installation, SEARCH)
    store.record_placements([placed(SEARCH, "b", "r2")])
    assert "a" == where(installation, SEARCH)


@pytest.mark.parametrize(
    "rows",
    [
        [placed(INDEX, "a", minutes_ago=60 * 49)],
        [placed(INDEX, "a", state=PlacementState.SUPERSEDED)],
        [placed(INDEX, "a", state=PlacementState.FENCED)],
        [placed(INDEX, "a"), placed(INDEX, "b", epoch=2, minutes_ago=4)],
        [placed(INDEX, "a"), placed(INDEX, "b", try_number=2, minutes_ago=4)],
    ],
)
def test_only_the_last_placement_of_a_run_that_may_live_counts(installation, rows):
    """Not what is long gone, fenced off, or was placed or tried again elsewhere."""
    store = installation.require_store()
    store.record_placements(rows)
    shy = profile(SEARCH, anti_affinity=(APART,))
    found = stored_instances(store, shy, {}, NOW)
    assert found is not None
    assert not any("a" in each.clusters for each in found.neighbours)


def test_without_rules_nothing_is_counted(installation):
    """However many instances live."""
    store = installation.require_store()
    store.record_placements([placed(INDEX, "a"), placed(SEARCH, "a")])
    assert stored_instances(store, profile(SEARCH), {INDEX: profile(INDEX)}, NOW) is None
