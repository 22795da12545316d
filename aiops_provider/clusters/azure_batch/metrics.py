"""
What Azure Batch tells about the pools of a cluster: spot nodes that were taken back.

Source: "Use Spot VMs with Batch workloads" and ``ComputeNodeState``, Azure Batch: a spot node that is taken
back is ``preempted`` and stays in its pool so until Azure has another machine for it; its tasks are queued
again. Needed is the right to read pools and their nodes.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

from aiops_provider.clusters.azure_batch.access import batch_client, credential_of, errors_named
from aiops_provider.clusters.azure_batch.options import AzureBatchOptions
from aiops_provider.clusters.metrics.options import NoOptions
from aiops_provider.clusters.metrics.registry import MetricSourceKind
from aiops_provider.clusters.metrics.source import Newcomers, Reading, Readings, interruptions
from aiops_provider.domain.cluster import ClusterSpec
from aiops_provider.errors import ClusterError, MetricsError

_PREEMPTED = "state eq 'preempted'"
_SELECTED = ["id", "state", "stateTransitionTime"]


class NodeMetrics:
    """
    The pools of one cluster.

    Args:
        spec: The cluster.
        timeout_s: Of one request.
    """

    def __init__(self, spec: ClusterSpec, *, timeout_s: float) -> None:
        self._options = AzureBatchOptions.model_validate(dict(spec.options))
        self._pools = [self._options.pool_id(pool.name) for pool in spec.pools]
        self._timeout_s = timeout_s
        self._client: Any = None
        self._taken_back = Newcomers()

    def read(self, now: datetime) -> Readings:
        """See :class:`~aiops_provider.clusters.metrics.source.MetricSource`."""
        try:
            with errors_named():
                if self._client is None:
                    credential = credential_of(self._options, None)
                    self._client = batch_client(self._options, credential, self._timeout_s)
                # A node may be taken back again: it is told from the last time by when.
                nodes = [
                    f"{pool}/{node.id}/{node.state_transition_time}"
                    for pool in self._pools
                    for node in self._client.list_nodes(pool, filter=_PREEMPTED, select=_SELECTED)
                ]
        except ClusterError as error:
            raise MetricsError(str(error)) from error
        return Readings(
            found=[
                Reading(
                    name="nodes_interrupted",
                    observed_at=now,
                    value=float(len(nodes)),
                    fault_when="high",
                ),
                *interruptions(self._taken_back, nodes, now),
            ]
        )


def open_source(
    spec: ClusterSpec, options: NoOptions, *, period_s: float, timeout_s: float
) -> NodeMetrics:
    """See :class:`~aiops_provider.clusters.metrics.registry.OpenSource`."""
    del options, period_s
    return NodeMetrics(spec, timeout_s=timeout_s)


SOURCE = MetricSourceKind(name="azure_batch", open=open_source)
