"""Builds the application: routes, error answers, limits, headers."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse, Response

from aiops_provider import __version__
from aiops_provider.control.installation import Installation
from aiops_provider.errors import (
    AiopsError,
    DataError,
    DescriptionError,
    InfeasibleError,
    StoreError,
    TokenError,
    TokenScopeError,
)
from aiops_provider.web import api, ingest, page
from aiops_provider.web.auth import HostAccess, challenge
from aiops_provider.web.body import BodyTooLargeError, document_bodies

_STATUS: tuple[tuple[type[AiopsError], int], ...] = (
    (TokenScopeError, 403),
    (TokenError, 401),
    (BodyTooLargeError, 413),
    (DataError, 422),
    (DescriptionError, 422),
    (InfeasibleError, 422),
    (StoreError, 503),
)

_HEADERS = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": (
        "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'; "
        "frame-ancestors 'self'"
    ),
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}


def create_app(installation: Installation, *, host_access: HostAccess | None = None) -> FastAPI:
    """
    The application of this installation; every route asks for a token.

    Args:
        installation: Opened by the process that serves; it stays the owner.
        host_access: Lets people in to the pages by the sign-in of the host that mounts them.
    """
    app = FastAPI(
        title="aiops_provider",
        version=__version__,
        # FastAPI's own pages would answer without a token; openapi.json is served by api.py.
        docs_url=None,
        redoc_url=None,
        openapi_url=None,
    )
    app.state.installation = installation
    app.state.host_access = host_access
    app.include_router(ingest.router)
    app.include_router(api.router)
    app.include_router(page.router)
    app.add_exception_handler(AiopsError, _refuse)
    app.add_exception_handler(RequestValidationError, _refuse_parameters)
    app.middleware("http")(_with_headers)
    document_bodies(app)
    return app


def _refuse(request: Request, error: Exception) -> Response:
    status = next((status for kind, status in _STATUS if isinstance(error, kind)), 500)
    headers = challenge(request) if status == 401 else {}
    if status == 503:
        headers = {"Retry-After": "5"}
    told: dict[str, Any] = {"kind": type(error).__name__, "message": str(error)}
    for name in ("field", "value", "mend"):
        if getattr(error, name, None) is not None:
            told[name] = str(getattr(error, name))
    return JSONResponse({"error": told}, status_code=status, headers=headers)


def _refuse_parameters(request: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)  # noqa: S101 - registered for this class only
    first = error.errors()[0]
    return _refuse(
        request,
        DataError(
            first["msg"],
            field=str(first["loc"][-1]),
            value=str(first.get("input"))[:60],
            mend="See /openapi.json.",
        ),
    )


async def _with_headers(
    request: Request, call_next: Callable[[Request], Awaitable[Response]]
) -> Response:
    response = await call_next(request)
    for name, value in _HEADERS.items():
        response.headers.setdefault(name, value)
    return response
