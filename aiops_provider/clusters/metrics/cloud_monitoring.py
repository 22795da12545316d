"""
Metrics of Google Cloud Monitoring by projects.timeSeries.list.

https://cloud.google.com/monitoring/api/ref_v3/rest/v3/projects.timeSeries/list. Google's client for it speaks gRPC
only, which is fifty megabytes for one call; so the credentials are google-auth's, the call is plain
HTTPS.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta
from typing import Any

from aiops_provider.clusters.metrics.options import CloudMonitoringOptions, GoogleMetric, chosen
from aiops_provider.clusters.metrics.registry import MetricSourceKind
from aiops_provider.clusters.metrics.source import Progress, Readings
from aiops_provider.domain.cluster import ClusterSpec
from aiops_provider.errors import MetricsError

_SCOPES = ("https://www.googleapis.com/auth/monitoring.read",)
# Metrics of GKE are sampled every minute and visible two minutes later.
_SETTLED_AFTER = timedelta(seconds=150)

# https://cloud.google.com/monitoring/api/metrics_kubernetes
_USUAL = {
    "kubernetes": {
        "cores_used_share": GoogleMetric(metric="kubernetes.io/node/cpu/allocatable_utilization"),
        "memory_used_share": GoogleMetric(
            metric="kubernetes.io/node/memory/allocatable_utilization"
        ),
    }
}


class CloudMonitoring:
    """
    One project of Google Cloud, asked about one cluster.

    Args:
        spec: The cluster.
        options: What to ask.
        timeout_s: Of one request.
        credentials: Of google-auth; ``None``: Application Default Credentials.

    Raises:
        MetricsError: Nothing is said about what to ask.
    """

    def __init__(
        self,
        spec: ClusterSpec,
        options: CloudMonitoringOptions,
        *,
        timeout_s: float,
        credentials: Any = None,
    ) -> None:
        self._options, self._timeout_s, self._credentials = options, timeout_s, credentials
        self._metrics: dict[str, GoogleMetric] = chosen(options.metrics, _USUAL.get(spec.kind, {}))
        self._period = timedelta(seconds=options.period_s)
        self._progress = Progress(self._period)
        self._allowed = _SETTLED_AFTER + 5 * self._period
        self._session: Any = None
        if not self._metrics:
            raise MetricsError("no metric is given: say under `metrics` what to read")

    def read(self, now: datetime) -> Readings:
        """See :class:`~aiops_provider.clusters.metrics.source.MetricSource`."""
        points = {
            name: list(self._points(name, metric, now)) for name, metric in self._metrics.items()
        }
        return self._progress.readings(
            self._metrics, points, now=now, until=now - _SETTLED_AFTER, allowed=self._allowed
        )

    def _points(
        self, name: str, metric: GoogleMetric, now: datetime
    ) -> Iterator[tuple[datetime, float]]:
        begin = self._progress.since([name], now)
        asked = {
            "filter": self._filter(metric),
            "interval.startTime": begin.isoformat(),
            # Alignment counts from the end: only whole minutes give the same points each time.
            "interval.endTime": self._progress.floor(now).isoformat(),
            "aggregation.alignmentPeriod": f"{self._options.period_s}s",
            "aggregation.perSeriesAligner": metric.aligner,
            "aggregation.crossSeriesReducer": metric.reducer,
        }
        while True:
            answer = self._call(name, asked)
            for series in answer.get("timeSeries", ()):
                for point in series.get("points", ()):
                    value = point["value"]
                    number = value.get("doubleValue", value.get("int64Value"))
                    if number is not None:
                        yield datetime.fromisoformat(point["interval"]["endTime"]), float(number)
            if not answer.get("nextPageToken"):
                return
            asked["pageToken"] = answer["nextPageToken"]

    def _filter(self, metric: GoogleMetric) -> str:
        parts = [f'metric.type="{metric.metric}"']
        if self._options.cluster_name:
            parts.append(f'resource.labels.cluster_name="{self._options.cluster_name}"')
        if metric.filter:
            parts.append(f"({metric.filter})")
        return " AND ".join(parts)

    def _call(self, name: str, asked: Mapping[str, str]) -> dict[str, Any]:
        session = self._session = self._session or self._open()
        from google.auth.exceptions import GoogleAuthError
        from requests import RequestException

        url = f"{self._options.endpoint}/v3/projects/{self._options.project}/timeSeries"
        try:
            response = session.get(url, params=dict(asked), timeout=self._timeout_s)
        except GoogleAuthError as error:
            raise MetricsError(f"its credentials cannot be used: {type(error).__name__}") from None
        except RequestException as error:
            raise MetricsError(
                f"{self._options.endpoint} does not answer: {type(error).__name__}"
            ) from None
        try:
            content = response.json()
        except ValueError:
            content = None
        if not isinstance(content, dict):
            raise MetricsError(
                f"{self._options.endpoint} answers with status {response.status_code}"
            )
        if response.status_code >= 400:
            told = content.get("error", {})
            why = f"{told.get('status')}: {told.get('message')}"
            raise MetricsError(f"Cloud Monitoring refuses {name}: {why}")
        return content

    def _open(self) -> Any:
        try:
            import google.auth
            from google.auth.exceptions import GoogleAuthError
            from google.auth.transport.requests import AuthorizedSession
        except ImportError as error:
            raise MetricsError("needs google-auth: pip install 'aiops-provider[gcp]'") from error
        credentials = self._credentials
        if credentials is None:
            try:
                credentials, _ = google.auth.default(scopes=_SCOPES)
            except GoogleAuthError as error:
                raise MetricsError(f"there are no credentials: {error}") from error
        return AuthorizedSession(credentials, refresh_timeout=self._timeout_s)


def open_source(
    spec: ClusterSpec, options: CloudMonitoringOptions, *, period_s: float, timeout_s: float
) -> CloudMonitoring:
    """See :class:`~aiops_provider.clusters.metrics.registry.OpenSource`; points have their own period."""
    del period_s
    return CloudMonitoring(spec, options, timeout_s=timeout_s)


SOURCE = MetricSourceKind(name="cloud_monitoring", open=open_source, options=CloudMonitoringOptions)
