"""
Metrics of Azure Monitor by its metrics data plane.

The library is azure-monitor-querymetrics, to which azure-monitor-query handed its metrics client over.
A query may name twenty metrics, all with one filter and one kind of aggregation.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from aiops_provider.clusters.metrics.options import AzureMetric, AzureMonitorOptions, chosen
from aiops_provider.clusters.metrics.registry import MetricSourceKind
from aiops_provider.clusters.metrics.source import Progress, Readings
from aiops_provider.domain.cluster import ClusterSpec
from aiops_provider.errors import MetricsError

MOST_METRICS = 20
"""In one query, as the service allows."""

_SETTLED_AFTER = timedelta(seconds=120)

# https://learn.microsoft.com/azure/azure-monitor/reference/supported-metrics/microsoft-containerservice-managedclusters-metrics
_USUAL = {
    "kubernetes": {
        "cores_used_percent": AzureMetric(metric="node_cpu_usage_percentage"),
        "memory_used_percent": AzureMetric(metric="node_memory_working_set_percentage"),
        "pods_pending": AzureMetric(
            metric="kube_pod_status_phase", filter="phase eq 'Pending'", aggregation="Total"
        ),
        "nodes_not_ready": AzureMetric(
            metric="kube_node_status_condition",
            filter="condition eq 'Ready' and status2 eq 'NotReady'",
            aggregation="Total",
            fault_when="high",
        ),
    }
}


class AzureMonitor:
    """
    One resource of Azure.

    Args:
        spec: The cluster.
        options: What to ask.
        timeout_s: Of one request.
        client: Instead of one with the credentials that azure-identity finds.

    Raises:
        MetricsError: Nothing is said about what to ask.
    """

    def __init__(
        self,
        spec: ClusterSpec,
        options: AzureMonitorOptions,
        *,
        timeout_s: float,
        client: Any = None,
    ) -> None:
        self._options, self._timeout_s, self._client = options, timeout_s, client
        self._region = spec.region
        self._metrics: dict[str, AzureMetric] = chosen(options.metrics, _USUAL.get(spec.kind, {}))
        self._period = timedelta(seconds=options.period_s)
        self._progress = Progress(self._period)
        self._allowed = _SETTLED_AFTER + 5 * self._period
        if not self._metrics:
            raise MetricsError("no metric is given: say under `metrics` what to read")

    def read(self, now: datetime) -> Readings:
        """See :class:`~aiops_provider.clusters.metrics.source.MetricSource`."""
        points: dict[str, list[tuple[datetime, float]]] = defaultdict(list)
        for names in self._queries():
            for name, at, value in self._points(names, now):
                points[name].append((at, value))
        until = now - self._period - _SETTLED_AFTER
        return self._progress.readings(
            self._metrics, points, now=now, until=until, allowed=self._allowed
        )

    def _queries(self) -> Iterator[list[str]]:
        """Names that one query can ask for: alike in all but the metric, which none has twice."""
        alike: dict[tuple[str, str | None], list[str]] = defaultdict(list)
        for name, metric in self._metrics.items():
            alike[metric.aggregation, metric.filter].append(name)
        for names in alike.values():
            waiting = list(names)
            while waiting:
                query: dict[str, str] = {}
                for name in waiting:
                    query.setdefault(self._metrics[name].metric, name)
                together = list(query.values())[:MOST_METRICS]
                yield together
                waiting = [name for name in waiting if name not in together]

    def _points(self, names: Sequence[str], now: datetime) -> Iterator[tuple[str, datetime, float]]:
        by_metric = {self._metrics[name].metric.lower(): name for name in names}
        first = self._metrics[names[0]]
        begin = self._progress.since(names, now)
        asked = {
            "resource_ids": [self._options.resource_id],
            "metric_namespace": self._options.metric_namespace,
            "metric_names": [self._metrics[name].metric for name in names],
            "timespan": (begin, now),
            "granularity": self._period,
            "aggregations": [first.aggregation],
            **({"filter": first.filter} if first.filter else {}),
        }
        for result in self._call(asked):
            for metric in result.metrics:
                name = by_metric.get(metric.name.lower())
                if name is not None:
                    for at, value in _sums(metric.timeseries, first.aggregation.lower()):
                        yield name, at, value

    def _call(self, asked: Mapping[str, Any]) -> Sequence[Any]:
        client = self._client = self._client or self._open()
        from azure.core.exceptions import AzureError, HttpResponseError

        try:
            found: Sequence[Any] = client.query_resources(**asked)
        except HttpResponseError as error:
            reason = error.reason or type(error).__name__
            raise MetricsError(f"Azure Monitor refuses: {error.status_code} {reason}") from None
        except AzureError as error:
            raise MetricsError(f"Azure Monitor does not answer: {type(error).__name__}") from None
        return found

    def _open(self) -> Any:
        try:
            from azure.identity import DefaultAzureCredential
            from azure.monitor.querymetrics import MetricsClient
        except ImportError as error:
            raise MetricsError(
                "needs azure-monitor-querymetrics and azure-identity: "
                "pip install 'aiops-provider[azure]'"
            ) from error
        endpoint = self._options.endpoint or f"https://{self._region}.metrics.monitor.azure.com"
        return MetricsClient(
            endpoint,
            DefaultAzureCredential(),
            connection_timeout=self._timeout_s,
            read_timeout=self._timeout_s,
            retry_total=0,
        )


def _sums(series: Sequence[Any], aggregation: str) -> list[tuple[datetime, float]]:
    """The series of a metric added up: a filter on a dimension answers with one for each value."""
    total: dict[datetime, float] = defaultdict(float)
    for one in series:
        for point in one.data:
            value = getattr(point, aggregation, None)
            if value is not None:
                total[point.timestamp] += float(value)
    return sorted(total.items())


def open_source(
    spec: ClusterSpec, options: AzureMonitorOptions, *, period_s: float, timeout_s: float
) -> AzureMonitor:
    """See :class:`~aiops_provider.clusters.metrics.registry.OpenSource`; points have their own period."""
    del period_s
    return AzureMonitor(spec, options, timeout_s=timeout_s)


SOURCE = MetricSourceKind(name="azure_monitor", open=open_source, options=AzureMonitorOptions)
