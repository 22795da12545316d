"""The clusters of one executor, of every kind, also those that cannot be had."""

import time

import pytest

from aiops_provider.airflow.fleet import Fleet
from aiops_provider.airflow.inner.local import LocalCluster
from aiops_provider.airflow.inner.runner import ClusterRunner
from aiops_provider.domain.cluster import HealthState
from aiops_provider.errors import ClusterUnreachableError
from aiops_provider.settings.schema import Settings

CLUSTERS = [
    {"name": "here", "kind": "local", "capacity": {"cores": 1, "memory_gib": 1}},
    {"name": "group", "kind": "celery", "capacity": {"cores": 8, "memory_gib": 8}},
    {"name": "far", "kind": "no_such_kind", "capacity": {"cores": 8, "memory_gib": 8}},
]


@pytest.fixture
def fleet(tmp_path):
    settings = Settings.model_validate({"clusters": CLUSTERS})
    return Fleet.of(
        settings.cluster_specs,
        routing=settings.routing,
        scratch=tmp_path,
        prepare=lambda inner: None,
    )


def test_each_kind_is_driven_by_what_it_needs(fleet):
    """Nothing is started, and nothing imported that is not needed, when they are made."""
    pytest.importorskip("celery", reason="the extra celery is not installed")
    assert isinstance(fleet["here"], LocalCluster)
    assert isinstance(fleet["group"], ClusterRunner)
    assert ["here", "group", "far"] == list(fleet)
    assert not fleet.busy


def test_a_cluster_that_cannot_be_had_is_unreachable_and_says_why(fleet):
    """The scheduler starts, and the other clusters work."""
    far = fleet["far"]
    assert HealthState.UNREACHABLE is far.probe().state
    assert "Airflow cannot send tasks to clusters of this kind" in far.probe().detail
    with pytest.raises(ClusterUnreachableError, match="cannot send tasks"):
        far.submit(None, None, {})
    assert not far.accepting
    assert ((), ()) == (far.poll(), far.withdraw())


def test_all_clusters_are_let_go_of_at_once():
    """One that hangs does not delay the others, and one that fails does not keep them."""

    class Slow:
        outlives_scheduler = True
        queues_ahead = False
        room = None
        busy = False

        def __init__(self, spec):
            self.spec, self.stopped = spec, False

        def stop(self, grace_s):
            time.sleep(grace_s)
            self.stopped = True

    specs = Settings.model_validate({"clusters": CLUSTERS}).cluster_specs
    slow = [Slow(spec) for spec in specs]
    began = time.monotonic()
    Fleet(slow).stop(0.5)
    assert all(each.stopped for each in slow)
    assert 1.4 > time.monotonic() - began
