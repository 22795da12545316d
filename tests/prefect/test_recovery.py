"""What an earlier worker left behind."""

from __future__ import annotations

import socket
import subprocess
import sys
from collections.abc import AsyncIterator
from typing import Any
from uuid import uuid4

import psutil
import pytest
from prefect import flow
from prefect.client.orchestration import PrefectClient, get_client
from prefect.client.schemas.actions import WorkPoolCreate
from prefect.client.schemas.objects import FlowRun, State
from prefect.settings import PREFECT_API_URL, temporary_settings
from prefect.states import Cancelling, Pending, Running

from aiops_provider.prefect.recovery import died_with_its_worker, recover, worker_mark

pytestmark = pytest.mark.anyio


@flow
def example() -> None:
    """Never run: only its flow runs are moved."""


@pytest.fixture
async def client(prefect_server: Any) -> AsyncIterator[PrefectClient]:
    with temporary_settings({PREFECT_API_URL: prefect_server.api}):
        async with get_client() as one:
            yield one


@pytest.fixture(scope="module")
def dead_mark() -> str:
    """The mark of a worker that has ended."""
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as process:
        began = psutil.Process(process.pid).create_time()
        process.communicate(b"\n")
    return f"{socket.gethostname()}:{process.pid}:{began:.0f}"


async def left_behind(client: PrefectClient, pool: str, identifier: str, *states: State) -> FlowRun:
    await client.create_work_pool(WorkPoolCreate(name=pool, type="aiops"))
    flow_id = await client.create_flow(example)
    deployment = await client.create_deployment(flow_id=flow_id, name=pool, work_pool_name=pool)
    flow_run = await client.create_flow_run_from_deployment(deployment)
    for state in states:
        await client.set_flow_run_state(flow_run.id, state, force=True)
    await client.update_flow_run(flow_run.id, infrastructure_pid=identifier)
    return flow_run


@pytest.mark.parametrize(
    ("states", "max_fail_overs", "expected"),
    [
        ((Pending(), Running()), 3, "AwaitingRetry"),
        ((Pending(),), 3, "AwaitingRetry"),
        ((Pending(), Running()), 0, "Crashed"),
        ((Pending(), Running(), Cancelling()), 3, "Cancelled"),
    ],
    ids=["running", "pending", "too-often", "cancelling"],
)
async def test_what_died_with_its_worker(
    client: PrefectClient,
    dead_mark: str,
    states: tuple[State, ...],
    max_fail_overs: int,
    expected: str,
) -> None:
    """Flow runs of a dead worker are scheduled again, given up or cancelled."""
    pool = uuid4().hex
    run = await left_behind(client, pool, f"cheap|{uuid4()}-1|4711@{dead_mark}", *states)
    assert 1 == await recover(client, work_pool=pool, max_fail_overs=max_fail_overs)
    found = (await client.read_flow_run(run.id)).state
    assert found is not None
    assert expected == found.name


async def test_what_lives_is_left_alone(client: PrefectClient) -> None:
    """Flow runs of this very worker, or of anybody else, keep their state."""
    pool = uuid4().hex
    identifier = f"cheap|{uuid4()}-1|4711@{worker_mark()}"
    run = await left_behind(client, pool, identifier, Pending(), Running())
    assert 0 == await recover(client, work_pool=pool, max_fail_overs=3)
    found = (await client.read_flow_run(run.id)).state
    assert found is not None
    assert "Running" == found.name


@pytest.mark.parametrize(
    "identifier", ["", "4711", "plain|x-1|4711", "c|x-1|7@elsewhere:1:1", "c|x-1|7@:a:b"]
)
def test_only_our_own_marks_count(identifier: str) -> None:
    """Nothing is concluded from identifiers that other workers or machines wrote."""
    assert not died_with_its_worker(identifier)
