"""What aiops.yaml says about a Kubernetes cluster."""

from __future__ import annotations

import re
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, field_validator

from aiops_provider.clusters.options import StockOptions, problems_of, unknown_pools
from aiops_provider.domain.cluster import ClusterSpec

# https://kubernetes.io/docs/concepts/overview/working-with-objects/labels/ (syntax and character set)
_LABEL_VALUE = re.compile(r"^([A-Za-z0-9]([A-Za-z0-9_.-]{0,61}[A-Za-z0-9])?)?$")


class PoolNodes(BaseModel):
    """Which nodes a pool consists of, where the usual labels do not say it."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    node_selector: dict[str, str] | None = Field(
        None, description="Labels of its nodes, instead of those known for the provider."
    )
    tolerations: tuple[dict[str, Any], ...] = Field(
        (), description="As Kubernetes has them; added to those known for the provider."
    )


class KubernetesOptions(StockOptions):
    """Options of ``kind: kubernetes``; one namespace, so two namespaces are two clusters."""

    kubeconfig: str | None = Field(
        None,
        min_length=1,
        description="Path of a kubeconfig; default: $KUBECONFIG, ~/.kube/config.",
    )
    context: str | None = Field(
        None, min_length=1, description="Context in it; default: its current one."
    )
    in_cluster: bool = Field(
        False, description="Use the service account of the pod that this runs in instead."
    )
    namespace: str | None = Field(
        None,
        min_length=1,
        description="Where pods are created; default: as the host is configured.",
    )
    image: str | None = Field(
        None, min_length=1, description="Image with Airflow; default: that of the pod template."
    )
    pod_template_file: str | None = Field(
        None, min_length=1, description="Pod on which every pod is based; default: as the host's."
    )
    environment: dict[str, str] = Field(
        default_factory=dict, description="Environment variables of every task there."
    )
    labels: dict[str, str] = Field(
        default_factory=dict, description="Further labels of every pod, such as a cost centre."
    )
    limit_cores: bool = Field(
        True, description="False: a task may use idle cores above those it is granted."
    )
    accelerator_resource: str = Field(
        "nvidia.com/gpu", min_length=1, description="What the device plugin calls an accelerator."
    )
    accelerator_labels: dict[str, dict[str, str]] = Field(
        default_factory=dict, description="Node labels by accelerator model, where types mix."
    )
    pools: dict[str, PoolNodes] = Field(
        default_factory=dict, description="By pool: which nodes it consists of."
    )
    pending_timeout_s: float = Field(
        300.0, gt=0, description="A pod that has not started within this goes to another cluster."
    )

    @field_validator("labels")
    @classmethod
    def _labels_are_valid(cls, labels: dict[str, str]) -> dict[str, str]:
        wrong = [name for name, value in labels.items() if not _LABEL_VALUE.match(value)]
        if wrong:
            raise ValueError(
                f"{', '.join(wrong)}: a label is at most 63 letters, digits, -, _ and ., "
                "and begins and ends with a letter or digit"
            )
        return labels


def problems(spec: ClusterSpec) -> list[str]:
    """
    What is wrong with the options of a cluster, one sentence each.

    Args:
        spec: The cluster.
    """
    found = problems_of(KubernetesOptions, spec)
    if found:
        return found
    options = KubernetesOptions.model_validate(dict(spec.options))
    if options.in_cluster and (options.context or options.kubeconfig):
        found.append("options.in_cluster: a context or kubeconfig is given too. Keep one of them")
    return found + unknown_pools(spec, options.pools)
