"""The line to the API: one request, and what its answer means for the items that were sent."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from enum import Enum, auto
from typing import TYPE_CHECKING

from aiops_provider.telemetry.spool import BODIES, Parcel

if TYPE_CHECKING:
    import httpx

log = logging.getLogger(__name__)

_REASON_CHARACTERS = 300
# Any other status may come from something between us and a server that is being restarted.
_REFUSALS = {400, 401, 403}
_REFUSALS_OF_SOME = {413, 422}


class Verdict(Enum):
    """What the server made of a parcel."""

    ACCEPTED = auto()
    REFUSED = auto()
    REFUSED_FOR_SOME = auto()
    UNAVAILABLE = auto()


@dataclass(frozen=True, slots=True)
class Answer:
    """
    A verdict and its reason.

    Attributes:
        verdict: What to do now.
        reason: One line for people, without secrets.
    """

    verdict: Verdict
    reason: str = ""


class Uplink:
    """
    Posts parcels.

    Args:
        timeout_s: For connecting, and for each wait for data.
    """

    def __init__(self, timeout_s: float) -> None:
        self._timeout_s = timeout_s
        self._client: httpx.Client | None = None

    def post(self, parcel: Parcel, *, token: str | None = None) -> Answer:
        """
        Deliver a parcel, once.

        Args:
            parcel: What to deliver.
            token: Instead of the parcel's own.
        """
        import httpx

        token = token or parcel.token
        if not (token.isascii() and token.isprintable()):
            # The HTTP library would say so as well, but quote the token, in its log too.
            return Answer(Verdict.REFUSED, "the token holds characters that no header may")
        if self._client is None:
            # Redirects are not followed: they would carry the token to somebody else.
            self._client = httpx.Client(timeout=self._timeout_s)
        try:
            response = self._client.post(
                f"{parcel.url.rstrip('/')}/api/v1/{parcel.kind}",
                json={BODIES[parcel.kind]: parcel.items},
                headers={"Authorization": f"Bearer {token}"},
            )
        except (httpx.InvalidURL, httpx.UnsupportedProtocol, httpx.LocalProtocolError) as error:
            return Answer(Verdict.REFUSED, f"no request can be made to {parcel.url}: {error}")
        except (httpx.HTTPError, OSError) as error:
            return Answer(Verdict.UNAVAILABLE, f"{type(error).__name__}: {error}")
        return _judged(response, token)

    def close(self) -> None:
        """Let go of the connection; the next parcel makes a new one."""
        client, self._client = self._client, None
        if client is not None:
            client.close()


def _judged(response: httpx.Response, token: str) -> Answer:
    status = response.status_code
    if response.is_success:
        return Answer(Verdict.ACCEPTED)
    reason = f"{status} {_told(response).replace(token, '***')}"
    if status in _REFUSALS:
        return Answer(Verdict.REFUSED, reason)
    if status in _REFUSALS_OF_SOME:
        return Answer(Verdict.REFUSED_FOR_SOME, reason)
    return Answer(Verdict.UNAVAILABLE, reason)


def _told(response: httpx.Response) -> str:
    """The server's own words in one line: our API's message, or the beginning of whatever it is."""
    try:
        text = str(response.json()["error"]["message"])
    except (ValueError, KeyError, TypeError):
        text = response.text
    return " ".join(text[:_REASON_CHARACTERS].split())
