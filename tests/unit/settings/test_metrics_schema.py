"""Where the metrics of a cluster lie, as aiops.yaml says it."""

from __future__ import annotations

import pytest

from aiops_provider.settings.load import inspect_settings
from aiops_provider.settings.metrics_schema import MetricsSettings
from aiops_provider.settings.schema import Settings

CLUSTER = """
clusters:
  - name: eks
    kind: {kind}
    capacity: {{cores: 4, memory_gib: 8}}
    options: {options}
    metrics: {metrics}
"""


@pytest.fixture
def problems(tmp_path):
    """What is wrong with a cluster's metrics."""

    def find(metrics, kind="kubernetes", options="{}"):
        file = tmp_path / "aiops.yaml"
        file.write_text(CLUSTER.format(kind=kind, metrics=metrics, options=options))
        _, found = inspect_settings(file, {})
        return [str(one).removeprefix(f"{file}:") for one in found]

    return find


@pytest.mark.parametrize(
    "metrics",
    [
        "{}",
        "{prometheus: {url: 'http://prom:9090'}}",
        "{prometheus: {url: 'http://prom:9090', queries: {busy: 'avg(x)'}}, period_s: 30}",
        "{cloudwatch: {dimensions: {ClusterName: etl}}}",
        "{cloud_monitoring: {project: p, cluster_name: gke}}",
        "{azure_monitor: {resource_id: /subscriptions/1/resourceGroups/g/providers/x/y/z}}",
    ],
)
def test_little_needs_to_be_said(problems, metrics):
    """About a cluster of Kubernetes every source knows what to ask."""
    assert [] == problems(metrics)


def test_a_text_and_a_section_are_the_same():
    """The short form is the query alone."""
    both = [
        MetricsSettings.model_validate({"prometheus": {"url": "http://p", "queries": {"a": query}}})
        for query in ("up", {"query": "up"})
    ]
    assert both[0] == both[1]
    defined = Settings.model_json_schema()["$defs"]["PrometheusOptions"]["properties"]["queries"]
    kinds = [one.get("type", one.get("$ref")) for one in defined["additionalProperties"]["anyOf"]]
    assert ["string", "#/$defs/PrometheusQuery"] == kinds


def test_what_a_kind_tells_by_itself_is_asked_unless_it_is_not_wanted():
    """Kubernetes and AWS Batch do."""
    assert {"kubernetes": {}} == MetricsSettings().by_source("kubernetes")
    assert {} == MetricsSettings().by_source("celery")
    assert {} == MetricsSettings(own=False).by_source("aws_batch")


def test_a_password_in_an_address_is_refused_and_not_shown(problems):
    """It would stand in every log."""
    (told,) = problems("{prometheus: {url: 'http://u:s3cret@prom:9090'}}")
    assert "clusters[0].metrics.prometheus.url: holds a user and a password" in told
    assert "s3cret" not in told


@pytest.mark.parametrize(
    ("metrics", "kind", "told"),
    [
        ("{prometheus: {}}", "local", "metrics.prometheus.url: is missing. Add it: Its address"),
        ("{prometheus: {url: prom}}", "local", "metrics.prometheus.url: "),
        ("{prometheus: {url: 'http://p'}}", "local", "no query is given: say under `queries`"),
        ("{prometheus: {url: 'http://p', username: u}}", "local", "belong together"),
        (
            "{prometheus: {url: 'http://p', queries: {'GPU use': x}}}",
            "local",
            "GPU use: a KPI's name is lower-case letters",
        ),
        (
            "{prometheus: {url: 'http://p', queries: {a: {query: x, fault_when: hihg}}}}",
            "local",
            "fault_when",
        ),
        ("{promethues: {}}", "local", "unknown key. Did you mean 'prometheus'?"),
        ("{sources: {nagios: {}}}", "local", "no such source of metrics (got 'nagios'). Known: "),
        ("{period_s: 0}", "local", "Write a number >= 1: Seconds between two looks."),
        ("{cloudwatch: {metrics: {a: A}}}", "local", "a: no namespace is given"),
    ],
)
def test_what_cannot_be_used_is_named(problems, metrics, kind, told):
    """With the field and the mend."""
    assert any(told in one for one in problems(metrics, kind)), problems(metrics, kind)
