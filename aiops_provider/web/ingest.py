"""Routes that workers report to."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends, Request
from fastapi.concurrency import run_in_threadpool

from aiops_provider.control.ingest import accept_executions, accept_samples
from aiops_provider.control.tokens import Scope, TokenClaims
from aiops_provider.domain.units import utc_now
from aiops_provider.web.auth import Requires, installation_of
from aiops_provider.web.body import ExecutionsBody, SamplesBody, body_schema, read_body

router = APIRouter(prefix="/api/v1", tags=["ingest"])

Reporter = Annotated[TokenClaims, Depends(Requires(Scope.INGEST))]


@router.post("/kpis", status_code=202, openapi_extra=body_schema(SamplesBody))
async def post_kpis(request: Request, claims: Reporter) -> dict[str, int]:
    """Take in KPI samples; the same sample sent again is counted as a duplicate."""
    body = await read_body(request, SamplesBody)
    receipt = await run_in_threadpool(
        accept_samples, installation_of(request), body.samples, claims, utc_now()
    )
    return {"accepted": receipt.accepted, "duplicates": receipt.duplicates}


@router.post("/executions", status_code=202, openapi_extra=body_schema(ExecutionsBody))
async def post_executions(request: Request, claims: Reporter) -> dict[str, int]:
    """Take in what happened to tries that have ended."""
    body = await read_body(request, ExecutionsBody)
    accepted = await run_in_threadpool(
        accept_executions, installation_of(request), body.records, claims, utc_now()
    )
    return {"accepted": accepted}
