"""
Groups of Celery workers as clusters: one queue each, on one broker or several.

Who sends work there is the host's business – Airflow has an executor for it. This room knows what a
user may say about such a cluster, and how to ask whether its workers are there.
"""

from __future__ import annotations

from aiops_provider.clusters.celery.health import open_probe
from aiops_provider.clusters.celery.options import CeleryOptions
from aiops_provider.clusters.options import problems_of
from aiops_provider.clusters.registry import ClusterKind
from aiops_provider.domain.cluster import ClusterSpec

__all__ = ["KIND", "CeleryOptions"]


def _validate(spec: ClusterSpec) -> list[str]:
    return problems_of(CeleryOptions, spec)


KIND = ClusterKind(name="celery", validate=_validate, open_probe=open_probe)
