"""An installation with a little of everything in its store, and callers with and without a token."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta

import httpx
import pytest
from pydantic_core import to_jsonable_python
from starlette.types import ASGIApp

from aiops_provider.control.installation import Installation
from aiops_provider.control.tokens import issue_token
from aiops_provider.domain.alarm import (
    Alarm,
    CauseKind,
    Hypothesis,
    Response,
    ResponseAction,
    RootCause,
    Severity,
    SimilarIncident,
    SuperAlarm,
)
from aiops_provider.domain.cluster import ClusterHealth, HealthState
from aiops_provider.domain.execution import ExecutionRecord, Outcome, Usage
from aiops_provider.domain.kpi import SeriesKey
from aiops_provider.domain.plan import (
    Alternative,
    Assignment,
    Mode,
    Objective,
    Placement,
    PlacementPlan,
    PlanStatus,
    Route,
    RouteCode,
    RouteReason,
    WorkloadGroup,
)
from aiops_provider.domain.profile import (
    ComputeType,
    Quantity,
    ResourceRequest,
    Source,
    WorkloadProfile,
)
from aiops_provider.domain.task import TaskKey, TaskRun
from aiops_provider.domain.units import utc_now
from aiops_provider.settings.schema import Settings
from aiops_provider.web import create_app

TRAIN = TaskKey("medical", "train<b>")
RUN = TaskRun(TRAIN, "manual__1")
REQUEST = ResourceRequest(cores=2, memory_gib=2, reason="p95 and a margin")
QUANTITY = Quantity(p50=1, p80=1.5, p95=2, source=Source.OWN_HISTORY, sample_count=3, reason="own")
CAPACITY = {"cores": 8, "memory_gib": 32}
CLUSTERS = [
    {"name": "onprem", "kind": "local", "capacity": CAPACITY, "price_usd_per_hour": 0.9},
    {
        "name": "brazil",
        "kind": "local",
        "provider": "aws",
        "region": "sa-east-1",
        "options": {"password": "hush"},
        "pools": [{"instance_type": "m7i", "machine": CAPACITY, "price_usd_per_hour": 1.25}],
    },
]


class Caller:
    """Calls an application in this process, one event loop per request."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app
        self.headers: dict[str, str] = {}

    def request(self, method: str, path: str, **options) -> httpx.Response:
        """Send one request; headers given here go before those of the caller."""

        async def send() -> httpx.Response:
            transport = httpx.ASGITransport(app=self.app)
            async with httpx.AsyncClient(transport=transport, base_url="http://test") as client:
                return await client.request(method, path, **options)

        options["headers"] = self.headers | options.get("headers", {})
        return asyncio.run(send())

    def get(self, path: str, **options) -> httpx.Response:
        """GET."""
        return self.request("GET", path, **options)

    def post(self, path: str, **options) -> httpx.Response:
        """POST."""
        return self.request("POST", path, **options)


def super_alarm(now: datetime) -> SuperAlarm:
    """One incident: everything on aws deviates."""
    cause = {"provider": "aws"}
    return SuperAlarm(
        id="s1",
        summary="Row counts fell on aws <script>alert(1)</script>",
        opened_at=now - timedelta(minutes=9),
        severity=Severity.CRITICAL,
        alarms=("a1",),
        representative="a1",
        root_cause=RootCause(
            hypotheses=(
                Hypothesis(cause=cause, kind=CauseKind.CLUSTER, support=0.95, precision=0.9, lift=3.1,
                           p_value=1e-9, confidence=0.97, counter_evidence="one healthy run",
                           remedy="Ask <aws> for quota."),
                Hypothesis(cause=cause | {"task": "load"}, kind=CauseKind.TASK, support=0.4,
                           precision=0.5, lift=1.5, p_value=0.2, confidence=0.1, depth=1,
                           parent=cause, next_check="run it elsewhere"),
            )
        ),
        updated_at=now,
        impact="24 tasks",
        response=response(now),
        similar=(
            SimilarIncident(id="s0", similarity=0.83, opened_at=now - timedelta(days=9),
                            closed_at=now - timedelta(days=8), cause=cause, closed_by="quota raised"),
        ),
        note="looking <b>into</b> it",
    )  # fmt: skip


def response(now: datetime) -> Response:
    """What was done about it."""
    return Response(
        id="r1",
        super_alarm="s1",
        action=ResponseAction.QUARANTINE,
        reason="95 % of the alarms are on aws",
        starts_at=now - timedelta(minutes=5),
        expires_at=now + timedelta(minutes=55),
        clusters=("brazil",),
    )


