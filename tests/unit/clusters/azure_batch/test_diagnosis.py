"""What the state of a task says: was it the task, or the place?"""

from types import SimpleNamespace
from typing import Any

import pytest

from aiops_provider.clusters.azure_batch.diagnosis import status_of, was_requeued
from aiops_provider.clusters.remote_jobs import RemoteJobStage
from aiops_provider.domain.execution import Outcome


def task(state: str, **info: Any) -> Any:
    told = {"exit_code": None, "failure_info": None, "result": None, "requeue_count": 0, **info}
    return SimpleNamespace(state=state, execution_info=SimpleNamespace(**told))


def failure(code: str, message: str | None = None) -> Any:
    return SimpleNamespace(code=code, message=message)


@pytest.mark.parametrize(
    ("state", "stage"),
    [
        ("active", RemoteJobStage.WAITING),
        ("preparing", RemoteJobStage.WAITING),
        ("running", RemoteJobStage.RUNNING),
    ],
)
def test_a_task_that_has_not_ended(state: str, stage: RemoteJobStage) -> None:
    assert (status_of(task(state)).stage, status_of(task(state)).outcome) == (stage, None)


@pytest.mark.parametrize(
    ("info", "outcome", "words"),
    [
        ({"exit_code": 1, "failure_info": failure("FailureExitCode")}, Outcome.KILLED, "code 1"),
        ({"exit_code": 137}, Outcome.OUT_OF_MEMORY, "exit code 137"),
        ({"exit_code": 143, "failure_info": failure("TaskEnded")}, Outcome.KILLED, "terminated"),
        (
            {"failure_info": failure("ContainerInvalidImage", "no such image")},
            Outcome.CLUSTER_LOST,
            "ContainerInvalidImage: no such image",
        ),
        ({}, Outcome.CLUSTER_LOST, "it failed before it began"),
    ],
)
def test_a_task_that_failed(info: dict[str, Any], outcome: Outcome, words: str) -> None:
    status = status_of(task("completed", result="failure", **info))
    assert status.outcome is outcome
    assert words in status.words


def test_a_task_that_succeeded() -> None:
    """Also if its first node was taken back, of which somebody else has heard by now."""
    done = task("completed", result="success", exit_code=0, requeue_count=1)
    assert (status_of(done).outcome, was_requeued(done)) == (Outcome.SUCCESS, False)


@pytest.mark.parametrize("state", ["active", "preparing", "running"])
def test_a_task_that_the_service_queued_again_is_lost(state: str) -> None:
    """Whether or not it has begun anew."""
    status = status_of(task(state, requeue_count=1))
    assert (status.stage, status.outcome) == (RemoteJobStage.ENDED, Outcome.CLUSTER_LOST)
