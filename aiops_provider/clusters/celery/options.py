"""What aiops.yaml says about a group of Celery workers."""

from __future__ import annotations

from pydantic import Field

from aiops_provider.clusters.options import StockOptions


class CeleryOptions(StockOptions):
    """
    Options of ``kind: celery``.

    The workers of the group must be started with the same broker: they read the host's own
    ``[celery]`` section, never ours.
    """

    queue: str = Field(
        "default", min_length=1, description="The queue that the workers of this group consume."
    )
    broker_url: str | None = Field(
        None, description="Broker of this group; default: the broker of the host's configuration."
    )
    result_backend: str | None = Field(
        None, description="Where results lie; default: as in the host's configuration."
    )
