"""Metrics of clusters are collected beside everything else, and a source that fails costs only itself."""

from __future__ import annotations

import logging
import threading
from datetime import UTC, datetime, timedelta

import pytest

from aiops_provider.clusters.metrics.source import Reading, Readings
from aiops_provider.control.cluster_metrics import SOURCE_FAILED, ClusterMetrics, WatchedSource
from aiops_provider.control.cycle import Cycle
from aiops_provider.control.installation import Installation
from aiops_provider.domain.cluster import Capacity, ClusterSpec, Pool
from aiops_provider.errors import MetricsError, StoreUnreachableError
from aiops_provider.settings.schema import Settings

NOW = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)


class Source:
    """Answers as it is told."""

    def __init__(self) -> None:
        self.answers: list = []
        self.asked = 0
        self.go_on = threading.Event()
        self.go_on.set()
        self.ended = threading.Semaphore(0)

    def read(self, now):
        self.asked += 1
        self.go_on.wait(30)
        answer = self.answers.pop(0) if self.answers else Readings()
        self.ended.release()
        if isinstance(answer, Exception):
            raise answer
        return answer


class Bench:
    """A collector of one source with a clock of its own."""

    def __init__(self) -> None:
        pool = Pool(
            name="p",
            machine=Capacity(cores=1, memory_gib=1),
            max_instances=1,
            price_usd_per_hour=None,
        )
        spec = ClusterSpec(name="eks", kind="kubernetes", provider="aws", region="r", pools=(pool,))
        self.source, self.clock_s = Source(), 0.0
        self.watched = WatchedSource(
            spec=spec, name="prometheus", source=self.source, period_s=60.0, limit_s=20.0
        )
        self.collector = ClusterMetrics([self.watched], clock=lambda: self.clock_s)

    def look(self, after_s=0.0):
        """Let time pass, begin what is due, wait for it, and collect it."""
        self.clock_s += after_s
        early = self.collector.step(NOW + timedelta(seconds=self.clock_s))
        if self.watched.begun_at is not None and self.source.go_on.is_set():
            assert self.source.ended.acquire(timeout=30)
            while not (found := self.collector.step(NOW + timedelta(seconds=self.clock_s))):
                pass
            return [*early, *found]
        return early


@pytest.fixture
def bench():
    made = Bench()
    yield made
    made.source.go_on.set()


def values(samples):
    return {one.name: one.value for one in samples}


def reading(value, name="nodes_not_ready", fault_when="high", at=NOW):
    return Reading(name=name, observed_at=at, value=value, fault_when=fault_when)


def test_a_reading_becomes_a_sample_of_its_cluster(bench):
    """With a key of its own, so that what is read twice counts once."""
    bench.source.answers = [Readings(found=[reading(2.0), reading(5.0, "pods", None)])]
    fault, load, state = bench.look()

    assert {"cluster": "eks", "kind": "kubernetes", "fault_when": "high"} == fault.dimensions
    assert {"cluster": "eks", "provider": "aws", "region": "r"} == fault.context
    assert (
        "metrics/eks/prometheus/nodes_not_ready/2026-03-02T12:00:00+00:00" == fault.idempotency_key
    )
    assert ("eks", None) == (load.series.cluster, load.dimensions.get("fault_when"))
    assert (SOURCE_FAILED, 0.0, "prometheus") == (
        state.name,
        state.value,
        state.dimensions["source"],
    )


def test_nothing_is_asked_before_its_time(bench):
    """Once a period."""
    bench.look()
    assert [] == bench.look(after_s=59.0)
    bench.look(after_s=2.0)
    assert 2 == bench.source.asked


def test_a_silent_source_is_told_once_and_asked_less_and_less(bench, caplog):
    """Twice the pause with each failure, ten minutes at most; its return is told too."""
    caplog.set_level(logging.WARNING)
    bench.source.answers = [MetricsError("http://p does not answer")] * 6
    assert {SOURCE_FAILED: 1.0} == values(bench.look())
    pauses = []
    for _ in range(5):
        waited = 0.0
        while not bench.look(after_s=10.0):
            waited += 10.0
        pauses.append(waited + 10.0)
    assert [120.0, 240.0, 480.0, 600.0, 600.0] == pauses
    told = [one.message for one in caplog.records]
    assert ["There are no metrics from prometheus of cluster eks: http://p does not answer"] == told
    assert {SOURCE_FAILED: 0.0} == values(bench.look(after_s=600.0))
    assert "come again" in caplog.records[-1].message


def test_a_source_that_hangs_holds_up_nobody(bench, caplog):
    """It counts as failed, no second look is begun, and what it says at last is taken."""
    bench.source.go_on.clear()
    assert [] == bench.look()
    assert [] == bench.look(after_s=19.0)
    assert {SOURCE_FAILED: 1.0} == values(bench.look(after_s=2.0))
    assert "has not answered for 21 s" in caplog.text
    assert {SOURCE_FAILED: 1.0} == values(bench.look(after_s=1000.0))
    assert 1 == bench.source.asked
    bench.source.answers = [Readings(found=[reading(1.0)])]
    bench.source.go_on.set()
    assert bench.source.ended.acquire(timeout=30)
    found = []
    while not found:
        found = bench.collector.step(NOW)
    assert {"nodes_not_ready": 1.0, SOURCE_FAILED: 0.0} == values(found)


def test_a_foreign_error_shows_its_kind_only(bench, caplog):
    """Its text may hold an address with a password in it."""
    bench.source.answers = [RuntimeError("https://user:s3cret@host")]
    bench.look()
    assert "RuntimeError was raised" in caplog.text
    assert "s3cret" not in caplog.text


def test_a_missing_metric_is_told_once(bench, caplog):
    """And again when it went missing anew."""
    gone, there = Readings(missing={"pods": "no rights"}), Readings()
    bench.source.answers = [gone, gone, there, gone]
    for _ in range(4):
        bench.look(after_s=61.0)
    assert 2 == sum("pods from prometheus" in one.message for one in caplog.records)


@pytest.fixture
def installation(tmp_path):
    settings = {
        "store": f"sqlite:///{tmp_path}/aiops.db",
        "clusters": [
            {
                "name": "c", "kind": "local", "capacity": {"cores": 1, "memory_gib": 1},
                "metrics": {"prometheus": {"url": "http://127.0.0.1:9", "queries": {"a": "up"}}},
            }
        ],
    }  # fmt: skip
    opened = Installation.open(Settings.model_validate(settings))
    opened.require_store().upgrade()
    yield opened
    opened.close()


def test_samples_outlive_a_store_that_does_not_answer(installation, monkeypatch):
    """They are kept and written by the next step."""
    cycle = Cycle(installation)
    step = next(one for one in cycle.steps if one.name == "metrics")
    cycle._collect_metrics(NOW)
    arrived = Bench()
    arrived.source.answers = [Readings(found=[reading(2.0)])]
    monkeypatch.setattr(cycle._cluster_metrics, "step", lambda now: arrived.look())
    store = installation.require_store()

    def refuse(self, samples):
        raise StoreUnreachableError

    with monkeypatch.context() as broken:
        broken.setattr(type(store), "add_samples", refuse)
        step.attempt(NOW)
    monkeypatch.setattr(cycle._cluster_metrics, "step", lambda now: [])
    step.attempt(NOW)

    found = store.newest_samples("nodes_not_ready", labels={"cluster": "eks"}, since=NOW)
    assert [2.0] == [one.value for one in found]
    assert [] == list(cycle._unsaved)
