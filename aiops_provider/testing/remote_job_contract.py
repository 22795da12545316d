"""What the client of every batch service must do; inherit the class and say how its jobs are made."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from uuid import uuid4

import pytest

from aiops_provider.clusters.remote_jobs import (
    RemoteJob,
    RemoteJobClient,
    RemoteJobStage,
    RemoteJobStatus,
)
from aiops_provider.domain.execution import Outcome
from aiops_provider.errors import ClusterRefusedError, ClusterUnreachableError

_STEP_S = 0.05
_WITHIN_S = 30.0


class RemoteJobClientContract:
    """
    Inherit it in a test class and override the methods that raise.

    Attributes:
        deadline_s: How long a job of the contract may take on this cluster, seconds.
    """

    deadline_s = 30.0

    def make_client(self) -> RemoteJobClient:
        """A client of the service."""
        raise NotImplementedError

    def make_job(self, job_id: str, script: str, environment: Mapping[str, str]) -> RemoteJob:
        """A job that runs a script of ``sh``; *environment* is hidden where the cloud can hide it."""
        raise NotImplementedError

    def impossible_job(self, job_id: str) -> RemoteJob:
        """A job that the service refuses."""
        raise NotImplementedError

    def silence(self, client: RemoteJobClient) -> None:
        """Have the service answer nobody any more."""
        raise NotImplementedError

    @pytest.fixture
    def client(self) -> Iterator[RemoteJobClient]:
        """A client."""
        client = self.make_client()
        yield client
        client.close()

    def start(self, client: RemoteJobClient, script: str, **environment: str) -> str:
        """Submit a job; its id."""
        job_id = f"aiops-{uuid4().hex}"
        client.submit(self.make_job(job_id, script, environment))
        return job_id

    def wait_for(
        self, client: RemoteJobClient, job_id: str, wanted: Callable[[RemoteJobStatus], bool]
    ) -> RemoteJobStatus:
        """Poll until the job is as wanted; fails after the deadline."""
        end = time.monotonic() + self.deadline_s
        while True:
            status = client.poll([job_id], within_s=_WITHIN_S).get(job_id)
            if status is not None and wanted(status):
                return status
            assert time.monotonic() < end, f"{job_id} is {status}"
            time.sleep(_STEP_S)

    def end_of(self, client: RemoteJobClient, job_id: str) -> RemoteJobStatus:
        """Poll until the job has ended."""
        return self.wait_for(client, job_id, lambda status: status.stage is RemoteJobStage.ENDED)

    def running(self, client: RemoteJobClient, job_id: str) -> RemoteJobStatus:
        """Poll until the job runs."""
        return self.wait_for(client, job_id, lambda status: status.stage is RemoteJobStage.RUNNING)

    def test_job_that_succeeds(self, client: RemoteJobClient) -> None:
        """It has its environment, both what may be seen and what may not."""
        job_id = self.start(client, 'test "$HIDDEN" = "hush, hush"', HIDDEN="hush, hush")
        status = self.end_of(client, job_id)
        assert (status.outcome, status.exit_code) == (Outcome.SUCCESS, 0)

    def test_job_that_fails(self, client: RemoteJobClient) -> None:
        """With its exit code, and words."""
        status = self.end_of(client, self.start(client, "exit 4"))
        assert (status.outcome, status.exit_code) == (Outcome.KILLED, 4)
        assert status.words

    def test_job_that_is_killed_for_its_memory(self, client: RemoteJobClient) -> None:
        """As the kernel does it."""
        status = self.end_of(client, self.start(client, "kill -KILL $$"))
        assert (status.outcome, status.exit_code) == (Outcome.OUT_OF_MEMORY, 137)

    def test_same_job_twice_is_one(self, client: RemoteJobClient, tmp_path: object) -> None:
        """Also when it has ended: a submission may be made again whatever became of it."""
        ran = f"{tmp_path}/ran"
        job = self.make_job(f"aiops-{uuid4().hex}", f"echo once >> {ran}", {})
        client.submit(job)
        client.submit(job)
        self.end_of(client, job.job_id)
        client.submit(job)
        status = self.end_of(client, job.job_id)
        assert status.outcome is Outcome.SUCCESS
        with open(ran, encoding="utf-8") as file:  # noqa: PTH123 - a path of pytest's
            assert file.read() == "once\n"

    def test_jobs_outlive_their_sender(self, client: RemoteJobClient) -> None:
        """Another client finds them by their ids, and can end them."""
        first, second = self.start(client, "sleep 60"), self.start(client, "exit 0")
        self.running(client, first)
        self.end_of(client, second)
        client.close()
        other = self.make_client()
        found = other.poll([first, second, "aiops-unknown"], within_s=_WITHIN_S)
        stages = {job_id: status and status.stage for job_id, status in found.items()}
        assert stages == {
            first: RemoteJobStage.RUNNING,
            second: RemoteJobStage.ENDED,
            "aiops-unknown": None,
        }
        other.cancel(first)
        assert self.end_of(other, first).outcome is Outcome.KILLED
        other.close()

    def test_without_time_only_the_listing_is_used(self, client: RemoteJobClient) -> None:
        """What is not in it is left out rather than called unknown."""
        job_id = self.start(client, "sleep 60")
        self.running(client, job_id)
        found = client.poll([job_id, "aiops-unknown"], within_s=-1.0)
        assert "aiops-unknown" not in found
        client.cancel(job_id)

    def test_cancelled_job_and_others(self, client: RemoteJobClient) -> None:
        """Only the one ends; cancelling again, or what is not there, does nothing."""
        one, other = self.start(client, "sleep 60"), self.start(client, "sleep 60")
        self.running(client, one)
        self.running(client, other)
        client.cancel(one)
        assert self.end_of(client, one).outcome is Outcome.KILLED
        client.cancel(one)
        client.cancel("aiops-unknown")
        assert self.running(client, other).outcome is None
        client.cancel(other)

    def test_log(self, client: RemoteJobClient) -> None:
        """The latest lines, oldest first, while it runs; none of a job that is unknown."""
        job_id = self.start(client, "echo one; echo two; echo three; sleep 60")
        self.running(client, job_id)
        end = time.monotonic() + self.deadline_s
        while client.log(job_id, lines=10).lines[-1:] != ("three",):
            assert time.monotonic() < end
            time.sleep(_STEP_S)
        found = client.log(job_id, lines=2)
        assert found.lines == ("two", "three")
        assert job_id in found.sources[0]
        assert client.log("aiops-unknown", lines=2).lines == ()
        client.cancel(job_id)

    def test_job_that_is_refused(self, client: RemoteJobClient) -> None:
        """Nothing of it is there."""
        job = self.impossible_job(f"aiops-{uuid4().hex}")
        with pytest.raises(ClusterRefusedError):
            client.submit(job)
        assert client.poll([job.job_id], within_s=_WITHIN_S) == {job.job_id: None}

    def test_probe(self, client: RemoteJobClient) -> None:
        """A service that answers is healthy."""
        client.probe()

    def test_service_that_answers_nobody(self, client: RemoteJobClient) -> None:
        """Every question fails in the same way, within the client's time limit."""
        job_id = self.start(client, "exit 0")
        self.silence(client)
        for question in (
            client.probe,
            lambda: client.submit(self.make_job("aiops-1", "exit 0", {})),
            lambda: client.poll([job_id], within_s=_WITHIN_S),
            lambda: client.cancel(job_id),
            lambda: client.log(job_id, lines=1),
        ):
            with pytest.raises(ClusterUnreachableError):
                question()
