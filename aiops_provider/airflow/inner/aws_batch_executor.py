"""
Airflow's AWS Batch executor, with what several clusters and a router above them need.

Imported on the thread of its cluster only: the module that it extends loads the AWS SDK.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import Any

from airflow.providers.amazon.aws.executors.batch.batch_executor import AwsBatchExecutor
from airflow.providers.amazon.aws.hooks.batch_client import BatchClientHook

from aiops_provider.airflow.inner.aws_client import limits
from aiops_provider.airflow.inner.merging import merged

log = logging.getLogger(__name__)


class ClusterBatchExecutor(AwsBatchExecutor):
    """
    One of several.

    Differences from the stock executor: a client that gives up early, tasks that can be revoked,
    failures that say why, adoption from a plain copy of a task, and ``executor_config`` that is
    merged entry by entry instead of replacing whole lists.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        self._reasons: dict[Any, str] = {}
        super().__init__(*args, **kwargs)

    def load_batch_connection(self, check_connection: bool = True) -> None:
        """As the stock one, with time limits."""
        super().load_batch_connection(check_connection=False)
        self.batch = BatchClientHook(
            aws_conn_id=self.conf.get("aws_batch_executor", "conn_id"),
            region_name=self.conf.get("aws_batch_executor", "region_name"),
            config=limits(),
        ).conn
        if check_connection:
            self.check_health()
            self.attempts_since_last_successful_connection = 0

    def revoke_task(self, *, ti: Any) -> None:
        """Take a task back that waits here, and end the job if there is one."""
        key = ti.key
        self.queued_tasks.pop(key, None)
        waiting = [job for job in self.pending_jobs if job.key == key]
        for job in waiting:
            self.pending_jobs.remove(job)
        job_id = self.active_workers.key_to_id.get(key)
        self.running.discard(key)
        if job_id is not None:
            self.active_workers.remove_job(job_id)
            self.batch.terminate_job(jobId=job_id, reason="The task was placed elsewhere")

    def log_task_event(self, *, event: str, extra: str, ti_key: Any) -> None:
        """Keep the reason of a refusal, which is not passed on otherwise."""
        self._reasons[ti_key] = extra
        super().log_task_event(event=event, extra=extra, ti_key=ti_key)

    def fail(self, key: Any, info: Any = None) -> None:
        """Say why."""
        super().fail(key, info or self._reasons.pop(key, None))

    def _handle_failed_job(self, job: Any) -> None:
        """Ask for the container's last words, which the stock executor does not look at."""
        key = self.active_workers.id_to_key[job.job_id]
        found = self.batch.describe_jobs(jobs=[job.job_id])["jobs"]
        container = found[0].get("container", {}) if found else {}
        said = [job.status_reason, container.get("reason")]
        if container.get("exitCode") is not None:
            said.append(f"exit code {container['exitCode']}")
        self._reasons[key] = "; ".join(str(each) for each in said if each)
        super()._handle_failed_job(job)

    def _build_task_command(self, ti: Any) -> Sequence[str]:  # noqa: ARG002
        """Nothing: what is adopted is never submitted again from here."""
        return []

    def _submit_job_kwargs(
        self, key: Any, cmd: Sequence[str], queue: str, exec_config: dict[str, Any]
    ) -> dict[str, Any]:
        """The stock arguments with the task's own on top, without those meant for other executors."""
        known = self.batch.meta.service_model.operation_model("SubmitJob").input_shape.members
        foreign = exec_config.keys() - known.keys()
        if foreign:
            log.warning("%s: executor_config %s is not for AWS Batch", key, sorted(foreign))
        own = {name: value for name, value in exec_config.items() if name not in foreign}
        arguments = merged(super()._submit_job_kwargs(key, cmd, queue, {}), own)
        arguments["containerOverrides"]["command"] = cmd
        return arguments
