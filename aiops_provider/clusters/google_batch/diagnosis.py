"""
What Batch says of a job, in the words of all clusters.

Source: "Troubleshooting", Batch documentation: exit codes from 50001 to 50006 are reserved and speak of
the machine, not of what ran on it. A container that was killed for its memory ends with 137.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from aiops_provider.clusters.remote_jobs import RemoteJobStage, RemoteJobStatus
from aiops_provider.domain.execution import Outcome

_WAITING = frozenset({"QUEUED", "SCHEDULED", "STATE_UNSPECIFIED"})
# While a job is being cancelled or deleted its container may still run.
_RUNNING = frozenset({"RUNNING", "CANCELLATION_IN_PROGRESS", "DELETION_IN_PROGRESS"})
PREEMPTED = 50001
"""Exit code of a task whose spot machine was taken back."""

_MACHINE = {
    PREEMPTED: "its spot machine was taken back",
    50002: "its machine stopped reporting",
    50003: "its machine was rebooted",
    50004: "its machine stopped answering",
    50006: "its machine was made anew",
}
_TOO_LONG = 50005


def status_of(job: Any, tasks: Iterable[Any] = ()) -> RemoteJobStatus:
    """
    How a job is.

    Args:
        job: As the SDK has it.
        tasks: Its tasks, where it failed.
    """
    state = job.status.state.name
    if state in _WAITING:
        return RemoteJobStatus(stage=RemoteJobStage.WAITING, words=_latest(job))
    if state in _RUNNING:
        return RemoteJobStatus(stage=RemoteJobStage.RUNNING)
    if state == "SUCCEEDED":
        return RemoteJobStatus.ended(Outcome.SUCCESS, 0, "")
    if state == "CANCELLED":
        return RemoteJobStatus.ended(Outcome.KILLED, None, "the job was cancelled")
    return _failure(job, exit_code_of(tasks))


def _failure(job: Any, exit_code: int | None) -> RemoteJobStatus:
    if exit_code in _MACHINE:
        words = f"{_MACHINE[exit_code]} (exit code {exit_code})"
        return RemoteJobStatus.ended(Outcome.CLUSTER_LOST, exit_code, words)
    if exit_code == _TOO_LONG:
        return RemoteJobStatus.ended(
            Outcome.KILLED, exit_code, f"it ran too long (exit code {exit_code})"
        )
    if exit_code is not None:
        return RemoteJobStatus.failed(exit_code)
    # No task of it began: no machine could be had, or not what was asked for.
    return RemoteJobStatus.ended(
        Outcome.CLUSTER_LOST, None, _latest(job) or "it failed before its task began"
    )


def exit_code_of(tasks: Iterable[Any]) -> int | None:
    """
    The exit code of the first task that has one.

    Args:
        tasks: As the SDK has them.
    """
    for task in tasks:
        for event in reversed(task.status.status_events):
            if event.task_execution and event.task_execution.exit_code:
                return int(event.task_execution.exit_code)
    return None


def _latest(job: Any) -> str:
    events = job.status.status_events
    return str(events[-1].description) if events else ""
