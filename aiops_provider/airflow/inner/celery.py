"""A ``kind: celery`` cluster: Airflow's CeleryExecutor with a queue, and perhaps a broker, of its own."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any
from uuid import UUID, uuid5

from aiops_provider.airflow.inner import carrier
from aiops_provider.airflow.inner.binding import Shipment
from aiops_provider.airflow.inner.team_configuration import (
    global_values,
    materialise,
    pseudo_team,
)
from aiops_provider.domain.cluster import ClusterSpec
from aiops_provider.domain.execution import Outcome

_SECTIONS = (
    "celery",
    "celery_broker_transport_options",
    "celery_result_backend_transport_options",
)
# Off the main thread CeleryExecutor's own time limit has no effect (it needs a signal): the sockets
# have to give up by themselves.
_SOCKET_TIMEOUT_S = 4
_CONNECT_TIMEOUT_S = 2


class CeleryBinding:
    """
    Makes and feeds the CeleryExecutor of one cluster.

    Args:
        spec: The cluster.
    """

    def __init__(self, spec: ClusterSpec) -> None:
        self._spec = spec
        self._team = pseudo_team(spec.name)
        self._queue = str(spec.options.get("queue", "default"))

    def configure(self) -> None:
        """Copy the global Celery sections; put this cluster's broker, queue and patience on top."""
        options = self._spec.options
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
        for section, values in (options.get("configuration") or {}).items():
            own.setdefault(section, {}).update(values)
        materialise(self._team, sections=_SECTIONS, overrides=own)

    def probe_spec(self) -> ClusterSpec:
        """With the broker of Airflow's own configuration where the cluster names none."""
        from airflow.configuration import conf

        broker = conf.get("celery", "broker_url", team_name=self._team)
        return replace(self._spec, options={**self._spec.options, "broker_url": broker})

    def build(self) -> Any:
        """Import Celery and make the executor; on the thread that will use it."""
        from airflow.providers.celery.executors.celery_executor import CeleryExecutor

        executor = CeleryExecutor(team_name=self._team)
        # Adopting asks the current app of the thread, which must be this cluster's.
        executor.celery_app.set_current()
        return executor

    def prepare(self, shipment: Shipment) -> Any:
        """Into the cluster's queue, under the name of this very placement."""
        workload = shipment.workload
        if shipment.decision is None:
            return workload
        ti = workload.ti
        ti.queue = self._queue
        ti.context_carrier = carrier.load(ti.context_carrier, shipment.environment)
        ti.external_executor_id = self.external_id(ti.id, shipment.epoch, None)
        return workload

    def external_id(self, ti_id: UUID | str, epoch: int, stored: str | None) -> str:  # noqa: ARG002
        """
        The Celery task id, derived from the placement.

        Two placements of one try have two ids, also on one broker, so that revoking the old message
        leaves the new one alone; and a scheduler that adopts needs nothing but the placement.
        """
        return str(uuid5(UUID(str(ti_id)), f"{self._spec.name}/{epoch}"))

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
