"""Logs of running tasks, from the cluster that the store says has them."""

from types import SimpleNamespace
from uuid import uuid4

import pytest

from aiops_provider.airflow.task_log import TaskLogs
from aiops_provider.airflow.task_request import task_run
from aiops_provider.domain.cluster import Capacity, ClusterSpec, Pool
from aiops_provider.errors import StoreUnreachableError


def spec(name: str, kind: str) -> ClusterSpec:
    pool = Pool(
        name="default",
        machine=Capacity(cores=1, memory_gib=1),
        max_instances=1,
        price_usd_per_hour=None,
    )
    return ClusterSpec(name=name, kind=kind, provider="aws", region="r", pools=(pool,))


class Store:
    """Knows where one try is, and can be gone."""

    def __init__(self, placements):
        self.placements, self.asked, self.gone = placements, 0, False

    def latest_placements(self, runs):
        self.asked += 1
        if self.gone:
            raise StoreUnreachableError("the store does not answer")
        return {run: self.placements[run] for run in runs if run in self.placements}


class Bound:
    """A binding of a kind that keeps logs."""

    made = 0

    def __init__(self, spec):
        type(self).made += 1
        self.spec = spec

    def configure(self):
        pass

    def task_log(self, ti):
        return [f"{self.spec.name} says"], [str(ti.id)]


@pytest.fixture
def ti():
    return SimpleNamespace(
        id=uuid4(), dag_id="medical", task_id="train", run_id="r1", map_index=-1, try_number=2
    )


@pytest.fixture
def bindings(monkeypatch):
    """Kinds by name; whoever asks for another one fails."""
    kinds = {
        "keeps": Bound,
        "older": type("Older", (), {"__init__": lambda *_: None, "configure": lambda _: None}),
    }
    monkeypatch.setattr("aiops_provider.airflow.inner.binding.binding_of", lambda kind: kinds[kind])
    monkeypatch.setattr(Bound, "made", 0)


def logs(store, *clusters) -> TaskLogs:
    return TaskLogs(lambda: SimpleNamespace(store=store, clusters=clusters))


def at(ti, cluster):
    return Store({task_run(ti): SimpleNamespace(cluster=cluster)})


def test_the_cluster_that_has_the_try_is_asked_and_no_other(ti, bindings):
    """Its binding is made once."""
    found = logs(at(ti, "eks"), spec("eks", "keeps"), spec("other", "unknown"))
    assert (["eks says"], [str(ti.id)]) == found.read(ti, 2) == found.read(ti, 2)
    assert 1 == Bound.made


def test_nothing_is_said_where_workers_serve_their_logs(ti, bindings):
    """An answer would keep Airflow from asking them."""
    assert ([], []) == logs(at(ti, "onprem"), spec("onprem", "local")).read(ti, 2)
    assert ([], []) == logs(at(ti, "old"), spec("old", "older")).read(ti, 2)


def test_nothing_is_said_of_a_try_that_is_nowhere(ti, bindings):
    """Not placed, an earlier one, or on a cluster that is gone from aiops.yaml."""
    eks = spec("eks", "keeps")
    assert ([], []) == logs(Store({}), eks).read(ti, 2)
    assert ([], []) == logs(at(ti, "eks"), eks).read(ti, 1)
    assert ([], []) == logs(at(ti, "gone"), eks).read(ti, 2)


def test_without_remote_clusters_the_store_is_not_asked(ti, bindings):
    """A page that is looked at again and again costs nothing more than before."""
    store = at(ti, "onprem")
    assert ([], []) == logs(store, spec("onprem", "local")).read(ti, 2)
    assert 0 == store.asked


def test_a_store_that_is_gone_takes_no_log_away(ti, bindings):
    """Airflow goes on to look elsewhere."""
    store = at(ti, "eks")
    store.gone = True
    assert ([], []) == logs(store, spec("eks", "keeps")).read(ti, 2)
