"""Jobs of one region of Google Cloud Batch, over the SDK."""

from __future__ import annotations

import json
import logging
import time
from collections.abc import Mapping, Sequence
from typing import Any

from aiops_provider.clusters.google_batch.access import (
    api_error,
    batch_client,
    credentials_of,
    errors_named,
)
from aiops_provider.clusters.google_batch.diagnosis import status_of
from aiops_provider.clusters.google_batch.manifest import FIELDS, google_labels, job_body
from aiops_provider.clusters.google_batch.options import GoogleBatchOptions
from aiops_provider.clusters.remote_jobs import (
    CLUSTER_LABEL,
    RemoteJob,
    RemoteJobLog,
    RemoteJobStatus,
)
from aiops_provider.domain.cluster import ClusterSpec
from aiops_provider.errors import ClusterRefusedError, ClusterUnreachableError

log = logging.getLogger(__name__)

# Batch keeps jobs for weeks after their end. A listing begins with the newest; what is not in its
# first pages is asked for by name.
_PAGE, _PAGES = 200, 3
_NOT_FOUND, _CONFLICT, _PRECONDITION = 404, 409, 400


class GoogleBatchClient:
    """
    Sends, watches and ends jobs; connects to nothing before it is first asked for something.

    Args:
        spec: The cluster.
        timeout_s: For connecting, and for each answer.
        secret: A service account's key as JSON, from the host.
    """

    def __init__(
        self, spec: ClusterSpec, *, timeout_s: float, secret: Mapping[str, Any] | None = None
    ) -> None:
        self._spec = spec
        self._options = GoogleBatchOptions.model_validate(dict(spec.options))
        self._timeout_s = timeout_s
        self._secret = secret
        self._credentials: Any = None
        self._client: Any = None

    def submit(self, job: RemoteJob) -> None:
        """Create a job, unless there is one of that id, which is then ours."""
        foreign = sorted(set(job.own) - FIELDS)
        if foreign:
            log.warning("%s: executor_config %s is not for Google Batch", job.job_id, foreign)
        body = job_body(self._spec, self._options, job)
        with errors_named():
            client = self._connected()
            made = _as_message(body)
            request = {"parent": self._parent, "job_id": job.job_id, "job": made}
            try:
                client.create_job(request, timeout=self._timeout_s, retry=None)
            except api_error() as error:
                if error.code != _CONFLICT:
                    raise
                self._recognise(job.job_id)

    def poll(
        self, job_ids: Sequence[str], *, within_s: float
    ) -> Mapping[str, RemoteJobStatus | None]:
        """One listing of this cluster's newest jobs; those that are not in it one by one."""
        found: dict[str, RemoteJobStatus | None] = {}
        if not job_ids:
            return found
        until = time.monotonic() + within_s
        with errors_named():
            listed = self._newest(set(job_ids))
            for job_id in job_ids:
                job = listed.get(job_id)
                told_enough = job is not None and job.status.state.name != "FAILED"
                if not told_enough and time.monotonic() > until:
                    continue
                job = job if job is not None else self._get(job_id)
                found[job_id] = self._status(job) if job is not None else None
        return found

    def cancel(self, job_id: str) -> None:
        """Cancel a job; it stays on record."""
        with errors_named():
            client = self._connected()
            try:
                client.cancel_job(name=self._name(job_id), timeout=self._timeout_s, retry=None)
            except api_error() as error:
                # It is unknown, or has ended.
                if error.code not in (_NOT_FOUND, _PRECONDITION, _CONFLICT):
                    raise

    def log(self, job_id: str, *, lines: int) -> RemoteJobLog:
        """From Cloud Logging, where Batch puts what a container prints."""
        with errors_named():
            job = self._get(job_id)
            if job is None:
                return RemoteJobLog()
            entries = self._entries(job.uid, lines)
        options, region = self._options, self._spec.region
        page = f"https://console.cloud.google.com/batch/jobsDetail/regions/{region}/jobs/{job_id}"
        return RemoteJobLog(
            sources=(f"Google Batch job {job_id}: {page}/logs?project={options.project}",),
            lines=tuple(reversed([_text(entry) for entry in entries])),
        )

    def probe(self) -> None:
        """Ask for one job: a project, region or right that is not there shows in the answer."""
        try:
            with errors_named():
                self._page(page_size=1)
        except ClusterRefusedError as error:
            raise ClusterUnreachableError(str(error)) from error

    def close(self) -> None:
        """Let go of connections."""
        if self._client is not None:
            self._client.transport.close()
            self._client = None

    @property
    def _parent(self) -> str:
        return f"projects/{self._options.project}/locations/{self._spec.region}"

    def _name(self, job_id: str) -> str:
        return f"{self._parent}/jobs/{job_id}"

    def _connected(self) -> Any:
        if self._client is None:
            self._credentials = credentials_of(self._options, self._secret)
            self._client = batch_client(self._options, self._credentials)
        return self._client

    def _recognise(self, job_id: str) -> None:
        """What is there must be an earlier submission of ours, and not somebody else's job."""
        there = self._get(job_id)
        if there is None or there.labels.get(CLUSTER_LABEL) != self._label:
            raise ClusterRefusedError(
                f"there is a job {job_id} already that is not of this cluster"
            )

    @property
    def _label(self) -> str:
        return google_labels({CLUSTER_LABEL: self._spec.name})[CLUSTER_LABEL]

    def _newest(self, wanted: set[str]) -> dict[str, Any]:
        listed: dict[str, Any] = {}
        token = ""
        for _ in range(_PAGES):
            page = self._page(page_size=_PAGE, page_token=token)
            listed |= {job.name.rpartition("/")[2]: job for job in page.jobs}
            token = page.next_page_token
            if not token or wanted <= listed.keys():
                break
        return listed

    def _page(self, *, page_size: int, page_token: str = "") -> Any:
        request = {
            "parent": self._parent,
            "filter": f'labels.{CLUSTER_LABEL}="{self._label}"',
            "order_by": "create_time desc",
            "page_size": page_size,
            "page_token": page_token,
        }
        pager = self._connected().list_jobs(request, timeout=self._timeout_s, retry=None)
        return next(iter(pager.pages))

    def _get(self, job_id: str) -> Any:
        try:
            return self._connected().get_job(
                name=self._name(job_id), timeout=self._timeout_s, retry=None
            )
        except api_error() as error:
            if error.code != _NOT_FOUND:
                raise
            return None

    def _status(self, job: Any) -> RemoteJobStatus:
        if job.status.state.name != "FAILED":
            return status_of(job)
        tasks: list[Any] = []
        for group in job.status.task_groups or ("group0",):
            parent = f"{job.name}/taskGroups/{group}"
            tasks += self._client.list_tasks(parent=parent, timeout=self._timeout_s, retry=None)
        return status_of(job, tasks)

    def _entries(self, uid: str, lines: int) -> list[Any]:
        from google.auth.transport.requests import AuthorizedSession

        project = self._options.project
        asked = {
            "resourceNames": [f"projects/{project}"],
            "filter": f'logName="projects/{project}/logs/batch_task_logs" AND labels.job_uid="{uid}"',
            "orderBy": "timestamp desc",
            "pageSize": lines,
        }
        address = f"{self._options.logging_endpoint.rstrip('/')}/v2/entries:list"
        with AuthorizedSession(self._credentials) as session:
            answer = session.post(address, json=asked, timeout=self._timeout_s)
        if answer.status_code != 200:
            raise ClusterUnreachableError(f"Cloud Logging answers {answer.status_code}")
        entries: list[Any] = answer.json().get("entries", [])
        return entries


def _as_message(body: Mapping[str, Any]) -> Any:
    from google.cloud import batch_v1
    from google.protobuf.json_format import ParseError

    try:
        return batch_v1.Job.from_json(json.dumps(body))
    except (ParseError, TypeError) as error:
        raise ClusterRefusedError(f"Google Batch knows no such job: {error}") from error


def _text(entry: Mapping[str, Any]) -> str:
    payload = entry.get("jsonPayload") or {}
    return str(entry.get("textPayload") or payload.get("message") or json.dumps(payload)).rstrip()
