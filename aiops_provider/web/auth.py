"""
Who may call: a signed token on every route, with the right that the route asks for.

The API takes ``Authorization: Bearer <token>``. Pages for people also take the token as the password
of HTTP Basic, because a browser can ask for that by itself and without JavaScript. The API does not:
a browser sends a remembered password along with requests that other sites make. Where a host with
people and permissions of its own serves the pages, those decide instead (:class:`HostAccess`).
"""

from __future__ import annotations

import base64
import binascii
from dataclasses import dataclass
from typing import Protocol

from fastapi import HTTPException, Request

from aiops_provider.control.installation import Installation
from aiops_provider.control.tokens import Scope, TokenClaims, verify_token
from aiops_provider.errors import TokenScopeError


class HostAccess(Protocol):
    """What a host that mounts the pages knows about the people who look at them."""

    async def may_read(self, request: Request) -> bool | None:
        """Whether the caller may see the whole installation; ``None``: the host knows no caller."""
        ...

    def sign_in_url(self, request: Request) -> str:
        """Where somebody unknown signs in, and comes back from."""
        ...


@dataclass(frozen=True, slots=True)
class Requires:
    """
    A dependency that refuses callers without a token that has this right.

    Attributes:
        scope: The right; ``None``: any valid token.
        page: Whether people look at it with a browser.
    """

    scope: Scope | None
    page: bool = False

    async def __call__(self, request: Request) -> TokenClaims | None:
        """What the caller's token says, ``None`` for people whom the host lets in; raises TokenError."""
        request.state.is_page = self.page
        host: HostAccess | None = request.app.state.host_access
        if self.page and host is not None and "Authorization" not in request.headers:
            await _ask(host, request)
            return None
        token = _sent_token(request.headers.get("Authorization", ""), basic=self.page)
        scope = None if self.scope is None else self.scope.value
        return verify_token(installation_of(request).token_secrets, token, scope)


def installation_of(request: Request) -> Installation:
    """The installation that this application serves."""
    installation: Installation = request.app.state.installation
    return installation


async def _ask(host: HostAccess, request: Request) -> None:
    allowed = await host.may_read(request)
    if allowed is None:
        raise HTTPException(303, headers={"Location": host.sign_in_url(request)})
    if not allowed:
        raise TokenScopeError("you are signed in, but may not see the activity of all DAGs")


def challenge(request: Request) -> dict[str, str]:
    """What a 401 tells the caller to do: browsers on a page ask for a password."""
    if getattr(request.state, "is_page", False):
        return {"WWW-Authenticate": 'Basic realm="aiops: any name, a token as password"'}
    return {"WWW-Authenticate": "Bearer"}


def _sent_token(header: str, *, basic: bool) -> str:
    scheme, _, credentials = header.strip().partition(" ")
    if scheme.lower() == "bearer":
        return credentials.strip()
    if basic and scheme.lower() == "basic":
        try:
            decoded = base64.b64decode(credentials.strip(), validate=True).decode()
        except (binascii.Error, UnicodeDecodeError):
            return ""
        return decoded.partition(":")[2]
    return ""
