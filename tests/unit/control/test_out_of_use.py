"""Which clusters get no tasks, read from what probes, checks and the detection left in the store."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from aiops_provider.control.installation import Installation
from aiops_provider.control.out_of_use import clusters_out_of_use
from aiops_provider.domain.alarm import Response, ResponseAction
from aiops_provider.domain.cluster import ClusterHealth, HealthState
from aiops_provider.domain.task import TaskKey
from aiops_provider.settings.schema import Settings
from aiops_provider.store import Store

NOW = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)
QUARANTINE = Response(
    id="r1",
    super_alarm="s1",
    action=ResponseAction.QUARANTINE,
    reason="bad data",
    clusters=("a", "b"),
    starts_at=NOW,
    expires_at=NOW + timedelta(hours=1),
)


@pytest.fixture
def store(tmp_path) -> Iterator[Store]:
    opened = Installation.open(Settings.model_validate({"store": f"sqlite:///{tmp_path}/aiops.db"}))
    opened.require_store().upgrade()
    yield opened.require_store()
    opened.close()


def fill(store: Store) -> None:
    store.save_response(QUARANTINE)
    hold = replace(QUARANTINE, id="r2", action=ResponseAction.HOLD_TASK, task=TaskKey("d", "t"))
    store.save_response(replace(hold, clusters=()))
    store.set_check(
        "cluster_check/b", {"checked_at": "noon", "run_id": "r", "problem": "no bundle"}
    )
    store.set_check("cluster_check/d", {"checked_at": "noon", "run_id": "r", "problem": ""})
    for name, state in [("c", HealthState.UNREACHABLE), ("d", HealthState.HEALTHY)]:
        store.record_health([ClusterHealth(cluster=name, state=state, observed_at=NOW)])


def test_each_cluster_has_its_hardest_reason(store):
    """A fact is told rather than a suspicion; a check that went well is no reason."""
    fill(store)
    assert {
        "a": "quarantined for s1: bad data",
        "b": "its check of noon failed: no bundle",
        "c": "it does not answer",
    } == clusters_out_of_use(store, NOW).reasons


def test_a_quarantine_ends(store):
    """Facts do not end by themselves."""
    fill(store)
    later = clusters_out_of_use(store, NOW + timedelta(hours=2))
    assert ({"b"}, {"c"}, {}) == (set(later.unfit), set(later.unreachable), later.quarantined)
