"""A ``kind: aws_ecs`` cluster: Airflow's Amazon ECS executor with an ECS cluster of its own."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from aiops_provider.airflow.inner.aws_client import client, entries
from aiops_provider.airflow.inner.stock_binding import StockBinding
from aiops_provider.control.aws_failures import outcome_of
from aiops_provider.control.manifests import given
from aiops_provider.domain.execution import Outcome
from aiops_provider.domain.profile import ResourceRequest
from aiops_provider.errors import ClusterUnreachableError


class AwsEcsBinding(StockBinding):
    """Makes and feeds the executor of one ECS cluster."""

    sections = ("aws_ecs_executor",)

    def settings(self) -> dict[str, dict[str, Any]]:
        """This cluster's name, task definition, network and region; trying again is the router's."""
        options = self.spec.options
        own = {
            "cluster": options["cluster"],
            "task_definition": options["task_definition"],
            "container_name": options.get("container", "airflow"),
            "launch_type": options.get("launch_type", "FARGATE"),
            "assign_public_ip": bool(options.get("assign_public_ip", False)),
            "region_name": self.spec.region,
            "max_run_task_attempts": 1,
        }
        for name in ("subnets", "security_groups"):
            if options.get(name):
                own[name] = ",".join(options[name])
        if options.get("connection"):
            own["conn_id"] = options["connection"]
        return {"aws_ecs_executor": own}

    def probe(self, timeout_s: float) -> Callable[[], None]:
        """Whether the ECS cluster is there and active."""
        name = str(self.spec.options["cluster"])
        clients: list[Any] = []

        def check() -> None:
            try:
                if not clients:
                    clients.append(client("ecs", team=self.team, timeout_s=timeout_s))
                answer = clients[0].describe_clusters(clusters=[name])
            except Exception as error:
                # The SDK, the connection and the network have errors of their own: no answer.
                raise ClusterUnreachableError(f"{type(error).__name__}: {error}") from error
            found = answer["clusters"]
            if not found or found[0]["status"] != "ACTIVE":
                status = found[0]["status"] if found else "unknown"
                raise ClusterUnreachableError(f"ECS cluster {name} is {status}")

        return check

    def variables(self, environment: Mapping[str, str]) -> dict[str, Any]:
        """Of the container that runs the task."""
        container = self.spec.options.get("container", "airflow")
        own = {"name": container, "environment": entries(environment)}
        return {"overrides": {"containerOverrides": [own]}}

    def labels(self, tags: Mapping[str, str]) -> dict[str, Any]:
        """Of the ECS task."""
        return {"tags": [{"key": key, "value": value} for key, value in tags.items()]}

    def given(self, grant: ResourceRequest) -> ResourceRequest:
        """On Fargate the size that holds what is granted."""
        spec = replace(self.spec, options={"launch_type": "FARGATE", **self.spec.options})
        return given(spec, grant)

    def outcome(self, info: Any) -> Outcome:
        """By the words of AWS; a machine that was taken back is no fault of the task."""
        return outcome_of(str(info))

    def build(self) -> Any:
        """Import the SDK and make the executor; on the thread that will use it."""
        from aiops_provider.airflow.inner.aws_ecs_executor import ClusterEcsExecutor

        return ClusterEcsExecutor(team_name=self.team)
