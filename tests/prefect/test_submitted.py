"""Moving flow runs between states, by the rules of a real server."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator
from typing import Any

import pytest
from prefect import flow
from prefect.client.orchestration import PrefectClient, get_client
from prefect.client.schemas.objects import FlowRun, State
from prefect.settings import PREFECT_API_URL, temporary_settings
from prefect.states import Cancelling, Completed, Crashed, Failed, Pending, Running, Scheduled

from aiops_provider.domain.execution import Outcome
from aiops_provider.prefect.configuration import AiopsJobConfiguration
from aiops_provider.prefect.submitted import Restart, SubmittedRun

pytestmark = pytest.mark.anyio


@flow
def example() -> None:
    """Never run: only its flow runs are moved."""


@pytest.fixture
async def client(prefect_server: Any) -> AsyncIterator[PrefectClient]:
    with temporary_settings({PREFECT_API_URL: prefect_server.api}):
        async with get_client() as one:
            yield one


async def submitted(client: PrefectClient, *states: State) -> SubmittedRun:
    """A deployed flow run that went through these states."""
    flow_id = await client.create_flow(example)
    deployment = await client.create_deployment(flow_id=flow_id, name="example")
    flow_run: FlowRun = await client.create_flow_run_from_deployment(deployment)
    for state in states:
        await client.set_flow_run_state(flow_run.id, state, force=True)
    configuration = AiopsJobConfiguration()
    configuration.prepare_for_flow_run(flow_run)
    return SubmittedRun(
        client=client,
        flow_run=flow_run,
        configuration=configuration,
        logger=logging.getLogger("flow run"),
        started=lambda identifier: None,
    )


async def state_of(client: PrefectClient, run: SubmittedRun) -> str:
    found = (await client.read_flow_run(run.flow_run.id)).state
    assert found is not None
    return found.name


async def test_a_running_flow_becomes_pending_again(client: PrefectClient) -> None:
    """The server agrees to a second start of a flow run whose process is gone."""
    run = await submitted(client, Pending(), Running())
    assert await run.back_to_pending() is Restart.READY
    assert "Pending" == await state_of(client, run)


async def test_a_flow_that_never_began_stays_pending(client: PrefectClient) -> None:
    """A process that died before the flow began needs no change of state."""
    run = await submitted(client, Pending())
    assert await run.back_to_pending() is Restart.READY
    assert "Pending" == await state_of(client, run)


@pytest.mark.parametrize("final", [Failed(), Crashed(), Cancelling()], ids=lambda state: state.name)
async def test_a_flow_that_is_over_is_left_alone(client: PrefectClient, final: State) -> None:
    """Whoever asks whether a flow run has ended or is being cancelled gets the server's answer."""
    run = await submitted(client, Pending(), Running(), final)
    ended = await run.outcome() is not None
    assert ended is (final.name != "Cancelling")
    assert await run.is_cancelling() is not ended


async def test_a_completed_flow_is_never_run_again(client: PrefectClient) -> None:
    """Not even where the server would let it: its result was not stored."""
    run = await submitted(client, Pending(), Running(), Completed())
    assert await run.back_to_pending() is Restart.NOT_OURS
    assert "Completed" == await state_of(client, run)


async def test_somebody_else_was_faster(
    client: PrefectClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A flow run that another worker took in between is not started here."""
    run = await submitted(client, Pending(), Running())
    original = client.set_flow_run_state

    async def meddle(flow_run_id: Any, state: State, **others: Any) -> Any:
        answer = await original(flow_run_id, state, **others)
        if state.name == "AwaitingRetry":
            await original(flow_run_id, Pending())
        return answer

    monkeypatch.setattr(client, "set_flow_run_state", meddle)
    assert await run.back_to_pending() is Restart.NOT_OURS


async def test_a_server_that_does_not_answer(
    client: PrefectClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing is started that the server cannot be told of."""
    run = await submitted(client, Pending(), Running())

    async def fail(*_: Any, **__: Any) -> None:
        raise OSError("the server is away")

    monkeypatch.setattr(client, "set_flow_run_state", fail)
    assert await run.back_to_pending() is Restart.FAILED
    monkeypatch.setattr(client, "read_flow_run", fail)
    assert await run.outcome() is None


@pytest.mark.parametrize(
    ("final", "outcome"),
    [
        (Completed(), Outcome.SUCCESS),
        (Failed(), Outcome.FAILED),
        (Crashed(), Outcome.FAILED),
        (Scheduled(), None),
    ],
    ids=lambda value: str(getattr(value, "name", value)),
)
async def test_what_a_flow_came_to(
    client: PrefectClient, final: State, outcome: Outcome | None
) -> None:
    """Every end of a flow is told apart; what is not over has no outcome."""
    run = await submitted(client, Pending(), Running(), final)
    assert await run.outcome() is outcome


async def test_crash_says_why(client: PrefectClient) -> None:
    """Prefect shows our reason; a flow run that has ended keeps its state."""
    run = await submitted(client, Pending(), Running())
    await run.crash("no bigger machine")
    found = (await client.read_flow_run(run.flow_run.id)).state
    assert found is not None
    assert ("Crashed", "no bigger machine") == (found.name, found.message)
    done = await submitted(client, Pending(), Running(), Completed())
    await done.crash("too late")
    assert "Completed" == await state_of(client, done)


async def test_mark_cancelled(client: PrefectClient) -> None:
    """What is being cancelled becomes Cancelled; what has ended stays as it is."""
    run = await submitted(client, Pending(), Running(), Cancelling())
    await run.mark_cancelled("by the worker")
    assert "Cancelled" == await state_of(client, run)
    done = await submitted(client, Pending(), Running(), Completed())
    await done.mark_cancelled("too late")
    assert "Completed" == await state_of(client, done)


async def test_first_identifier_starts_later_ones_are_stored(client: PrefectClient) -> None:
    """Prefect's worker stores the first identifier; we store those of later starts."""
    run = await submitted(client, Pending(), Running())
    await run.report_identifier("cheap|1|1")
    await run.report_identifier("dear|2|2")
    assert "dear|2|2" == run.identifier
    assert "dear|2|2" == (await client.read_flow_run(run.flow_run.id)).infrastructure_pid


async def test_the_version_of_the_deployment_is_that_of_the_code(client: PrefectClient) -> None:
    """As the server hands it out; none where nobody gave one."""
    flow_id = await client.create_flow(example)
    versioned = await client.create_deployment(flow_id=flow_id, name="versioned", version="7")
    flow_run = await client.create_flow_run_from_deployment(versioned)
    told = SubmittedRun(
        client=client,
        flow_run=flow_run,
        configuration=AiopsJobConfiguration(),
        logger=logging.getLogger("flow run"),
        started=lambda identifier: None,
    )
    assert told.code_version == "7"
    assert (await submitted(client)).code_version is None
