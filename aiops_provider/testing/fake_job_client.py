"""A cluster without machines, for tests of whoever sends jobs to clusters."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from aiops_provider.clusters.job_client import Job, JobState, JobUpdate
from aiops_provider.domain.cluster import ClusterHealth, ClusterSpec, HealthState
from aiops_provider.domain.execution import OUT_OF_MEMORY_EXIT_CODE, Usage
from aiops_provider.domain.units import utc_now
from aiops_provider.errors import ClusterRefusedError, ClusterUnreachableError

_EXIT_CODES = {
    JobState.SUCCEEDED: 0,
    JobState.FAILED: 1,
    JobState.OUT_OF_MEMORY: OUT_OF_MEMORY_EXIT_CODE,
    JobState.CANCELLED: 143,
}


class FakeJobClient:
    """
    Takes jobs and ends them as the test says; time does not pass in it.

    Args:
        spec: The cluster; requests that its machines cannot hold are refused.
        preload: Not used.
        environment: Not used.

    Attributes:
        submitted: All jobs ever taken, in order.
        reachable: What probes say.

    >>> from aiops_provider.domain.cluster import Capacity, Pool
    >>> from aiops_provider.domain.profile import ResourceRequest
    >>> machine = Capacity(cores=1, memory_gib=1)
    >>> pools = (Pool(name="p", machine=machine, max_instances=1, price_usd_per_hour=None),)
    >>> spec = ClusterSpec(name="c", kind="fake", provider="aws", region="r", pools=pools)
    >>> client = FakeJobClient(spec)
    >>> client.start()
    >>> request = ResourceRequest(cores=1, memory_gib=1)
    >>> client.submit(Job(job_id="a", request=request, entry="module:function"))
    >>> client.finish("a", JobState.FAILED)
    >>> [update.state.value for update in client.poll()]
    ['running', 'failed']
    """

    def __init__(
        self,
        spec: ClusterSpec,
        *,
        preload: Sequence[str] = (),  # noqa: ARG002 - the signature of every client
        environment: Mapping[str, str] | None = None,  # noqa: ARG002 - as above
    ) -> None:
        self._spec = spec
        self._alive = False
        self._running: dict[str, Job] = {}
        self._updates: list[JobUpdate] = []
        self.submitted: list[Job] = []
        self.reachable = True

    @property
    def name(self) -> str:
        """Name of the cluster."""
        return self._spec.name

    @property
    def alive(self) -> bool:
        """Whether it was started and neither closed nor lost."""
        return self._alive

    def start(self) -> None:
        """Take jobs from now on."""
        self._alive = True

    def submit(self, job: Job) -> None:
        """Take a job, which is running at once."""
        if not self._spec.feasible_pools(job.request):
            raise ClusterRefusedError(f"cluster {self.name}: no machine holds the request")
        if not self._alive:
            raise ClusterUnreachableError(f"cluster {self.name} was not started")
        if job.job_id in self._running:
            raise ClusterRefusedError(f"cluster {self.name}: job {job.job_id} has not ended yet")
        self.submitted.append(job)
        self._running[job.job_id] = job
        self._updates.append(JobUpdate(job_id=job.job_id, state=JobState.RUNNING))

    def poll(self) -> list[JobUpdate]:
        """What happened since the last call."""
        updates, self._updates = self._updates, []
        return updates

    def cancel(self, job_id: str, grace_s: float = 5.0) -> None:  # noqa: ARG002 - no time here
        """End a job."""
        if job_id in self._running:
            self.finish(job_id, JobState.CANCELLED)

    def probe(self, timeout_s: float = 2.0) -> ClusterHealth:  # noqa: ARG002 - as above
        """Healthy while it is alive and ``reachable``."""
        state = HealthState.HEALTHY if self._alive and self.reachable else HealthState.UNREACHABLE
        return ClusterHealth(cluster=self.name, state=state, observed_at=utc_now())

    def close(self, grace_s: float = 5.0) -> None:
        """Cancel all jobs."""
        for job_id in tuple(self._running):
            self.cancel(job_id, grace_s)
        self._alive = False

    # For the test

    def finish(
        self, job_id: str, state: JobState = JobState.SUCCEEDED, *, usage: Usage | None = None
    ) -> None:
        """End a job; raises KeyError if it is not running."""
        del self._running[job_id]
        self._updates.append(
            JobUpdate(
                job_id=job_id,
                state=state,
                exit_code=_EXIT_CODES.get(state),
                usage=usage,
                message="" if state is JobState.SUCCEEDED else state.value,
            )
        )

    def lose(self) -> None:
        """The cluster is gone, and every job with it."""
        for job_id in tuple(self._running):
            self.finish(job_id, JobState.LOST)
        self._alive = False
