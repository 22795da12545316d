"""Routes that read what the store holds, as JSON, and those of people who operate the layer."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query, Request, Response
from fastapi.security import HTTPBearer
from pydantic import AwareDatetime

from aiops_provider import __version__
from aiops_provider.control.cluster_check import failed_checks
from aiops_provider.control.data_hold import DataHold, data_hold
from aiops_provider.control.replan import request_plan
from aiops_provider.control.tokens import Scope, TokenClaims
from aiops_provider.domain.alarm import Alarm, SuperAlarm
from aiops_provider.domain.alarm import Response as AlarmResponse
from aiops_provider.domain.cluster import ClusterHealth, ClusterSpec
from aiops_provider.domain.kpi import KpiSample
from aiops_provider.domain.plan import Placement, PlacementPlan
from aiops_provider.domain.profile import WorkloadProfile
from aiops_provider.domain.task import TaskKey
from aiops_provider.domain.units import utc_now
from aiops_provider.errors import DataError, StoreError
from aiops_provider.store import Store
from aiops_provider.web.auth import Requires, installation_of

# HTTPBearer only documents the scheme in openapi.json; Requires is what refuses.
router = APIRouter(prefix="", tags=["read"], dependencies=[Depends(HTTPBearer(auto_error=False))])

_reader = Depends(Requires(Scope.READ))
Limit = Annotated[int, Query(ge=1, le=1000, description="At most so many, newest first.")]
Task = Annotated[str | None, Query(description="namespace/name")]


def _store(request: Request) -> Store:
    return installation_of(request).require_store()


def _key(task: str | None) -> TaskKey | None:
    return None if task is None else TaskKey.parse(task)


@router.get("/api/v1/health", dependencies=[Depends(Requires(None))])
def get_health(request: Request, response: Response) -> dict[str, Any]:
    """Whether this server can do its work."""
    status = {"status": "ok", "version": __version__, "now": utc_now().isoformat(), "detail": ""}
    try:
        _store(request).check()
    except StoreError as error:
        response.status_code = 503
        status |= {"status": "unavailable", "detail": str(error)}
    return status


@router.get("/api/v1/profiles", dependencies=[_reader])
def get_profiles(request: Request, task: Task = None) -> list[WorkloadProfile]:
    """What each task is expected to need."""
    key = _key(task)
    if key is None:
        return list(_store(request).profiles())
    profile = _store(request).profile(key)
    return [] if profile is None else [profile]


@router.get("/api/v1/plan", dependencies=[_reader])
def get_plan(request: Request) -> PlacementPlan | None:
    """The plan in force; null before the first one."""
    return _store(request).plan_in_force()


@router.post("/api/v1/plan", status_code=202)
def post_plan(
    request: Request,
    claims: Annotated[TokenClaims, Depends(Requires(Scope.ADMIN))],
    reason: Annotated[str, Query(min_length=1, max_length=200)] = "no reason given",
) -> dict[str, str]:
    """Ask for a new plan; the process that plans takes this up in its next round."""
    request_plan(_store(request), utc_now(), reason=reason, by=claims.subject)
    return {"requested": reason}


@router.get("/api/v1/kpis", dependencies=[_reader])
def get_kpis(
    request: Request,
    name: str,
    label: Annotated[list[str], Query(description="name=value; a sample must have all.")] = [],  # noqa: B006 - FastAPI copies it
    since: Annotated[AwareDatetime | None, Query(description="By default 24 hours ago.")] = None,
    limit: Limit = 100,
) -> list[KpiSample]:
    """The newest samples of a KPI, newest first."""
    labels = dict(_label(each) for each in label)
    since = since or utc_now() - timedelta(hours=24)
    return _store(request).newest_samples(name, labels=labels, since=since, limit=limit)


def _label(text: str) -> tuple[str, str]:
    name, equals, value = text.partition("=")
    if not name or not equals:
        raise DataError("is no label", field="label", value=text, mend="Give name=value")
    return name, value


@router.get("/api/v1/routes", dependencies=[_reader])
def get_routes(
    request: Request, task: Task = None, run_id: str | None = None, limit: Limit = 100
) -> list[Placement]:
    """Where tries were sent, and why."""
    return list(_store(request).placements(task=_key(task), run_id=run_id, limit=limit))


@router.get("/api/v1/alarms", dependencies=[_reader])
def get_alarms(
    request: Request, open_only: bool = False, super_alarm: str | None = None, limit: Limit = 1000
) -> list[Alarm]:
    """Deviating series."""
    return list(_store(request).alarms(open_only=open_only, super_alarm=super_alarm, limit=limit))


@router.get("/api/v1/super-alarms", dependencies=[_reader])
def get_super_alarms(
    request: Request, open_only: bool = False, limit: Limit = 100
) -> list[SuperAlarm]:
    """Alarms of one cause, told once, with hypotheses and response."""
    return list(_store(request).super_alarms(open_only=open_only, limit=limit))


@router.get("/api/v1/data-hold", dependencies=[_reader])
def get_data_hold(
    request: Request, task: Annotated[str, Query(description="namespace/name")]
) -> DataHold:
    """Whether nobody should use the data of a task, and up to when they have been judged."""
    return data_hold(_store(request), TaskKey.parse(task), utc_now())


@router.get("/api/v1/responses", dependencies=[_reader])
def get_responses(
    request: Request, active: bool = False, limit: Limit = 100
) -> list[AlarmResponse]:
    """What was done about super-alarms."""
    at = utc_now() if active else None
    return list(_store(request).responses(active_at=at, limit=limit))


@router.post(
    "/api/v1/responses/{response_id}/release", dependencies=[Depends(Requires(Scope.ADMIN))]
)
def release_response(request: Request, response_id: str) -> dict[str, str]:
    """Lift a quarantine or a hold before it lapses."""
    store = _store(request)
    known = {response.id for response in store.responses(active_at=utc_now(), limit=1000)}
    if response_id not in known:
        raise DataError(
            "no such response is in force",
            field="response_id",
            value=response_id,
            mend="GET api/v1/responses?active=true lists them.",
        )
    store.release_response(response_id, utc_now())
    return {"released": response_id}


@dataclass(frozen=True, slots=True, kw_only=True)
class ClusterView:
    """
    A cluster as configured and as last seen.

    Attributes:
        spec: As configured, without the options of its kind, which may hold credentials.
        stands_in: Whether local processes stand in for a cloud.
        health: What the last probe said, if there was one.
        quarantined_because: Why routers avoid it, if they do.
        unfit_because: Why its last check failed, if it did: routers avoid it for that too.
    """

    spec: ClusterSpec
    stands_in: bool
    health: ClusterHealth | None
    quarantined_because: str | None
    unfit_because: str | None


@router.get("/api/v1/clusters", dependencies=[_reader])
def get_clusters(request: Request) -> list[ClusterView]:
    """The clusters, how they are and whether they are avoided."""
    store, now = _store(request), utc_now()
    health, unfit = store.health(), failed_checks(store)
    reasons = {
        name: response.reason
        for response in store.responses(active_at=now, limit=1000)
        if response.active(now)
        for name in response.clusters
    }
    return [
        ClusterView(
            spec=replace(spec, options={}),
            stands_in=spec.stands_in,
            health=health.get(spec.name),
            quarantined_because=reasons.get(spec.name),
            unfit_because=unfit.get(spec.name),
        )
        for spec in installation_of(request).clusters
    ]


@router.get("/openapi.json", dependencies=[Depends(Requires(None))], include_in_schema=False)
def get_openapi(request: Request) -> dict[str, Any]:
    """The description of this API for machines."""
    document: dict[str, Any] = request.app.openapi()
    return document
