"""Journey B on a real store when reports stop: told, through restarts, and not for our own pauses."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from aiops_provider.control.installation import Installation
from aiops_provider.control.watch import WatchState, watch_once
from aiops_provider.domain.alarm import AlarmState, ResponseAction
from aiops_provider.domain.kpi import KpiSample
from aiops_provider.settings.schema import Settings
from aiops_provider.store import Store
from aiops_provider.testing.incidents import clusters

NOW = datetime(2026, 11, 24, 14, 0, tzinfo=UTC)
TEN = timedelta(minutes=10)
MINUTE = timedelta(minutes=1)
NAMES = ("onprem", "aws-sa-east-1", "azure-westeurope")


def reports(at, *, but=()):
    """One report of each of twelve services, a third on each cluster."""
    return [
        KpiSample(
            name="request_count",
            observed_at=at,
            value=100.0 + number,
            dimensions={"service": f"s{number}", "dag": "serving", "task": f"serve-{number}"},
            context={"cluster": NAMES[number % 3]},
        )
        for number in range(12)
        if NAMES[number % 3] not in but
    ]


class Stage:
    def __init__(self, store):
        self.store = store
        self.installation = Installation(settings=Settings(), store=store, clusters=clusters())
        self.state = WatchState()
        self.now = NOW

    def rounds(self, length, *, but=(), restart=False, report=True):
        """Reports every ten minutes, a round every two."""
        end = self.now + length
        while self.now < end:
            self.now += 2 * MINUTE
            if report and (self.now - NOW) % TEN == timedelta(0):
                self.store.add_samples(reports(self.now, but=but))
            if restart:
                self.state = WatchState()
            watch_once(self.installation, self.state, self.now)

    @property
    def open_alarms(self):
        return self.store.alarms(open_only=True)


@pytest.fixture
def stage(tmp_path):
    store = Store.open(f"sqlite:///{tmp_path / 'aiops.db'}")
    store.upgrade()
    for back in range(6 * 48, -1, -1):
        store.add_samples(reports(NOW - TEN * back))
    yield Stage(store)
    store.close()


@pytest.mark.parametrize("restart", [False, True])
def test_a_cluster_that_stops_to_report_is_told_once(stage, restart):
    """One super-alarm names it, whoever watches; it is over when the reports are back."""
    stage.rounds(timedelta(minutes=30))
    stage.rounds(timedelta(minutes=90), but=("onprem",), restart=restart)

    (told,) = stage.store.super_alarms()
    assert ({"cluster": "onprem"}, 4) == (told.root_cause.best.cause, len(told.alarms))
    assert "cluster onprem stopped reporting" in told.summary
    assert ResponseAction.NOTHING is told.response.action
    assert [] == stage.store.responses(active_at=stage.now)
    stage.rounds(timedelta(minutes=20), restart=restart)
    assert ([AlarmState.RESOLVED], []) == (
        [one.state for one in stage.store.super_alarms()],
        stage.open_alarms,
    )


def test_a_pause_of_the_server_is_nobodys_silence(stage):
    """Hours without any round: those that report again are not told, and who stays away later is."""
    stage.rounds(timedelta(minutes=30))
    stage.now += timedelta(hours=5)
    stage.state = WatchState()
    stage.rounds(timedelta(minutes=8), report=False)
    assert [] == stage.open_alarms

    stage.rounds(timedelta(minutes=92), but=("onprem",))
    assert {"onprem"} == {alarm.attributes["cluster"] for alarm in stage.open_alarms}
    assert 4 == len(stage.open_alarms)


def test_who_was_silent_before_the_first_round_is_known_from_the_store(stage):
    """A new process that never heard of a series misses it all the same."""
    stage.rounds(timedelta(hours=2), but=("onprem",))

    assert {"onprem"} == {alarm.attributes["cluster"] for alarm in stage.open_alarms}
