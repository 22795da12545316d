"""CloudWatch by the genuine SDK over real HTTP, against moto."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import httpx
import pytest

from aiops_provider.clusters.metrics import cloudwatch
from aiops_provider.clusters.metrics.cloudwatch import open_source
from aiops_provider.clusters.metrics.options import CloudWatchOptions
from aiops_provider.errors import MetricsError

pytest.importorskip("moto.server", reason="moto[server] is not installed")
boto3 = pytest.importorskip("boto3", reason="the extra aws is not installed")

NOW = datetime.now(UTC).replace(second=30, microsecond=0)
ECS = [{"Name": "ClusterName", "Value": "etl"}]


@pytest.fixture
def aws(monkeypatch):
    """An AWS of its own; the client that fills it."""
    from moto.server import ThreadedMotoServer

    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://{host}:{port}")
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "k")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "s")
    client = boto3.client("cloudwatch", region_name="eu-central-1")
    yield client
    httpx.post(f"http://{host}:{port}/moto-api/reset")
    server.stop()


def put(client, name, value, *, minutes_ago, namespace="AWS/ECS", dimensions=ECS):
    client.put_metric_data(
        Namespace=namespace,
        MetricData=[
            {
                "MetricName": name,
                "Dimensions": dimensions,
                "Timestamp": NOW - timedelta(minutes=minutes_ago),
                "Value": value,
            }
        ],
    )


def source(spec, options=None):
    given = CloudWatchOptions.model_validate(options or {})
    return open_source(spec, given, period_s=60, timeout_s=5)


def test_an_ecs_cluster_needs_no_more_than_a_word(aws, cluster):
    """Its utilisation, by its own name, each settled data point once."""
    for minutes_ago, value in ((4, 40.0), (3, 60.0), (0, 90.0)):
        put(aws, "CPUUtilization", value, minutes_ago=minutes_ago)
    asked = source(cluster("aws_ecs", cluster="arn:aws:ecs:eu-central-1:1:cluster/etl"))
    first = asked.read(NOW)
    put(aws, "CPUUtilization", 70.0, minutes_ago=2)
    again = asked.read(NOW + timedelta(minutes=1))

    assert [40.0, 60.0] == [one.value for one in first.found], "the newest may still change"
    assert {"cores_used_percent"} == {one.name for one in first.found}
    assert {"memory_used_percent": "MemoryUtilization: it has no data points"} == first.missing
    assert [70.0] == [one.value for one in again.found]
    later = asked.read(NOW + timedelta(minutes=5))
    assert [90.0] == [one.value for one in later.found]
    assert (
        "no data points since"
        in asked.read(NOW + timedelta(minutes=30)).missing["cores_used_percent"]
    )


def test_more_metrics_than_one_call_takes(aws, cluster, monkeypatch):
    """In several calls, each with its own pages."""
    monkeypatch.setattr(cloudwatch, "MOST_QUERIES", 3)
    metrics = {f"m{n}": {"metric": f"M{n}", "fault_when": "low"} for n in range(7)}
    for n in range(7):
        put(aws, f"M{n}", float(n), minutes_ago=3, namespace="Own", dimensions=[])
    found = source(cluster(), options={"namespace": "Own", "metrics": metrics}).read(NOW).found

    assert [(f"m{n}", float(n), "low") for n in range(7)] == [
        (one.name, one.value, one.fault_when) for one in found
    ]


def test_pages_are_followed(cluster, monkeypatch):
    """By token, as the API gives them; moto answers in one page."""
    asked = []

    class Paged:
        def get_metric_data(self, **given):
            asked.append(given.get("NextToken"))
            minute = NOW - timedelta(minutes=10 - len(asked))
            result = {"Id": "m0", "Timestamps": [minute], "Values": [float(len(asked))]}
            more = {"NextToken": f"t{len(asked)}"} if len(asked) < 3 else {}
            return {"MetricDataResults": [result], **more}

    monkeypatch.setattr(cloudwatch, "aws_client", lambda *_, **__: Paged())
    options = {"namespace": "Own", "metrics": {"m": "M"}}
    assert [1.0, 2.0, 3.0] == [
        one.value for one in source(cluster(), options=options).read(NOW).found
    ]
    assert [None, "t1", "t2"] == asked


@pytest.mark.parametrize(
    ("options", "why"),
    [
        ({}, "no metric is given"),
        ({"metrics": {"m": "M"}}, "m: no namespace is given"),
    ],
)
def test_what_is_not_said_is_asked_for(cluster, options, why):
    """Before anything is connected to."""
    with pytest.raises(MetricsError, match=why):
        source(cluster(), options=options)


def test_an_aws_that_does_not_answer_is_told(cluster, monkeypatch):
    """Once, without trying again: the next look will."""
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "k")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "very-secret")
    with pytest.raises(MetricsError, match="AWS does not answer: EndpointConnectionError") as told:
        source(cluster("aws_ecs", cluster="etl")).read(NOW)
    assert "very-secret" not in str(told.value)
