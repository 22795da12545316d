"""What the end of a try tells by itself, on a real store."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from aiops_provider.control.installation import Installation
from aiops_provider.control.learn import learn
from aiops_provider.domain.cluster import Capacity, ClusterSpec, Pool
from aiops_provider.domain.execution import ExecutionRecord, Outcome, Usage
from aiops_provider.domain.plan import Mode, Placement, Route, RouteCode, RouteReason
from aiops_provider.domain.profile import ResourceRequest
from aiops_provider.domain.task import TaskKey, TaskRun
from aiops_provider.settings.schema import Settings
from aiops_provider.store import Store

NOW = datetime(2026, 1, 5, 12, tzinfo=UTC)
TASK = TaskKey("medical", "train")
BEGAN = NOW - timedelta(hours=1)
HALF = ResourceRequest(cores=2, memory_gib=4)


@pytest.fixture
def installation(tmp_path):
    """A cluster with machines of 4 cores at 0.8 USD an hour."""
    pool = Pool(
        name="m7i",
        machine=Capacity(cores=4, memory_gib=16),
        max_instances=4,
        price_usd_per_hour=0.8,
    )
    eks = ClusterSpec(name="eks", kind="local", provider="aws", region="r", pools=(pool,))
    store = Store.open(f"sqlite:///{tmp_path / 'aiops.db'}")
    store.upgrade()
    yield Installation(settings=Settings(), store=store, clusters=(eks,))
    store.close()


def record(try_number=1, outcome=Outcome.SUCCESS, **others) -> ExecutionRecord:
    fields = {
        "run": TaskRun(TASK, "r1", -1, try_number),
        "cluster": "eks",
        "provider": "aws",
        "region": "r",
        "pool": "m7i",
        "started_at": BEGAN,
        "ended_at": BEGAN + timedelta(minutes=30),
        "outcome": outcome,
        "usage": Usage(peak_memory_gib=1, cpu_seconds=20, duration_s=1800),
    }
    return ExecutionRecord(**(fields | others))


def placed(*, waited_s: float) -> Placement:
    route = Route(
        task=TASK,
        cluster="eks",
        pool="m7i",
        request=HALF,
        reason=RouteReason(code=RouteCode.CHEAPEST, sentence="it is cheap"),
    )
    return Placement(
        run=TaskRun(TASK, "r1"),
        epoch=1,
        route=route,
        mode=Mode.ENFORCE,
        applied=True,
        cluster="eks",
        placed_at=BEGAN - timedelta(seconds=waited_s),
    )


def told(installation) -> dict:
    samples, _ = installation.store.samples_after(0, 1000)
    assert len({(s.name, s.context["try_number"]) for s in samples}) == len(samples)
    return {sample.name: sample for sample in samples}


def test_a_record_tells_how_long_it_waited_and_what_it_cost(installation):
    """Half a machine of 0.8 USD for half an hour, after a minute and a half of waiting."""
    queued_at = BEGAN - timedelta(seconds=90)
    learn(installation, [record(queued_at=queued_at, request=HALF)], NOW)
    found = told(installation)
    assert (90.0, pytest.approx(0.2)) == (found["queue_s"].value, found["cost_usd"].value)
    assert "eks" == found["queue_s"].context["cluster"]


def test_what_a_worker_does_not_know_is_known_of_its_placement(installation):
    """A worker of a remote cluster tells neither its request nor when its task was placed."""
    installation.store.record_placements([placed(waited_s=45)])
    learn(installation, [record()], NOW)
    found = told(installation)
    assert (45.0, pytest.approx(0.2)) == (found["queue_s"].value, found["cost_usd"].value)


def test_the_later_report_adds_what_the_first_one_lacked(installation):
    """Worker and host tell of one try: each figure is one sample, whoever learned it, and how often."""
    host = record(queued_at=BEGAN - timedelta(seconds=90), request=HALF, usage=None)
    learn(installation, [record()], NOW)
    assert not {"queue_s", "cost_usd"} & told(installation).keys()
    for _ in range(2):
        learn(installation, [host], NOW)
        learn(installation, [record(), host], NOW)
    assert 90.0 == told(installation)["queue_s"].value
    assert 6 == len(told(installation))


def test_clocks_that_differ_make_no_negative_wait(installation):
    """The worker's clock may be behind."""
    learn(installation, [record(queued_at=BEGAN + timedelta(seconds=2))], NOW)
    assert 0.0 == told(installation)["queue_s"].value


@pytest.mark.parametrize(
    ("before", "retries"),
    [
        ([Outcome.FAILED, Outcome.OUT_OF_MEMORY], 2),
        ([Outcome.SUCCESS, Outcome.SUCCESS], 0),  # cleared twice
        ([Outcome.FAILED, Outcome.SUCCESS], 0),
        ([Outcome.SUCCESS, Outcome.FAILED], 1),
        ([Outcome.FAILED, Outcome.KILLED], 0),  # by a person, who began anew
        ([Outcome.CLUSTER_LOST, Outcome.CLUSTER_LOST], 2),
    ],
)
def test_retries_are_tries_that_went_wrong(installation, before, retries):
    """The number of a try also counts those that people cleared after they had ended well."""
    earlier = [record(number, outcome) for number, outcome in enumerate(before, start=1)]
    learn(installation, [*earlier, record(3)], NOW)
    assert retries == told(installation)["retries"].value


def test_retries_blame_no_place(installation):
    """The last try ended well where it was; those that did not were elsewhere."""
    learn(installation, [record(1, Outcome.FAILED, cluster="onprem"), record(2)], NOW)
    samples, _ = installation.store.samples_after(0, 1000)
    (retries,) = [one for one in samples if one.name == "retries"]
    assert {"run_id": "r1", "try_number": "2"} == retries.context


def test_a_cluster_without_a_price_tells_no_cost(installation):
    """Not known is not free."""
    learn(installation, [record(cluster="elsewhere", request=HALF)], NOW)
    assert "cost_usd" not in told(installation)


def test_many_ends_ask_the_store_no_more_often_than_one(installation, monkeypatch):
    """Placements and earlier tries are read for all records together."""
    asked = []
    for name in ("latest_placements", "executions_of", "add_samples"):
        original = getattr(Store, name)

        def counted(self, *args, _name=name, _original=original):
            asked.append(_name)
            return _original(self, *args)

        monkeypatch.setattr(Store, name, counted)
    records = [
        record(run=TaskRun(TASK, f"r{number}", -1, number % 3 + 1), request=HALF)
        for number in range(300)
    ]
    learn(installation, records, NOW)
    assert ["latest_placements", "executions_of", "add_samples"] == asked
