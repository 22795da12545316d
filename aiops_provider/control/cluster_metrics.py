"""
The metrics of clusters become KPIs: read where they lie, beside everything else.

Each look at a source runs on a thread of its own that nobody waits for: a source that hangs costs its
own samples and nothing more. The cycle only collects what came and begins what is due. A source that is
silent is told once, asked less and less often, and is a KPI itself: ``metrics_source_failed``.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from queue import Empty, SimpleQueue
from typing import TYPE_CHECKING, Self

from aiops_provider.clusters.metrics.registry import metric_source, source_options
from aiops_provider.clusters.metrics.source import MetricSource, Readings
from aiops_provider.domain.cluster import ClusterSpec
from aiops_provider.domain.kpi import FAULT_WHEN, KpiSample
from aiops_provider.errors import AiopsError, MetricsError

if TYPE_CHECKING:
    from aiops_provider.settings.schema import Settings

log = logging.getLogger(__name__)

SOURCE_FAILED = "metrics_source_failed"

# A look may take several requests; one that takes longer than so many time limits hangs.
_REQUESTS = 6
_LONGEST_PAUSE_S = 600.0


@dataclass(slots=True, kw_only=True)
class WatchedSource:
    """
    One source of one cluster.

    Attributes:
        spec: The cluster.
        name: Of the source.
        source: Reads it.
        period_s: Seconds between two looks.
        limit_s: A look that takes longer counts as failed.
        due_at: When the next look begins, by the clock of the collector.
        begun_at: When the look that is under way began; ``None``: none is.
        failures: Looks in a row that failed.
        told: What was said last about its failure; empty: it answers.
        told_missing: Metrics whose absence was told.
    """

    spec: ClusterSpec
    name: str
    source: MetricSource
    period_s: float
    limit_s: float
    due_at: float = 0.0
    begun_at: float | None = None
    failures: int = 0
    told: str = ""
    told_missing: Mapping[str, str] = field(default_factory=dict)

    def __str__(self) -> str:
        return f"{self.name} of cluster {self.spec.name}"

    def pause_s(self) -> float:
        """Seconds until the next look: the period, doubled with each failure."""
        longest = max(_LONGEST_PAUSE_S, self.period_s)
        return float(min(self.period_s * 2.0 ** min(self.failures, 16), longest))


class ClusterMetrics:
    """
    Collects from all sources; used by one thread.

    Args:
        sources: Of all clusters.
        clock: Seconds that never go back.
    """

    def __init__(
        self, sources: Iterable[WatchedSource], *, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self.sources: Sequence[WatchedSource] = tuple(sources)
        self._clock = clock
        self._done: SimpleQueue[tuple[WatchedSource, datetime, Readings | Exception]] = (
            SimpleQueue()
        )

    @classmethod
    def of(cls, settings: Settings, clusters: Sequence[ClusterSpec]) -> Self:
        """
        The sources that the settings name; one that cannot be opened is told and left out.

        Args:
            settings: Of the installation.
            clusters: Of the installation.
        """
        return cls(open_sources(settings, clusters, _tell_unusable))

    def step(self, now: datetime) -> list[KpiSample]:
        """
        Take what came since the last call and begin the looks that are due; waits for nothing.

        Args:
            now: The present moment.

        Returns:
            Samples, each with a key of its own, so that the same reading counts once.
        """
        samples: list[KpiSample] = []
        while True:
            try:
                watched, asked_at, answer = self._done.get_nowait()
            except Empty:
                break
            samples += self._taken(watched, asked_at, answer)
        for watched in self.sources:
            samples += self._look(watched, now)
        return samples

    def _look(self, watched: WatchedSource, now: datetime) -> list[KpiSample]:
        moment = self._clock()
        if watched.begun_at is not None:
            if moment < watched.due_at:
                return []
            # It still hangs; its thread ends when it ends, and until then no other is begun.
            hangs_s = moment - watched.begun_at
            return self._failed(watched, now, f"has not answered for {hangs_s:.0f} s", moment)
        if moment < watched.due_at:
            return []
        watched.begun_at, watched.due_at = moment, moment + watched.limit_s
        threading.Thread(
            target=self._read, args=(watched, now), name=f"aiops metrics {watched}", daemon=True
        ).start()
        return []

    def _read(self, watched: WatchedSource, now: datetime) -> None:
        try:
            answer: Readings | Exception = watched.source.read(now)
        except Exception as error:
            # Sources are libraries of clouds and plug-ins: whatever they raise is a failure to read.
            log.debug("Reading %s failed", watched, exc_info=True)
            answer = error
        self._done.put((watched, now, answer))

    def _taken(
        self, watched: WatchedSource, asked_at: datetime, answer: Readings | Exception
    ) -> list[KpiSample]:
        moment = self._clock()
        begun_at, watched.begun_at = watched.begun_at, None
        if isinstance(answer, Exception):
            return self._failed(watched, asked_at, reason_of(answer), moment)
        if watched.told:
            log.warning("The metrics from %s come again", watched)
        watched.told, watched.failures = "", 0
        watched.due_at = (begun_at if begun_at is not None else moment) + watched.period_s
        self._tell_missing(watched, answer.missing)
        return [*_samples(watched, answer), _state(watched, asked_at, failed=False)]

    def _failed(
        self, watched: WatchedSource, now: datetime, why: str, moment: float
    ) -> list[KpiSample]:
        if not watched.told:
            log.warning("There are no metrics from %s: %s", watched, why)
        watched.told = why
        watched.failures += 1
        watched.due_at = moment + watched.pause_s()
        return [_state(watched, now, failed=True)]

    @staticmethod
    def _tell_missing(watched: WatchedSource, missing: Mapping[str, str]) -> None:
        for name, why in missing.items():
            if name not in watched.told_missing:
                log.warning("%s from %s is missing: %s", name, watched, why)
        for name in watched.told_missing.keys() - missing.keys():
            log.info("%s from %s is there again", name, watched)
        watched.told_missing = missing


def open_sources(
    settings: Settings,
    clusters: Sequence[ClusterSpec],
    unusable: Callable[[ClusterSpec, str, AiopsError], None],
) -> Iterator[WatchedSource]:
    """
    Open the sources that the settings name; connects to none of them.

    Args:
        settings: Of the installation.
        clusters: Of the installation.
        unusable: Is told of each source that cannot be opened.
    """
    specs = {spec.name: spec for spec in clusters}
    for cluster in settings.clusters:
        spec, said = specs.get(cluster.name), cluster.metrics
        if spec is None or said is None:
            continue
        for name, given in said.by_source(spec.kind).items():
            try:
                source = metric_source(name).open(
                    spec,
                    source_options(name, given),
                    period_s=said.period_s,
                    timeout_s=said.timeout_s,
                )
            except AiopsError as error:
                unusable(spec, name, error)
                continue
            yield WatchedSource(
                spec=spec,
                name=name,
                source=source,
                period_s=said.period_s,
                limit_s=_REQUESTS * said.timeout_s,
            )


def _tell_unusable(spec: ClusterSpec, name: str, error: AiopsError) -> None:
    log.warning("There will be no metrics from %s of cluster %s: %s", name, spec.name, error)


def reason_of(error: Exception) -> str:
    """Why a look failed, without secrets."""
    # An error that is none of ours may hold anything, also an address with a password in it.
    return str(error) if isinstance(error, MetricsError) else f"{type(error).__name__} was raised"


def _samples(watched: WatchedSource, readings: Readings) -> Iterator[KpiSample]:
    for one in readings.found:
        fault = {FAULT_WHEN: one.fault_when} if one.fault_when else {}
        yield _sample(watched, one.name, one.observed_at, one.value, fault)


def _state(watched: WatchedSource, now: datetime, *, failed: bool) -> KpiSample:
    return _sample(watched, SOURCE_FAILED, now, float(failed), {"source": watched.name})


def _sample(
    watched: WatchedSource, name: str, at: datetime, value: float, more: Mapping[str, str]
) -> KpiSample:
    spec = watched.spec
    return KpiSample(
        name=name,
        observed_at=at,
        value=value,
        # Of a task the cluster says where it ran; here it is also what the series is about.
        dimensions={"cluster": spec.name, "kind": spec.kind, **more},
        context={"cluster": spec.name, "provider": spec.provider, "region": spec.region},
        idempotency_key=f"metrics/{spec.name}/{watched.name}/{name}/{at.isoformat()}",
    )
