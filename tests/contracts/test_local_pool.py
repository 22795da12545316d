"""The local pool is a cluster like any other."""

from __future__ import annotations

import os
import signal

from aiops_provider.clusters.job_client import Job, JobClient
from aiops_provider.clusters.local import LocalPool
from aiops_provider.domain.cluster import Capacity, ClusterSpec, Pool
from aiops_provider.domain.profile import ResourceRequest
from aiops_provider.testing import Behaviour, JobClientContract

_COMMANDS = {
    Behaviour.SUCCEEDS: ("true",),
    Behaviour.FAILS: ("false",),
    Behaviour.STAYS: ("sleep", "600"),
    Behaviour.OUTGROWS_ALL_MACHINES: ("true",),
}


class TestLocalPool(JobClientContract):
    def make_client(self) -> JobClient:
        machine = Capacity(cores=2, memory_gib=2)
        pools = (Pool(name="default", machine=machine, max_instances=1, price_usd_per_hour=1.0),)
        spec = ClusterSpec(
            name="contract", kind="local", provider="on_premises", region="here", pools=pools
        )
        return LocalPool(spec)

    def make_job(self, job_id: str, behaviour: Behaviour) -> Job:
        memory_gib = 3.0 if behaviour is Behaviour.OUTGROWS_ALL_MACHINES else 0.2
        request = ResourceRequest(cores=1, memory_gib=memory_gib)
        return Job(job_id=job_id, request=request, command=_COMMANDS[behaviour])

    def lose(self, client: JobClient) -> None:
        assert isinstance(client, LocalPool)
        assert client.pid is not None
        os.kill(client.pid, signal.SIGKILL)
