"""
How the executor of a kind of cluster is made and fed: Airflow's own, or ours where it has none.

A kind's binding stands in a module of its own beside this one; further ones come by entry point
``aiops_provider.airflow_bindings``.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from importlib.metadata import EntryPoint, entry_points
from typing import TYPE_CHECKING, Any, Protocol
from uuid import UUID

from aiops_provider.domain.cluster import ClusterSpec
from aiops_provider.domain.execution import Outcome
from aiops_provider.domain.profile import ResourceRequest
from aiops_provider.errors import ConfigurationError

if TYPE_CHECKING:
    from aiops_provider.control.decide import Decision

ENTRY_POINT_GROUP = "aiops_provider.airflow_bindings"

_BUILT_IN = {
    "celery": "aiops_provider.airflow.inner.celery:CeleryBinding",
    "aws_batch": "aiops_provider.airflow.inner.aws_batch:AwsBatchBinding",
    "aws_ecs": "aiops_provider.airflow.inner.aws_ecs:AwsEcsBinding",
    "kubernetes": "aiops_provider.airflow.inner.kubernetes:KubernetesBinding",
    "google_batch": "aiops_provider.airflow.inner.google_batch:GoogleBatchBinding",
    "azure_batch": "aiops_provider.airflow.inner.azure_batch:AzureBatchBinding",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Shipment:
    """
    One workload on its way to an inner executor.

    Attributes:
        workload: Airflow's workload, a copy that the binding may change.
        decision: Where it was placed and what it is granted; ``None`` for callbacks.
        environment: What the task is told about itself.
    """

    workload: Any
    decision: Decision | None
    environment: Mapping[str, str] = field(default_factory=dict)

    @property
    def epoch(self) -> int:
        """The placement; 0 for callbacks."""
        return self.decision.placement.epoch if self.decision is not None else 0


class Binding(Protocol):
    """
    One cluster's inner executor; all but ``configure`` is called on the cluster's own thread.

    Requirements: ``configure`` is called first, on the main thread, and connects to nothing.
    """

    def configure(self) -> None:
        """Write the configuration that the inner executor reads."""

    def probe(self, timeout_s: float) -> Callable[[], None]:
        """
        The health probe, for a thread of its own; connects to nothing yet.

        It raises ClusterUnreachableError unless the cluster answered and could take work; a single
        question should take no longer than *timeout_s*.
        """

    def build(self) -> Any:
        """Import and make the inner executor; it is not started yet."""

    def prepare(self, shipment: Shipment) -> Any:
        """The workload as the inner executor takes it: resources, queue, the user's own wishes."""

    def given(self, grant: ResourceRequest) -> ResourceRequest:
        """What a task really gets that is granted this; never less."""

    def external_id(self, ti_id: UUID | str, epoch: int, stored: str | None) -> str | None:
        """By which name the cluster knows a placement; *stored* is what Airflow remembers."""

    def outcome(self, info: Any) -> Outcome:
        """What a failure that the inner executor reports says about how the work ended."""

    def task_log(self, ti: Any) -> tuple[list[str], list[str]]:
        """
        Sources and text of the log of a task that runs, where the cluster keeps it; else nothing.

        Called in the API server, where no inner executor has been built.
        """

    def end(self, inner: Any) -> None:
        """Let go of the cluster; what runs there goes on."""


def binding_of(kind: str) -> Callable[[ClusterSpec], Binding]:
    """
    Makes the binding of clusters of a kind.

    Raises:
        ConfigurationError: Airflow has nothing here for this kind.
    """
    found = _entry_points().get(kind)
    if found is None:
        raise ConfigurationError(
            "Airflow cannot send tasks to clusters of this kind",
            field="kind",
            value=kind,
            mend=f"Use one of local, {', '.join(sorted(_entry_points()))}",
        )
    made: Callable[[ClusterSpec], Binding] = found.load()
    return made


def _entry_points() -> dict[str, EntryPoint]:
    built_in = (
        EntryPoint(name=name, value=value, group=ENTRY_POINT_GROUP)
        for name, value in _BUILT_IN.items()
    )
    return {point.name: point for point in (*built_in, *entry_points(group=ENTRY_POINT_GROUP))}