def alarm(now: datetime) -> Alarm:
    """One member of the incident."""
    return Alarm(
        id="a1",
        series=SeriesKey("row_count", (("dag", "medical"), ("task", "load"))),
        observed_at=now,
        value=3.0,
        expected=900.0,
        score=0.99,
        p_value=1e-6,
        attributes={"provider": "aws"},
        super_alarm="s1",
    )


def profile(now: datetime) -> WorkloadProfile:
    """What a task needs."""
    return WorkloadProfile(
        task=TRAIN,
        compute_type=ComputeType.CPU,
        cores=QUANTITY,
        memory_gib=QUANTITY,
        duration_s=QUANTITY,
        request=REQUEST,
        predicted_at=now,
    )


def plan(now: datetime) -> PlacementPlan:
    """A plan with one group."""
    group = WorkloadGroup(
        name="g1",
        tasks=(TRAIN,),
        request=REQUEST,
        cores_by_slot=(1.0,),
        memory_gib_by_slot=(1.0,),
        accelerators_by_slot=(0.0,),
        peak_of_sum_cores=1,
        sum_of_peaks_cores=2,
    )
    return PlacementPlan(
        groups=(group,),
        assignments=(
            Assignment(group="g1", cluster="brazil", pool="m7i", share=1.0, cost_usd_per_hour=0.2),
        ),
        objective=Objective(budget_usd_per_hour=40),
        objective_value=1.0,
        bound=1.0,
        gap=0.0,
        status=PlanStatus.OPTIMAL,
        cost_usd_per_hour=0.2,
        sla_attainment=1.0,
        created_at=now,
        shadow_prices={"brazil": 0.03},
        solver="HiGHS",
        solve_s=0.4,
        explanation=("All demand fits.",),
    )


def placement(now: datetime) -> Placement:
    """Where the try was sent."""
    return Placement(
        run=RUN,
        epoch=1,
        route=Route(
            task=TRAIN,
            cluster="brazil",
            pool="m7i",
            request=REQUEST,
            reason=RouteReason(
                code=RouteCode.PLAN,
                sentence="The plan sends it to brazil.",
                rejected={"onprem": "dearer by $0.10"},
                figures={"score": 0.5},
            ),
            alternatives=(
                Alternative(cluster="onprem", pool="default", score_usd=0.2, expected_cost_usd=0.2),
            ),
            expected_cost_usd=0.01,
            plan_version=1,
        ),
        mode=Mode.ENFORCE,
        applied=True,
        cluster="brazil",
        placed_at=now,
    )


def execution(now: datetime) -> ExecutionRecord:
    """How the try ended."""
    return ExecutionRecord(
        run=RUN,
        cluster="brazil",
        provider="aws",
        region="sa-east-1",
        started_at=now - timedelta(minutes=2),
        ended_at=now - timedelta(minutes=1),
        outcome=Outcome.SUCCESS,
        request=REQUEST,
        usage=Usage(peak_memory_gib=1.5, cpu_seconds=90, duration_s=60),
    )


@pytest.fixture
def installation(tmp_path) -> Iterator[Installation]:
    """With tables and clusters, and nothing that happened."""
    settings = Settings.model_validate(
        {
            "store": f"sqlite:///{tmp_path}/aiops.db",
            "clusters": CLUSTERS,
            "server": {"token_secret": "s" * 40},
        }
    )
    opened = Installation.open(settings)
    opened.require_store().upgrade()
    yield opened
    opened.close()


@pytest.fixture
def lively(installation) -> Installation:
    """With a plan, a route, a run, an incident."""
    now, store = utc_now(), installation.require_store()
    store.save_profiles([profile(now)])
    store.save_plan(plan(now), activate=True)
    store.record_placements([placement(now)])
    store.record_executions([execution(now)])
    store.save_super_alarms([super_alarm(now)])
    store.save_alarms([alarm(now)])
    store.save_response(response(now))
    store.record_health(
        [ClusterHealth(cluster="onprem", state=HealthState.HEALTHY, observed_at=now)]
    )
    return installation


@pytest.fixture
def caller(installation) -> Callable[..., Caller]:
    """``caller("read")`` has a token with that right; ``caller()`` has none."""

    def call(scope: str | None = None, run: TaskRun | None = None) -> Caller:
        client = Caller(create_app(installation))
        if scope is not None:
            token = issue_token(
                installation.token_secret, scope=scope, subject="test", valid_s=60, run=run
            )
            client.headers["Authorization"] = f"Bearer {token}"
        return client

    return call


@pytest.fixture
def record() -> dict:
    """An execution record as a worker would send it."""
    return to_jsonable_python(execution(utc_now()))


@pytest.fixture
def call() -> type[Caller]:
    """``call(app)`` calls any application."""
    return Caller
