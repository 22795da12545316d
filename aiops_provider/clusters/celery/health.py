"""
Whether a group of Celery workers answers.

A broker that answers is not enough: tasks would lie in the queue of workers that are gone. So the
probe asks the workers themselves, over the broker, which queues they consume.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from aiops_provider.clusters.celery.options import CeleryOptions
from aiops_provider.domain.cluster import ClusterSpec
from aiops_provider.errors import ClusterUnreachableError

if TYPE_CHECKING:
    from celery.app.base import Celery


def open_probe(spec: ClusterSpec, *, timeout_s: float) -> Callable[[], None]:
    """
    Make the probe of one group.

    Args:
        spec: With ``options.broker_url``.
        timeout_s: Workers that take longer to answer count as gone.
    """
    options = CeleryOptions.model_validate(dict(spec.options))
    apps: list[Celery] = []

    def check() -> None:
        if not apps:
            apps.append(_app(options, timeout_s))
        try:
            answers = apps[0].control.broadcast("active_queues", reply=True, timeout=timeout_s)
        except Exception as error:
            # Every transport has errors of its own, and whichever it was: nobody answered.
            raise ClusterUnreachableError(
                f"its broker does not answer: {type(error).__name__}: {error}"
            ) from error
        if not any(options.queue in _queues(answer) for answer in answers or ()):
            raise ClusterUnreachableError(
                f"no worker that consumes the queue {options.queue} answered within {timeout_s:g} s"
            )

    return check


def _app(options: CeleryOptions, timeout_s: float) -> Celery:
    # Not `from celery import …`: that module replaces itself while it is imported, which two
    # threads at once do not survive.
    from celery.app.base import Celery

    app = Celery(broker=options.broker_url, set_as_current=False)
    app.conf.update(
        broker_connection_timeout=timeout_s,
        broker_connection_retry=False,
        broker_transport_options={
            "socket_timeout": timeout_s * 2,  # longer than an answer is waited for
            "socket_connect_timeout": timeout_s,
            "max_retries": 0,
        },
    )
    return app


def _queues(answer: dict[str, Any]) -> set[str]:
    """Queues in one answer: ``{worker: [{"name": queue, …}, …]}``."""
    return {
        str(queue["name"])
        for queues in answer.values()
        if isinstance(queues, list)
        for queue in queues
    }
