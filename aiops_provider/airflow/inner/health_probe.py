"""
Asks one cluster again and again whether it answers, on a thread of its own.

Health cannot be read off an inner executor: several of them swallow the errors of their cluster, and
a call that hangs tells nothing at all.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass

from aiops_provider.domain.cluster import ClusterHealth, HealthState
from aiops_provider.domain.units import utc_now
from aiops_provider.errors import ClusterUnreachableError

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class _Answer:
    seen_at: float
    detail: str


class HealthProbe:
    """
    The latest word about a cluster, and how old it is.

    Args:
        cluster: Its name.
        check: Raises ClusterUnreachableError unless the cluster answers; called on the thread.
        period_s: Pause between two questions.
        timeout_s: What one question is expected to take at most.
        clock: Seconds that never go back.
    """

    def __init__(
        self,
        cluster: str,
        check: Callable[[], None],
        *,
        period_s: float,
        timeout_s: float,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._cluster = cluster
        self._check = check
        self._period_s = period_s
        self._stale_after_s = period_s + 2 * timeout_s
        self._clock = clock
        self._started_at = clock()
        self._latest: _Answer | None = None
        self._stop = threading.Event()
        self._thread = threading.Thread(
            target=self._run, name=f"aiops probe {cluster}", daemon=True
        )

    def start(self) -> None:
        """Start asking."""
        self._started_at = self._clock()
        self._thread.start()

    def stop(self) -> None:
        """Ask no more; does not wait for a question that is open."""
        self._stop.set()

    def health(self) -> ClusterHealth:
        """What the latest answer says; without a fresh one the cluster counts as unreachable."""
        latest = self._latest
        if latest is None:
            waiting_s = self._clock() - self._started_at
            # The first question also loads the client library, which may take a busy host long.
            if waiting_s > 10 * self._stale_after_s:
                return self._said(HealthState.UNREACHABLE, f"no answer for {waiting_s:.0f} s")
            return self._said(HealthState.UNKNOWN, "it has not been probed yet")
        age_s = self._clock() - latest.seen_at
        if age_s > self._stale_after_s:
            return self._said(HealthState.UNREACHABLE, f"no answer for {age_s:.0f} s")
        if latest.detail:
            return self._said(HealthState.UNREACHABLE, latest.detail)
        return self._said(HealthState.HEALTHY, "")

    def ask(self) -> None:
        """Ask once, on the caller's thread."""
        try:
            self._check()
            detail = ""
        except ClusterUnreachableError as error:
            detail = str(error)
        except Exception as error:
            # A probe that is broken must not take the thread with it, or its cluster for healthy.
            log.exception("The probe of cluster %s failed", self._cluster)
            detail = f"its probe failed: {type(error).__name__}: {error}"
        self._latest = _Answer(self._clock(), detail)

    def _run(self) -> None:
        while not self._stop.is_set():
            self.ask()
            self._stop.wait(self._period_s)

    def _said(self, state: HealthState, detail: str) -> ClusterHealth:
        return ClusterHealth(
            cluster=self._cluster, state=state, observed_at=utc_now(), detail=detail
        )
