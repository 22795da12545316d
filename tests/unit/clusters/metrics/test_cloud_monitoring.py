"""
Google Cloud Monitoring by google-auth over real HTTP, against a small server of ours.

It proves the requests, pages, how answers are read and what errors become; not that Google answers so.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import ClassVar
from urllib.parse import parse_qs, urlsplit

import pytest

from aiops_provider.clusters.metrics.cloud_monitoring import CloudMonitoring, open_source
from aiops_provider.clusters.metrics.options import CloudMonitoringOptions
from aiops_provider.errors import MetricsError

credentials = pytest.importorskip("google.oauth2.credentials", reason="the extra gcp is missing")

NOW = datetime(2026, 3, 2, 12, 0, 30, tzinfo=UTC)
CPU = "kubernetes.io/node/cpu/allocatable_utilization"


@pytest.fixture
def google(serve, json_handler):
    """The API: pages of points by metric type, and what was asked."""

    class Google(json_handler):
        pages: ClassVar[dict] = {}
        asked: ClassVar[list] = []
        status = 200

        def respond(self):
            address = urlsplit(self.path)
            given = {name: one[0] for name, one in parse_qs(address.query).items()}
            self.asked.append((address.path, given, self.headers["Authorization"]))
            if self.status != 200:
                told = {"code": self.status, "status": "PERMISSION_DENIED", "message": "no role"}
                self.answer({"error": told}, self.status)
                return
            metric = given["filter"].split('"')[1]
            pages = self.pages.get(metric, [[]])
            number = int(given.get("pageToken", 0))
            points = [
                {
                    "interval": {
                        "startTime": (NOW - timedelta(minutes=ago + 1)).isoformat(),
                        "endTime": (NOW - timedelta(minutes=ago))
                        .isoformat()
                        .replace("+00:00", "Z"),
                    },
                    "value": value,
                }
                for ago, value in pages[number]
            ]
            more = {"nextPageToken": str(number + 1)} if number + 1 < len(pages) else {}
            self.answer({"timeSeries": [{"points": points}], **more})

    with serve(Google) as url:
        Google.url = url
        yield Google


@pytest.fixture
def source(google, cluster):
    made = []

    def make(metrics=None, kind="local", **more):
        options = CloudMonitoringOptions.model_validate(
            {"project": "p", "metrics": metrics or {}, "endpoint": google.url, **more}
        )
        token = credentials.Credentials("t0ken")
        made.append(CloudMonitoring(cluster(kind), options, timeout_s=5, credentials=token))
        return made[-1]

    yield make
    for one in made:
        if one._session is not None:
            one._session.close()


def test_all_pages_of_whole_and_fractional_numbers(google, source):
    """Newest first, as the API has them; each settled point once."""
    google.pages[CPU] = [
        [(0, {"doubleValue": 0.9}), (3, {"doubleValue": 0.5})],
        [(4, {"int64Value": "1"}), (5, {"distributionValue": {}})],
    ]
    asked = source({"busy": {"metric": CPU, "fault_when": "high"}}, cluster_name="gke")
    first, second = asked.read(NOW), asked.read(NOW + timedelta(minutes=3))

    assert [("busy", 1.0, "high"), ("busy", 0.5, "high")] == [
        (one.name, one.value, one.fault_when) for one in first.found
    ]
    assert [0.9] == [one.value for one in second.found]
    path, given, bearer = google.asked[0]
    assert ("/v3/projects/p/timeSeries", "Bearer t0ken") == (path, bearer)
    assert f'metric.type="{CPU}" AND resource.labels.cluster_name="gke"' == given["filter"]
    assert ("60s", "ALIGN_MEAN", "REDUCE_MEAN") == (
        given["aggregation.alignmentPeriod"],
        given["aggregation.perSeriesAligner"],
        given["aggregation.crossSeriesReducer"],
    )
    assert "2026-03-02T12:00:00+00:00" == given["interval.endTime"], "whole periods"


def test_kubernetes_has_usual_metrics_and_others_must_say_what(source, cluster):
    """Those that GKE publishes."""
    found = source(kind="kubernetes").read(NOW)
    assert {"cores_used_share", "memory_used_share"} == set(found.missing)
    with pytest.raises(MetricsError, match="no metric is given"):
        open_source(cluster(), CloudMonitoringOptions(project="p"), period_s=60, timeout_s=5)


def test_a_refusal_is_told_without_credentials(google, source):
    """With Google's own words."""
    google.status = 403
    with pytest.raises(MetricsError, match="refuses m: PERMISSION_DENIED: no role") as told:
        source({"m": CPU}).read(NOW)
    assert "t0ken" not in str(told.value)


def test_a_server_that_is_not_there_is_told(source):
    """In the words of the connection."""
    with pytest.raises(MetricsError, match="does not answer: ConnectionError"):
        source({"m": CPU}, endpoint="http://127.0.0.1:9").read(NOW)


def test_without_credentials_it_says_so(cluster, monkeypatch, tmp_path):
    """Before anything is asked."""
    monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", str(tmp_path / "none.json"))
    options = CloudMonitoringOptions.model_validate({"project": "p", "metrics": {"m": CPU}})
    with pytest.raises(MetricsError, match="there are no credentials"):
        open_source(cluster(), options, period_s=60, timeout_s=5).read(NOW)
