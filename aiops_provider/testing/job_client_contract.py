"""What every cluster's client must do; inherit the class and say how its jobs are made."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterator
from enum import StrEnum

import pytest

from aiops_provider.clusters.job_client import Job, JobClient, JobState, JobUpdate
from aiops_provider.domain.cluster import HealthState
from aiops_provider.errors import ClusterRefusedError, ClusterUnreachableError

_STEP_S = 0.01


class Behaviour(StrEnum):
    """What a job of the contract does."""

    SUCCEEDS = "succeeds"
    FAILS = "fails"
    STAYS = "stays"
    OUTGROWS_ALL_MACHINES = "outgrows_all_machines"


class Follower:
    """Polls a client and keeps all updates, by job."""

    def __init__(self, client: JobClient, deadline_s: float) -> None:
        self.client = client
        self.deadline_s = deadline_s
        self.updates: list[JobUpdate] = []

    def poll(self) -> None:
        """Take in what is there."""
        self.updates += self.client.poll()

    def wait_until(self, condition: Callable[[], bool]) -> None:
        """Poll until the condition holds; fails after the deadline."""
        end = time.monotonic() + self.deadline_s
        self.poll()
        while not condition():
            assert time.monotonic() < end, f"nothing but {self.updates} came in time"
            time.sleep(_STEP_S)
            self.poll()

    def wait_for(self, *job_ids: str) -> list[JobUpdate]:
        """Poll until these jobs have ended; their last updates."""
        self.wait_until(lambda: set(job_ids) <= {u.job_id for u in self.updates if u.state.final})
        return [self.last(job_id) for job_id in job_ids]

    def wait_until_running(self, *job_ids: str) -> None:
        """Poll until these jobs run."""
        self.wait_until(lambda: set(job_ids) <= {update.job_id for update in self.updates})

    def last(self, job_id: str) -> JobUpdate:
        """The latest update of a job."""
        return [update for update in self.updates if update.job_id == job_id][-1]

    def states(self, job_id: str) -> list[JobState]:
        """Everything that was told of a job, in order."""
        return [update.state for update in self.updates if update.job_id == job_id]


class JobClientContract:
    """
    Inherit it in a test class and override the three methods that raise.

    Attributes:
        deadline_s: How long a job of the contract may take on this cluster, seconds.
    """

    deadline_s = 30.0

    def make_client(self) -> JobClient:
        """A client that was not started."""
        raise NotImplementedError

    def make_job(self, job_id: str, behaviour: Behaviour) -> Job:
        """A job that does this."""
        raise NotImplementedError

    def lose(self, client: JobClient) -> None:
        """Make the cluster vanish under the client, as a crash would."""
        raise NotImplementedError

    @pytest.fixture
    def client(self) -> Iterator[JobClient]:
        """A started client."""
        client = self.make_client()
        client.start()
        yield client
        client.close(grace_s=0.0)

    @pytest.fixture
    def follower(self, client: JobClient) -> Follower:
        """Follows the client."""
        return Follower(client, self.deadline_s)

    def test_job_that_succeeds(self, client: JobClient, follower: Follower) -> None:
        """A job is reported running once, then succeeded with exit code 0, then never again."""
        client.submit(self.make_job("a", Behaviour.SUCCEEDS))
        [update] = follower.wait_for("a")
        follower.poll()
        assert follower.states("a") == [JobState.RUNNING, JobState.SUCCEEDED]
        assert update.exit_code == 0

    def test_job_that_fails(self, client: JobClient, follower: Follower) -> None:
        """A failed job has an exit code other than 0 and says why."""
        client.submit(self.make_job("a", Behaviour.FAILS))
        [update] = follower.wait_for("a")
        assert follower.states("a") == [JobState.RUNNING, JobState.FAILED]
        assert update.exit_code
        assert update.message

    def test_cancelled_job(self, client: JobClient, follower: Follower) -> None:
        """A job that is cancelled ends as cancelled, and others go on."""
        client.submit(self.make_job("a", Behaviour.STAYS))
        client.submit(self.make_job("b", Behaviour.STAYS))
        follower.wait_until_running("a", "b")
        client.cancel("a", grace_s=0.1)
        [update] = follower.wait_for("a")
        assert update.state is JobState.CANCELLED
        assert follower.states("b") == [JobState.RUNNING]

    def test_cancelling_what_is_not_there(self, client: JobClient, follower: Follower) -> None:
        """Cancelling an unknown or an ended job does nothing."""
        client.cancel("never submitted")
        client.submit(self.make_job("a", Behaviour.SUCCEEDS))
        follower.wait_for("a")
        client.cancel("a")
        follower.poll()
        assert follower.states("a") == [JobState.RUNNING, JobState.SUCCEEDED]

    def test_job_too_large_for_every_machine(self, client: JobClient, follower: Follower) -> None:
        """A request that no machine holds is refused, and nothing is reported about it."""
        with pytest.raises(ClusterRefusedError):
            client.submit(self.make_job("a", Behaviour.OUTGROWS_ALL_MACHINES))
        follower.poll()
        assert follower.updates == []

    def test_same_id_twice(self, client: JobClient, follower: Follower) -> None:
        """An id is refused while its job runs, and free again afterwards."""
        client.submit(self.make_job("a", Behaviour.STAYS))
        with pytest.raises(ClusterRefusedError):
            client.submit(self.make_job("a", Behaviour.STAYS))
        client.cancel("a", grace_s=0.1)
        follower.wait_for("a")
        client.submit(self.make_job("a", Behaviour.SUCCEEDS))
        follower.wait_until(lambda: follower.last("a").state is JobState.SUCCEEDED)

    def test_client_that_was_not_started(self) -> None:
        """Without a start nothing can be submitted, and a probe says unreachable."""
        client = self.make_client()
        assert not client.alive
        with pytest.raises(ClusterUnreachableError):
            client.submit(self.make_job("a", Behaviour.SUCCEEDS))
        assert client.probe().state is HealthState.UNREACHABLE
        assert list(client.poll()) == []

    def test_probe(self, client: JobClient, follower: Follower) -> None:
        """A cluster that works is healthy, sooner or later, under its own name."""
        follower.wait_until(lambda: client.probe().state is HealthState.HEALTHY)
        assert client.probe().cluster == client.name

    def test_closed_client(self, client: JobClient, follower: Follower) -> None:
        """Closing ends every job, tells so once, and the client can be started again."""
        client.submit(self.make_job("a", Behaviour.STAYS))
        follower.wait_until_running("a")
        client.close(grace_s=0.1)
        assert not client.alive
        follower.wait_for("a")
        assert follower.states("a") == [JobState.RUNNING, JobState.CANCELLED]
        client.start()
        client.submit(self.make_job("b", Behaviour.SUCCEEDS))
        follower.wait_until(lambda: follower.states("b")[-1:] == [JobState.SUCCEEDED])

    def test_lost_cluster(self, client: JobClient, follower: Follower) -> None:
        """When the cluster vanishes, every job is lost exactly once; a new start works."""
        for job_id in "abc":
            client.submit(self.make_job(job_id, Behaviour.STAYS))
        follower.wait_until_running("a", "b", "c")
        self.lose(client)
        follower.wait_for("a", "b", "c")
        follower.poll()
        ends = Counter(update.state for update in follower.updates if update.state.final)
        assert ends == {JobState.LOST: 3}
        assert not client.alive
        assert client.probe().state is HealthState.UNREACHABLE
        client.start()
        client.submit(self.make_job("d", Behaviour.SUCCEEDS))
        follower.wait_until(lambda: follower.states("d")[-1:] == [JobState.SUCCEEDED])
