"""
Metrics by PromQL, from a Prometheus server or what speaks its HTTP API.

https://prometheus.io/docs/prometheus/latest/querying/api/. Ranges are asked for, in steps that do not
depend on when we ask, so that no moment is skipped or counted twice after a pause or a restart.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

from aiops_provider.clusters.metrics.options import PrometheusOptions, PrometheusQuery, chosen
from aiops_provider.clusters.metrics.registry import MetricSourceKind
from aiops_provider.clusters.metrics.source import Progress, Reading, Readings
from aiops_provider.domain.cluster import ClusterSpec
from aiops_provider.errors import MetricsError

if TYPE_CHECKING:
    import httpx

_DEFAULT_NAMESPACE = "default"
_LONGEST_ANSWER = 200
_SILENT_AFTER = 3  # periods


def usual_queries(spec: ClusterSpec) -> Mapping[str, PrometheusQuery]:
    """
    What is asked about a kind of cluster when nothing is said, by names of kube-state-metrics.

    https://github.com/kubernetes/kube-state-metrics/tree/main/docs/metrics
    """
    if spec.kind != "kubernetes":
        return {}
    inside = f'namespace="{spec.options.get("namespace") or _DEFAULT_NAMESPACE}"'
    return {
        "pods_pending": PrometheusQuery(
            query=f'sum(kube_pod_status_phase{{phase="Pending",{inside}}})'
        ),
        "nodes_not_ready": PrometheusQuery(
            query='sum(kube_node_status_condition{condition="Ready",status!="true"})',
            fault_when="high",
        ),
        "containers_restarted": PrometheusQuery(
            query=f"sum(increase(kube_pod_container_status_restarts_total{{{inside}}}[5m]))"
        ),
    }


class Prometheus:
    """
    One server, asked about one cluster.

    Args:
        options: Where it is and what to ask.
        queries: By name of the KPI.
        period_s: Seconds between two points.
        timeout_s: Of one request.
    """

    def __init__(
        self,
        options: PrometheusOptions,
        queries: Mapping[str, PrometheusQuery],
        *,
        period_s: float,
        timeout_s: float,
    ) -> None:
        self._options, self._queries, self._timeout_s = options, queries, timeout_s
        self._period = timedelta(seconds=period_s)
        self._progress = Progress(self._period)

    def read(self, now: datetime) -> Readings:
        """See :class:`~aiops_provider.clusters.metrics.source.MetricSource`."""
        found: list[Reading] = []
        missing: dict[str, str] = {}
        until = self._progress.floor(now)
        with self._open() as client:
            answers = {
                name: self._range(client, name, query.query, now, until)
                for name, query in self._queries.items()
            }
        for name, query in self._queries.items():
            series = answers[name]
            if len(series) > 1:
                missing[name] = f"{len(series)} series answer; aggregate them, as by sum(…)"
                continue
            points = [
                (datetime.fromtimestamp(float(at), tz=UTC), float(value))
                for one in series
                for at, value in one.get("values", ())
            ]
            found += self._progress.take(name, points, until=until, fault_when=query.fault_when)
            silence = self._progress.silence(name, now, allowed=_SILENT_AFTER * self._period)
            if silence:
                missing[name] = silence
        return Readings(found=found, missing=missing)

    def _range(
        self, client: httpx.Client, name: str, query: str, now: datetime, until: datetime
    ) -> list[dict[str, Any]]:
        asked = {
            "query": query,
            "start": self._progress.since([name], now).timestamp(),
            "end": until.timestamp(),
            "step": self._period.total_seconds(),
            "timeout": f"{max(1, round(self._timeout_s))}s",
        }
        answer = self._ask(client, asked)
        if answer.get("status") != "success":
            why = str(answer.get("error") or "no reason is given")[:_LONGEST_ANSWER]
            raise MetricsError(f"refuses the query of {name}: {why}")
        result = (answer.get("data") or {}).get("result")
        return result if isinstance(result, list) else []

    def _ask(self, client: httpx.Client, form: Mapping[str, Any]) -> dict[str, Any]:
        import httpx

        try:
            response = client.post("/api/v1/query_range", data=dict(form))
        except httpx.HTTPError as error:
            raise MetricsError(
                f"{self._options.url} does not answer: {type(error).__name__}"
            ) from None
        try:
            content = response.json()
        except ValueError:
            content = None
        # A query that is refused comes with a status of its own, and with a reason in the body.
        if not isinstance(content, dict) or "status" not in content:
            raise MetricsError(f"{self._options.url} answers with status {response.status_code}")
        return content

    def _open(self) -> httpx.Client:
        """A client for one look: a secret file that was renewed meanwhile is read anew."""
        import ssl

        import httpx

        said = self._options
        try:
            verify = ssl.create_default_context(cafile=said.ca_file)
        except OSError as error:
            raise MetricsError(
                f"ca_file {said.ca_file} cannot be used: {error.strerror or error}"
            ) from None
        bearer = said.bearer_token_file
        return httpx.Client(
            base_url=said.url.rstrip("/"),
            timeout=self._timeout_s,
            verify=verify,
            headers={"Authorization": f"Bearer {_secret(bearer)}"} if bearer else {},
            auth=(said.username, _secret(said.password_file or "")) if said.username else None,
        )


def _secret(file: str) -> str:
    try:
        return Path(file).read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not UTF-8 text"
        raise MetricsError(
            f"the secret in {file or 'password_file'} cannot be read: {reason}"
        ) from None


def open_source(
    spec: ClusterSpec, options: PrometheusOptions, *, period_s: float, timeout_s: float
) -> Prometheus:
    """
    See :class:`~aiops_provider.clusters.metrics.registry.OpenSource`.

    Raises:
        MetricsError: No query is given and the kind of cluster has no usual ones.
    """
    queries = chosen(options.queries, usual_queries(spec))
    if not queries:
        raise MetricsError("no query is given: say under `queries` what to ask")
    return Prometheus(options, queries, period_s=period_s, timeout_s=timeout_s)


SOURCE = MetricSourceKind(name="prometheus", open=open_source, options=PrometheusOptions)
