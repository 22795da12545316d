"""
Processes of this machine as a cluster, alone or standing in for a cloud.

Who is who, from top to bottom; each dies with the one above it, and takes all below along::

    host (scheduler, worker)   LocalPool in client.py; the only one that belongs to somebody else
    └── warden                 warden.py: outlives the pool by as long as it takes to clean up
        └── pool               pool.py: one loop, no threads; forks, watches, limits and reaps
            └── job            job_process.py: the user's work, in a process group of its own
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from aiops_provider.clusters.local.client import LocalPool
from aiops_provider.clusters.registry import ClusterKind
from aiops_provider.domain.cluster import ClusterSpec

__all__ = ["KIND", "LocalPool"]


def _validate(spec: ClusterSpec) -> list[str]:
    return [
        f"options.{key}: the kind local has no such option. Remove it"
        for key in sorted(spec.options)
    ]


def _open(
    spec: ClusterSpec,
    *,
    preload: Sequence[str] = (),
    environment: Mapping[str, str] | None = None,
    most_at_once: int | None = None,
) -> LocalPool:
    return LocalPool(spec, preload=preload, environment=environment, most_at_once=most_at_once)


KIND = ClusterKind(name="local", validate=_validate, open=_open)
