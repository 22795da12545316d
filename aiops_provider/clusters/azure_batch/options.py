"""What aiops.yaml says about an account of Azure Batch."""

from __future__ import annotations

import re

from pydantic import BaseModel, ConfigDict, Field, field_validator

from aiops_provider.clusters.options import RemoteJobOptions, problems_of, unknown_pools
from aiops_provider.domain.cluster import ClusterSpec


class AzurePool(BaseModel):
    """Which pool of the account stands behind a pool of the cluster."""

    model_config = ConfigDict(frozen=True, extra="forbid", str_strip_whitespace=True)

    pool_id: str | None = Field(
        None, min_length=1, description="Its id in Azure; default: the name it has here."
    )
    slots_per_node: int = Field(
        1, gt=0, le=256, description="Its taskSlotsPerNode: how many shares a node is cut into."
    )


class AzureBatchOptions(RemoteJobOptions):
    """Options of ``kind: azure_batch``; the pools exist already, and their nodes run containers."""

    account_url: str = Field(
        description="Address of the account, as https://NAME.REGION.batch.azure.com."
    )
    connection: str | None = Field(
        None,
        description="The host's connection with a key or a client secret; default: Azure's own "
        "chain (environment, managed identity, command line).",
    )
    authority_host: str | None = Field(
        None, description="Who issues tokens, for sovereign and disconnected clouds."
    )
    pools: dict[str, AzurePool] = Field(
        default_factory=dict, description="By pool of the cluster: what it is in Azure."
    )
    container_options: str = Field(
        "", description="Further options of `docker run` for every task."
    )

    @field_validator("account_url")
    @classmethod
    def _account_is_an_address(cls, url: str) -> str:
        if not re.match(r"^https?://[^/]+/?$", url):
            raise ValueError("is no address such as https://NAME.REGION.batch.azure.com")
        return url

    @field_validator("authority_host")
    @classmethod
    def _tokens_travel_safely(cls, url: str | None) -> str | None:
        if url is not None and not url.startswith("https://"):
            raise ValueError("must begin with https://, for secrets are sent there")
        return url

    def pool_id(self, pool: str) -> str:
        """What a pool of the cluster is called in Azure."""
        return self.pools.get(pool, AzurePool()).pool_id or pool


def problems(spec: ClusterSpec) -> list[str]:
    """
    What is wrong with the options of a cluster, one sentence each.

    Args:
        spec: The cluster.
    """
    found = problems_of(AzureBatchOptions, spec)
    if found:
        return found
    return unknown_pools(spec, AzureBatchOptions.model_validate(dict(spec.options)).pools)
