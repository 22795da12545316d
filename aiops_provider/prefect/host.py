"""What the layer takes over from Prefect: settings, and who executes what."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

from aiops_provider.control.installation import Installation
from aiops_provider.control.layer import Layer
from aiops_provider.control.pools import kind_takes_jobs, open_job_client
from aiops_provider.errors import AiopsError
from aiops_provider.settings.load import load_settings

if TYPE_CHECKING:
    from prefect.workers.base import BaseWorker

    from aiops_provider.domain.cluster import ClusterSpec
    from aiops_provider.prefect.targets.target import Target

log = logging.getLogger(__name__)


def open_layer() -> Layer:
    """The layer of this worker: aiops.yaml where it is found, else this machine alone."""
    return Layer.open(lambda: Installation.open(load_settings()), ingest_url=_ingest_url)


def open_targets(layer: Layer, worker: BaseWorker[Any, Any, Any]) -> dict[str, Target]:
    """
    One target for every cluster that this worker can use.

    A cluster that it cannot use is left out with a log line: what is sent there is refused, and
    goes elsewhere.
    """
    targets: dict[str, Target] = {}
    for spec in layer.clusters:
        try:
            targets[spec.name] = _target(spec, layer, worker)
        except AiopsError as error:
            log.warning("Cluster %s cannot be used by this worker: %s", spec.name, error)
            layer.refused(spec.name, str(error))
    return targets


def _target(spec: ClusterSpec, layer: Layer, worker: BaseWorker[Any, Any, Any]) -> Target:
    if not kind_takes_jobs(spec.kind):
        from aiops_provider.prefect.targets.stock import StockTarget

        return StockTarget(spec, worker, observe=layer.observe)
    from aiops_provider.prefect.targets.jobs import JobTarget

    routing = layer.settings.routing
    return JobTarget(
        spec,
        open_job_client(spec),
        observe=layer.observe,
        probe_period_s=routing.probe_period_s,
        probe_timeout_s=routing.probe_timeout_s,
        reopen_s=routing.breaker_open_s,
    )


def _ingest_url(installation: Installation) -> str | None:
    url = installation.settings.server.url
    return url.rstrip("/") if url else None
