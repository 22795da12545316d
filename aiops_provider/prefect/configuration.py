"""What a deployment may say in its job variables, and what the worker makes of it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from prefect.workers.base import BaseJobConfiguration, BaseVariables, BaseWorkerResult
from pydantic import Field, PrivateAttr

if TYPE_CHECKING:
    from uuid import UUID

    from prefect.client.orchestration import PrefectClient
    from prefect.client.schemas.objects import Flow, FlowRun, WorkPool
    from prefect.client.schemas.responses import DeploymentResponse

_TASK = "What the flow does: a TaskDescription such as {kind: training, memory_gib: 4}."
_CLUSTER = "Run on this cluster only."
_TEAM = "The team whose mode (observe, advise, enforce) holds."
_STREAM = "Show the flow run's output among the worker's own (local clusters)."
_FOLDER = "Run in this folder instead of a temporary one (local clusters)."


class AiopsJobConfiguration(BaseJobConfiguration):
    """How one flow run is to be run, before it is known where."""

    task: dict[str, Any] | None = Field(default=None, description=_TASK)
    cluster: str | None = Field(default=None, description=_CLUSTER)
    team: str | None = Field(default=None, description=_TEAM)
    stream_output: bool = Field(default=True, description=_STREAM)
    working_dir: Path | None = Field(default=None, description=_FOLDER)

    _values: dict[str, Any] = PrivateAttr(default_factory=dict)
    _own_command: str | None = PrivateAttr(default=None)

    @classmethod
    async def from_template_and_values(
        cls,
        base_job_template: dict[str, Any],
        values: dict[str, Any],
        client: PrefectClient | None = None,
    ) -> AiopsJobConfiguration:
        """Resolve the template as every worker does, and keep the values for stock workers."""
        made = await super().from_template_and_values(
            base_job_template=base_job_template, values=values, client=client
        )
        configuration: AiopsJobConfiguration = made
        # Job variables that only a stock worker knows (an image, a namespace) are in no field of ours.
        configuration._values = dict(values)
        return configuration

    def prepare_for_flow_run(  # noqa: PLR0917 - Prefect calls it like this
        self,
        flow_run: FlowRun,
        deployment: DeploymentResponse | None = None,
        flow: Flow | None = None,
        work_pool: WorkPool | None = None,
        worker_name: str | None = None,
        worker_id: UUID | None = None,
    ) -> None:
        """Fill in what depends on the flow run, remembering whether the user gave a command."""
        self._own_command = self.command
        super().prepare_for_flow_run(
            flow_run, deployment, flow, work_pool, worker_name, worker_id=worker_id
        )

    @staticmethod
    def _base_flow_run_command() -> str:
        """The engine, as under Prefect's process worker: its supervision is ours."""
        return "python -m prefect.engine"

    @property
    def values(self) -> dict[str, Any]:
        """Job variables of deployment and flow run, as given."""
        return dict(self._values)

    @property
    def image(self) -> str | None:
        """The image that the user gave for clusters that run containers, if any."""
        image = self._values.get("image")
        return image if isinstance(image, str) and image else None

    @property
    def own_command(self) -> str | None:
        """The command that the user gave, if any."""
        return self._own_command

    @property
    def variables(self) -> dict[str, str]:
        """Environment variables of the flow run."""
        return {name: value for name, value in self.env.items() if value is not None}

    @property
    def flow_name(self) -> str | None:
        """Name of the flow, once prepared."""
        flow = self._related_objects.get("flow")
        return flow.name if flow is not None else None

    @property
    def deployment_name(self) -> str | None:
        """Name of the deployment, once prepared; ``None`` for a run without one."""
        deployment = self._related_objects.get("deployment")
        return deployment.name if deployment is not None else None


class AiopsVariables(BaseVariables):
    """The form that Prefect shows for a work pool of type ``aiops``."""

    task: dict[str, Any] | None = Field(default=None, title="Task", description=_TASK)
    cluster: str | None = Field(default=None, title="Cluster", description=_CLUSTER)
    team: str | None = Field(default=None, title="Team", description=_TEAM)
    stream_output: bool = Field(default=True, title="Stream output", description=_STREAM)
    working_dir: Path | None = Field(default=None, title="Working folder", description=_FOLDER)


class AiopsWorkerResult(BaseWorkerResult):
    """How the last process of a flow run ended."""
