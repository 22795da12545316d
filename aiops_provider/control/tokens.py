"""
Signed, expiring, scoped tokens for the API (JWT, HS256).

A token carries its rights (``scope``) and, when it was made for one try of a task, that try
(``run``): a worker can report for its own try and do nothing else. Nothing is stored; whoever holds
the secret can make and check tokens.
"""

from __future__ import annotations

import hmac
import json
import secrets
from base64 import urlsafe_b64encode
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from functools import lru_cache
from typing import Any

from aiops_provider.domain.task import TaskKey, TaskRun
from aiops_provider.domain.units import utc_now
from aiops_provider.errors import TokenError, TokenScopeError

_ALGORITHM = "HS256"
_ISSUER = "aiops_provider"
_AUDIENCE = "aiops_api"

# Clocks of workers and servers differ by about this much even under NTP trouble.
_LEEWAY_S = 30.0
_HEADER = urlsafe_b64encode(b'{"alg":"HS256","typ":"JWT"}')  # a multiple of three bytes: no padding


class Scope(StrEnum):
    """A right; ``admin`` includes the others."""

    INGEST = "ingest"
    READ = "read"
    ADMIN = "admin"


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenClaims:
    """
    What a valid token says.

    Attributes:
        subject: Whom it was made for.
        scopes: Its rights.
        expires_at: When it ends.
        run: The only try it may report for, or ``None``.
    """

    subject: str
    scopes: frozenset[Scope]
    expires_at: datetime
    run: TaskRun | None = None

    def allows(self, scope: Scope) -> bool:
        """Whether it has this right."""
        return scope in self.scopes or Scope.ADMIN in self.scopes


def issue_token(
    secret: str, *, scope: str, subject: str, valid_s: float, run: TaskRun | None = None
) -> str:
    """
    Make a token.

    Args:
        secret: The installation's, at least 32 characters.
        scope: Rights, parted by spaces: ``ingest``, ``read``, ``admin``.
        subject: Whom it is for, as shown in logs.
        valid_s: Seconds until it expires, > 0.
        run: Restricts it to reports of this try.

    Raises:
        TokenError: An unknown right or a validity that is not positive.
    """
    if valid_s <= 0:
        raise TokenError(f"a token must be valid for more than 0 seconds, got {valid_s}")
    now = utc_now().timestamp()
    claims: dict[str, Any] = {
        "iss": _ISSUER,
        "aud": _AUDIENCE,
        "sub": subject,
        "iat": int(now),
        "exp": int(now + valid_s),
        "jti": secrets.token_hex(8),
        "scope": " ".join(sorted(_scopes(scope))),
    }
    if run is not None:
        # By hand: dataclasses.asdict copies everything in depth, once for every task that is sent.
        claims["run"] = {
            "task": {"namespace": run.task.namespace, "name": run.task.name},
            "run_id": run.run_id,
            "map_index": run.map_index,
            "try_number": run.try_number,
        }
    return _signed(claims, secret)


def _signed(claims: dict[str, Any], secret: str) -> str:
    """
    JWS compact serialization with HMAC SHA-256 (RFC 7515, RFC 7518).

    Not by PyJWT, which checks the key anew each time and takes three times as long: a scheduler signs a
    token for every task that it sends. Whatever reads tokens goes by PyJWT.
    """
    text = json.dumps(claims, separators=(",", ":")).encode()
    signing_input = b".".join((_HEADER, _base64(text)))
    signature = hmac.digest(secret.encode(), signing_input, "sha256")
    return b".".join((signing_input, _base64(signature))).decode()


def _base64(octets: bytes) -> bytes:
    return urlsafe_b64encode(octets).rstrip(b"=")


def verify_token(secret: str | Sequence[str], token: str, scope: str | None) -> TokenClaims:
    """
    Check a token and its right.

    Args:
        secret: The installation's; several while one takes over from another.
        token: As sent.
        scope: The right that is needed; ``None``: any valid token will do.

    Raises:
        TokenScopeError: It is valid but lacks *scope*.
        TokenError: It is missing, expired, forged or made for something else.
    """
    import jwt

    if not token:
        raise TokenError("no token was sent: send `Authorization: Bearer <token>`")
    try:
        claims = _claims(_payload((secret,) if isinstance(secret, str) else secret, token))
    except jwt.ExpiredSignatureError as error:
        raise TokenError("the token has expired: `aiops token create` makes a new one") from error
    except (jwt.PyJWTError, KeyError, TypeError, ValueError) as error:
        # What exactly is wrong helps nobody but a forger.
        raise TokenError("the token is not valid here: `aiops token create` makes one") from error
    if scope is not None and not claims.allows(Scope(scope)):
        raise TokenScopeError(f"the token lacks the right {scope!r}")
    return claims


def _payload(secrets_in_force: Sequence[str], token: str) -> dict[str, Any]:
    import jwt

    for secret in secrets_in_force:
        try:
            payload: dict[str, Any] = jwt.decode(
                token,
                secret,
                algorithms=[_ALGORITHM],
                audience=_AUDIENCE,
                issuer=_ISSUER,
                leeway=_LEEWAY_S,
                options={"require": ["exp", "iat", "sub", "aud", "iss"]},
            )
        except jwt.InvalidSignatureError:
            continue
        return payload
    raise jwt.InvalidSignatureError


def _claims(payload: dict[str, Any]) -> TokenClaims:
    run = payload.get("run")
    return TokenClaims(
        subject=str(payload["sub"]),
        scopes=_scopes(str(payload["scope"])),
        expires_at=datetime.fromtimestamp(payload["exp"], tz=utc_now().tzinfo),
        run=None if run is None else TaskRun(**{**run, "task": TaskKey(**run["task"])}),
    )


@lru_cache(maxsize=32)
def _scopes(text: str) -> frozenset[Scope]:
    words = text.split()
    unknown = [word for word in words if word not in set(Scope)]
    if unknown or not words:
        known = ", ".join(scope.value for scope in Scope)
        raise TokenError(f"unknown scope {' '.join(unknown)!r}: use one or more of {known}")
    return frozenset(Scope(word) for word in words)
