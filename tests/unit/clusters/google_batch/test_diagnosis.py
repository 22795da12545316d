"""What the end of a job says: was it the task, or the place?"""

from types import SimpleNamespace
from typing import Any

import pytest

from aiops_provider.clusters.google_batch.diagnosis import status_of
from aiops_provider.clusters.remote_jobs import RemoteJobStage
from aiops_provider.domain.execution import Outcome


def job(state: str, *descriptions: str) -> Any:
    events = [SimpleNamespace(description=each) for each in descriptions]
    status = SimpleNamespace(state=SimpleNamespace(name=state), status_events=events)
    return SimpleNamespace(status=status)


def task(*exit_codes: int) -> Any:
    events = [SimpleNamespace(task_execution=SimpleNamespace(exit_code=c)) for c in exit_codes]
    return SimpleNamespace(status=SimpleNamespace(status_events=events))


@pytest.mark.parametrize(
    ("state", "stage"),
    [
        ("QUEUED", RemoteJobStage.WAITING),
        ("SCHEDULED", RemoteJobStage.WAITING),
        ("RUNNING", RemoteJobStage.RUNNING),
        ("CANCELLATION_IN_PROGRESS", RemoteJobStage.RUNNING),
        ("DELETION_IN_PROGRESS", RemoteJobStage.RUNNING),
    ],
)
def test_a_job_that_has_not_ended(state: str, stage: RemoteJobStage) -> None:
    status = status_of(job(state, "older", "no machines in europe-west4"))
    assert (status.stage, status.outcome) == (stage, None)
    waits = stage is RemoteJobStage.WAITING
    assert status.words == ("no machines in europe-west4" if waits else "")


@pytest.mark.parametrize(
    ("exit_code", "outcome", "words"),
    [
        (1, Outcome.KILLED, "exit code 1"),
        (137, Outcome.OUT_OF_MEMORY, "it was killed (exit code 137)"),
        (50001, Outcome.CLUSTER_LOST, "its spot machine was taken back (exit code 50001)"),
        (50002, Outcome.CLUSTER_LOST, "its machine stopped reporting (exit code 50002)"),
        (50005, Outcome.KILLED, "it ran too long (exit code 50005)"),
    ],
)
def test_a_job_that_failed(exit_code: int, outcome: Outcome, words: str) -> None:
    status = status_of(job("FAILED"), [task(0, exit_code)])
    assert (status.outcome, status.exit_code, status.words) == (outcome, exit_code, words)


def test_a_job_that_never_began_is_the_places_fault() -> None:
    status = status_of(job("FAILED", "quota CPUS exceeded"), [task()])
    assert (status.outcome, status.words) == (Outcome.CLUSTER_LOST, "quota CPUS exceeded")


def test_a_job_that_somebody_cancelled() -> None:
    assert status_of(job("CANCELLED")).outcome is Outcome.KILLED


def test_a_job_that_succeeded() -> None:
    status = status_of(job("SUCCEEDED"))
    assert (status.outcome, status.exit_code) == (Outcome.SUCCESS, 0)
