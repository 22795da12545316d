"""
What Azure Batch says of a task, in the words of all clusters.

Source: TaskExecutionInformation and TaskFailureInformation, Azure Batch REST API 2025-06-01. A spot node
that is taken back has its tasks queued again by the service, whatever their retry count says; they
would begin anew although their host knows nothing of it.
"""

from __future__ import annotations

from typing import Any

from aiops_provider.clusters.remote_jobs import RemoteJobStage, RemoteJobStatus
from aiops_provider.domain.execution import Outcome

_ENDED_BY_SOMEBODY = "TaskEnded"


def status_of(task: Any) -> RemoteJobStatus:
    """
    How a task is.

    Args:
        task: As the SDK has it.
    """
    if was_requeued(task):
        words = "its node was taken back, and the service queued it again"
        return RemoteJobStatus.ended(Outcome.CLUSTER_LOST, None, words)
    state = _value(task.state)
    if state in ("active", "preparing"):
        return RemoteJobStatus(stage=RemoteJobStage.WAITING, words=f"the task is {state}")
    if state == "running":
        return RemoteJobStatus(stage=RemoteJobStage.RUNNING)
    return _end(task.execution_info)


def _end(info: Any) -> RemoteJobStatus:
    exit_code, failure = info.exit_code, info.failure_info
    if _value(info.result) == "success":
        return RemoteJobStatus.ended(Outcome.SUCCESS, exit_code or 0, "")
    if failure is not None and failure.code == _ENDED_BY_SOMEBODY:
        return RemoteJobStatus.ended(Outcome.KILLED, exit_code, "somebody terminated the task")
    if exit_code is not None:
        return RemoteJobStatus.failed(exit_code)
    # No process of it began: the image could not be pulled, or the node failed.
    said = [failure.code, failure.message] if failure is not None else ["it failed before it began"]
    return RemoteJobStatus.ended(
        Outcome.CLUSTER_LOST, None, ": ".join(str(each) for each in said if each)
    )


def was_requeued(task: Any) -> bool:
    """Whether the service has queued a task again that had begun, and it has not ended since."""
    info = task.execution_info
    return _value(task.state) != "completed" and info is not None and bool(info.requeue_count)


def _value(name: Any) -> str:
    return str(getattr(name, "value", name))
