"""The journey of a flow run over clusters that do what the test says, without a server."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any
from uuid import uuid4

import pytest
from prefect.client.schemas.objects import FlowRun

from aiops_provider.clusters.job_client import JobState
from aiops_provider.control.installation import Installation
from aiops_provider.control.layer import Layer
from aiops_provider.domain.execution import Outcome
from aiops_provider.domain.plan import Mode
from aiops_provider.errors import ClusterRefusedError
from aiops_provider.prefect.admission import Admission
from aiops_provider.prefect.cancellation import Cancellation
from aiops_provider.prefect.configuration import AiopsJobConfiguration
from aiops_provider.prefect.dispatch import Dispatcher
from aiops_provider.prefect.submitted import Restart, SubmittedRun
from aiops_provider.prefect.targets.jobs import JobTarget
from aiops_provider.prefect.targets.target import Ending
from aiops_provider.settings.schema import Settings
from aiops_provider.testing import FakeJobClient

pytestmark = pytest.mark.anyio


def cluster(name: str, *, price: float, memory_gib: float = 8) -> dict[str, Any]:
    capacity = {"cores": 4, "memory_gib": memory_gib}
    return {"name": name, "kind": "local", "capacity": capacity, "price_usd_per_hour": price}


def settings(**changes: Any) -> Settings:
    clusters = [cluster("cheap", price=0.1), cluster("dear", price=5.0)]
    data = {"mode": "enforce", "clusters": clusters, "run_cycle": False, **changes}
    return Settings.model_validate(data)


@dataclass
class FakeRun(SubmittedRun):
    """A flow run whose server says what the test wants."""

    flow: Outcome | None = None
    restart: Restart = Restart.READY
    told: list[str] = field(default_factory=list)

    def __init__(self, **fields: Any) -> None:
        configuration = AiopsJobConfiguration(**fields)
        flow_run = FlowRun(id=uuid4(), flow_id=uuid4(), name="run", run_count=0)
        configuration.prepare_for_flow_run(flow_run)
        configuration._related_objects["flow"] = SimpleNamespace(name="train")
        self.told, self.identifiers = [], []
        super().__init__(
            client=SimpleNamespace(),
            flow_run=flow_run,
            configuration=configuration,
            logger=logging.getLogger("flow run"),
            started=self.identifiers.append,
        )

    async def report_identifier(self, identifier: str) -> None:
        self.identifiers.append(identifier)

    async def outcome(self) -> Outcome | None:
        return self.flow

    async def is_cancelling(self) -> bool:
        return False

    async def back_to_pending(self) -> Restart:
        self.told.append("pending")
        return self.restart

    async def crash(self, message: str) -> None:
        self.told.append(f"crashed: {message}")

    async def mark_cancelled(self, message: str) -> None:
        self.told.append(f"cancelled: {message}")


class Stage:
    """A dispatcher with its clusters."""

    def __init__(self, layer: Layer, clients: dict[str, FakeJobClient], dispatcher: Dispatcher):
        self.layer, self.clients, self.dispatcher = layer, clients, dispatcher

    def start(self, run: FakeRun) -> asyncio.Task[Ending]:
        return asyncio.create_task(self.dispatcher.run(run))

    async def job(self, cluster_name: str, number: int = 1) -> str:
        """Id of the n-th job that a cluster got, once it has it."""
        submitted = self.clients[cluster_name].submitted
        await until(lambda: len(submitted) >= number)
        return submitted[number - 1].job_id


async def until(there: Callable[[], object]) -> None:
    while not there():
        await asyncio.sleep(0.02)


@asynccontextmanager
async def stage(configured: Settings) -> AsyncIterator[Stage]:
    layer = Layer(Installation.without_store(configured), ingest_url=None)
    clients = {spec.name: FakeJobClient(spec) for spec in layer.clusters}
    targets = {
        spec.name: JobTarget(
            spec,
            clients[spec.name],
            observe=layer.observe,
            probe_period_s=0.05,
            probe_timeout_s=1.0,
            reopen_s=3600.0,
        )
        for spec in layer.clusters
    }
    admission = Admission(layer.decider.ledger, patience_s=3600.0)
    dispatcher = Dispatcher(layer, targets, admission, Cancellation(SimpleNamespace()))
    for target in targets.values():
        await target.open()
    try:
        yield Stage(layer, clients, dispatcher)
    finally:
        for target in targets.values():
            await target.close()
        layer.stop()


@pytest.fixture
def records(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """Every execution that the layer is told of."""
    kept: list[Any] = []
    original = Layer.executed

    def executed(self: Layer, record: Any) -> None:
        kept.append(record)
        original(self, record)

    monkeypatch.setattr(Layer, "executed", executed)
    return kept


async def test_runs_where_the_router_says(records: list[Any]) -> None:
    """A flow run runs once, on the cheapest cluster, and is learned from."""
    async with stage(settings()) as one:
        run = FakeRun(env={"OWN": "1"})
        ending = one.start(run)
        job = await one.job("cheap")
        run.flow = Outcome.SUCCESS
        one.clients["cheap"].finish(job)
        assert 0 == (await ending).exit_code
    assert [] == run.told
    assert run.identifiers[0].startswith("cheap|")
    assert [(r.cluster, r.outcome, r.run.try_number) for r in records] == [
        ("cheap", Outcome.SUCCESS, 1)
    ]
    assert "train" == records[0].run.task.namespace


async def test_what_the_flow_came_to_goes_before_the_exit_status(records: list[Any]) -> None:
    """The engine ends with 0 after a failure that it has reported; it is remembered as failed."""
    async with stage(settings()) as one:
        run = FakeRun()
        ending = one.start(run)
        job = await one.job("cheap")
        run.flow = Outcome.FAILED
        one.clients["cheap"].finish(job)
        assert 0 == (await ending).exit_code
    assert records[0].outcome is Outcome.FAILED


async def test_a_paused_flow_teaches_nothing(records: list[Any]) -> None:
    """A process that ended well before its flow has is no finished try."""
    async with stage(settings()) as one:
        ending = one.start(FakeRun())
        one.clients["cheap"].finish(await one.job("cheap"))
        assert 0 == (await ending).exit_code
    assert [] == records


async def test_a_lost_cluster_is_left_for_another(records: list[Any]) -> None:
    """A flow run whose cluster dies under it runs again elsewhere, as its next try."""
    async with stage(settings()) as one:
        run = FakeRun()
        ending = one.start(run)
        await one.job("cheap")
        one.clients["cheap"].lose()
        job = await one.job("dear")
        run.flow = Outcome.SUCCESS
        one.clients["dear"].finish(job)
        assert 0 == (await ending).exit_code
    assert ["pending"] == run.told
    assert [(r.cluster, r.outcome, r.run.try_number) for r in records] == [
        ("cheap", Outcome.CLUSTER_LOST, 1),
        ("dear", Outcome.SUCCESS, 2),
    ]
    assert ["cheap", "dear"] == [identifier.partition("|")[0] for identifier in run.identifiers]


async def test_a_finished_flow_is_not_run_again(records: list[Any]) -> None:
    """A cluster that dies after the flow has reported success changes nothing."""
    async with stage(settings()) as one:
        run = FakeRun()
        ending = one.start(run)
        await one.job("cheap")
        run.flow = Outcome.SUCCESS
        one.clients["cheap"].lose()
        await ending
    assert [] == run.told
    assert [Outcome.SUCCESS] == [record.outcome for record in records]
    assert [] == one.clients["dear"].submitted


async def test_out_of_memory_runs_again_with_more(records: list[Any]) -> None:
    """A flow run that takes more than it was granted is run again at once, with more."""
    async with stage(settings()) as one:
        run = FakeRun()
        ending = one.start(run)
        first = await one.job("cheap")
        one.clients["cheap"].finish(first, JobState.OUT_OF_MEMORY)
        second = await one.job("cheap", 2)
        run.flow = Outcome.SUCCESS
        one.clients["cheap"].finish(second)
        await ending
    small, big = (job.request.memory_gib for job in one.clients["cheap"].submitted)
    assert big > small
    assert [Outcome.OUT_OF_MEMORY, Outcome.SUCCESS] == [record.outcome for record in records]


async def test_out_of_memory_on_the_biggest_machine_crashes(records: list[Any]) -> None:
    """Where nothing bigger is to be had the flow run crashes with 137 and says why."""
    async with stage(settings(mode="observe")) as one:
        run = FakeRun()
        ending = one.start(run)
        one.clients["cheap"].finish(await one.job("cheap"), JobState.OUT_OF_MEMORY)
        assert 137 == (await ending).exit_code
    assert 1 == len(records)
    assert ["crashed"] == [told.partition(":")[0] for told in run.told]


async def test_giving_up_is_bounded(records: list[Any]) -> None:
    """After `max_fail_overs` losses a flow run crashes instead of wandering on."""
    async with stage(settings(routing={"max_fail_overs": 1})) as one:
        run = FakeRun()
        ending = one.start(run)
        await one.job("cheap")
        one.clients["cheap"].lose()
        await one.job("dear")
        one.clients["dear"].lose()
        assert 1 == (await ending).exit_code
    assert "pending" == run.told[0]
    assert "Given up after 2 tries" in run.told[1]
    assert 2 == len(records)


async def test_a_run_that_another_worker_took_is_left_to_it() -> None:
    """When the server gives the flow run to somebody else, this worker reports no failure."""
    async with stage(settings()) as one:
        run = FakeRun()
        run.restart = Restart.NOT_OURS
        ending = one.start(run)
        await one.job("cheap")
        one.clients["cheap"].lose()
        assert 0 == (await ending).exit_code
    assert [] == one.clients["dear"].submitted


async def test_a_refusal_before_the_start_goes_elsewhere(monkeypatch: pytest.MonkeyPatch) -> None:
    """A cluster that refuses is passed over; the try is the same one, placed again."""
    async with stage(settings()) as one:

        def refuse(job: Any) -> None:
            raise ClusterRefusedError("cheap is closed today")

        monkeypatch.setattr(one.clients["cheap"], "submit", refuse)
        run = FakeRun()
        ending = one.start(run)
        job = await one.job("dear")
        run.flow = Outcome.SUCCESS
        one.clients["dear"].finish(job)
        await ending
        assert 2 == one.layer.decider.epochs.newest(run.first_try)
    assert [] == run.told


async def test_refused_everywhere_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    """What nothing takes is raised, so that Prefect marks the flow run as crashed."""
    async with stage(settings(routing={"max_fail_overs": 2})) as one:

        def refuse(job: Any) -> None:
            raise ClusterRefusedError("closed")

        for client in one.clients.values():
            monkeypatch.setattr(client, "submit", refuse)
        with pytest.raises(ClusterRefusedError, match="closed"):
            await one.dispatcher.run(FakeRun())


async def test_waits_while_every_cluster_is_away() -> None:
    """With no cluster to be had a flow run waits, and starts when one comes back."""
    async with stage(settings()) as one:
        for name, client in one.clients.items():
            client.reachable = False
            await until(lambda name=name: name in one.layer.decider.snapshot.router.unreachable)
        run = FakeRun()
        ending = one.start(run)
        await asyncio.sleep(0.3)
        assert not any(client.submitted for client in one.clients.values())
        one.clients["dear"].reachable = True
        job = await one.job("dear")
        run.flow = Outcome.SUCCESS
        one.clients["dear"].finish(job)
        await ending


async def test_cancelled_while_it_waits(records: list[Any]) -> None:
    """A flow run that is cancelled while it waits for room is never started."""
    async with stage(settings()) as one:
        for name, client in one.clients.items():
            client.reachable = False
            await until(lambda name=name: name in one.layer.decider.snapshot.router.unreachable)
        run = FakeRun()
        ending = one.start(run)
        await asyncio.sleep(0)
        run.cancelled.set()
        assert 0 == (await ending).exit_code
    assert [] == records
    assert ["cancelled: Flow run cancelled while it waited for room."] == run.told


@pytest.mark.parametrize("changes", [{"mode": "observe"}, {"mode": "advise"}, {"enabled": False}])
async def test_without_authority_all_runs_on_the_fallback(
    changes: dict[str, Any], caplog: pytest.LogCaptureFixture
) -> None:
    """Observing, advising or switched off, the layer sends everything to the fallback, unlimited."""
    caplog.set_level(logging.INFO)
    async with stage(settings(fallback_cluster="dear", **changes)) as one:
        run = FakeRun()
        ending = one.start(run)
        job = await one.job("dear")
        run.flow = Outcome.SUCCESS
        one.clients["dear"].finish(job)
        await ending
    assert 8 == one.clients["dear"].submitted[0].request.memory_gib
    advised = changes.get("mode") == Mode.ADVISE
    assert ("the advice is cluster cheap" in caplog.text) is advised


async def test_an_engine_that_raises_does_not_stop_a_run(monkeypatch: pytest.MonkeyPatch) -> None:
    """When routing itself fails, the flow run runs on the fallback cluster."""
    async with stage(settings(fallback_cluster="dear")) as one:

        def broken(*_: Any, **__: Any) -> None:
            raise ZeroDivisionError("an engine of ours")

        monkeypatch.setattr(type(one.layer.decider._router), "route", broken)
        run = FakeRun()
        ending = one.start(run)
        job = await one.job("dear")
        run.flow = Outcome.SUCCESS
        one.clients["dear"].finish(job)
        assert 0 == (await ending).exit_code


async def test_every_ledger_entry_is_given_back() -> None:
    """Whatever happened to a flow run, no room stays booked for it."""
    async with stage(settings(routing={"max_fail_overs": 0})) as one:
        lost, cancelled, done = FakeRun(), FakeRun(), FakeRun()
        endings: list[Awaitable[Ending]] = [one.start(run) for run in (lost, cancelled, done)]
        await one.job("cheap", 3)
        ids = [job.job_id for job in one.clients["cheap"].submitted]
        done.flow = Outcome.SUCCESS
        one.clients["cheap"].finish(ids[2])
        one.clients["cheap"].finish(ids[1], JobState.CANCELLED)
        one.clients["cheap"].finish(ids[0], JobState.LOST)
        await asyncio.gather(*endings)
        assert not one.layer.decider.ledger.load()
