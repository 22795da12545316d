"""Asks a price list over HTTP; what passes by itself is tried again."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from aiops_provider.errors import CatalogError

_TIMEOUT_S = 30.0
_ATTEMPTS = 4
_BUSY = frozenset({429, 500, 502, 503, 504})


def ask(url: str, parameters: Mapping[str, str], *, wait_initial_s: float = 0.5) -> dict[str, Any]:
    """
    The JSON object that an address answers.

    Args:
        url: With or without parameters.
        parameters: Added to those of the address.
        wait_initial_s: Before the second attempt; doubles with each further one.

    Raises:
        CatalogError: No answer, a refusal, or an answer that is no JSON object. Parameters are not
            part of the message, for a key may be among them.
    """
    import httpx
    import stamina

    def answer() -> httpx.Response:
        response = httpx.get(url, params=dict(parameters) or None, timeout=_TIMEOUT_S)
        response.raise_for_status()
        return response

    def passes(error: Exception) -> bool:
        if isinstance(error, httpx.HTTPStatusError):
            return error.response.status_code in _BUSY
        return isinstance(error, httpx.TransportError)

    try:
        for attempt in stamina.retry_context(
            on=passes, attempts=_ATTEMPTS, wait_initial=wait_initial_s
        ):
            with attempt:
                content = answer().json()
    except httpx.HTTPStatusError as error:
        status = error.response.status_code
        raise CatalogError(f"{_address(url)} answers with status {status}") from None
    except httpx.HTTPError as error:
        raise CatalogError(f"{_address(url)} does not answer: {type(error).__name__}") from None
    except ValueError as error:
        raise CatalogError(f"{_address(url)} does not answer in JSON") from error
    if not isinstance(content, dict):
        raise CatalogError(f"{_address(url)} answers with something else than a JSON object")
    return content


def _address(url: str) -> str:
    return url.partition("?")[0]
