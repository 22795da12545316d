"""What aiops.yaml says about a region of Google Cloud Batch."""

from __future__ import annotations

import re

from pydantic import Field, field_validator

from aiops_provider.clusters.options import RemoteJobOptions, problems_of
from aiops_provider.domain.cluster import ClusterSpec

# Labels, Compute Engine documentation ("Requirements for labels").
_LABEL_KEY = re.compile(r"^[a-z][a-z0-9_-]{0,62}$")
_LABEL_VALUE = re.compile(r"^[a-z0-9_-]{0,63}$")


class GoogleBatchOptions(RemoteJobOptions):
    """Options of ``kind: google_batch``; the region is the cluster's."""

    project: str = Field(min_length=1, description="Id of the project that runs and pays.")
    connection: str | None = Field(
        None, description="The host's connection with a service account's key; default: key_file."
    )
    key_file: str | None = Field(
        None, description="Key of a service account; default: application default credentials."
    )
    service_account: str | None = Field(
        None, description="Whom tasks act as; default: the project's default service account."
    )
    network: str | None = Field(
        None, description="Of the machines, as projects/P/global/networks/N; default: the default."
    )
    subnetwork: str | None = Field(
        None, description="Of the machines, as projects/P/regions/R/subnetworks/S."
    )
    external_ip: bool = Field(
        True, description="False: machines get no public address, and need Cloud NAT for images."
    )
    zones: tuple[str, ...] = Field((), description="Where machines may be; default: the region.")
    boot_disk_gib: int | None = Field(None, gt=0, description="Of each machine.")
    install_gpu_drivers: bool = Field(
        True, description="False: the image of the machines has the drivers of its accelerators."
    )
    accelerator_types: dict[str, str] = Field(
        default_factory=dict,
        description="Google's name by accelerator model, for those that we do not know.",
    )
    labels: dict[str, str] = Field(
        default_factory=dict, description="Further labels of every job and machine."
    )
    cost_labels: bool = Field(
        True, description="Label each job and its machines with DAG, task, run and team."
    )
    endpoint: str | None = Field(
        None, description="Address of the Batch API, such as that of a private endpoint."
    )
    logging_endpoint: str = Field(
        "https://logging.googleapis.com", description="Address of the Cloud Logging API."
    )

    @field_validator("labels")
    @classmethod
    def _labels_are_valid(cls, labels: dict[str, str]) -> dict[str, str]:
        wrong = [
            key
            for key, value in labels.items()
            if not _LABEL_KEY.match(key) or not _LABEL_VALUE.match(value)
        ]
        if wrong:
            raise ValueError(
                f"{', '.join(wrong)}: labels are at most 63 lower-case letters, digits, - and _, "
                "and a key begins with a letter"
            )
        return labels


def problems(spec: ClusterSpec) -> list[str]:
    """
    What is wrong with the options of a cluster, one sentence each.

    Args:
        spec: The cluster.
    """
    found = problems_of(GoogleBatchOptions, spec)
    if spec.options.get("connection") and spec.options.get("key_file"):
        found.append("options.key_file: a connection is given too. Keep one of them")
    return found
