"""
Regions of Google Cloud Batch as clusters: each task a job on a machine of its own.

Airflow has no executor for it, so the jobs are sent from here, over Google's SDK.
"""

from __future__ import annotations

from aiops_provider.clusters.google_batch.client import GoogleBatchClient
from aiops_provider.clusters.google_batch.options import GoogleBatchOptions, problems
from aiops_provider.clusters.registry import ClusterKind

__all__ = ["KIND", "GoogleBatchOptions"]

KIND = ClusterKind(name="google_batch", validate=problems, open_remote=GoogleBatchClient)
