"""Key performance indicators: one number of one thing at one moment."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

# Where a sample was taken says nothing about which series it belongs to: the same partition's row
# count must be compared with last week's even if it ran on another cluster then. Nor does how a column changed.
CONTEXT_DIMENSIONS = frozenset(
    {
        "cluster", "provider", "region", "zone", "pool", "host", "instance_type",
        "run_id", "try_number", "version", "model_version", "code_hash", "image",
        "schema_change",
    }
)  # fmt: skip

FAULT_WHEN = "fault_when"
"""Dimension of a cluster's own metrics: ``high`` or ``low``, the deviation that means it is unwell."""

_OF_CLUSTERS = frozenset({"kind", FAULT_WHEN})


@dataclass(frozen=True, slots=True, kw_only=True)
class KpiSample:
    """
    One observation.

    Attributes:
        name: Which KPI: ``row_count``, ``precision``, ``feature_mean``, ``requests_per_s`` …
        observed_at: When, timezone-aware.
        value: Finite.
        dimensions: What was observed (dag, task, partition, feature); they identify the series.
        context: Where and how it ran (cluster, provider, region, version, run_id).
        idempotency_key: The same key twice is the same sample; empty: derived from the rest.
    """

    name: str
    observed_at: datetime
    value: float
    dimensions: Mapping[str, str] = field(default_factory=dict)
    context: Mapping[str, str] = field(default_factory=dict)
    idempotency_key: str = ""

    @property
    def series(self) -> SeriesKey:
        """The series it belongs to."""
        return SeriesKey(self.name, tuple(sorted(self.dimensions.items())))

    @property
    def attributes(self) -> dict[str, str]:
        """Everything that a root cause can be looked for in."""
        return {**self.dimensions, **self.context, "kpi": self.name}


@dataclass(frozen=True, slots=True, order=True)
class SeriesKey:
    """
    Identity of a time series.

    Attributes:
        name: Name of the KPI.
        dimensions: Sorted pairs.
    """

    name: str
    dimensions: tuple[tuple[str, str], ...] = ()

    @property
    def cluster(self) -> str | None:
        """
        The cluster that the series is about; ``None`` for what merely ran on one.

        Its own metrics say of which kind it is, or which way means a fault.
        """
        said = dict(self.dimensions)
        return said.get("cluster") if said.keys() & _OF_CLUSTERS else None

    def __str__(self) -> str:
        inside = ", ".join(f"{key}={value}" for key, value in self.dimensions)
        return f"{self.name}{{{inside}}}" if inside else self.name


def split_dimensions(labels: Mapping[str, str]) -> tuple[dict[str, str], dict[str, str]]:
    """
    Part labels into those that identify the series and those that say where it ran.

    >>> split_dimensions({"task": "train", "cluster": "eks"})
    ({'task': 'train'}, {'cluster': 'eks'})
    """
    identity = {k: v for k, v in labels.items() if k not in CONTEXT_DIMENSIONS}
    context = {k: v for k, v in labels.items() if k in CONTEXT_DIMENSIONS}
    return identity, context
