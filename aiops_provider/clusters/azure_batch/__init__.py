"""
Accounts of Azure Batch as clusters: each task a container on a node of one of its pools.

Airflow has no executor for it, so the tasks are sent from here, over Azure's SDK.
"""

from __future__ import annotations

from aiops_provider.clusters.azure_batch.client import AzureBatchClient
from aiops_provider.clusters.azure_batch.options import AzureBatchOptions, problems
from aiops_provider.clusters.registry import ClusterKind

__all__ = ["KIND", "AzureBatchOptions"]

KIND = ClusterKind(name="azure_batch", validate=problems, open_remote=AzureBatchClient)
