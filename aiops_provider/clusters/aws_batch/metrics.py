"""
What AWS Batch tells about a job queue: its waiting and interrupted jobs, and environments that are broken.

CloudWatch has no metrics of a job queue's length by itself, so the queue is asked. Needed are the rights
``batch:ListJobs``, ``batch:DescribeJobQueues`` and ``batch:DescribeComputeEnvironments``.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import Any

from aiops_provider.clusters.aws_batch.options import AwsBatchOptions
from aiops_provider.clusters.aws_failures import was_taken_back
from aiops_provider.clusters.metrics.cloudwatch import aws_client, call_aws
from aiops_provider.clusters.metrics.options import NoOptions
from aiops_provider.clusters.metrics.registry import MetricSourceKind
from aiops_provider.clusters.metrics.source import (
    Newcomers,
    Reading,
    Readings,
    interruptions,
)
from aiops_provider.domain.cluster import ClusterSpec
from aiops_provider.errors import MetricsError

# A queue with more pages of a hundred jobs is long enough to be told as it is.
_MOST_PAGES = 50


class QueueMetrics:
    """
    One job queue.

    Args:
        queue: Its name or ARN.
        region: Of AWS.
        timeout_s: Of one request.
    """

    def __init__(self, queue: str, region: str, *, timeout_s: float) -> None:
        self._queue, self._region, self._timeout_s = queue, region, timeout_s
        self._client: Any = None
        self._taken_back = Newcomers()

    def read(self, now: datetime) -> Readings:
        """See :class:`~aiops_provider.clusters.metrics.source.MetricSource`."""
        if self._client is None:
            self._client = aws_client("batch", self._region, timeout_s=self._timeout_s)
        waiting = list(self._jobs("RUNNABLE"))
        oldest_s = max([0.0, *(now.timestamp() - job["createdAt"] / 1000 for job in waiting)])
        broken = self._broken()
        return Readings(
            found=[
                Reading(name="jobs_runnable", observed_at=now, value=float(len(waiting))),
                Reading(name="jobs_runnable_longest_s", observed_at=now, value=oldest_s),
                Reading(
                    name="compute_environments_broken",
                    observed_at=now,
                    value=float(broken),
                    fault_when="high",
                ),
                *interruptions(self._taken_back, self._interrupted(), now),
            ]
        )

    def _interrupted(self) -> Iterator[str]:
        """Failed jobs, which AWS keeps for a week, whose machine was taken from under them."""
        for job in self._jobs("FAILED"):
            if was_taken_back(str(job.get("statusReason") or "")):
                yield job["jobId"]

    def _jobs(self, status: str) -> Iterator[dict[str, Any]]:
        asked: dict[str, Any] = {"jobQueue": self._queue, "jobStatus": status}
        for _ in range(_MOST_PAGES):
            answer = call_aws(self._client.list_jobs, **asked)
            yield from answer.get("jobSummaryList", ())
            if not answer.get("nextToken"):
                return
            asked["nextToken"] = answer["nextToken"]

    def _broken(self) -> int:
        """Environments of the queue, and the queue itself, that take no work."""
        queues = call_aws(self._client.describe_job_queues, jobQueues=[self._queue])["jobQueues"]
        if not queues:
            raise MetricsError(f"there is no job queue {self._queue} in {self._region}")
        queue = queues[0]
        names = [one["computeEnvironment"] for one in queue.get("computeEnvironmentOrder", ())]
        environments: list[dict[str, Any]] = []
        if names:
            environments = call_aws(
                self._client.describe_compute_environments, computeEnvironments=names
            )["computeEnvironments"]
        return sum(not _works(one) for one in (queue, *environments))


def _works(one: dict[str, Any]) -> bool:
    return bool(one.get("state") == "ENABLED" and one.get("status") in {"VALID", "UPDATING"})


def open_source(
    spec: ClusterSpec, options: NoOptions, *, period_s: float, timeout_s: float
) -> QueueMetrics:
    """See :class:`~aiops_provider.clusters.metrics.registry.OpenSource`."""
    del options, period_s
    own = AwsBatchOptions.model_validate(dict(spec.options))
    return QueueMetrics(own.job_queue, spec.region, timeout_s=timeout_s)


SOURCE = MetricSourceKind(name="aws_batch", open=open_source)
