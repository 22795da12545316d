"""The part of aiops.yaml that says where the metrics of a cluster lie."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Self

from pydantic import Field, model_validator

from aiops_provider.clusters.metrics.options import (
    AzureMonitorOptions,
    CloudMonitoringOptions,
    CloudWatchOptions,
    PrometheusOptions,
)
from aiops_provider.settings.problem import SettingError
from aiops_provider.settings.section import Section

# Kinds of clusters that tell metrics by themselves: those with a source of their own name.
_TELL_BY_THEMSELVES = ("kubernetes", "aws_batch", "aws_ecs", "google_batch", "azure_batch")
_TYPED = ("prometheus", "cloudwatch", "azure_monitor", "cloud_monitoring")


class MetricsSettings(Section):
    """Where the metrics of a cluster lie; ``metrics: {}`` is enough for what its kind tells by itself."""

    own: bool = Field(
        True,
        description="Also ask the cluster itself: pods that wait, nodes, events of `kubernetes`; the "
        "queue of `aws_batch`; spot machines taken back of these, `aws_ecs`, `google_batch` and "
        "`azure_batch`. Other kinds tell nothing by themselves.",
    )
    prometheus: PrometheusOptions | None = None
    cloudwatch: CloudWatchOptions | None = None
    azure_monitor: AzureMonitorOptions | None = None
    cloud_monitoring: CloudMonitoringOptions | None = None
    sources: dict[str, dict[str, Any]] = Field(
        default_factory=dict,
        description="Further sources, by the name of their entry point, each with its own keys.",
    )
    period_s: float = Field(60.0, ge=1, description="Seconds between two looks.")
    timeout_s: float = Field(10.0, gt=0, description="Of one request.")

    @model_validator(mode="after")
    def _secrets_stand_in_files(self) -> Self:
        at = "prometheus"
        if self.prometheus is None:
            return self
        if "@" in self.prometheus.url.partition("://")[2].partition("/")[0]:
            # The value is not shown: it holds a password.
            raise SettingError(
                "holds a user and a password",
                at=(at, "url"),
                mend="Write username and password_file, so that it stands in no log.",
            )
        if (self.prometheus.username is None) != (self.prometheus.password_file is None):
            raise SettingError(
                "username and password_file belong together",
                at=(at, "username"),
                mend="Give both, or a bearer_token_file.",
            )
        return self

    def by_source(self, kind: str) -> Mapping[str, Any]:
        """
        What is said about each source, by its name.

        Args:
            kind: Of the cluster.
        """
        said: dict[str, Any] = {kind: {}} if self.own and kind in _TELL_BY_THEMSELVES else {}
        said |= {name: one for name in _TYPED if (one := getattr(self, name)) is not None}
        return said | self.sources
