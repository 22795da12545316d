"""The fake keeps the contract, so that what is tested with it holds for real clusters."""

from __future__ import annotations

from aiops_provider.clusters.job_client import Job, JobClient, JobState
from aiops_provider.domain.cluster import Capacity, ClusterSpec, Pool
from aiops_provider.domain.profile import ResourceRequest
from aiops_provider.testing import Behaviour, FakeJobClient, JobClientContract


class _SelfActing(FakeJobClient):
    """Ends each job as its command says."""

    def submit(self, job: Job) -> None:
        super().submit(job)
        match job.command:
            case (Behaviour.SUCCEEDS,):
                self.finish(job.job_id)
            case (Behaviour.FAILS,):
                self.finish(job.job_id, JobState.FAILED)


class TestFakeJobClient(JobClientContract):
    deadline_s = 1.0

    def make_client(self) -> JobClient:
        machine = Capacity(cores=2, memory_gib=2)
        pools = (Pool(name="default", machine=machine, max_instances=1, price_usd_per_hour=1.0),)
        return _SelfActing(
            ClusterSpec(name="fake", kind="fake", provider="aws", region="x", pools=pools)
        )

    def make_job(self, job_id: str, behaviour: Behaviour) -> Job:
        memory_gib = 3.0 if behaviour is Behaviour.OUTGROWS_ALL_MACHINES else 0.2
        request = ResourceRequest(cores=1, memory_gib=memory_gib)
        return Job(job_id=job_id, request=request, command=(behaviour,))

    def lose(self, client: JobClient) -> None:
        assert isinstance(client, FakeJobClient)
        client.lose()
