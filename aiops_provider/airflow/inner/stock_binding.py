"""What all bindings of Airflow's own executors have in common."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar
from uuid import UUID

from aiops_provider.airflow.inner import carrier
from aiops_provider.airflow.inner.binding import Shipment
from aiops_provider.airflow.inner.merging import merged, own_words
from aiops_provider.airflow.inner.team_configuration import materialise, pseudo_team
from aiops_provider.control.cost_labels import aws_tags
from aiops_provider.domain.cluster import ClusterSpec
from aiops_provider.domain.execution import Outcome


class StockBinding:
    """
    A binding whose inner executor reads its settings from the sections of a team.

    Args:
        spec: The cluster.
    """

    sections: ClassVar[tuple[str, ...]] = ()
    """Sections that the inner executor reads besides those that all executors read."""

    def __init__(self, spec: ClusterSpec) -> None:
        self.spec = spec
        self.team = pseudo_team(spec.name)

    def configure(self) -> None:
        """Copy the global sections, put on top what the cluster says, then what its user insists on."""
        said = self.spec.options.get("configuration") or {}
        materialise(self.team, sections=self.sections, overrides=merged(self.settings(), said))

    def settings(self) -> dict[str, dict[str, Any]]:
        """What the options of the cluster mean, by section and key."""
        raise NotImplementedError

    def prepare(self, shipment: Shipment) -> Any:
        """Tell the task who it is, and the executor what the task is granted."""
        workload = shipment.workload
        if shipment.decision is None:
            return workload
        ti = workload.ti
        # While only observing, a task gets what it would have got without us.
        applied = shipment.decision.placement.applied
        ours = self.granted(shipment.decision.grant) if applied else {}
        if applied and self.spec.options.get("cost_tags"):
            ours = merged(ours, self.labels(aws_tags(shipment.decision.placement)))
        variables = self.variables(shipment.environment)
        if variables is None:
            ti.context_carrier = carrier.load(ti.context_carrier, shipment.environment)
        else:
            ours = merged(ours, variables)
        ti.executor_config = merged(ours, own_words(ti.executor_config))
        return workload

    def variables(self, environment: Mapping[str, str]) -> dict[str, Any] | None:  # noqa: ARG002
        """
        The environment of a task as ``executor_config``, where each task has a container of its own.

        ``None`` where it has not: then what it is told travels with the workload. A container must
        not be told that way, for Airflow writes the workload into the container's log as it is.
        """
        return None

    def labels(self, tags: Mapping[str, str]) -> dict[str, Any]:  # noqa: ARG002
        """What a task is called on the cluster's side, as ``executor_config``; nothing here."""
        return {}

    def granted(self, grant: Any) -> dict[str, Any]:
        """The resources of a task as ``executor_config`` of the inner executor."""
        from aiops_provider.control.manifests import manifest

        return manifest(self.spec, grant)

    def given(self, grant: Any) -> Any:
        """Exactly what is granted."""
        return grant

    def external_id(self, ti_id: UUID | str, epoch: int, stored: str | None) -> str | None:  # noqa: ARG002
        """What the cluster called it, as Airflow remembers it."""
        return stored

    def outcome(self, info: Any) -> Outcome:
        """What the words of its last report mean."""
        raise NotImplementedError

    def task_log(self, ti: Any) -> tuple[list[str], list[str]]:  # noqa: ARG002
        """Nothing: workers serve their logs, or write them where Airflow reads them."""
        return [], []

    def end(self, inner: Any) -> None:
        """Nothing: what runs there goes on, and the next scheduler adopts it."""
