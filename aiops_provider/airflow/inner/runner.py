"""
One remote cluster: a thread that owns every call to its inner executor.

The scheduler's main thread only puts work into the inbox and takes news out of the outbox. The
inner executor is imported, made, started and called on this thread and on no other, so that a
cluster which hangs holds up nobody but itself. Work stays in the inbox until the cluster's own
probe is fresh; while it lies there the main thread may take it back and send it elsewhere.
"""

from __future__ import annotations

import logging
import threading
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from aiops_provider.airflow.inner.binding import Binding, Shipment
from aiops_provider.airflow.inner.cluster import Accepted, News, Orphan
from aiops_provider.airflow.inner.driver import InnerDriver
from aiops_provider.airflow.inner.health_probe import HealthProbe
from aiops_provider.airflow.versions import workload_key
from aiops_provider.domain.cluster import ClusterHealth, ClusterSpec, HealthState
from aiops_provider.domain.units import utc_now
from aiops_provider.errors import ClusterUnreachableError

if TYPE_CHECKING:
    from aiops_provider.control.decide import Decision

log = logging.getLogger(__name__)

_TURN_S = 1.0
_FIRST_BACK_OFF_S, _LONGEST_BACK_OFF_S = 1.0, 60.0


class ClusterRunner:
    """
    Drives one remote cluster; every public method returns at once.

    Args:
        spec: The cluster.
        binding: Makes and feeds its inner executor.
        probe: Its health.
        prepare: Called with the new inner executor, on its thread, before it is started.
        late_after_s: A call that has not returned for this long makes the cluster unreachable.
        turn_s: Pause between two heartbeats of the inner executor.
    """

    outlives_scheduler = True
    queues_ahead = False  # what waits for room stays with the executor, which may place it anew
    room = None
    busy = False

    def __init__(
        self,
        spec: ClusterSpec,
        binding: Binding,
        probe: HealthProbe,
        *,
        prepare: Callable[[Any], None],
        late_after_s: float = 5.0,
        turn_s: float = _TURN_S,
    ) -> None:
        self.spec = spec
        self._binding = binding
        self._probe = probe
        self._prepare = prepare
        self._late_after_s = late_after_s
        self._turn_s = turn_s
        self._lock = threading.Lock()
        self._inbox: dict[Any, Shipment] = {}
        self._epochs: dict[Any, int] = {}
        self._vetoed: set[tuple[Any, int]] = set()
        self._orders: deque[Callable[[InnerDriver], None]] = deque()
        self._outbox: deque[News] = deque()
        self._driver: InnerDriver | None = None
        self._busy_since: float | None = None
        self._problem = ""
        self._wake = threading.Event()
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name=f"aiops {spec.name}", daemon=True)

    def start(self) -> None:
        """Start the thread and the probe; the inner executor is imported and started there."""
        self._probe.start()
        self._thread.start()

    @property
    def accepting(self) -> bool:
        """Whether the inner executor is there, its last call came back, and its probe is fresh."""
        return self._driver is not None and self.probe().state is HealthState.HEALTHY

    def probe(self) -> ClusterHealth:
        """How the cluster is: why it could not be started, what hangs, else what the probe says."""
        if self._problem:
            return self._unreachable(self._problem)
        since = self._busy_since
        hanging_s = time.monotonic() - since if since is not None else 0.0
        if self._driver is not None and hanging_s > self._late_after_s:
            return self._unreachable(f"a call to it has not returned for {hanging_s:.0f} s")
        return self._probe.health()

    def submit(
        self, workload: Any, decision: Decision | None, environment: Mapping[str, str]
    ) -> None:
        """
        Put a workload into the inbox.

        Raises:
            ClusterUnreachableError: The cluster takes nothing now.
        """
        if not self.accepting:
            raise ClusterUnreachableError(self.probe().detail or "it is being started")
        shipment = Shipment(workload=workload, decision=decision, environment=environment)
        key = workload_key(workload)
        with self._lock:
            self._inbox[key] = shipment
            self._epochs[key] = shipment.epoch
        self._wake.set()

    def poll(self) -> Sequence[News]:
        """What has happened since the last call; nothing of what was taken back since."""
        heard = []
        while self._outbox:
            news = self._outbox.popleft()
            with self._lock:
                if self._epochs.get(news.key) != news.epoch:
                    continue
                if not isinstance(news, Accepted):
                    del self._epochs[news.key]
            heard.append(news)
        return heard

    def waiting(self) -> Sequence[Any]:
        """None: as above."""
        return ()

    def withdraw(self) -> Sequence[Any]:
        """Take back everything that the thread has not taken yet."""
        with self._lock:
            keys = list(self._inbox)
            self._inbox.clear()
            for key in keys:
                del self._epochs[key]
        return keys

    def cancel(self, key: Any) -> None:
        """Take the workload of that key back, or have the thread revoke it."""
        with self._lock:
            waiting, epoch = self._inbox.pop(key, None), self._epochs.pop(key, None)
            if waiting is not None or epoch is None:
                return
            self._vetoed.add((key, epoch))
        self._order(lambda driver: self._revoke(driver, key, epoch))

    def adopt(self, orphans: Sequence[Orphan]) -> None:
        """Have the thread ask the cluster for them; held until the cluster answers."""
        with self._lock:
            self._epochs.update({orphan.ti.key: orphan.epoch for orphan in orphans})
        self._order(lambda driver: self._outbox.extend(driver.adopt(orphans, self.spec)))

    def stop(self, grace_s: float) -> None:
        """Let go of the cluster; what runs there goes on."""
        self._stopping.set()
        self._probe.stop()
        self._wake.set()
        if self._thread.is_alive():
            self._thread.join(grace_s)

    def _order(self, order: Callable[[InnerDriver], None]) -> None:
        self._orders.append(order)
        self._wake.set()

    def _run(self) -> None:
        back_off_s = _FIRST_BACK_OFF_S
        while not self._stopping.is_set():
            try:
                self._turn()
                self._problem, pause_s, back_off_s = "", self._turn_s, _FIRST_BACK_OFF_S
            except Exception as error:
                # Whatever a cluster or its executor raises, the thread is needed again.
                log.exception("Cluster %s: its executor failed", self.spec.name)
                self._problem = f"{type(error).__name__}: {error}"
                pause_s, back_off_s = back_off_s, min(2 * back_off_s, _LONGEST_BACK_OFF_S)
            self._busy_since = None
            self._wake.wait(pause_s)
            self._wake.clear()
        self._end()

    def _turn(self) -> None:
        if self._driver is None:
            self._driver = InnerDriver(self._binding, self._prepare)
            log.info("Cluster %s: its executor is ready", self.spec.name)
        driver = self._driver
        self._busy_since = time.monotonic()
        while self._orders:
            self._orders[0](driver)  # kept until it is done: a cluster that is away is asked again
            self._orders.popleft()
        if self._probe.health().state is HealthState.HEALTHY:
            with self._lock:
                taken, self._inbox = self._inbox, {}
            self._outbox.extend(driver.send(taken, self._is_vetoed))
        self._outbox.extend(driver.beat())

    def _is_vetoed(self, key: Any, epoch: int) -> bool:
        return (key, epoch) in self._vetoed

    def _revoke(self, driver: InnerDriver, key: Any, epoch: int) -> None:
        driver.revoke(key, epoch)
        with self._lock:
            self._vetoed.discard((key, epoch))

    def _end(self) -> None:
        if self._driver is None:
            return
        try:
            self._driver.end()
        except Exception:
            # The scheduler is ending; there is nobody left whom an exception could reach.
            log.exception("Cluster %s did not end cleanly", self.spec.name)

    def _unreachable(self, detail: str) -> ClusterHealth:
        return ClusterHealth(
            cluster=self.spec.name,
            state=HealthState.UNREACHABLE,
            observed_at=utc_now(),
            detail=detail,
        )
