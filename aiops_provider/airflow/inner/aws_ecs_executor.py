"""
Airflow's Amazon ECS executor, with what several clusters and a router above them need.

Imported on the thread of its cluster only: the module that it extends loads the AWS SDK.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import Any

from airflow.providers.amazon.aws.executors.ecs.ecs_executor import AwsEcsExecutor
from airflow.providers.amazon.aws.hooks.ecs import EcsHook

from aiops_provider.airflow.inner.aws_client import limits
from aiops_provider.airflow.inner.merging import merged

log = logging.getLogger(__name__)


class ClusterEcsExecutor(AwsEcsExecutor):
    """
    One of several.

    Differences from the stock executor: a client that gives up early, tasks that can be revoked,
    failures that say why, adoption from a plain copy of a task, and ``executor_config`` that is
    merged entry by entry instead of replacing whole lists.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        self._reasons: dict[Any, str] = {}
        super().__init__(*args, **kwargs)

    def load_ecs_connection(self, check_connection: bool = True) -> None:
        """As the stock one, with time limits."""
        super().load_ecs_connection(check_connection=False)
        self.ecs = EcsHook(
            aws_conn_id=self.conf.get("aws_ecs_executor", "conn_id"),
            region_name=self.conf.get("aws_ecs_executor", "region_name"),
            config=limits(),
        ).conn
        if check_connection:
            self.check_health()
            self.attempts_since_last_successful_connection = 0

    def revoke_task(self, *, ti: Any) -> None:
        """Take a task back that waits here, and stop the ECS task if there is one."""
        key = ti.key
        self.queued_tasks.pop(key, None)
        waiting = [each for each in self.pending_workloads if each.key == key]
        for each in waiting:
            self.pending_workloads.remove(each)
        self.running.discard(key)
        arn = self.active_workers.key_to_arn.get(key)
        if arn is not None:
            self.active_workers.pop_by_key(key)
            self.ecs.stop_task(
                cluster=self.cluster, task=arn, reason="The task was placed elsewhere"
            )

    def log_task_event(self, *, event: str, extra: str, ti_key: Any) -> None:
        """Keep the reason of a refusal, which is not passed on otherwise."""
        self._reasons[ti_key] = extra
        super().log_task_event(event=event, extra=extra, ti_key=ti_key)

    def fail(self, key: Any, info: Any = None) -> None:
        """Say why: what ECS said of the task, and what its containers said."""
        super().fail(key, info or self._reasons.pop(key, None) or self._last_words(key))

    def _last_words(self, key: Any) -> str | None:
        if key not in self.active_workers.key_to_arn:
            return None
        task = self.active_workers.task_by_key(key)
        said = [task.stopped_reason]
        for container in task.containers:
            said.append(container.get("reason"))
            if container.get("exit_code"):
                said.append(f"exit code {container['exit_code']}")
        return "; ".join(str(each) for each in said if each) or None

    def _build_task_command(self, ti: Any) -> Sequence[str]:  # noqa: ARG002
        """Nothing: what is adopted is never run again from here."""
        return []

    def _run_task_kwargs(
        self, task_id: Any, cmd: Sequence[str], queue: str | None, exec_config: dict[str, Any]
    ) -> dict[str, Any]:
        """The stock arguments with the task's own on top, without those meant for other executors."""
        known = self.ecs.meta.service_model.operation_model("RunTask").input_shape.members
        foreign = exec_config.keys() - known.keys()
        if foreign:
            log.warning("%s: executor_config %s is not for ECS", task_id, sorted(foreign))
        own = {name: value for name, value in exec_config.items() if name not in foreign}
        arguments = merged(super()._run_task_kwargs(task_id, cmd, queue, {}), own)
        self.get_container(arguments["overrides"]["containerOverrides"])["command"] = cmd
        return arguments
