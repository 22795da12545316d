"""A lease that is kept while its holder works, however long one step takes."""

from __future__ import annotations

import logging
import os
import secrets
import socket
import threading
import time
from types import TracebackType
from typing import TYPE_CHECKING, Self

from aiops_provider.errors import StoreError

if TYPE_CHECKING:
    from aiops_provider.store import Store

log = logging.getLogger(__name__)


class KeptLease:
    """
    At most one process holds the lease of a name; a thread renews it until the block is left.

    A holder that cannot reach the store stops being one before the lease runs out, so that two
    never work at once as long as their clocks run at the same speed.

    Args:
        store: Keeps the leases.
        name: Of the work.
        period_s: Seconds between renewals; the lease lasts three times as long.
    """

    def __init__(self, store: Store, name: str, *, period_s: float) -> None:
        self._store, self._name = store, name
        self._period_s, self._ttl_s = period_s, 3 * period_s
        self.holder = f"{socket.gethostname()}:{os.getpid()}:{secrets.token_hex(4)}"
        self._held_until = 0.0
        self._leaving = threading.Event()
        self._thread = threading.Thread(target=self._keep, name=f"aiops lease {name}", daemon=True)

    @property
    def held(self) -> bool:
        """Whether the work may be done now."""
        return time.monotonic() < self._held_until

    def renew(self) -> bool:
        """Take or renew the lease now; whether it is held."""
        asked_at = time.monotonic()
        try:
            mine = self._store.acquire_lease(self._name, self.holder, self._ttl_s)
        except StoreError as error:
            log.warning("Lease %s cannot be renewed: %s", self._name, error)
            return self.held
        self._held_until = asked_at + self._ttl_s if mine else 0.0
        return mine

    def __enter__(self) -> Self:
        self.renew()
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._leaving.set()
        self._thread.join(self._period_s)
        self._held_until = 0.0
        try:
            self._store.release_lease(self._name, self.holder)
        except StoreError as failure:
            log.warning("Lease %s runs out by itself: %s", self._name, failure)

    def _keep(self) -> None:
        while not self._leaving.wait(self._period_s):
            self.renew()
