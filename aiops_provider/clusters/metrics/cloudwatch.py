"""
Metrics of Amazon CloudWatch by GetMetricData.

https://docs.aws.amazon.com/AmazonCloudWatch/latest/APIReference/API_GetMetricData.html: at most 500 queries
a call, paged by token. A data point is dated by the beginning of its period and may change until the
period has been over for a while.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta
from typing import Any

from aiops_provider.clusters.metrics.options import CloudWatchMetric, CloudWatchOptions, chosen
from aiops_provider.clusters.metrics.registry import MetricSourceKind
from aiops_provider.clusters.metrics.source import Progress, Readings
from aiops_provider.domain.cluster import ClusterSpec
from aiops_provider.errors import MetricsError

MOST_QUERIES = 500
"""In one call, as the API allows."""

_SETTLED_AFTER = timedelta(seconds=60)

_USUAL: Mapping[str, tuple[str, Mapping[str, CloudWatchMetric]]] = {
    # https://docs.aws.amazon.com/AmazonECS/latest/developerguide/available-metrics.html
    "aws_ecs": (
        "AWS/ECS",
        {
            "cores_used_percent": CloudWatchMetric(metric="CPUUtilization"),
            "memory_used_percent": CloudWatchMetric(metric="MemoryUtilization"),
        },
    ),
    # https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/Container-Insights-metrics-EKS.html
    "kubernetes": (
        "ContainerInsights",
        {
            "nodes_failed": CloudWatchMetric(
                metric="cluster_failed_node_count", statistic="Maximum", fault_when="high"
            ),
            "cores_used_percent": CloudWatchMetric(metric="node_cpu_utilization"),
            "memory_used_percent": CloudWatchMetric(metric="node_memory_utilization"),
        },
    ),
}


class CloudWatch:
    """
    CloudWatch of one region, asked about one cluster.

    Args:
        spec: The cluster.
        options: What to ask.
        timeout_s: Of one request.

    Raises:
        MetricsError: Nothing is said about what to ask, or about where a metric belongs.
    """

    def __init__(self, spec: ClusterSpec, options: CloudWatchOptions, *, timeout_s: float) -> None:
        namespace, usual = _USUAL.get(spec.kind, (None, {}))
        self._options, self._timeout_s = options, timeout_s
        self._region = options.region or spec.region
        self._namespace = options.namespace or namespace
        self._dimensions = dict(options.dimensions) or _own_dimensions(spec)
        self._metrics: dict[str, CloudWatchMetric] = chosen(options.metrics, usual)
        self._period = timedelta(seconds=options.period_s)
        self._progress = Progress(self._period)
        self._allowed = _SETTLED_AFTER + 5 * self._period
        self._client: Any = None
        if not self._metrics:
            raise MetricsError("no metric is given: say under `metrics` what to read")
        homeless = [n for n, one in self._metrics.items() if not (one.namespace or self._namespace)]
        if homeless:
            raise MetricsError(f"{', '.join(homeless)}: no namespace is given")

    def read(self, now: datetime) -> Readings:
        """See :class:`~aiops_provider.clusters.metrics.source.MetricSource`."""
        points: dict[str, list[tuple[datetime, float]]] = defaultdict(list)
        names = list(self._metrics)
        for begin in range(0, len(names), MOST_QUERIES):
            for name, at, value in self._points(names[begin : begin + MOST_QUERIES], now):
                points[name].append((at, value))
        until = now - self._period - _SETTLED_AFTER
        return self._progress.readings(
            self._metrics, points, now=now, until=until, allowed=self._allowed
        )

    def _points(self, names: list[str], now: datetime) -> Iterator[tuple[str, datetime, float]]:
        """Points of at most 500 metrics since the last look, all pages."""
        ids = {f"m{place}": name for place, name in enumerate(names)}
        asked: dict[str, Any] = {
            "MetricDataQueries": [
                self._query(key, self._metrics[name]) for key, name in ids.items()
            ],
            "StartTime": self._progress.since(names, now),
            "EndTime": now,
            "ScanBy": "TimestampAscending",
        }
        while True:
            answer = self._call(asked)
            for result in answer.get("MetricDataResults", ()):
                pairs = zip(result["Timestamps"], result["Values"], strict=True)
                yield from ((ids[result["Id"]], at, float(value)) for at, value in pairs)
            if not answer.get("NextToken"):
                return
            asked["NextToken"] = answer["NextToken"]

    def _query(self, key: str, metric: CloudWatchMetric) -> dict[str, Any]:
        dimensions = self._dimensions if metric.dimensions is None else metric.dimensions
        return {
            "Id": key,
            "ReturnData": True,
            "MetricStat": {
                "Metric": {
                    "Namespace": metric.namespace or self._namespace,
                    "MetricName": metric.metric,
                    "Dimensions": [{"Name": n, "Value": v} for n, v in dimensions.items()],
                },
                "Period": round(self._period.total_seconds()),
                "Stat": metric.statistic,
            },
        }

    def _call(self, asked: Mapping[str, Any]) -> dict[str, Any]:
        if self._client is None:
            self._client = aws_client(
                "cloudwatch", self._region, timeout_s=self._timeout_s, profile=self._options.profile
            )
        return call_aws(self._client.get_metric_data, **asked)


def aws_client(service: str, region: str, *, timeout_s: float, profile: str | None = None) -> Any:
    """
    A client with the credentials and settings of boto3's own files and variables.

    Args:
        service: As boto3 calls it.
        region: Of AWS.
        timeout_s: For connecting, and for the next bytes of an answer.
        profile: In boto3's files; ``None``: its default.

    Raises:
        MetricsError: The extra ``aws`` is not installed, or boto3 cannot be set up.
    """
    try:
        import boto3
        from botocore.config import Config
        from botocore.exceptions import BotoCoreError
    except ImportError as error:
        raise MetricsError("needs boto3: pip install 'aiops-provider[aws]'") from error
    config = Config(
        connect_timeout=timeout_s, read_timeout=timeout_s, retries={"total_max_attempts": 1}
    )
    try:
        session = boto3.Session(profile_name=profile, region_name=region)
        return session.client(service, config=config)
    except (BotoCoreError, ValueError) as error:
        raise MetricsError(f"boto3 cannot be set up for {region}: {error}") from error


def call_aws(method: Any, **asked: Any) -> dict[str, Any]:
    """
    Call AWS once.

    Raises:
        MetricsError: It does not answer, or refuses.
    """
    from botocore.exceptions import BotoCoreError, ClientError

    try:
        answer: dict[str, Any] = method(**asked)
    except ClientError as error:
        told = error.response.get("Error", {})
        raise MetricsError(f"AWS refuses: {told.get('Code')}: {told.get('Message')}") from error
    except BotoCoreError as error:
        raise MetricsError(f"AWS does not answer: {type(error).__name__}: {error}") from error
    return answer


def _own_dimensions(spec: ClusterSpec) -> dict[str, str]:
    if spec.kind == "aws_ecs":
        name = str(spec.options.get("cluster") or "").rpartition("/")[2]
        return {"ClusterName": name} if name else {}
    return {}


def open_source(
    spec: ClusterSpec, options: CloudWatchOptions, *, period_s: float, timeout_s: float
) -> CloudWatch:
    """See :class:`~aiops_provider.clusters.metrics.registry.OpenSource`; points have their own period."""
    del period_s
    return CloudWatch(spec, options, timeout_s=timeout_s)


SOURCE = MetricSourceKind(name="cloudwatch", open=open_source, options=CloudWatchOptions)
