"""The sources of cluster metrics that are installed, by entry point ``aiops_provider.metric_sources``."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol

from pydantic import BaseModel, ValidationError

from aiops_provider.clusters.metrics.options import NoOptions
from aiops_provider.clusters.metrics.source import MetricSource
from aiops_provider.clusters.plug_ins import PlugIns
from aiops_provider.domain.cluster import ClusterSpec
from aiops_provider.errors import ConfigurationError


class OpenSource(Protocol):
    """Makes the source of one cluster; connects to nothing yet."""

    def __call__(
        self, spec: ClusterSpec, options: Any, *, period_s: float, timeout_s: float
    ) -> MetricSource:
        """
        Make the source.

        Args:
            spec: The cluster.
            options: An object of the class that the source names.
            period_s: Seconds between two calls of ``read``.
            timeout_s: What one request may take.

        Raises:
            MetricsError: A library is missing, or nothing is said about what to read.
        """


@dataclass(frozen=True, slots=True, kw_only=True)
class MetricSourceKind:
    """
    A place where metrics are read; an entry point names an object of this class.

    Attributes:
        name: What stands under ``metrics`` in aiops.yaml; of a source that a kind of cluster has by
            itself, that kind.
        open: Makes the source.
        options: What may be said about it.
    """

    name: str
    open: OpenSource
    options: type[BaseModel] = NoOptions


SOURCES = PlugIns(
    group="aiops_provider.metric_sources",
    made=MetricSourceKind,
    noun="source of metrics",
    field="metrics",
    built_in={
        "prometheus": "aiops_provider.clusters.metrics.prometheus:SOURCE",
        "cloudwatch": "aiops_provider.clusters.metrics.cloudwatch:SOURCE",
        "azure_monitor": "aiops_provider.clusters.metrics.azure_monitor:SOURCE",
        "cloud_monitoring": "aiops_provider.clusters.metrics.cloud_monitoring:SOURCE",
        "kubernetes": "aiops_provider.clusters.kubernetes.metrics:SOURCE",
        "aws_batch": "aiops_provider.clusters.aws_batch.metrics:SOURCE",
        "aws_ecs": "aiops_provider.clusters.aws_ecs.metrics:SOURCE",
        "google_batch": "aiops_provider.clusters.google_batch.metrics:SOURCE",
        "azure_batch": "aiops_provider.clusters.azure_batch.metrics:SOURCE",
    },
)


def source_names() -> tuple[str, ...]:
    """Names of all sources that are installed, sorted; imports none of them."""
    return SOURCES.names()


def metric_source(name: str) -> MetricSourceKind:
    """
    The source of that name.

    Raises:
        ConfigurationError: There is none, it cannot be imported, or it is no MetricSourceKind.
    """
    return SOURCES.load(name)


def source_options(name: str, given: Any) -> BaseModel:
    """
    What was said about a source, checked.

    Args:
        name: Of the source.
        given: A mapping, or an object of its options.

    Raises:
        ConfigurationError: It cannot be used; the first mistake is named, its value is not.
    """
    kind = metric_source(name)
    if isinstance(given, kind.options):
        return given
    try:
        return kind.options.model_validate(given)
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(str(part) for part in ("metrics", name, *first["loc"]))
        raise ConfigurationError(
            str(first["msg"]),
            field=place,
            mend=f"Known: {', '.join(kind.options.model_fields) or 'no key'}",
        ) from None
