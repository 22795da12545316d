"""A ``kind: aws_batch`` cluster: Airflow's AWS Batch executor with a job queue of its own."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from aiops_provider.airflow.inner.aws_client import client, entries
from aiops_provider.airflow.inner.stock_binding import StockBinding
from aiops_provider.control.aws_failures import outcome_of
from aiops_provider.control.manifests import given
from aiops_provider.domain.execution import Outcome
from aiops_provider.domain.profile import ResourceRequest
from aiops_provider.errors import ClusterUnreachableError


class AwsBatchBinding(StockBinding):
    """Makes and feeds the executor of one job queue."""

    sections = ("aws_batch_executor",)

    def settings(self) -> dict[str, dict[str, Any]]:
        """This cluster's queue, job definition and region; trying again is the router's."""
        options = self.spec.options
        own = {
            "job_queue": options["job_queue"],
            "job_definition": options["job_definition"],
            "job_name": options.get("job_name", "airflow-task"),
            "region_name": self.spec.region,
            "max_submit_job_attempts": 1,
        }
        if options.get("connection"):
            own["conn_id"] = options["connection"]
        return {"aws_batch_executor": own}

    def probe(self, timeout_s: float) -> Callable[[], None]:
        """Whether the job queue is there and takes jobs."""
        queue = str(self.spec.options["job_queue"])
        clients: list[Any] = []

        def check() -> None:
            try:
                if not clients:
                    clients.append(client("batch", team=self.team, timeout_s=timeout_s))
                answer = clients[0].describe_job_queues(jobQueues=[queue])
            except Exception as error:
                # The SDK, the connection and the network have errors of their own: no answer.
                raise ClusterUnreachableError(f"{type(error).__name__}: {error}") from error
            found = answer["jobQueues"]
            if not found:
                raise ClusterUnreachableError(f"there is no job queue {queue}")
            if (found[0]["state"], found[0]["status"]) != ("ENABLED", "VALID"):
                raise ClusterUnreachableError(
                    f"job queue {queue} is {found[0]['state']}, {found[0]['status']}"
                )

        return check

    def variables(self, environment: Mapping[str, str]) -> dict[str, Any]:
        """Of the job's container."""
        return {"containerOverrides": {"environment": entries(environment)}}

    def labels(self, tags: Mapping[str, str]) -> dict[str, Any]:
        """Of the job, and of the ECS task that it becomes, which is what is paid for."""
        return {"tags": dict(tags), "propagateTags": True}

    def given(self, grant: ResourceRequest) -> ResourceRequest:
        """On Fargate the size that holds what is granted."""
        return given(self.spec, grant)

    def outcome(self, info: Any) -> Outcome:
        """By the words of AWS; a machine that was taken back is no fault of the task."""
        return outcome_of(str(info))

    def build(self) -> Any:
        """Import the SDK and make the executor; on the thread that will use it."""
        from aiops_provider.airflow.inner.aws_batch_executor import ClusterBatchExecutor

        return ClusterBatchExecutor(team_name=self.team)
