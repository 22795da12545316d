"""What a source of cluster metrics is, and what it answers."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Literal, Protocol

FaultWhen = Literal["high", "low"]

SPOT_INTERRUPTIONS = "spot_interruptions"
"""Name of the KPI that counts the spot machines that were taken from under work since the last look."""

FIRST_LOOK = timedelta(hours=1)
"""So far back a source is asked at first, and after a long silence, that its series have a past."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """
    One number of one cluster at one moment.

    Attributes:
        name: Of the KPI.
        observed_at: When, timezone-aware.
        value: Finite.
        fault_when: Which deviation means that the cluster itself is unwell; ``None``: it tells load.
    """

    name: str
    observed_at: datetime
    value: float
    fault_when: FaultWhen | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Readings:
    """
    What one look brought.

    Attributes:
        found: In order of time for each name.
        missing: Metrics that the source does not have, with why.
    """

    found: Sequence[Reading] = ()
    missing: Mapping[str, str] = field(default_factory=dict)


class MetricSource(Protocol):
    """Where metrics of one cluster are read; used by one thread at a time."""

    def read(self, now: datetime) -> Readings:
        """
        What is new since the last call; at first, of the last hour where the source has a past.

        Args:
            now: The present moment.

        Raises:
            MetricsError: The source does not answer, or refuses; the message says why, without secrets.
        """


class CloudMetric(Protocol):
    """A metric of a cloud's monitoring service, as the settings have it."""

    @property
    def metric(self) -> str:
        """What the service calls it."""

    @property
    def fault_when(self) -> FaultWhen | None:
        """Which deviation means that the cluster itself is unwell."""


class Newcomers:
    """Counts what was not there at the look before; the first look only tells what is old."""

    def __init__(self) -> None:
        self._seen: frozenset[str] | None = None

    def count(self, ids: Iterable[str]) -> int | None:
        """
        How many are new; ``None`` at the first look.

        Args:
            ids: All that are there now, each by an id of its own.
        """
        now, before = frozenset(ids), self._seen
        self._seen = now
        return None if before is None else len(now - before)


def interruptions(newcomers: Newcomers, ids: Iterable[str], now: datetime) -> Iterator[Reading]:
    """
    The reading of :data:`SPOT_INTERRUPTIONS`; none at the first look.

    Args:
        newcomers: Of this source.
        ids: Of all interruptions that the cluster still tells of.
        now: The present moment.
    """
    new = newcomers.count(ids)
    if new is not None:
        yield Reading(name=SPOT_INTERRUPTIONS, observed_at=now, value=float(new), fault_when="high")


class Progress:
    """
    Up to which moment the points of each metric were taken.

    Args:
        period: Between two points.
    """

    def __init__(self, period: timedelta) -> None:
        self._period = period
        self._taken: dict[str, datetime] = {}

    def since(self, names: Sequence[str], now: datetime) -> datetime:
        """From when on to ask for these metrics: none is taken twice, none older than an hour."""
        oldest = self.floor(now - FIRST_LOOK)
        return max(oldest, min((self._taken.get(name, oldest) for name in names), default=oldest))

    def silence(self, name: str, now: datetime, *, allowed: timedelta) -> str:
        """That a metric has no points lately, in words; empty if it has."""
        last = self._taken.get(name)
        if last is None:
            return "it has no data points"
        return f"it has no data points since {last:%H:%M} UTC" if now - last > allowed else ""

    def floor(self, moment: datetime) -> datetime:
        """The multiple of the period at or before that moment, so that a restart asks for the same."""
        seconds = self._period.total_seconds()
        return datetime.fromtimestamp(math.floor(moment.timestamp() / seconds) * seconds, tz=UTC)

    def readings(
        self,
        metrics: Mapping[str, CloudMetric],
        points: Mapping[str, Sequence[tuple[datetime, float]]],
        *,
        now: datetime,
        until: datetime,
        allowed: timedelta,
    ) -> Readings:
        """
        What is new of all metrics of a cloud's monitoring service, and which of them are silent.

        Args:
            metrics: By name of the KPI.
            points: Of those that answered, moments and values in any order.
            now: The present moment.
            until: Later points may still change.
            allowed: A metric without points for longer than this is silent.
        """
        found: list[Reading] = []
        missing: dict[str, str] = {}
        for name, metric in metrics.items():
            found += self.take(
                name, points.get(name, ()), until=until, fault_when=metric.fault_when
            )
            silence = self.silence(name, now, allowed=allowed)
            if silence:
                missing[name] = f"{metric.metric}: {silence}"
        return Readings(found=found, missing=missing)

    def take(
        self,
        name: str,
        points: Sequence[tuple[datetime, float]],
        *,
        until: datetime,
        fault_when: FaultWhen | None,
    ) -> list[Reading]:
        """
        Readings of the points not taken before.

        Args:
            name: Of the KPI.
            points: Moments and values, in any order.
            until: Later points may still change.
            fault_when: Of the metric.
        """
        last = self._taken.get(name)
        fresh = sorted(
            (at, value)
            for at, value in points
            if at <= until and (last is None or at > last) and math.isfinite(value)
        )
        if fresh:
            self._taken[name] = fresh[-1][0]
        return [
            Reading(name=name, observed_at=at, value=value, fault_when=fault_when)
            for at, value in fresh
        ]
