"""
What Amazon ECS tells about a cluster: tasks whose machine was taken back.

ECS keeps a stopped task for about an hour. Needed are the rights ``ecs:ListTasks`` and ``ecs:DescribeTasks``.
Use of processors and memory is in CloudWatch.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import Any

from aiops_provider.clusters.aws_ecs.options import AwsEcsOptions
from aiops_provider.clusters.aws_failures import was_taken_back
from aiops_provider.clusters.metrics.cloudwatch import aws_client, call_aws
from aiops_provider.clusters.metrics.options import NoOptions
from aiops_provider.clusters.metrics.registry import MetricSourceKind
from aiops_provider.clusters.metrics.source import Newcomers, Readings, interruptions
from aiops_provider.domain.cluster import ClusterSpec

# Tasks that one call lists, and describes.
_PAGE = 100
_MOST_PAGES = 50
_STOPPED = "STOPPED"


class TaskMetrics:
    """
    One ECS cluster.

    Args:
        cluster: Its name or ARN.
        region: Of AWS.
        timeout_s: Of one request.
    """

    def __init__(self, cluster: str, region: str, *, timeout_s: float) -> None:
        self._cluster, self._region, self._timeout_s = cluster, region, timeout_s
        self._client: Any = None
        self._taken_back = Newcomers()
        # Whether each stopped task, by its ARN, was taken back: a task stops once.
        self._known: dict[str, bool] = {}

    def read(self, now: datetime) -> Readings:
        """See :class:`~aiops_provider.clusters.metrics.source.MetricSource`."""
        if self._client is None:
            self._client = aws_client("ecs", self._region, timeout_s=self._timeout_s)
        stopped = list(self._stopped())
        unknown = [arn for arn in stopped if arn not in self._known]
        known = {arn: self._known[arn] for arn in stopped if arn in self._known}
        for begin in range(0, len(unknown), _PAGE):
            known.update(self._described(unknown[begin : begin + _PAGE]))
        self._known = known
        found = [arn for arn, taken_back in known.items() if taken_back]
        return Readings(found=list(interruptions(self._taken_back, found, now)))

    def _stopped(self) -> Iterator[str]:
        asked: dict[str, Any] = {
            "cluster": self._cluster,
            "desiredStatus": _STOPPED,
            "maxResults": _PAGE,
        }
        for _ in range(_MOST_PAGES):
            answer = call_aws(self._client.list_tasks, **asked)
            yield from answer.get("taskArns", ())
            if not answer.get("nextToken"):
                return
            asked["nextToken"] = answer["nextToken"]

    def _described(self, arns: list[str]) -> Iterator[tuple[str, bool]]:
        """Those that have stopped; one that is being stopped is asked about again."""
        answer = call_aws(self._client.describe_tasks, cluster=self._cluster, tasks=arns)
        for task in answer.get("tasks", ()):
            if task.get("lastStatus") == _STOPPED:
                reason, code = task.get("stoppedReason") or "", task.get("stopCode") or ""
                yield task["taskArn"], was_taken_back(reason, code)


def open_source(
    spec: ClusterSpec, options: NoOptions, *, period_s: float, timeout_s: float
) -> TaskMetrics:
    """See :class:`~aiops_provider.clusters.metrics.registry.OpenSource`."""
    del options, period_s
    own = AwsEcsOptions.model_validate(dict(spec.options))
    return TaskMetrics(own.cluster, spec.region, timeout_s=timeout_s)


SOURCE = MetricSourceKind(name="aws_ecs", open=open_source)
