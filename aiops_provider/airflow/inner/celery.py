"""A ``kind: celery`` cluster: Airflow's CeleryExecutor with a queue, and perhaps a broker, of its own."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any
from uuid import UUID, uuid5

from aiops_provider.airflow.inner.binding import Shipment
from aiops_provider.airflow.inner.stock_binding import StockBinding
from aiops_provider.airflow.inner.team_configuration import global_values
from aiops_provider.control.pools import open_probe
from aiops_provider.domain.execution import Outcome

# Off the main thread CeleryExecutor's own time limit has no effect (it needs a signal): the sockets
# have to give up by themselves.
_SOCKET_TIMEOUT_S = 4
_CONNECT_TIMEOUT_S = 2


class CeleryBinding(StockBinding):
    """Makes and feeds the CeleryExecutor of one cluster."""

    sections = (
        "celery",
        "celery_broker_transport_options",
        "celery_result_backend_transport_options",
    )

    @property
    def _queue(self) -> str:
        return str(self.spec.options.get("queue", "default"))

    def settings(self) -> dict[str, dict[str, Any]]:
        """This cluster's broker, queue and patience."""
        options = self.spec.options
        own: dict[str, dict[str, Any]] = {
            "operators": {"default_queue": self._queue},
            "celery": {
                # Results are fetched in one query and messages sent on the cluster's own thread: a
                # pool of processes would be forked from a process that has threads.
                "sync_parallelism": 1,
                # Giving up is ours: the router knows where else a task can go.
                "task_publish_max_retries": 0,
            },
            "celery_broker_transport_options": {
                "socket_timeout": _SOCKET_TIMEOUT_S,
                "socket_connect_timeout": _CONNECT_TIMEOUT_S,
                "max_retries": 1,
            },
        }
        for key in ("broker_url", "result_backend"):
            if options.get(key):
                own["celery"][key] = options[key]
        own["celery"]["extra_celery_config"] = json.dumps(self._extra())
        return own

    def probe(self, timeout_s: float) -> Callable[[], None]:
        """Over the broker of Airflow's own configuration where the cluster names none."""
        from airflow.configuration import conf

        broker = conf.get("celery", "broker_url", team_name=self.team)
        spec = replace(self.spec, options={**self.spec.options, "broker_url": broker})
        return open_probe(spec, timeout_s=timeout_s)

    def build(self) -> Any:
        """Import Celery and make the executor; on the thread that will use it."""
        from airflow.providers.celery.executors.celery_executor import CeleryExecutor

        executor = CeleryExecutor(team_name=self.team)
        # Adopting asks the current app of the thread, which must be this cluster's.
        executor.celery_app.set_current()
        return executor

    def prepare(self, shipment: Shipment) -> Any:
        """Into the cluster's queue, under the name of this very placement."""
        workload = super().prepare(shipment)
        if shipment.decision is not None:
            workload.ti.queue = self._queue
            workload.ti.external_executor_id = self.external_id(
                workload.ti.id, shipment.epoch, None
            )
        return workload

    def granted(self, grant: Any) -> dict[str, Any]:  # noqa: ARG002
        """Nothing: a Celery worker takes a task as it is."""
        return {}

    def external_id(self, ti_id: UUID | str, epoch: int, stored: str | None) -> str:
        """
        The Celery task id, derived from the placement.

        Two placements of one try have two ids, also on one broker, so that revoking the old message
        leaves the new one alone; and a scheduler that adopts needs nothing but the placement.
        """
        if epoch == 0 and stored:
            return stored  # sent while the layer was switched off and nothing was recorded
        return str(uuid5(UUID(str(ti_id)), f"{self.spec.name}/{epoch}"))

    def outcome(self, info: Any) -> Outcome:  # noqa: ARG002
        """A worker process that was killed; a task that fails by itself is no failure of Celery's."""
        return Outcome.KILLED

    def end(self, inner: Any) -> None:
        """Messages and workers go on without us."""
        inner.end(synchronous=False)

    def _extra(self) -> dict[str, Any]:
        given = json.loads(global_values("celery").get("extra_celery_config") or "{}")
        return {
            "broker_connection_timeout": _CONNECT_TIMEOUT_S,
            "broker_connection_max_retries": 1,
            "task_publish_retry": False,
            **given,
        }
