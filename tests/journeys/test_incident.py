"""Journey B on a real store: from samples in the store to a quarantine that routers read."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

import pytest

from aiops_provider.control.alarms import tell_cause
from aiops_provider.control.installation import Installation
from aiops_provider.control.watch import WatchState, watch_once
from aiops_provider.domain.alarm import (
    AlarmState,
    CauseKind,
    Hypothesis,
    Response,
    ResponseAction,
    RootCause,
    Severity,
    SuperAlarm,
)
from aiops_provider.domain.kpi import KpiSample
from aiops_provider.domain.task import TaskKey
from aiops_provider.settings.schema import Settings
from aiops_provider.store import Store
from aiops_provider.testing.incidents import DAG, Fault, World, clusters

NOW = datetime(2026, 11, 24, 14, 3, tzinfo=UTC)
STEP = timedelta(seconds=5)
AWS = ("aws-sa-east-1", "aws-us-east-1")
ELSEWHERE = ("onprem", "azure-westeurope")


@dataclass
class Stage:
    """An installation with two weeks of healthy history, and a clock."""

    installation: Installation
    world: World
    now: datetime = NOW
    state: WatchState = field(default_factory=WatchState)

    def happen(self, samples: list[KpiSample], *, restart: bool = False) -> None:
        """Let samples arrive as they are observed, with a round every five seconds."""
        assert self.installation.store is not None
        waiting = list(samples)
        while waiting:
            self.now += STEP
            arrived = [one for one in waiting if one.observed_at <= self.now]
            waiting = [one for one in waiting if one.observed_at > self.now]
            self.installation.store.add_samples(arrived)
            self.round(restart=restart)

    def round(self, *, restart: bool = False) -> None:
        if restart:
            self.state = WatchState()
        watch_once(self.installation, self.state, self.now)

    def run(self, name: str, *faults: Fault, only: tuple[str, ...] = ()) -> list[KpiSample]:
        return self.world.run(self.now, name, faults=faults, only=only)

    @property
    def told(self) -> list[SuperAlarm]:
        return self.installation.require_store().super_alarms()

    @property
    def in_force(self) -> list[Response]:
        return self.installation.require_store().responses(active_at=self.now)


@pytest.fixture
def stage(tmp_path) -> Iterator[Stage]:
    """Each with a store of its own."""
    store = Store.open(f"sqlite:///{tmp_path / 'aiops.db'}")
    store.upgrade()
    world = World(seed=1)
    store.add_samples(world.history(NOW))
    installation = Installation(settings=Settings(), store=store, clusters=clusters())
    yield Stage(installation, world)
    store.close()


def test_hundreds_of_alarms_are_one_super_alarm_and_a_quarantine(stage):
    """Bad data of a provider: one super-alarm, its cause, both clusters quarantined, then over."""
    stage.happen(stage.run("healthy"))
    assert [] == stage.told
    stage.happen(stage.run("bad", Fault(where={"provider": "aws"})))

    (told,) = stage.told
    alarms = stage.installation.require_store().alarms(limit=10_000)
    assert len(told.alarms) == len(alarms) > 350
    assert {"aws"} == {alarm.attributes["provider"] for alarm in alarms}
    best = told.root_cause.best
    assert ({"provider": "aws"}, CauseKind.CLUSTER) == (best.cause, best.kind)
    assert (AlarmState.OPEN, Severity.CRITICAL) == (told.state, told.severity)
    assert "12 tasks of provider aws" in told.summary
    assert "row_count −78 %" in told.summary
    assert "drifted" in told.summary
    (response,) = stage.in_force
    assert (ResponseAction.QUARANTINE, AWS) == (response.action, response.clusters)

    for number in range(3):
        stage.now += timedelta(minutes=5)
        stage.happen(stage.run(f"avoids-{number}", only=ELSEWHERE))
    assert [AlarmState.RESOLVED] == [one.state for one in stage.told]
    assert [response.id] == [one.id for one in stage.in_force]
    assert [] == stage.installation.require_store().alarms(open_only=True)


def test_who_was_blamed_wrongly_twice_is_not_quarantined_again(stage):
    """People say what it really was, while the detection runs: it is less sure the next time."""
    store = stage.installation.require_store()
    stage.happen(stage.run("healthy"))
    best = Hypothesis(
        cause={"provider": "aws"}, kind=CauseKind.CLUSTER, support=1.0, precision=1.0, lift=2.0,
        p_value=1e-6, confidence=0.95,
    )  # fmt: skip
    for number in (1, 2):
        at = NOW - timedelta(days=number)
        past = SuperAlarm(
            id=f"s{number}", summary="", opened_at=at, severity=Severity.WARNING, alarms=("a",),
            representative="a", root_cause=RootCause(hypotheses=(best,)), updated_at=at,
            state=AlarmState.RESOLVED, closed_at=at, kpis=("row_count",),
        )  # fmt: skip
        store.save_super_alarms([past])
        tell_cause(stage.installation, past.id, {"dataset": "claims"}, at)
    stage.happen(stage.run("bad", Fault(where={"provider": "aws"})))

    told = next(one for one in stage.told if one.state is AlarmState.OPEN)
    assert {"provider": "aws"} == told.root_cause.best.cause
    assert 0.3 < told.root_cause.best.confidence < 0.55
    assert [] == stage.in_force
    assert "confidence" in told.response.reason
    tell_cause(stage.installation, told.id, {"provider": "aws"}, stage.now)
    stage.round()
    assert {"provider": "aws"} == store.super_alarm(told.id).real_cause


def test_a_restart_in_every_round_changes_nothing(stage):
    """Rebuilt from the store each time, the watch comes to the same end, with the same ids."""
    samples = stage.run("bad", Fault(where={"provider": "aws"}))
    stage.happen(samples, restart=True)

    (told,) = stage.told
    assert {"provider": "aws"} == told.root_cause.best.cause
    assert len(told.alarms) > 350
    assert [AWS] == [one.clusters for one in stage.in_force]
    before = {alarm.id for alarm in stage.installation.require_store().alarms(limit=10_000)}
    stage.round(restart=True)
    assert before == {alarm.id for alarm in stage.installation.require_store().alarms(limit=10_000)}


def test_a_crash_before_the_position_is_kept_counts_nothing_twice(stage, monkeypatch):
    """The store fails in the middle of a round: the next one starts over and ends the same."""
    samples = stage.run("bad", Fault(where={"provider": "aws"}))
    store = stage.installation.require_store()
    stage.round()
    store.add_samples(samples)
    stage.now += timedelta(minutes=1)

    def lost(*_: object) -> None:
        raise ConnectionError("gone")

    for method in ("save_alarms", "save_response", "save_super_alarms", "set_state"):
        monkeypatch.setattr(type(store), method, lost)
        with pytest.raises(ConnectionError):
            stage.round()
        monkeypatch.undo()
    stage.round()

    assert 1 == len(stage.told)
    assert 1 == len(store.responses())
    assert set(stage.told[0].alarms) == {alarm.id for alarm in store.alarms(limit=10_000)}
    assert 1 == len({one.id for one in stage.told})


@pytest.mark.parametrize(
    ("faults", "causes", "actions"),
    [
        (
            [Fault(where={"cluster": "onprem"})],
            [{"cluster": "onprem"}],
            {(ResponseAction.QUARANTINE, ("onprem",), None)},
        ),
        (
            [Fault(where={"task": "labs"})],
            [{"task": "labs"}],
            {(ResponseAction.HOLD_TASK, (), TaskKey(DAG, "labs"))},
        ),
        ([Fault(where={"feature": "feature-07"})], [{"feature": "feature-07"}], set()),
        (
            [Fault(where={"provider": "aws"}), Fault(where={"feature": "feature-07"})],
            [{"feature": "feature-07"}, {"provider": "aws"}],
            {(ResponseAction.QUARANTINE, AWS, None)},
        ),
        (
            [Fault(where={"cluster": "onprem"}), Fault(where={"provider": "azure"})],
            [{"cluster": "azure-westeurope"}, {"cluster": "onprem"}],
            {
                (ResponseAction.QUARANTINE, ("onprem",), None),
                (ResponseAction.QUARANTINE, ("azure-westeurope",), None),
            },
        ),
        (
            [Fault(where={"provider": "aws"}, fails=True)],
            [{"provider": "aws"}],
            {(ResponseAction.QUARANTINE, AWS, None)},
        ),
    ],
    ids=["cluster", "task", "feature", "provider and feature", "two clusters", "failures"],
)
def test_every_cause_gets_its_own_super_alarm_and_response(stage, faults, causes, actions):
    """A cluster, a task, a feature, or two of them at once."""
    stage.happen(stage.run("bad", *faults))
    open_ones = [one for one in stage.told if one.state is AlarmState.OPEN]

    assert causes == sorted((dict(one.root_cause.best.cause) for one in open_ones), key=str)
    assert actions == {(one.action, one.clusters, one.task) for one in stage.in_force}


def test_the_last_clusters_are_never_taken(stage):
    """When three of four clusters are in quarantine the fourth stays, whatever is found."""
    stage.happen(stage.run("bad", Fault(where={"provider": "aws"})))
    stage.now += timedelta(minutes=20)
    stage.happen(stage.run("worse", Fault(where={"cluster": "onprem"}), only=ELSEWHERE))
    stage.now += timedelta(minutes=20)
    stage.happen(stage.run("worst", Fault(where={"cluster": "azure-westeurope"}), only=ELSEWHERE))
    taken = {name for one in stage.in_force for name in one.clusters}

    assert {*AWS, "onprem"} == taken


def test_dry_run_decides_and_applies_nothing(stage):
    """The super-alarm says what would be done."""
    settings = Settings.model_validate({"detection": {"dry_run": True}})
    stage.installation.settings = settings
    stage.happen(stage.run("bad", Fault(where={"provider": "aws"})))

    assert [] == stage.in_force
    assert [(ResponseAction.QUARANTINE, True)] == [
        (one.response.action, one.response.dry_run) for one in stage.told if one.response
    ]
