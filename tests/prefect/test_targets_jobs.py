"""Flow runs as jobs of a cluster, without a server."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from prefect.client.schemas.objects import FlowRun

from aiops_provider.clusters.job_client import JobState
from aiops_provider.clusters.local import LocalPool
from aiops_provider.domain.cluster import Capacity, ClusterHealth, ClusterSpec, HealthState, Pool
from aiops_provider.domain.execution import Outcome
from aiops_provider.domain.profile import ResourceRequest
from aiops_provider.errors import ClusterRefusedError, ClusterUnreachableError
from aiops_provider.prefect.configuration import AiopsJobConfiguration
from aiops_provider.prefect.targets.jobs import JobTarget
from aiops_provider.prefect.targets.target import Order
from aiops_provider.testing import FakeJobClient

pytestmark = pytest.mark.anyio

SPEC = ClusterSpec(
    name="c",
    kind="local",
    provider="aws",
    region="here",
    pools=(
        Pool(
            name="p",
            machine=Capacity(cores=2, memory_gib=4),
            max_instances=1,
            price_usd_per_hour=1.0,
        ),
    ),
)


def order(
    command: str | None = None, *, memory_gib: float = 1.0, insist: bool = False, **fields: Any
) -> Order:
    flow_run = FlowRun(id=uuid4(), flow_id=uuid4(), name="run")
    configuration = AiopsJobConfiguration(command=command, **fields)
    configuration.prepare_for_flow_run(flow_run)
    return Order(
        job_id=str(flow_run.id),
        flow_run=flow_run,
        configuration=configuration,
        grant=ResourceRequest(cores=1, memory_gib=memory_gib),
        environment={"AIOPS_CLUSTER": "c"},
        insist=insist,
    )


@asynccontextmanager
async def opened(
    client: Any, *, observe: Callable[[ClusterHealth], None] = lambda health: None
) -> AsyncIterator[JobTarget]:
    target = JobTarget(
        SPEC, client, observe=observe, probe_period_s=0.1, probe_timeout_s=2.0, reopen_s=0.5
    )
    await target.open()
    try:
        yield target
    finally:
        await target.close()


async def test_runs_the_engine_by_default() -> None:
    """Without a command of its own a flow run gets the engine that Prefect's process worker starts."""
    client = FakeJobClient(SPEC)
    async with opened(client) as target:
        running = asyncio.create_task(target.run(order(), started=lambda identifier: None))
        await asyncio.sleep(0)
        client.finish(client.submitted[0].job_id)
        ending = await running
    job = client.submitted[0]
    assert job.command is not None
    assert ("-m", "prefect.engine") == job.command[-2:]
    assert job.environment["PREFECT__FLOW_RUN_ID"] == job.job_id
    assert "c" == job.environment["AIOPS_CLUSTER"]
    assert (Outcome.SUCCESS, 0) == (ending.outcome, ending.exit_code)


async def test_keeps_the_workers_secrets_to_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    """A flow run gets neither the secret that signs tokens nor the store's password."""
    for name in ("AIOPS_TOKEN_SECRET", "AIOPS__STORE"):
        monkeypatch.setenv(name, "secret")
    client = FakeJobClient(SPEC)
    async with opened(client) as target:
        running = asyncio.create_task(
            target.run(order(env={"AIOPS__STORE": "its own"}), started=lambda identifier: None)
        )
        await asyncio.sleep(0)
        client.finish(client.submitted[0].job_id)
        await running
    told = client.submitted[0].environment
    assert ("", "its own") == (told["AIOPS_TOKEN_SECRET"], told["AIOPS__STORE"])


@pytest.mark.parametrize(
    ("state", "outcome", "exit_code"),
    [
        (JobState.FAILED, Outcome.FAILED, 1),
        (JobState.OUT_OF_MEMORY, Outcome.OUT_OF_MEMORY, 137),
        (JobState.LOST, Outcome.CLUSTER_LOST, 1),
        (JobState.CANCELLED, Outcome.KILLED, 143),
    ],
)
async def test_says_how_a_job_ended(state: JobState, outcome: Outcome, exit_code: int) -> None:
    """Every end of a job is told apart."""
    client = FakeJobClient(SPEC)
    async with opened(client) as target:
        running = asyncio.create_task(target.run(order(), started=lambda identifier: None))
        await asyncio.sleep(0)
        client.finish(client.submitted[0].job_id, state)
        ending = await running
    assert (outcome, exit_code) == (ending.outcome, ending.exit_code)


async def test_a_refusal_is_the_dispatchers_business() -> None:
    """What no machine holds is refused before anything starts."""
    async with opened(FakeJobClient(SPEC)) as target:
        with pytest.raises(ClusterRefusedError):
            await target.run(order(memory_gib=64), started=pytest.fail)


async def test_a_missing_folder_is_refused(tmp_path: Path) -> None:
    """A working folder that is not there starts nothing."""
    async with opened(FakeJobClient(SPEC)) as target:
        wanted = order()
        wanted.configuration.working_dir = tmp_path / "nowhere"
        with pytest.raises(ClusterRefusedError, match="working_dir"):
            await target.run(wanted, started=pytest.fail)


async def test_a_lost_cluster_comes_back() -> None:
    """A cluster that is gone is unreachable for a while, refuses, and is then tried again."""
    client = FakeJobClient(SPEC)
    states: list[HealthState] = []
    async with opened(client, observe=lambda health: states.append(health.state)) as target:
        client.lose()
        with pytest.raises(ClusterUnreachableError):
            await target.run(order(), started=pytest.fail)
        while not client.alive or states[-1] is not HealthState.HEALTHY:
            await asyncio.sleep(0.05)
    assert HealthState.UNREACHABLE in states


async def test_the_last_resort_does_not_wait() -> None:
    """When nothing else is left, a lost cluster is started again at once."""
    client = FakeJobClient(SPEC)
    async with opened(client) as target:
        client.lose()
        running = asyncio.create_task(target.run(order(insist=True), started=lambda pid: None))
        await asyncio.sleep(0)
        assert client.alive
        client.finish(client.submitted[0].job_id)
        assert (await running).outcome is Outcome.SUCCESS


async def test_a_cancelled_wait_ends_the_job() -> None:
    """A worker that is told to end takes its jobs along."""
    client = FakeJobClient(SPEC)
    async with opened(client) as target:
        running = asyncio.create_task(target.run(order(), started=lambda identifier: None))
        await asyncio.sleep(0)
        running.cancel()
        with pytest.raises(asyncio.CancelledError):
            await running
        assert client.poll()[-1].state is JobState.CANCELLED


async def test_a_real_pool_runs_measures_and_limits(tmp_path: Path) -> None:
    """A command runs in a folder of its own; one that takes more than was granted ends with 137."""
    hog = "import time; block = bytearray(400 << 20); block[::4096] = b'x' * len(block[::4096]); time.sleep(30)"
    started: list[str] = []
    async with opened(LocalPool(SPEC)) as target:
        told, killed = await asyncio.gather(
            target.run(order(f"/bin/sh -c 'pwd > {tmp_path}/folder'"), started=started.append),
            target.run(order(f'python3 -c "{hog}"', memory_gib=0.2), started=started.append),
        )
    folder = Path((tmp_path / "folder").read_text().strip())
    assert told.outcome is Outcome.SUCCESS
    assert folder.name.startswith("prefect-")
    assert not folder.exists()
    assert 2 == len(started)
    assert (Outcome.OUT_OF_MEMORY, 137) == (killed.outcome, killed.exit_code)
    assert killed.usage is not None
    assert killed.usage.peak_memory_gib > 0.2
