"""
Alarm storms with known causes, from a seed.

An installation of sixteen clusters (four providers, two regions each, two clusters a region) and forty
tasks of eight DAGs; each task has twelve partitions, which run every five minutes on a cluster drawn
anew. One to five causes begin within ten minutes of each other, each at any level (provider, region,
cluster, task, DAG, operating system, version) or a pair of levels. Samples of a cause fall to a
share of their level; some are normal nevertheless (flapping), some arrive a period late, every cluster's
clock is skewed by an amount of its own and every sample is taken a little early or late, and here and
there a series is off for no shared reason (background).

All parameters were fixed before the engine saw a storm; the clusters' clocks came later and were not
tuned either.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import numpy as np

from aiops_provider.domain.cluster import ClusterSpec
from aiops_provider.domain.kpi import KpiSample

PERIOD = timedelta(minutes=5)
START = datetime(2026, 3, 16, 12, tzinfo=UTC)
LEARNED, STORM = 14, 6  # periods before and after the first onset

_PROVIDERS = ("aws", "azure", "gcp", "onprem")
_VERSIONS = ("3.0", "3.1", "3.2")
_SYSTEMS = ("ios", "android", "web")
_TASKS, _DAGS, _PARTITIONS = 40, 8, 12
_NOISE = 0.05
_FLAPPING = 0.10
_LATE = 0.05
_JITTER_S = 20.0
# Of a cluster's clock; three of these cross the border of a period.
_SKEW_S = 60.0
_BACKGROUND = 0.002
_LEVELS = ("provider", "region", "cluster", "task", "dag", "os", "version")
_PAIRS = (
    ("os", "version"),
    ("provider", "version"),
    ("region", "os"),
    ("cluster", "dag"),
    ("dag", "os"),
)

Cause = dict[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Incident:
    """
    What really went wrong.

    Attributes:
        cause: Values of what is hit.
        onset: First period, from 0.
        factor: What is left of the KPI.
    """

    cause: Cause
    onset: int
    factor: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Arrival:
    """
    A sample as it arrives.

    Attributes:
        sample: The sample.
        incidents: Numbers of the incidents that it is part of; empty if none spoiled it.
    """

    sample: KpiSample
    incidents: frozenset[int]


@dataclass(frozen=True, slots=True, kw_only=True)
class Storm:
    """
    One scenario.

    Attributes:
        incidents: What went wrong.
        history: Samples before, to be learned.
        periods: Samples by the period in which they arrive.
    """

    incidents: tuple[Incident, ...]
    history: tuple[KpiSample, ...]
    periods: tuple[tuple[Arrival, ...], ...]


def clusters() -> tuple[ClusterSpec, ...]:
    """The clusters of the installation."""
    return tuple(
        ClusterSpec(name=name, kind="simulated", provider=provider, region=region, pools=())
        for name, provider, region in _places()
    )


def _places() -> list[tuple[str, str, str]]:
    return [
        (f"{provider}-{region}-{number}", provider, f"{provider}-{region}")
        for provider in _PROVIDERS
        for region in ("north", "south")
        for number in (1, 2)
    ]


def make_storm(seed: int, *, causes: int, tasks: int = _TASKS) -> Storm:
    """
    A scenario.

    Args:
        seed: Of everything random.
        causes: How many go wrong at once, 1 to 5; 0 is a quiet half hour.
        tasks: Of the installation.
    """
    rng = np.random.default_rng([seed, causes])
    places = _places()
    clocks = _clocks(seed, causes, places)
    levels = rng.lognormal(8.0, 1.0, size=(tasks, _PARTITIONS))
    history = [
        sample
        for period in range(-LEARNED, 0)
        for sample in _samples(rng, places, clocks, levels, period)
    ]
    incidents = _incidents(rng, places, causes, tasks)
    periods: list[list[Arrival]] = [[] for _ in range(STORM + 1)]
    for period in range(STORM):
        for sample in _samples(rng, places, clocks, levels, period):
            arrival = _spoil(rng, sample, incidents, period)
            periods[period + int(rng.random() < _LATE)].append(arrival)
    return Storm(
        incidents=incidents, history=tuple(history), periods=tuple(tuple(one) for one in periods)
    )


def quiet_hours(seed: int, hours: int) -> Iterator[list[KpiSample]]:
    """
    The same installation with nothing wrong, every task once an hour.

    Args:
        seed: Of everything random.
        hours: How many.

    Yields:
        The samples of each hour; here and there one is off for no reason, as in a storm.
    """
    rng = np.random.default_rng([seed, 0])
    places = _places()
    clocks = _clocks(seed, 0, places)
    levels = rng.lognormal(8.0, 1.0, size=(_TASKS, _PARTITIONS))
    for hour in range(hours):
        samples = _samples(rng, places, clocks, levels, hour, every=timedelta(hours=1))
        yield [_spoil(rng, sample, (), hour).sample for sample in samples]


def _clocks(seed: int, causes: int, places: list[tuple[str, str, str]]) -> dict[str, timedelta]:
    """How far the clock of each cluster is off; of a generator of its own."""
    rng = np.random.default_rng([seed, causes, 1])
    off = np.clip(rng.normal(0.0, _SKEW_S, size=len(places)), -3.0 * _SKEW_S, 3.0 * _SKEW_S)
    return {
        cluster: timedelta(seconds=float(seconds))
        for (cluster, _, _), seconds in zip(places, off, strict=True)
    }


def _samples(  # noqa: PLR0917
    rng: np.random.Generator,
    places: list[tuple[str, str, str]],
    clocks: dict[str, timedelta],
    levels: np.ndarray,
    period: int,
    every: timedelta = PERIOD,
) -> Iterator[KpiSample]:
    for task in range(len(levels)):
        for partition in range(_PARTITIONS):
            cluster, provider, region = places[rng.integers(len(places))]
            jitter = timedelta(seconds=float(np.clip(rng.normal(0.0, _JITTER_S), -60.0, 60.0)))
            skew = jitter + clocks[cluster]
            yield KpiSample(
                name="row_count",
                observed_at=START + period * every + timedelta(seconds=150) + skew,
                value=float(round(levels[task, partition] * (1.0 + _NOISE * rng.normal()))),
                dimensions={
                    "task": f"task-{task}",
                    "dag": f"dag-{task % _DAGS}",
                    "partition": f"p{task}-{partition}",
                    "os": _SYSTEMS[partition % len(_SYSTEMS)],
                },
                context={
                    "cluster": cluster,
                    "provider": provider,
                    "region": region,
                    "version": _VERSIONS[int(rng.integers(len(_VERSIONS)))],
                },
            )


def _incidents(
    rng: np.random.Generator, places: list[tuple[str, str, str]], count: int, tasks: int
) -> tuple[Incident, ...]:
    found: list[Incident] = []
    while len(found) < count:
        names = (
            _PAIRS[rng.integers(len(_PAIRS))]
            if rng.random() < 0.4
            else (_LEVELS[rng.integers(len(_LEVELS))],)
        )
        cluster, provider, region = places[rng.integers(len(places))]
        task = int(rng.integers(tasks))
        values = {
            "provider": provider,
            "region": region,
            "cluster": cluster,
            "task": f"task-{task}",
            "dag": f"dag-{task % _DAGS}",
            "os": _SYSTEMS[int(rng.integers(3))],
            "version": _VERSIONS[int(rng.integers(3))],
        }
        cause = {name: values[name] for name in names}
        if all(_distinct(cause, other.cause) for other in found):
            onset = 0 if not found else int(rng.integers(3))
            found.append(Incident(cause=cause, onset=onset, factor=float(rng.uniform(0.05, 0.5))))
    return tuple(found)


def _distinct(cause: Cause, other: Cause) -> bool:
    """Neither holds the other: an outage of a provider has no separate outage of its region."""
    return not (cause.items() <= other.items() or other.items() <= cause.items()) and not any(
        mine.startswith(theirs) or theirs.startswith(mine)
        for mine in _where(cause)
        for theirs in _where(other)
    )


def _where(cause: Cause) -> list[str]:
    return [value for name, value in cause.items() if name in {"provider", "region", "cluster"}]


def _spoil(
    rng: np.random.Generator, sample: KpiSample, incidents: tuple[Incident, ...], period: int
) -> Arrival:
    attributes = sample.attributes
    hit = [
        number
        for number, one in enumerate(incidents)
        if period >= one.onset and one.cause.items() <= attributes.items()
    ]
    flaps, alone = rng.random() < _FLAPPING, rng.random() < _BACKGROUND
    factor = 1.0
    if hit and not flaps:
        factor = incidents[hit[0]].factor
    elif alone:
        factor = float(rng.uniform(0.05, 0.5))
    spoiled = KpiSample(
        name=sample.name,
        observed_at=sample.observed_at,
        value=float(round(sample.value * factor)),
        dimensions=sample.dimensions,
        context=sample.context,
    )
    return Arrival(sample=spoiled, incidents=frozenset() if flaps else frozenset(hit))
