"""What aiops.yaml says about the sources of a cluster's metrics."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field

from aiops_provider.clusters.metrics.source import FaultWhen

_NAME = re.compile(r"^[a-z][a-z0-9_]{0,62}$")


def _named(metrics: dict[str, Any]) -> dict[str, Any]:
    wrong = [name for name in metrics if not _NAME.match(name)]
    if wrong:
        raise ValueError(
            f"{', '.join(wrong)}: a KPI's name is lower-case letters, digits and _, such as "
            "gpu_utilisation"
        )
    return metrics


KpiNames = AfterValidator(_named)


class _Part(BaseModel):
    model_config = ConfigDict(
        frozen=True, extra="forbid", str_strip_whitespace=True, allow_inf_nan=False
    )


class Metric(_Part):
    """One metric that becomes a KPI."""

    fault_when: FaultWhen | None = Field(
        None,
        description="`high` or `low`: such a deviation means that the cluster itself is unwell, and may "
        "quarantine it. Without, the metric tells load: it raises alarms and never keeps tasks away.",
    )


def _in_full(key: str, whole: type[BaseModel]) -> BeforeValidator:
    """A text stands for the section in which only that key is given, in the JSON Schema too."""
    return BeforeValidator(
        lambda value: {key: value} if isinstance(value, str) else value,
        json_schema_input_type=str | whole,
    )


class PrometheusQuery(Metric):
    """A query; a text stands for one without more."""

    query: str = Field(
        min_length=1, description="PromQL with one series as its answer: aggregate it, as by sum()."
    )


class PrometheusOptions(_Part):
    """A Prometheus server, or what speaks its HTTP API (Thanos, Mimir, VictoriaMetrics)."""

    url: str = Field(
        pattern=r"^https?://", description="Its address, such as http://prometheus:9090."
    )
    queries: Annotated[
        dict[str, Annotated[PrometheusQuery, _in_full("query", PrometheusQuery)]], KpiNames
    ] = Field(
        default_factory=dict,
        description="PromQL by name of the KPI; default for Kubernetes: what kube-state-metrics tells "
        "of pending pods, nodes that are not ready and restarts.",
    )
    bearer_token_file: str | None = Field(None, description="File with a bearer token.")
    username: str | None = Field(None, description="For basic authentication.")
    password_file: str | None = Field(None, description="File with the password of `username`.")
    ca_file: str | None = Field(None, description="Certificates to trust; default: the usual ones.")


class CloudWatchMetric(Metric):
    """A metric of CloudWatch; a text stands for its name without more."""

    metric: str = Field(min_length=1, description="Its name in CloudWatch.")
    namespace: str | None = Field(None, description="Default: that of the section.")
    dimensions: dict[str, str] | None = Field(
        None, description="Default: those of the section, all of them and no others."
    )
    statistic: str = Field("Average", description="Average, Sum, Maximum, p99 …")


class CloudWatchOptions(_Part):
    """Amazon CloudWatch, with the credentials that boto3 finds by itself."""

    namespace: str | None = Field(
        None, description="Such as ContainerInsights; default as the kind of cluster has it."
    )
    metrics: Annotated[
        dict[str, Annotated[CloudWatchMetric, _in_full("metric", CloudWatchMetric)]], KpiNames
    ] = Field(
        default_factory=dict,
        description="Metrics by name of the KPI; default for `aws_ecs` and for Kubernetes with "
        "Container Insights: utilisation and failed nodes.",
    )
    dimensions: dict[str, str] = Field(
        default_factory=dict, description="Of every metric; default for `aws_ecs`: its ClusterName."
    )
    period_s: int = Field(
        60, ge=1, description="Seconds of one data point; a multiple of 60, or 1, 5, 10, 20 or 30."
    )
    region: str | None = Field(None, description="Default: that of the cluster.")
    profile: str | None = Field(None, description="Profile in boto3's own files.")


class AzureMetric(Metric):
    """A metric of Azure Monitor; a text stands for its name without more."""

    metric: str = Field(min_length=1, description="Its name in Azure Monitor.")
    aggregation: str = Field("Average", description="Average, Total, Maximum, Minimum or Count.")
    filter: str | None = Field(None, description="Such as `phase eq 'Pending'`.")


class AzureMonitorOptions(_Part):
    """Azure Monitor, with the credentials that azure-identity finds by itself."""

    resource_id: str = Field(
        pattern=r"^/subscriptions/[^/]+/",
        description="/subscriptions/…/providers/… of the cluster.",
    )
    metric_namespace: str = Field(
        "Microsoft.ContainerService/managedClusters", description="Type of the resource."
    )
    metrics: Annotated[
        dict[str, Annotated[AzureMetric, _in_full("metric", AzureMetric)]], KpiNames
    ] = Field(
        default_factory=dict,
        description="Metrics by name of the KPI; default for Kubernetes: use of its nodes, pods that "
        "wait and nodes that are not ready.",
    )
    period_s: int = Field(60, ge=60, description="Seconds of one data point; a grain that it has.")
    endpoint: str | None = Field(
        None,
        pattern=r"^https?://",
        description="Default: https://REGION.metrics.monitor.azure.com of the cluster's region.",
    )


class GoogleMetric(Metric):
    """A metric of Cloud Monitoring; a text stands for its type without more."""

    metric: str = Field(min_length=1, description="Its type, such as kubernetes.io/node/…")
    filter: str | None = Field(
        None, description="Further conditions, as Cloud Monitoring has them."
    )
    aligner: str = Field(
        "ALIGN_MEAN", pattern=r"^ALIGN_[A-Z0-9_]+$", description="Of the points of a period."
    )
    reducer: str = Field(
        "REDUCE_MEAN", pattern=r"^REDUCE_[A-Z0-9_]+$", description="Of all series that answer."
    )


class CloudMonitoringOptions(_Part):
    """Google Cloud Monitoring, with Application Default Credentials."""

    project: str = Field(min_length=1, description="Project that holds the metrics.")
    cluster_name: str | None = Field(
        None, description="Name in GKE; narrows every metric to this cluster."
    )
    metrics: Annotated[
        dict[str, Annotated[GoogleMetric, _in_full("metric", GoogleMetric)]], KpiNames
    ] = Field(
        default_factory=dict,
        description="Metrics by name of the KPI; default for Kubernetes: use of its nodes.",
    )
    period_s: int = Field(60, ge=60, description="Seconds of one data point.")
    endpoint: str = Field(
        "https://monitoring.googleapis.com", pattern=r"^https?://", description="Of the API."
    )


class NoOptions(_Part):
    """Nothing to say: the cluster's own options tell how it is reached."""


def chosen(given: Mapping[str, Any], usual: Mapping[str, Any]) -> dict[str, Any]:
    """The metrics that are given, else the usual ones of the kind of cluster."""
    return dict(given or usual)
