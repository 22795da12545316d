"""Sends KPI samples and execution records from inside a task, without ever being in its way."""

from __future__ import annotations

import atexit
import logging
import os
import sys
import threading
import time
import uuid
import weakref
from collections import deque
from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from aiops_provider.telemetry.delivery import Delivery, keep
from aiops_provider.telemetry.encode import record_fields, sample_fields
from aiops_provider.telemetry.spool import Parcel, Spool
from aiops_provider.telemetry.uplink import Uplink

if TYPE_CHECKING:
    from aiops_provider.domain.execution import ExecutionRecord
    from aiops_provider.domain.kpi import KpiSample

log = logging.getLogger(__name__)

FLUSH_LIMIT_S = 2.0
_PARCEL_ITEMS = 500
_PERIOD_S = 1.0
_LONGEST_PAUSE_S = 30.0
_MANY_FAILURES = 10
# What a task reports while a request hangs; more goes to disk in the task's own thread.
_QUEUE_ITEMS = 5_000

_clients: weakref.WeakSet[KpiClient] = weakref.WeakSet()


class KpiClient:
    """
    Batches reports and sends them in a thread of its own; what cannot be sent waits in the spool.

    Any thread may call it, and nothing here raises for a reason that lies outside of the process.
    A sample gets its idempotency key once, when it is handed in, so that it may be sent twice –
    after a time-out, or from the spool – and still counts once.

    A process that is killed loses what it reported within the last second. A forked child starts
    empty: what was reported before the fork is its parent's to send.

    Args:
        url: Base address of the API, such as ``http://127.0.0.1:8793/aiops``.
        token: Bearer token.
        spool_dir: Folder for what cannot be sent, shared with other workers.
        timeout_s: For each wait for the server.
        period_s: Longest time that a sample waits for others to travel with.
    """

    def __init__(
        self,
        url: str,
        token: str,
        spool_dir: Path | str,
        timeout_s: float = 2.0,
        *,
        period_s: float = _PERIOD_S,
    ) -> None:
        self._url = url
        self._token = token
        self._timeout_s = timeout_s
        self._period_s = period_s
        self._spool = Spool(Path(spool_dir))
        self._warned: set[str] = set()
        self._thread: threading.Thread | None = None
        self._delivery: Delivery | None = None
        self._reset()
        _clients.add(self)

    def __repr__(self) -> str:
        return f"KpiClient({self._url!r})"

    def send(self, samples: Iterable[KpiSample]) -> None:
        """Take samples; they are sent within a second or so."""
        self._take(
            "kpis",
            [
                sample_fields(
                    sample
                    if sample.idempotency_key
                    else replace(sample, idempotency_key=uuid.uuid4().hex)
                )
                for sample in samples
            ],
        )

    def send_executions(self, records: Iterable[ExecutionRecord]) -> None:
        """Take execution records."""
        self._take("executions", [record_fields(record) for record in records])

    def flush(self, timeout_s: float = FLUSH_LIMIT_S) -> bool:
        """
        Send everything now, and what waits in the spool; what is not sent in time is spooled.

        Args:
            timeout_s: The call takes no longer than this, and a moment for the disk.

        Returns:
            Whether all of it was sent; if not, the rest waits in the spool.
        """
        with self._news:
            self._flushes_wanted += 1
            wanted = self._flushes_wanted
            alive = self._start()
            self._news.notify_all()
            in_time = alive and self._news.wait_for(lambda: self._flushes_done >= wanted, timeout_s)
            if in_time:
                return self._sent_all
            left = [*self._in_flight, *self._queue]
            self._queue.clear()
        self._keep(left)
        return not left

    def close(self, timeout_s: float = FLUSH_LIMIT_S) -> None:
        """Flush, end the thread and let go of the connection; a later report starts anew."""
        self.flush(timeout_s)
        with self._news:
            thread, self._thread = self._thread, None
            self._news.notify_all()
        if thread is not None:
            thread.join(timeout_s)

    # In the caller's thread

    def _take(self, kind: str, items: Sequence[dict[str, Any]]) -> None:
        with self._news:
            self._queue.extend((kind, item) for item in items)
            surplus = []
            if not self._start() or len(self._queue) > _QUEUE_ITEMS:
                surplus = list(self._queue)
                self._queue.clear()
            self._news.notify_all()
        self._keep(surplus)

    def _start(self) -> bool:
        """Start the thread if there is none; whether there is one now."""
        if self._thread is not None and self._thread.is_alive():
            return True
        self._delivery = Delivery(Uplink(self._timeout_s), self._spool)
        self._thread = threading.Thread(
            target=self._work, args=(self._delivery,), name="aiops-telemetry", daemon=True
        )
        try:
            self._thread.start()
        except RuntimeError:  # the interpreter is ending
            self._thread = None
            return False
        _flush_at_exit_of_this_process()
        return True

    def _reset(self) -> None:
        self._news = threading.Condition()
        self._queue: deque[tuple[str, dict[str, Any]]] = deque()
        self._in_flight: list[tuple[str, dict[str, Any]]] = []
        self._flushes_wanted = 0
        self._flushes_done = 0
        self._sent_all = True
        self._thread = None
        self._delivery = None

    def _keep(self, items: Iterable[tuple[str, dict[str, Any]]]) -> None:
        for parcel in self._parcels(items):
            keep(self._spool, parcel, self._warned)

    def _parcels(self, items: Iterable[tuple[str, dict[str, Any]]]) -> list[Parcel]:
        by_kind: dict[str, list[dict[str, Any]]] = {}
        for kind, item in items:
            by_kind.setdefault(kind, []).append(item)
        return [
            Parcel(kind=kind, url=self._url, token=self._token, items=tuple(of_kind))
            for kind, of_kind in by_kind.items()
        ]

    # In the thread of its own

    def _work(self, delivery: Delivery) -> None:
        failures, pause_until = 0, 0.0
        while self._is_current:
            flush = self._wait_for_work()
            if flush or time.monotonic() >= pause_until:
                reachable = self._try_to_deliver(delivery)
                failures = 0 if reachable else min(failures + 1, _MANY_FAILURES)
                pause_until = time.monotonic() + min(2.0**failures - 1, _LONGEST_PAUSE_S)
            else:
                self._keep_all()
            with self._news:
                self._flushes_done = max(self._flushes_done, flush)
                self._news.notify_all()
        delivery.close()

    @property
    def _is_current(self) -> bool:
        """Whether the calling thread is the one that sends; not after ``close``."""
        return self._thread is threading.current_thread()

    def _wait_for_work(self) -> int:
        """Wait for a full parcel, an old sample or a flush; the number of flushes wanted, or 0."""
        with self._news:
            self._news.wait_for(lambda: self._queue or self._must_not_wait)
            self._news.wait_for(
                lambda: len(self._queue) >= _PARCEL_ITEMS or self._must_not_wait, self._period_s
            )
            return self._flushes_wanted if self._flush_is_wanted else 0

    @property
    def _must_not_wait(self) -> bool:
        return self._flush_is_wanted or not self._is_current

    @property
    def _flush_is_wanted(self) -> bool:
        return self._flushes_wanted > self._flushes_done

    def _try_to_deliver(self, delivery: Delivery) -> bool:
        """Whether the server is reachable."""
        try:
            self._sent_all = self._deliver_all(delivery)
        except Exception:
            # Without this thread the task would go on, but nothing of it would be heard again.
            log.exception("Reports could not be sent")
            self._sent_all = False
            self._keep_all()
            return False
        return delivery.reachable

    def _deliver_all(self, delivery: Delivery) -> bool:
        while self._queue:
            with self._news:
                count = min(len(self._queue), _PARCEL_ITEMS)
                self._in_flight = [self._queue.popleft() for _ in range(count)]
            sent = [delivery.deliver(p) for p in self._parcels(self._in_flight)]
            with self._news:
                self._in_flight = []
            if not all(sent):
                self._keep_all()
                return False
        return delivery.drain(self._url, self._token)

    def _keep_all(self) -> None:
        with self._news:
            left = [*self._in_flight, *self._queue]
            self._in_flight = []
            self._queue.clear()
        self._keep(left)


def _flush_all(timeout_s: float = FLUSH_LIMIT_S) -> None:
    """Flush every client of this process, all together within the time, and once."""
    if os.getpid() not in _armed:
        return
    _armed.discard(os.getpid())
    end = time.monotonic() + timeout_s
    for client in list(_clients):
        client.flush(max(0.0, end - time.monotonic()))


def _flush_at_exit_of_this_process() -> None:
    if os.getpid() in _armed:
        return
    _armed.add(os.getpid())
    atexit.register(_flush_all)
    multiprocessing = sys.modules.get("multiprocessing.util")
    if multiprocessing is not None:
        # Its child processes end without running exit handlers.
        multiprocessing.Finalize(None, _flush_all, exitpriority=0)


_armed: set[int] = set()


def _forget_the_parents() -> None:
    _armed.clear()
    for client in list(_clients):
        # Its connection is the parent's as well; closing it here would end it there.
        _inherited.append(client._delivery)  # noqa: SLF001 - same module
        client._reset()  # noqa: SLF001 - as above


_inherited: list[object] = []

os.register_at_fork(after_in_child=_forget_the_parents)
