"""
What happens to a parcel: delivered, kept for later, or rejected.

- The server takes it: done.
- It does not answer, or says 404, 408, 429 or 5xx: the parcel goes to the spool.
- It refuses (400, 401, 403): sending it again would change nothing. The items are kept in the
  spool's folder ``rejected`` for people to look at (1 MiB, the oldest make room), with one warning.
- It refuses because of some items (422) or the size (413): the parcel is halved until only the bad
  items are left, which are rejected as above; the good ones are delivered.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from aiops_provider.telemetry.spool import Parcel, Spool
from aiops_provider.telemetry.uplink import Answer, Uplink, Verdict

log = logging.getLogger(__name__)


class Delivery:
    """
    Delivers parcels for one server; belongs to one thread.

    Args:
        uplink: Posts.
        spool: Keeps what cannot be posted.

    Attributes:
        reachable: Whether the server answered last time.
    """

    def __init__(self, uplink: Uplink, spool: Spool) -> None:
        self._uplink = uplink
        self._spool = spool
        self._warned: set[str] = set()
        self.reachable = True

    def deliver(self, parcel: Parcel) -> bool:
        """Send a parcel or keep it; whether the first was possible."""
        left = self._post(parcel)
        if left:
            keep(self._spool, replace(parcel, items=tuple(left)), self._warned)
        return not left

    def drain(self, url: str, token: str) -> bool:
        """
        Send what waits in the spool for this server; whether nothing is left.

        Args:
            url: The server.
            token: Of this process, for parcels whose own token has expired.
        """
        with self._spool.lock() as mine:
            if not mine:  # somebody else is sending them, or there are none
                return not any(True for _ in self._spool.waiting(url))
            for path, parcel in self._spool.waiting(url):
                left = self._post(parcel, second_token=token)
                if len(left) < len(parcel.items):
                    if left:
                        keep(self._spool, replace(parcel, items=tuple(left)), self._warned)
                    self._spool.remove(path)
                if left:
                    return False
            return True

    def close(self) -> None:
        """Let go of the connection."""
        self._uplink.close()

    def _post(self, parcel: Parcel, *, second_token: str | None = None) -> list[dict[str, Any]]:
        """Deliver or reject every item; those for which the server was not available are returned."""
        answer = self._uplink.post(parcel)
        if answer.verdict is Verdict.REFUSED and second_token not in (None, parcel.token):
            answer = self._uplink.post(parcel, token=second_token)
        self.reachable = answer.verdict is not Verdict.UNAVAILABLE
        if answer.verdict is Verdict.ACCEPTED:
            return []
        if answer.verdict is Verdict.UNAVAILABLE:
            log.debug("%s does not take reports now: %s", parcel.url, answer.reason)
            return list(parcel.items)
        if answer.verdict is Verdict.REFUSED_FOR_SOME and len(parcel.items) > 1:
            return self._post_halves(parcel, second_token)
        self._reject(parcel.items, answer)
        return []

    def _post_halves(self, parcel: Parcel, second_token: str | None) -> list[dict[str, Any]]:
        middle = len(parcel.items) // 2
        left: list[dict[str, Any]] = []
        for part in (parcel.items[:middle], parcel.items[middle:]):
            half = replace(parcel, items=part)
            left += part if left else self._post(half, second_token=second_token)
        return left

    def _reject(self, items: Sequence[dict[str, Any]], answer: Answer) -> None:
        try:
            place = str(self._spool.reject(items))
        except OSError as error:
            place = f"nowhere, as {error}"
        kind = answer.reason[:3]
        level = logging.DEBUG if kind in self._warned else logging.WARNING
        self._warned.add(kind)
        log.log(
            level,
            "The server refused %d report%s (%s); kept in %s",
            len(items),
            "" if len(items) == 1 else "s",
            answer.reason,
            place,
        )


def keep(spool: Spool, parcel: Parcel, warned: set[str]) -> None:
    """Put a parcel into the spool; a spool that cannot be used costs the reports, never a task."""
    try:
        spool.put(parcel)
    except (OSError, ValueError) as error:
        level = logging.DEBUG if "spool" in warned else logging.WARNING
        warned.add("spool")
        log.log(level, "%d reports are lost: neither %s nor %s takes them (%s)",
                len(parcel.items), parcel.url, spool.folder, error)  # fmt: skip
