"""
A small world of tasks, clusters and KPIs in which things go wrong on purpose, from a seed.

For tests of detectors, rules and responses: the truth is known, and healthy noise is part of it.
"""

from __future__ import annotations

import math
import random
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from aiops_provider.domain.cluster import Capacity, ClusterSpec, Pool
from aiops_provider.domain.kpi import KpiSample

DAG = "medical"
FEATURES = tuple(f"feature-{number:02d}" for number in range(1, 31))
TASKS = tuple(
    (task, f"part-{part}")
    for task in ("admissions", "labs", "imaging", "billing", "wards")
    for part in range(1, 6)
)
PERIOD = timedelta(hours=6)
_HISTORY = timedelta(days=14)

_PLACES = (
    ("onprem", "on_premises", "no-oslo"),
    ("aws-sa-east-1", "aws", "sa-east-1"),
    ("aws-us-east-1", "aws", "us-east-1"),
    ("azure-westeurope", "azure", "westeurope"),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """
    Something that is broken.

    Attributes:
        where: What the spoilt observations share: ``{"provider": "aws"}``.
        kpis: KPIs that suffer; empty: all.
        fails: Whether tasks fail there instead of reporting bad figures.
    """

    where: Mapping[str, str]
    kpis: frozenset[str] = field(default_factory=frozenset)
    fails: bool = False

    def hits(self, kpi: str, attributes: Mapping[str, str]) -> bool:
        """Whether an observation is spoilt."""
        if self.kpis and kpi not in self.kpis:
            return False
        return all(attributes.get(name) == value for name, value in self.where.items())


def clusters() -> tuple[ClusterSpec, ...]:
    """Four clusters of three providers, two of them of aws."""
    pool = Pool(
        name="default",
        machine=Capacity(cores=4, memory_gib=16),
        max_instances=4,
        price_usd_per_hour=0.1,
    )
    return tuple(
        ClusterSpec(name=name, kind="local", provider=provider, region=region, pools=(pool,))
        for name, provider, region in _PLACES
    )


class World:
    """
    Twenty-five partitions in five tasks; row count, precision and thirty features of each.

    Args:
        seed: Same seed, same world.
    """

    def __init__(self, seed: int = 1) -> None:
        self._random = random.Random(seed)  # noqa: S311 - a simulation
        self._level = {
            (unit, feature): self._random.uniform(0.5, 50.0) * self._random.choice((-1, 1))
            for unit in TASKS
            for feature in FEATURES
        }
        self._rows = {unit: self._random.uniform(400.0, 5_000.0) for unit in TASKS}

    def history(self, until: datetime) -> Iterator[KpiSample]:
        """Two weeks, every six hours, all well, the last period before *until*."""
        count = _HISTORY // PERIOD
        for back in range(count, 0, -1):
            at = until - PERIOD * back
            for unit in TASKS:
                yield from self._samples(unit, at, {"run_id": f"history-{back}"}, ())

    def run(
        self,
        at: datetime,
        run_id: str = "run",
        *,
        faults: Sequence[Fault] = (),
        only: Sequence[str] = (),
        takes: timedelta = timedelta(minutes=1),
    ) -> list[KpiSample]:
        """
        One run of all tasks, in order of time: they end one after the other.

        Args:
            at: When the first one ends.
            run_id: Its name.
            faults: What is broken.
            only: Clusters that may be used; default: all, a quarter of the tasks each.
            takes: From the first end to the last.
        """
        allowed = [place for place in _PLACES if not only or place[0] in only]
        places = [allowed[number % len(allowed)] for number in range(len(TASKS))]
        self._random.shuffle(places)
        found: list[KpiSample] = []
        for unit, place in zip(TASKS, places, strict=True):
            context = dict(zip(("cluster", "provider", "region"), place, strict=True))
            ends = at + takes * self._random.random()
            found += self._samples(unit, ends, {**context, "run_id": run_id}, faults)
        return sorted(found, key=lambda sample: sample.observed_at)

    def _samples(
        self,
        unit: tuple[str, str],
        at: datetime,
        context: Mapping[str, str],
        faults: Sequence[Fault],
    ) -> Iterator[KpiSample]:
        task, partition = unit
        identity = {"dag": DAG, "task": task, "partition": partition}
        failed = any(fault.fails and fault.hits("", {**identity, **context}) for fault in faults)
        yield KpiSample(
            name="task_failed",
            observed_at=at,
            value=float(failed),
            dimensions=identity,
            context=context,
        )
        if failed:
            return
        for kpi, dimensions, value in self._figures(unit, at):
            labels = {**identity, **dimensions}
            spoilt = any(
                not fault.fails and fault.hits(kpi, {**labels, **context, "kpi": kpi})
                for fault in faults
            )
            yield KpiSample(
                name=kpi,
                observed_at=at + timedelta(milliseconds=self._random.randint(0, 500)),
                value=_spoilt(kpi, value) if spoilt else value,
                dimensions=labels,
                context=context,
            )

    def _figures(
        self, unit: tuple[str, str], at: datetime
    ) -> Iterator[tuple[str, dict[str, str], float]]:
        gauss = self._random.gauss
        busy = 1.0 + 0.3 * math.cos((at.hour - 14) / 24 * math.tau)
        yield "row_count", {}, float(round(self._rows[unit] * busy * math.exp(gauss(0.0, 0.04))))
        yield "precision", {}, min(1.0, 0.95 + gauss(0.0, 0.01))
        for feature in FEATURES:
            level = self._level[unit, feature]
            yield "feature_mean", {"feature": feature}, level * (1.0 + gauss(0.0, 0.03))


def _spoilt(kpi: str, value: float) -> float:
    if kpi == "row_count":
        return float(round(value * 0.22))
    return value * (0.64 if kpi == "precision" else 1.6)
