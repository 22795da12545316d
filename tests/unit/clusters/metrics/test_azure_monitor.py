"""
Azure Monitor by the genuine SDK over real HTTP, against a small server of ours.

It proves the requests, how answers are read and what errors become; not that Azure answers so.
"""

from __future__ import annotations

import json
import time
from datetime import UTC, datetime, timedelta
from typing import ClassVar
from urllib.parse import parse_qs, urlsplit

import pytest

from aiops_provider.clusters.metrics.azure_monitor import AzureMonitor, open_source
from aiops_provider.clusters.metrics.options import AzureMonitorOptions
from aiops_provider.errors import MetricsError

querymetrics = pytest.importorskip(
    "azure.monitor.querymetrics", reason="the extra azure is not installed"
)

NOW = datetime(2026, 3, 2, 12, 0, 30, tzinfo=UTC)
RESOURCE = (
    "/subscriptions/11111111-2222-3333-4444-555555555555/resourceGroups/g/providers/"
    "Microsoft.ContainerService/managedClusters/aks"
)


class Credential:
    def get_token(self, *_, **__):
        from azure.core.credentials import AccessToken

        return AccessToken("t0ken", int(time.time()) + 3600)


@pytest.fixture
def azure(serve, json_handler):
    """The data plane of one region: values by metric and minutes ago, and what was asked."""

    class Azure(json_handler):
        values: ClassVar[dict] = {}
        asked: ClassVar[list] = []
        status = 200

        def respond(self):
            address = urlsplit(self.path)
            given = {name: one[0] for name, one in parse_qs(address.query).items()}
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            self.asked.append((address.path, given, body))
            if self.status != 200:
                self.answer({"error": {"code": "Forbidden", "message": "no"}}, self.status)
                return
            aggregation = given["aggregation"].lower()
            metrics = [
                {
                    "id": name, "type": "Microsoft.Insights/metrics", "unit": "Percent",
                    "name": {"value": name, "localizedValue": name}, "errorCode": "Success",
                    "timeseries": [
                        {
                            "metadatavalues": [],
                            "data": [
                                {
                                    "timeStamp": (NOW - timedelta(minutes=ago)).strftime(
                                        "%Y-%m-%dT%H:%M:00Z"
                                    ),
                                    **({} if value is None else {aggregation: value}),
                                }
                                for ago, value in one
                            ],
                        }
                        for one in self.values.get(name, ())
                    ],
                }
                for name in given["metricnames"].split(",")
            ]  # fmt: skip
            answer = {
                "starttime": given["starttime"], "endtime": given["endtime"], "interval": "PT1M",
                "namespace": given["metricnamespace"], "resourceregion": "westeurope",
                "resourceid": body["resourceids"][0], "value": metrics,
            }  # fmt: skip
            self.answer({"values": [answer]})

    with serve(Azure) as url:
        Azure.url = url
        yield Azure


@pytest.fixture
def source(azure, cluster):
    clients = []

    def make(metrics=None, kind="local"):
        from azure.core.pipeline.policies import SansIOHTTPPolicy

        options = AzureMonitorOptions.model_validate(
            {"resource_id": RESOURCE, "metrics": metrics or {}}
        )
        client = querymetrics.MetricsClient(
            azure.url, Credential(), authentication_policy=SansIOHTTPPolicy(), retry_total=0
        )
        clients.append(client)
        return AzureMonitor(cluster(kind), options, timeout_s=5, client=client)

    yield make
    for client in clients:
        client.close()


def test_points_that_are_settled_are_taken_once(azure, source):
    """A filter answers with a series for each value, which are added up; a gap is no zero."""
    azure.values["kube_pod_status_phase"] = [
        [(5, 1.0), (4, 2.0), (3, None), (0, 9.0)],
        [(5, 10.0), (4, 20.0)],
    ]
    metrics = {
        "pods_pending": {
            "metric": "kube_pod_status_phase",
            "filter": "phase eq 'Pending'",
            "aggregation": "Total",
        },
        "absent": {"metric": "Nothing", "fault_when": "high"},
    }
    asked = source(metrics)
    first, second = asked.read(NOW), asked.read(NOW)

    assert [("pods_pending", 11.0), ("pods_pending", 22.0)] == [
        (one.name, one.value) for one in first.found
    ]
    assert () == tuple(second.found)
    assert {"absent": "Nothing: it has no data points"} == first.missing
    path, given, body = azure.asked[0]
    assert "/subscriptions/11111111-2222-3333-4444-555555555555/metrics:getBatch" == path
    assert ("phase eq 'Pending'", "Total") == (given["filter"], given["aggregation"])
    assert ("PT1M", "2026-03-02T11:00:00") == (given["interval"], given["starttime"][:19])
    assert {"resourceids": [RESOURCE]} == body


def test_metrics_that_are_alike_share_a_query_of_twenty(azure, source):
    """One metric in two ways needs two of them."""
    metrics = {f"m{n}": f"M{n}" for n in range(25)}
    metrics["again"] = {"metric": "M0"}
    metrics["most"] = {"metric": "M0", "aggregation": "Maximum"}
    for n in range(25):
        azure.values[f"M{n}"] = [[(5, float(n))]]
    found = source(metrics).read(NOW).found

    assert {**{f"m{n}": float(n) for n in range(25)}, "again": 0.0, "most": 0.0} == {
        one.name: one.value for one in found
    }
    assert [20, 6, 1] == [len(given["metricnames"].split(",")) for _, given, _ in azure.asked]


def test_a_refusal_is_told_without_credentials(azure, source):
    """By its status."""
    azure.status = 403
    with pytest.raises(MetricsError, match="Azure Monitor refuses: 403") as told:
        source({"m": "M"}).read(NOW)
    assert "t0ken" not in str(told.value)


def test_kubernetes_has_usual_metrics_and_others_must_say_what(cluster):
    """Those that AKS publishes."""
    options = AzureMonitorOptions(resource_id=RESOURCE)
    made = open_source(cluster("kubernetes"), options, period_s=60, timeout_s=5)
    assert "high" == made._metrics["nodes_not_ready"].fault_when
    with pytest.raises(MetricsError, match="no metric is given"):
        open_source(cluster(), options, period_s=60, timeout_s=5)
