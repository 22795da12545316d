"""From reported KPIs to a quarantine that routers honour, on a real store."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

import pytest

from aiops_provider.control.installation import Installation
from aiops_provider.control.refresh import load_snapshot
from aiops_provider.control.watch import WatchState, watch_once
from aiops_provider.domain.alarm import CauseKind, ResponseAction
from aiops_provider.settings.schema import Settings
from aiops_provider.testing.incidents import Fault, World, clusters

NOW = datetime(2026, 3, 16, 12, tzinfo=UTC)
AWS = ("aws-sa-east-1", "aws-us-east-1")


@pytest.fixture
def installation(tmp_path) -> Installation:
    names = [
        {
            "name": each.name,
            "kind": "local",
            "provider": each.provider,
            "region": each.region,
            "capacity": {"cores": 8, "memory_gib": 32},
        }
        for each in clusters()
    ]
    settings = Settings.model_validate({"clusters": names, "detection": {"period_s": 5}})
    opened = Installation.open(settings, default_store_url=f"sqlite:///{tmp_path / 'aiops.db'}")
    opened.require_store().upgrade()
    return opened


def play(
    installation: Installation, *, faults: Sequence[Fault] = (), seed: int = 1
) -> tuple[datetime, WatchState]:
    """Two weeks of history, then one run whose samples arrive over a minute."""
    store, world = installation.require_store(), World(seed)
    store.add_samples(list(world.history(NOW)))
    state, now = WatchState(), NOW
    arriving = sorted(world.run(NOW, faults=faults), key=lambda sample: sample.observed_at)
    while arriving:
        now += timedelta(seconds=5)
        here = [sample for sample in arriving if sample.observed_at <= now]
        arriving = arriving[len(here) :]
        store.add_samples(here)
        watch_once(installation, state, now)
    return now, state


def test_bad_data_of_one_provider_is_told_once_and_the_provider_is_avoided(installation):
    """Hundreds of alarms, one super-alarm, the provider as its cause, both clusters quarantined."""
    now, _ = play(installation, faults=[Fault(where={"provider": "aws"})])
    store = installation.require_store()
    assert len(store.alarms(limit=5000)) > 100
    (told,) = store.super_alarms()
    assert {"provider": "aws"} == dict(told.root_cause.best.cause)
    assert CauseKind.CLUSTER is told.root_cause.best.kind
    snapshot = load_snapshot(store, installation.clusters, store.version(), now)
    assert set(AWS) == set(snapshot.router.quarantined)


def test_a_healthy_run_is_no_news(installation):
    """Nothing is told when nothing is wrong."""
    play(installation)
    assert [] == installation.require_store().super_alarms()


def test_one_bad_cluster_does_not_blame_its_provider(installation):
    """The other cluster of the same provider stays in use."""
    now, _ = play(installation, faults=[Fault(where={"cluster": "aws-sa-east-1"})])
    responses = installation.require_store().responses(active_at=now)
    assert [("aws-sa-east-1",)] == [each.clusters for each in responses]


def test_looking_again_changes_nothing(installation):
    """A process that lost its memory comes to the same result and tells it no second time."""
    now, _ = play(installation, faults=[Fault(where={"provider": "aws"})])
    store = installation.require_store()
    before = [(each.id, each.state) for each in store.super_alarms()]
    watch_once(installation, WatchState(), now + timedelta(seconds=5))
    assert before == [(each.id, each.state) for each in store.super_alarms()]
    assert 1 == len(store.responses(active_at=now))


def test_a_task_that_fails_everywhere_is_held_and_no_cluster_is_blamed(installation):
    """Its fail-over ends; every cluster stays in use."""
    fault = Fault(where={"task": "labs"}, fails=True)
    now, _ = play(installation, faults=[fault])
    responses = installation.require_store().responses(active_at=now)
    assert {ResponseAction.HOLD_TASK} == {each.action for each in responses}
    assert all(not each.clusters for each in responses)
