"""
What Google Cloud Batch tells about the jobs of a cluster: those whose spot machine was taken back.

Source: "Troubleshooting", Batch documentation: the reserved exit code 50001 is a spot machine's preemption. It
stands in the event of the task, and in the words of the job's last event. Needed is the right to view jobs
(``roles/batch.jobsViewer``).
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import datetime
from typing import Any

from aiops_provider.clusters.google_batch.access import batch_client, credentials_of, errors_named
from aiops_provider.clusters.google_batch.diagnosis import PREEMPTED, exit_code_of
from aiops_provider.clusters.google_batch.manifest import google_labels
from aiops_provider.clusters.google_batch.options import GoogleBatchOptions
from aiops_provider.clusters.metrics.options import NoOptions
from aiops_provider.clusters.metrics.registry import MetricSourceKind
from aiops_provider.clusters.metrics.source import Newcomers, Readings, interruptions
from aiops_provider.clusters.remote_jobs import CLUSTER_LABEL
from aiops_provider.domain.cluster import ClusterSpec
from aiops_provider.errors import ClusterError, MetricsError

# Batch keeps jobs for weeks after their end; the newest come first.
_PAGE, _MOST_PAGES = 200, 10
_EXIT_CODE = re.compile(r"exit code (\d+)")


class JobMetrics:
    """
    The jobs of one cluster, told from all others of the project by their label.

    Args:
        spec: The cluster.
        timeout_s: Of one request.
    """

    def __init__(self, spec: ClusterSpec, *, timeout_s: float) -> None:
        self._options = GoogleBatchOptions.model_validate(dict(spec.options))
        self._parent = f"projects/{self._options.project}/locations/{spec.region}"
        self._label = google_labels({CLUSTER_LABEL: spec.name})[CLUSTER_LABEL]
        self._timeout_s = timeout_s
        self._client: Any = None
        self._taken_back = Newcomers()
        # Whether each failed job, by its name, was taken back: a job fails once.
        self._known: dict[str, bool] = {}

    def read(self, now: datetime) -> Readings:
        """See :class:`~aiops_provider.clusters.metrics.source.MetricSource`."""
        try:
            with errors_named():
                if self._client is None:
                    self._client = batch_client(self._options, credentials_of(self._options, None))
                self._known = {job.name: self._was_taken_back(job) for job in self._failed()}
        except ClusterError as error:
            raise MetricsError(str(error)) from error
        found = [name for name, taken_back in self._known.items() if taken_back]
        return Readings(found=list(interruptions(self._taken_back, found, now)))

    def _failed(self) -> Iterator[Any]:
        request = {
            "parent": self._parent,
            "filter": f'labels.{CLUSTER_LABEL}="{self._label}"',
            "order_by": "create_time desc",
            "page_size": _PAGE,
        }
        pager = self._client.list_jobs(request, timeout=self._timeout_s, retry=None)
        for _, page in zip(range(_MOST_PAGES), pager.pages, strict=False):
            yield from (job for job in page.jobs if job.status.state.name == "FAILED")

    def _was_taken_back(self, job: Any) -> bool:
        known = self._known.get(job.name)
        if known is not None:
            return known
        events = job.status.status_events
        said = _EXIT_CODE.search(events[-1].description) if events else None
        return (int(said[1]) if said else self._asked(job)) == PREEMPTED

    def _asked(self, job: Any) -> int | None:
        """Of its tasks; a job that failed before any began has none."""
        tasks: list[Any] = []
        for group in job.status.task_groups:
            parent = f"{job.name}/taskGroups/{group}"
            tasks += self._client.list_tasks(parent=parent, timeout=self._timeout_s, retry=None)
        return exit_code_of(tasks)


def open_source(
    spec: ClusterSpec, options: NoOptions, *, period_s: float, timeout_s: float
) -> JobMetrics:
    """See :class:`~aiops_provider.clusters.metrics.registry.OpenSource`."""
    del options, period_s
    return JobMetrics(spec, timeout_s=timeout_s)


SOURCE = MetricSourceKind(name="google_batch", open=open_source)
