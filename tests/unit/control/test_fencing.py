"""Fenced tries, and what their own workers told of how long they lived."""

from datetime import UTC, datetime, timedelta

import pytest

from aiops_provider.control.fencing import fenced_tries, overlaps
from aiops_provider.domain.execution import ExecutionRecord, Outcome, Usage
from aiops_provider.domain.plan import (
    Mode,
    Placement,
    PlacementState,
    Route,
    RouteCode,
    RouteReason,
)
from aiops_provider.domain.profile import ResourceRequest
from aiops_provider.domain.task import TaskKey, TaskRun
from aiops_provider.store import Store

NOW = datetime(2026, 3, 2, 12, tzinfo=UTC)
TASK = TaskKey("medical", "score")


@pytest.fixture
def store(sqlite_template, tmp_path):
    file = tmp_path / "aiops.db"
    file.write_bytes(sqlite_template.read_bytes())
    store = Store.open(f"sqlite:///{file}")
    yield store
    store.close()


def placed(try_number: int, cluster: str, at_s: float, state=PlacementState.SUBMITTED) -> Placement:
    route = Route(
        task=TASK,
        cluster=cluster,
        pool="default",
        request=ResourceRequest(cores=1, memory_gib=1),
        reason=RouteReason(code=RouteCode.CHEAPEST, sentence="it is cheap"),
    )
    return Placement(
        run=TaskRun(TASK, "r1", -1, try_number),
        epoch=1,
        route=route,
        mode=Mode.ENFORCE,
        applied=True,
        cluster=cluster,
        placed_at=NOW + timedelta(seconds=at_s),
        state=state,
    )


def ran(try_number: int, cluster: str, start_s: float, end_s: float, *, measured=True, lost=False):
    return ExecutionRecord(
        run=TaskRun(TASK, "r1", -1, try_number),
        cluster=cluster,
        provider="p",
        region="r",
        started_at=NOW + timedelta(seconds=start_s),
        ended_at=NOW + timedelta(seconds=end_s),
        outcome=Outcome.CLUSTER_LOST if lost else Outcome.SUCCESS,
        usage=Usage(peak_memory_gib=1, cpu_seconds=1, duration_s=1) if measured else None,
    )


def test_nothing_was_fenced(store):
    """Placements that count are not told."""
    store.record_placements([placed(1, "eks", 0)])
    assert () == fenced_tries(store)


def test_a_try_of_which_nothing_was_heard_again(store):
    """That both ran is not known, and not claimed; where it went on is."""
    store.record_placements([placed(1, "eks", 0, PlacementState.FENCED), placed(2, "aws", 60)])
    store.record_executions([ran(1, "eks", 0, 58, measured=False, lost=True)])
    (told,) = fenced_tries(store)
    assert ("eks", "aws", None, None) == (
        told.cluster,
        told.rerun_on,
        told.lived_until,
        told.overlap_s,
    )
    assert 0 == overlaps([told])


@pytest.mark.parametrize(
    ("old_end_s", "new", "overlap_s"),
    [(90, (62, 100), 28), (120, (62, 100), 38), (50, (62, 100), 0), (90, None, 30)],
)
def test_an_overlap_is_what_both_workers_told(store, old_end_s, new, overlap_s):
    """From the start of the new one to the first end of either."""
    store.record_placements([placed(1, "eks", 0, PlacementState.FENCED), placed(2, "aws", 60)])
    store.record_executions([ran(1, "eks", 0, 58, measured=False, lost=True)])
    store.record_executions([ran(1, "eks", 1, old_end_s)])
    if new is not None:
        store.record_executions([ran(2, "aws", *new)])
    (told,) = fenced_tries(store)
    assert overlap_s == told.overlap_s
    assert bool(overlap_s) == overlaps([told])


def test_a_late_success_of_a_fenced_try_stays_a_lost_one(store):
    """Its worker may say what it likes: the try ended with its cluster."""
    store.record_executions([ran(1, "eks", 0, 58, measured=False, lost=True)])
    store.record_executions([ran(1, "eks", 1, 90)])
    (record,) = store.executions(TASK)
    assert Outcome.CLUSTER_LOST is record.outcome


def test_one_that_has_found_no_place_yet(store):
    """The scheduler has not come to it, or nothing is free."""
    store.record_placements([placed(1, "eks", 0, PlacementState.FENCED)])
    (told,) = fenced_tries(store, since=NOW)
    assert (None, None) == (told.rerun_on, told.rerun_at)
    assert () == fenced_tries(store, since=NOW + timedelta(seconds=1))
