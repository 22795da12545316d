"""PromQL, asked of a real Prometheus and of servers that misbehave."""

from __future__ import annotations

import json
import time
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler
from typing import ClassVar

import pytest

from aiops_provider.clusters.metrics.options import PrometheusOptions
from aiops_provider.clusters.metrics.prometheus import open_source
from aiops_provider.errors import MetricsError

NOW = datetime(2026, 3, 2, 12, 0, 30, tzinfo=UTC)


def source(cluster, url, queries, *, period_s=1.0, timeout_s=5.0, **more):
    options = PrometheusOptions.model_validate({"url": url, "queries": queries, **more})
    return open_source(cluster(), options, period_s=period_s, timeout_s=timeout_s)


def test_a_real_server_answers_each_moment_once(prometheus, cluster):
    """Whole periods since the last look, with the time of the server's samples."""
    prometheus.gauges['busy{node="a"}'] = 30.0
    prometheus.gauges['busy{node="b"}'] = 50.0
    prometheus.wait_for("avg(busy)", 40.0)
    asked = source(
        cluster,
        prometheus.url,
        {
            "busy": "avg(busy)",
            "faults": {"query": "sum(absent_one)", "fault_when": "high"},
            "each": "busy",
            "ratio": "0 * sum(busy) / (sum(busy) - sum(busy))",
        },
    )
    time.sleep(1.0)  # a whole second since the first scrape
    first = asked.read(datetime.now(UTC))
    time.sleep(2.1)
    second = asked.read(datetime.now(UTC))

    assert {"busy"} == {one.name for one in first.found}, "what is no number is no reading"
    assert {40.0} == {one.value for one in (*first.found, *second.found)}
    moments = [one.observed_at for one in (*first.found, *second.found)]
    assert sorted(set(moments)) == moments, "no moment comes twice"
    assert 2 <= len(second.found) <= 3
    assert {0} == {moment.microsecond for moment in moments}
    assert "it has no data points" == first.missing["faults"]
    assert "2 series answer; aggregate them, as by sum(…)" == first.missing["each"]


def test_a_query_that_does_not_parse_is_named(prometheus, cluster):
    """With what the server says about it."""
    prometheus.wait_for("up", 1.0)
    asked = source(cluster, prometheus.url, {"busy": "avg(busy"})
    with pytest.raises(MetricsError, match=r"refuses the query of busy: .*parse error"):
        asked.read(datetime.now(UTC))


class Recorder(BaseHTTPRequestHandler):
    """Answers nothing, and remembers what was asked."""

    seen: ClassVar[list[tuple[str | None, str]]] = []
    body = b'{"status": "success", "data": {"result": []}}'

    def do_POST(self):
        form = self.rfile.read(int(self.headers["Content-Length"])).decode()
        self.seen.append((self.headers.get("Authorization"), form))
        self.send_response(200)
        self.send_header("Content-Length", str(len(self.body)))
        self.end_headers()
        self.wfile.write(self.body)

    def log_message(self, *_):
        """Nothing on stderr."""


def test_secrets_come_from_files_and_stay_there(serve, cluster, tmp_path):
    """They are read for each request, and no message tells them."""
    Recorder.seen.clear()
    secret = tmp_path / "secret"
    secret.write_text("s3cret\n")
    with serve(Recorder) as url:
        bearer = source(cluster, url, {"a": "up"}, bearer_token_file=str(secret))
        bearer.read(NOW)
        secret.write_text("changed")
        bearer.read(NOW)
        basic = {"username": "u", "password_file": str(secret)}
        source(cluster, url, {"a": "up"}, **basic).read(NOW)
    assert ["Bearer s3cret", "Bearer changed", "Basic dTpjaGFuZ2Vk"] == [
        one for one, _ in Recorder.seen
    ]
    assert "start=1772449230.0&end=1772452830.0&step=1.0" in Recorder.seen[0][1], "an hour at first"
    secret.unlink()
    with pytest.raises(MetricsError, match=r"the secret in .*secret cannot be read: No such file"):
        bearer.read(NOW)


def test_a_server_that_is_not_there_or_is_none_is_told(serve, cluster):
    """Without credentials in the message."""

    class Page(Recorder):
        body = b"<html>sign in</html>"

    class Refusal(Recorder):
        body = json.dumps({"status": "error", "error": "no such user"}).encode()

    with serve(Page) as url, pytest.raises(MetricsError, match="answers with status 200"):
        source(cluster, url, {"a": "up"}).read(NOW)
    with serve(Refusal) as url, pytest.raises(MetricsError, match="of a: no such user"):
        source(cluster, url, {"a": "up"}).read(NOW)
    with pytest.raises(MetricsError, match="does not answer: ConnectError"):
        source(cluster, url, {"a": "up"}).read(NOW)


def test_kubernetes_has_usual_queries_and_others_must_say_what(cluster):
    """Names of kube-state-metrics."""
    options = PrometheusOptions(url="http://prometheus:9090")
    made = open_source(cluster("kubernetes", namespace="etl"), options, period_s=60, timeout_s=5)
    assert {"pods_pending", "nodes_not_ready", "containers_restarted"} == set(made._queries)
    assert 'namespace="etl"' in made._queries["pods_pending"].query
    with pytest.raises(MetricsError, match="no query is given"):
        open_source(cluster("local"), options, period_s=60, timeout_s=5)


def test_after_a_long_pause_an_hour_is_asked_for(serve, cluster):
    """What is older would be read for nothing."""
    Recorder.seen.clear()
    with serve(Recorder) as url:
        asked = source(cluster, url, {"a": "up"}, period_s=60.0)
        asked._progress._taken["a"] = NOW - timedelta(hours=9)
        asked.read(NOW)
    start = float(Recorder.seen[0][1].split("start=")[1].split("&")[0])
    assert NOW - timedelta(hours=1, seconds=30) == datetime.fromtimestamp(start, tz=UTC)
