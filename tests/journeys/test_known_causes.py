"""Journey B on a real store: new code and lineage stand with the super-alarm that they explain."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import numpy as np
import pytest

from aiops_provider.control.installation import Installation
from aiops_provider.control.stored_lineage import store_lineage
from aiops_provider.control.watch import WatchState, watch_once
from aiops_provider.domain.execution import ExecutionRecord, Outcome
from aiops_provider.domain.kpi import KpiSample
from aiops_provider.domain.task import TaskKey, TaskRun
from aiops_provider.settings.schema import Settings
from aiops_provider.store import Store

BEGIN = datetime(2026, 11, 1, tzinfo=UTC)
HOUR = timedelta(hours=1)
TASKS = [("sales", task) for task in ("extract", "load", "report")]
TASKS += [("other", f"t{n}") for n in range(9)]
BREAKS = 212


def samples(hour, noise):
    for place, (dag, task) in enumerate(TASKS):
        for kpi in ("row_count", "null_count", "size"):
            factor = 4.0 if hour >= BREAKS and dag == "sales" else 1.0
            yield KpiSample(
                name=kpi,
                observed_at=BEGIN + hour * HOUR + timedelta(minutes=place),
                value=1000.0 * factor * np.exp(noise.normal(0, 0.05)),
                dimensions={"dag": dag, "task": task},
                context={"run_id": f"{dag} {hour}"},
            )


def ran(hour, dag, task, place, code):
    at = BEGIN + hour * HOUR + timedelta(minutes=place)
    return ExecutionRecord(
        run=TaskRun(TaskKey(dag, task), f"{dag} {hour}"),
        cluster="a",
        provider="aws",
        region="eu-west-1",
        started_at=at - timedelta(seconds=50),
        ended_at=at,
        outcome=Outcome.SUCCESS,
        code_hash=code,
    )


@pytest.fixture
def store(tmp_path):
    made = Store.open(f"sqlite:///{tmp_path / 'aiops.db'}")
    made.upgrade()
    yield made
    made.close()


@pytest.mark.parametrize("restart", [False, True])
def test_new_code_of_the_upstream_task_is_told_through_restarts(store, restart):
    """Of two deployments the one that concerns the cause; the other DAG's is not told."""
    noise = np.random.default_rng(3)
    installation = Installation(settings=Settings(), store=store, clusters=())
    names = ("extract", "load", "report")
    store_lineage(store, "sales", {"extract": ("load",), "load": ("report",)})
    store.add_samples(one for hour in range(BREAKS - 1) for one in samples(hour, noise))
    state = WatchState()
    watch_once(installation, state, BEGIN + (BREAKS - 1) * HOUR)
    for hour in range(BREAKS - 1, BREAKS + 2):
        state = WatchState() if restart else state
        new = "c0ffee" if hour >= BREAKS else "aaaa"
        store.add_samples(samples(hour, noise))
        store.record_executions(
            [
                *(ran(hour, "sales", one, n, new if not n else "b") for n, one in enumerate(names)),
                ran(hour, "other", "t0", 3, new),
            ]
        )
        watch_once(installation, state, BEGIN + hour * HOUR + timedelta(minutes=20))
    (told,) = store.super_alarms(open_only=True)
    assert {"dag": "sales", "task": "extract"} == dict(told.root_cause.best.cause)
    assert (TaskKey("sales", "load"), TaskKey("sales", "report")) == told.root_cause.best.downstream
    assert ["task sales/extract ran new code c0ffee for the first time"] == [
        one.change.words for one in told.changes
    ]
