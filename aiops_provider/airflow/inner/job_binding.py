"""How a :class:`~aiops_provider.airflow.inner.job_executor.JobExecutor` is made and fed."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any
from uuid import UUID, uuid4, uuid5

from aiops_provider.airflow.inner.binding import Shipment
from aiops_provider.airflow.inner.job_start import COMMAND, WORKLOAD_VARIABLE
from aiops_provider.airflow.inner.last_words import LastWords
from aiops_provider.airflow.inner.merging import own_words
from aiops_provider.airflow.versions import states_of, workload_key
from aiops_provider.control.cost_labels import cost_labels
from aiops_provider.control.remote_jobs import (
    CLUSTER_LABEL,
    RemoteJob,
    RemoteJobClient,
    open_remote_jobs,
)
from aiops_provider.domain.cluster import ClusterSpec
from aiops_provider.domain.execution import Outcome
from aiops_provider.domain.profile import ResourceRequest
from aiops_provider.errors import ClusterError, ClusterUnreachableError, ConfigurationError

if TYPE_CHECKING:
    from aiops_provider.airflow.inner.job_executor import JobExecutor, JobWorkload

# A request that takes longer makes its cluster late.
_REQUEST_S = 4.0
_DEFAULT_PENDING_S, _DEFAULT_POLL_S, _DEFAULT_LOG_LINES = 900.0, 5.0, 1000


class JobBinding(ABC):
    """
    A cluster whose service is reached by a client of ours.

    Args:
        spec: The cluster.
    """

    def __init__(self, spec: ClusterSpec) -> None:
        self.spec = spec

    def configure(self) -> None:  # noqa: B027 - there is nothing to do for any kind
        """Nothing: its executor reads no configuration of Airflow's."""

    def secret(self) -> Mapping[str, Any] | None:
        """
        Credentials from the connection that the options name; ``None`` if they name none.

        Raises:
            ConfigurationError: The connection has none.
        """
        name = self.spec.options.get("connection")
        if not name:
            return None
        from airflow.models.connection import Connection

        connection = Connection.get_connection_from_secrets(str(name))
        found = self.secret_of(connection)
        if not found:
            raise ConfigurationError(
                "has no credentials for this kind of cluster",
                field=f"connection {name}",
                mend="Add them, or leave options.connection out to use those around the scheduler.",
            )
        return found

    @abstractmethod
    def secret_of(self, connection: Any) -> Mapping[str, Any] | None:
        """What a connection of Airflow's holds that the kind's client understands."""

    def probe(self, timeout_s: float) -> Callable[[], None]:
        """With a client of its own, which belongs to the probe's thread."""
        clients: list[RemoteJobClient] = []

        def check() -> None:
            if not clients:
                try:
                    clients.append(self._open(timeout_s))
                except ConfigurationError as error:
                    raise ClusterUnreachableError(str(error)) from error
            clients[0].probe()

        return check

    def build(self) -> JobExecutor:
        """Make the executor; the client loads its SDK when it is first asked for something."""
        from aiops_provider.airflow.inner.job_executor import JobExecutor

        options = self.spec.options
        return JobExecutor(
            cluster=self.spec.name,
            client=self._open(_REQUEST_S),
            pending_timeout_s=float(options.get("pending_timeout_s", _DEFAULT_PENDING_S)),
            poll_period_s=float(options.get("poll_period_s", _DEFAULT_POLL_S)),
        )

    def prepare(self, shipment: Shipment) -> JobWorkload:
        """The workload as a job."""
        from aiops_provider.airflow.inner.job_executor import JobWorkload

        workload, decision = shipment.workload, shipment.decision
        ti = getattr(workload, "ti", None)
        labels = {CLUSTER_LABEL: self.spec.name}
        request = pool = None
        if ti is not None:
            labels |= {"aiops_ti_id": str(ti.id), "aiops_epoch": str(shipment.epoch)}
        if decision is not None and decision.placement.applied:
            # While only observing, a task gets what it would have got without us.
            request, pool = decision.grant, decision.placement.route.pool
            labels["aiops_pool"] = pool
        if decision is not None and self.spec.options.get("cost_labels", True):
            labels |= cost_labels(decision.placement)
        known = self.external_id(ti.id, shipment.epoch, None) if decision and ti else None
        job = RemoteJob(
            job_id=known or f"aiops-{uuid4().hex}",
            command=COMMAND,
            request=request,
            pool=pool,
            secrets={**shipment.environment, WORKLOAD_VARIABLE: workload.model_dump_json()},
            labels=labels,
            own=own_words(ti.executor_config) if ti is not None else {},
        )
        return JobWorkload(
            key=workload_key(workload),
            job=job,
            states=states_of(workload),
            ti_id=ti.id if ti is not None else None,
        )

    def given(self, grant: ResourceRequest) -> ResourceRequest:
        """Exactly what is granted."""
        return grant

    def external_id(self, ti_id: UUID | str, epoch: int, stored: str | None) -> str | None:
        """
        The id of the job, derived from the placement.

        Two placements of one try have two ids, so that ending the old job leaves the new one alone;
        a placement has one, so that sending it twice is sending it once; and a scheduler that adopts
        needs nothing but the placement.
        """
        if epoch == 0:
            return stored  # sent while the layer was switched off and nothing was recorded
        return f"aiops-{uuid5(UUID(str(ti_id)), f'{self.spec.name}/{epoch}').hex}"

    def outcome(self, info: Any) -> Outcome:
        """As the client judged the job's end."""
        return info.outcome if isinstance(info, LastWords) else Outcome.KILLED

    def task_log(self, ti: Any) -> tuple[list[str], list[str]]:
        """What the service keeps of the container's output."""
        if not ti.external_executor_id:
            return [f"{self.spec.name}: no job was sent for this try yet"], []
        lines = int(self.spec.options.get("log_lines", _DEFAULT_LOG_LINES))
        try:
            client = self._open(_REQUEST_S)
            try:
                found = client.log(str(ti.external_executor_id), lines=lines)
            finally:
                client.close()
        except (ClusterError, ConfigurationError) as error:
            # The page shows what there is; a cluster that does not answer must not take it away.
            return [f"{self.spec.name}: the job's log cannot be read: {error}"], []
        sources = [f"{self.spec.name}: {source}" for source in found.sources]
        return sources, ["\n".join(found.lines)] if found.lines else []

    def end(self, inner: Any) -> None:
        """Jobs go on without us."""
        inner.end()

    def _open(self, timeout_s: float) -> RemoteJobClient:
        return open_remote_jobs(self.spec, timeout_s=timeout_s, secret=self.secret())
