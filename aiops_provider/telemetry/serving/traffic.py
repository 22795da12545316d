"""Counts of requests, interval by interval, as KPIs that add up over any number of processes."""

from __future__ import annotations

import atexit
import logging
import math
import os
import socket
import threading
import time
import weakref
from bisect import bisect_left
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

from aiops_provider.errors import ConfigurationError
from aiops_provider.telemetry.report import flush, report

log = logging.getLogger(__name__)

BOUNDS_MS = (10.0, 25.0, 50.0, 100.0, 250.0, 500.0, 1000.0, 2500.0)
_PERCENTILES = (50, 95, 99)
# Latencies are kept within 2 % of each other, as in DDSketch (Masson et al., VLDB 2019).
_LOG_BASE = math.log(1.02)
_SHORTEST_MS = 0.001


@dataclass(slots=True)
class Interval:
    """
    What happened in one interval; two of them add up.

    Attributes:
        requests: Requests that were answered.
        failed: Of these, answered with a server error or by an exception.
        most_at_once: Highest number of requests in work.
        total_ms: Sum of all latencies.
        within: Requests by the smallest bound that held them; one more for those above all bounds.
        latencies: Requests by the logarithm of their latency.
    """

    within: list[int]
    requests: int = 0
    failed: int = 0
    most_at_once: int = 0
    total_ms: float = 0.0
    latencies: Counter[int] = field(default_factory=Counter)

    def percentile_ms(self, percent: float) -> float:
        """Latency that this share of the requests did not exceed, within 2 %."""
        left = math.ceil(self.requests * percent / 100)
        for bin_, count in sorted(self.latencies.items()):
            left -= count
            if left <= 0:
                return math.exp((bin_ - 0.5) * _LOG_BASE) * _SHORTEST_MS
        return math.nan


class TrafficMeter:
    """
    Measures requests, and reports them once an interval, quiet intervals too.

    ``request_count``, ``failed_request_count``, ``latency_total_ms`` and, for each bound,
    ``request_within_count`` are plain counts: those of several processes, or of several intervals, are
    added. ``requests_per_s``, ``concurrent_requests`` (the most at once) and ``latency_p50_ms``,
    ``latency_p95_ms``, ``latency_p99_ms`` are for looking at one process. Safe to use from any
    thread; a forked process begins anew.

    Args:
        interval_s: Seconds between reports, > 0.
        bounds_ms: Latencies that requests are counted within, in milliseconds, ascending.
        **dimensions: What is served, such as ``service="scoring"``.

    Raises:
        ConfigurationError: The interval or the bounds cannot be used.
    """

    _lock: threading.Lock
    _now: Interval
    _in_work: int
    _running: bool
    _stop: threading.Event

    def __init__(
        self,
        *,
        interval_s: float = 60.0,
        bounds_ms: Sequence[float] = BOUNDS_MS,
        **dimensions: object,
    ) -> None:
        _check(interval_s, bounds_ms)
        self._interval_s = interval_s
        self._bounds_ms = tuple(float(bound) for bound in bounds_ms)
        self._dimensions = dimensions
        self._reset()
        atexit.register(_close_at_exit, weakref.ref(self))

    def begin(self) -> float:
        """Note that a request has come; hand what is returned to :meth:`end`."""
        try:
            if self._pid != os.getpid():
                self._reset()
            with self._lock:
                self._in_work += 1
                self._now.most_at_once = max(self._now.most_at_once, self._in_work)
                if not self._running:
                    self._start()
        except Exception:
            # No request may fail because it is counted.
            log.exception("A request is not measured")
        return time.perf_counter()

    def end(self, began: float, *, failed: bool = False) -> None:
        """Note that it was answered."""
        try:
            elapsed_ms = max((time.perf_counter() - began) * 1000.0, _SHORTEST_MS)
            bin_ = math.ceil(math.log(elapsed_ms / _SHORTEST_MS) / _LOG_BASE)
            with self._lock:
                now = self._now
                self._in_work = max(self._in_work - 1, 0)
                now.requests += 1
                now.failed += failed
                now.total_ms += elapsed_ms
                now.within[bisect_left(self._bounds_ms, elapsed_ms)] += 1
                now.latencies[bin_] += 1
        except Exception:
            # As above.
            log.exception("A request is not measured")

    def close(self) -> None:
        """Report the interval that has begun, and stop; a later request starts anew."""
        with self._lock:
            running, self._running = self._running, False
            self._stop.set()
        if running:
            self._tell()

    def _reset(self) -> None:
        self._pid = os.getpid()
        self._lock = threading.Lock()
        self._in_work = 0
        self._now = self._empty()
        self._since = time.monotonic()
        self._running = False
        self._stop = threading.Event()

    def _empty(self) -> Interval:
        return Interval(within=[0] * (len(self._bounds_ms) + 1))

    def _start(self) -> None:
        self._running = True
        self._since = time.monotonic()
        self._stop = stop = threading.Event()
        mine = weakref.ref(self, lambda _: stop.set())
        threading.Thread(
            target=_work,
            args=(mine, self._stop, self._interval_s),
            name="aiops-traffic",
            daemon=True,
        ).start()

    def _tell(self) -> None:
        with self._lock:
            told, self._now = self._now, self._empty()
            self._now.most_at_once = self._in_work
            moment = time.monotonic()
            elapsed_s, self._since = max(moment - self._since, 1e-9), moment
        labels = {**self._dimensions, "host": f"{socket.gethostname()}:{self._pid}"}
        report("request_count", told.requests, **labels)
        report("failed_request_count", told.failed, **labels)
        report("requests_per_s", told.requests / elapsed_s, **labels)
        report("concurrent_requests", told.most_at_once, **labels)
        if not told.requests:
            return
        report("latency_total_ms", told.total_ms, **labels)
        for bound, count in zip((*self._bounds_ms, math.inf), told.within, strict=True):
            report("request_within_count", count, **{**labels, "within_ms": f"{bound:g}"})
        for percent in _PERCENTILES:
            report(f"latency_p{percent}_ms", told.percentile_ms(percent), **labels)


def _work(meter: weakref.ref[TrafficMeter], stop: threading.Event, interval_s: float) -> None:
    """Report until stopped, or until nobody has the meter any more."""
    while not stop.wait(interval_s):
        alive = meter()
        if alive is None:
            return
        alive._tell()  # noqa: SLF001 - same module
        del alive


def _close_at_exit(meter: weakref.ref[TrafficMeter]) -> None:
    alive = meter()
    if alive is not None:
        alive.close()
        flush()


def _check(interval_s: float, bounds_ms: Sequence[float]) -> None:
    if not (math.isfinite(interval_s) and interval_s > 0):
        raise ConfigurationError(
            "must be a number of seconds > 0", field="interval_s", value=interval_s
        )
    usable = all(math.isfinite(bound) and bound > 0 for bound in bounds_ms)
    if not usable or sorted(set(bounds_ms)) != list(bounds_ms):
        raise ConfigurationError(
            "must be ascending milliseconds > 0", field="bounds_ms", value=tuple(bounds_ms)
        )
