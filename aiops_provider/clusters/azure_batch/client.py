"""Tasks of one account of Azure Batch, over the SDK."""

from __future__ import annotations

import logging
import time
from collections.abc import Mapping, Sequence
from typing import Any

from aiops_provider.clusters.azure_batch.access import (
    batch_client,
    credential_of,
    errors_named,
    http_error,
)
from aiops_provider.clusters.azure_batch.diagnosis import status_of, was_requeued
from aiops_provider.clusters.azure_batch.manifest import FIELDS, job_id_of, task_body
from aiops_provider.clusters.azure_batch.options import AzureBatchOptions
from aiops_provider.clusters.remote_jobs import RemoteJob, RemoteJobLog, RemoteJobStatus
from aiops_provider.domain.cluster import ClusterSpec
from aiops_provider.errors import ClusterRefusedError, ClusterUnreachableError

log = logging.getLogger(__name__)

_LIVE = "state eq 'active' or state eq 'preparing' or state eq 'running'"
_SELECTED = ["id", "state", "executionInfo"]
_PAGE = 1000
_BYTES_PER_LINE = 400
_NOT_FOUND, _CONFLICT = 404, 409


class AzureBatchClient:
    """
    Sends, watches and ends tasks; connects to nothing before it is first asked for something.

    All tasks of a pool are in one job, which is made when it is first needed.

    Args:
        spec: The cluster.
        timeout_s: For connecting, and for each answer.
        secret: Credentials from the host.
    """

    def __init__(
        self, spec: ClusterSpec, *, timeout_s: float, secret: Mapping[str, Any] | None = None
    ) -> None:
        self._spec = spec
        self._options = AzureBatchOptions.model_validate(dict(spec.options))
        self._timeout_s = timeout_s
        self._secret = secret
        self._client: Any = None
        self._jobs = {job_id_of(spec, pool.name): pool.name for pool in spec.pools}
        self._made: set[str] = set()
        self._job_of: dict[str, str] = {}

    def submit(self, job: RemoteJob) -> None:
        """Create a task, unless there is one of that id, which is then ours."""
        foreign = sorted(set(job.own) - FIELDS)
        if foreign:
            log.warning("%s: executor_config %s is not for Azure Batch", job.job_id, foreign)
        body = task_body(self._spec, self._options, job)
        job_id = job_id_of(self._spec, job.pool or self._spec.pools[0].name)
        with errors_named():
            self._make(job_id)
            try:
                self._connected().create_task(job_id, body)
            except http_error() as error:
                if error.status_code == _NOT_FOUND:
                    self._made.discard(job_id)  # somebody has deleted it since
                if error.status_code != _CONFLICT or _code(error) != "TaskExists":
                    raise

    def poll(
        self, job_ids: Sequence[str], *, within_s: float
    ) -> Mapping[str, RemoteJobStatus | None]:
        """One listing of the live tasks of each pool; those that are not in it one by one."""
        found: dict[str, RemoteJobStatus | None] = {}
        if not job_ids:
            return found
        until = time.monotonic() + within_s
        with errors_named():
            live = self._live()
            for job_id in job_ids:
                if job_id in live:
                    self._job_of[job_id], task = live[job_id]
                elif time.monotonic() > until:
                    continue
                else:
                    task = self._get(job_id)
                found[job_id] = self._status(task) if task is not None else None
        return found

    def cancel(self, job_id: str) -> None:
        """Terminate a task; it stays on record."""
        with errors_named():
            job = self._find(job_id)
            if job is not None:
                self._terminate(job, job_id)

    def log(self, job_id: str, *, lines: int) -> RemoteJobLog:
        """From the node that has the task, or had it, while it is there."""
        with errors_named():
            job = self._find(job_id)
            if job is None:
                return RemoteJobLog()
            source = f"Azure Batch job {job}, task {job_id}"
            said: list[str] = []
            for name in ("stdout.txt", "stderr.txt"):
                said += self._tail(job, job_id, name, lines)
        return RemoteJobLog(sources=(source,), lines=tuple(said[-lines:]))

    def probe(self) -> None:
        """Ask for the pools: an account, pool or right that is not there shows in the answer."""
        try:
            with errors_named():
                states = [self._pool_state(pool.name) for pool in self._spec.pools]
        except ClusterRefusedError as error:
            raise ClusterUnreachableError(str(error)) from error
        if "active" not in states:
            raise ClusterUnreachableError(f"none of its pools is active: {', '.join(states)}")

    def close(self) -> None:
        """Let go of connections."""
        if self._client is not None:
            self._client.close()
            self._client = None

    def _connected(self) -> Any:
        if self._client is None:
            credential = credential_of(self._options, self._secret)
            self._client = batch_client(self._options, credential, self._timeout_s)
        return self._client

    def _pool_state(self, pool: str) -> str:
        found = self._connected().get_pool(self._options.pool_id(pool), select=["id", "state"])
        return str(getattr(found.state, "value", found.state))

    def _make(self, job_id: str) -> None:
        if job_id in self._made:
            return
        pool_id = self._options.pool_id(self._jobs[job_id])
        body = {"id": job_id, "poolInfo": {"poolId": pool_id}}
        try:
            self._connected().create_job(body)
        except http_error() as error:
            if error.status_code != _CONFLICT or _code(error) != "JobExists":
                raise
        self._made.add(job_id)

    def _live(self) -> dict[str, tuple[str, Any]]:
        live: dict[str, tuple[str, Any]] = {}
        for job_id in self._jobs:
            try:
                tasks = list(
                    self._connected().list_tasks(
                        job_id, filter=_LIVE, select=_SELECTED, max_results=_PAGE
                    )
                )
            except http_error() as error:
                if error.status_code != _NOT_FOUND:  # nothing has been sent there yet
                    raise
                continue
            live |= {task.id: (job_id, task) for task in tasks}
        return live

    def _get(self, task_id: str) -> Any:
        known = self._job_of.get(task_id)
        for job_id in [known] if known else self._jobs:
            try:
                task = self._connected().get_task(job_id, task_id, select=_SELECTED)
            except http_error() as error:
                if error.status_code != _NOT_FOUND:
                    raise
            else:
                self._job_of[task_id] = job_id
                return task
        return None

    def _find(self, task_id: str) -> str | None:
        if task_id not in self._job_of:
            self._get(task_id)
        return self._job_of.get(task_id)

    def _status(self, task: Any) -> RemoteJobStatus:
        status = status_of(task)
        if was_requeued(task):
            self._terminate(self._job_of[task.id], task.id)
        if status.outcome is not None:
            self._job_of.pop(task.id, None)
        return status

    def _terminate(self, job_id: str, task_id: str) -> None:
        try:
            self._connected().terminate_task(job_id, task_id)
        except http_error() as error:
            # It is unknown, or has ended.
            if error.status_code not in (_NOT_FOUND, _CONFLICT):
                raise

    def _tail(self, job_id: str, task_id: str, name: str, lines: int) -> list[str]:
        client = self._connected()
        try:
            size = client.get_task_file_properties(job_id, task_id, name).content_length or 0
            begin = max(0, size - lines * _BYTES_PER_LINE)
            if not size:
                return []
            parts = client.download_task_file(
                job_id, task_id, name, ocp_range=f"bytes={begin}-{size - 1}"
            )
            text = b"".join(parts).decode("utf-8", errors="replace")
        except http_error() as error:
            if error.status_code not in (_NOT_FOUND, _CONFLICT):  # it has no node, or that is gone
                raise
            return []
        return text.splitlines()[1 if begin else 0 :]


def _code(error: Any) -> str:
    model = getattr(error, "model", None)
    return str(getattr(model, "code", "") or "")
