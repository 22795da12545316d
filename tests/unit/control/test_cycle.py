"""The cycle does each step at its time, under a lease, and no failure of one stops the others."""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from types import ModuleType

import pytest

from aiops_provider.control.cycle import LEASE_NAME, Cycle, Step, run_cycle
from aiops_provider.control.installation import Installation
from aiops_provider.control.replan import request_plan, take_request
from aiops_provider.domain.alarm import Response, ResponseAction
from aiops_provider.domain.cluster import ClusterHealth, HealthState
from aiops_provider.domain.profile import (
    ComputeType,
    Quantity,
    ResourceRequest,
    Source,
    WorkloadProfile,
)
from aiops_provider.domain.task import TaskKey
from aiops_provider.settings.schema import Settings

NOW = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)


class Engines:
    """Stand-ins for the engines that note when they were asked and raise on demand."""

    def __init__(self) -> None:
        self.calls: list[tuple[str, str]] = []
        self.failing: set[str] = set()
        self.called = threading.Event()

    def note(self, name: str, detail: str = "") -> None:
        self.calls.append((name, detail))
        self.called.set()
        if name in self.failing:
            raise ValueError(f"{name} is broken")

    def names(self) -> list[str]:
        """What was asked since the last call of this."""
        names = [name for name, _ in self.calls]
        self.calls.clear()
        return names


@pytest.fixture
def engines(monkeypatch) -> Engines:
    made = Engines()

    learn, plan, watch = (ModuleType(name) for name in ("learn", "replan", "watch"))
    learn.refresh = lambda installation, now: made.note("learn")
    plan.replan = lambda installation, now, reason: made.note("plan", reason)
    plan.take_request = take_request
    watch.WatchState = dict
    watch.watch_once = lambda installation, state, now: made.note("watch")
    for module in (learn, plan, watch):
        name = f"aiops_provider.control.{module.__name__}"
        monkeypatch.setitem(__import__("sys").modules, name, module)
    return made


@pytest.fixture
def installation(tmp_path) -> Iterator[Installation]:
    settings = {
        "store": f"sqlite:///{tmp_path}/aiops.db",
        "cycle_period_s": 0.05,
        "planning": {"period_s": 600},
        "detection": {"period_s": 60, "history_days": 1},
    }
    opened = Installation.open(Settings.model_validate(settings))
    opened.require_store().upgrade()
    yield opened
    opened.close()


def after(seconds: float) -> datetime:
    return NOW + timedelta(seconds=seconds)


def quarantine(at: datetime) -> Response:
    return Response(
        id="r1", super_alarm="s1", action=ResponseAction.QUARANTINE, reason="bad", clusters=("a",),
        starts_at=at, expires_at=at + timedelta(seconds=30),
    )  # fmt: skip


def profile(name: str) -> WorkloadProfile:
    figure = Quantity(p50=1, p80=1, p95=1, source=Source.PRIOR)
    return WorkloadProfile(
        task=TaskKey("dag", name), compute_type=ComputeType.CPU, cores=figure, memory_gib=figure,
        duration_s=figure, request=ResourceRequest(cores=1, memory_gib=1), predicted_at=NOW,
    )  # fmt: skip


def test_each_step_is_done_at_its_own_time(installation, engines):
    """Learning every round, watching and planning each on its period."""
    cycle = Cycle(installation)
    cycle.run_once(NOW)
    assert engines.names() == ["learn", "plan", "watch"]
    cycle.run_once(after(30))
    assert engines.names() == ["learn"]
    cycle.run_once(after(61))
    assert engines.names() == ["learn", "watch"]
    cycle.run_once(after(601))
    assert engines.names() == ["learn", "plan", "watch"]


def test_new_tasks_are_planned_for_soon_and_together(installation, engines):
    """A DAG's first run does not wait an hour for a plan, nor cause one plan per task."""
    store, cycle = installation.require_store(), Cycle(installation)
    cycle.run_once(NOW)
    for seconds, name in [(2, "a"), (4, "b"), (31, None), (65, None), (70, "c"), (75, None)]:
        if name is not None:
            store.save_profiles([profile(name)])
        cycle.run_once(after(seconds))
    reasons = [detail for name, detail in engines.calls if name == "plan"]
    assert reasons == ["period", "2 new tasks", "1 new tasks"]


def test_quarantine_and_its_end_cause_a_new_plan(installation, engines):
    """A change of what can be used is planned for at once, with the reason."""
    cycle = Cycle(installation)
    cycle.run_once(NOW)
    installation.require_store().save_response(quarantine(after(1)))
    for seconds in (5, 10, 40):
        cycle.run_once(after(seconds))
    reasons = [detail for name, detail in engines.calls if name == "plan"]
    assert reasons == ["period", "clusters changed: lost a", "clusters changed: back a"]


def test_a_failed_check_and_its_mend_cause_a_new_plan(installation, engines):
    """As a quarantine does: the cluster answers, but gets no tasks."""
    cycle, store = Cycle(installation), installation.require_store()
    failed = {"checked_at": "2026-03-02 11:00 UTC", "run_id": "r", "problem": "no bundle"}
    for seconds, found in [(0, None), (5, failed), (10, failed), (15, None)]:
        store.set_check("cluster_check/a", found)
        cycle.run_once(after(seconds))
    reasons = [detail for name, detail in engines.calls if name == "plan"]
    assert reasons == ["period", "clusters changed: lost a", "clusters changed: back a"]


def test_a_request_causes_one_plan(installation, engines):
    """Whoever asks is named, and what was answered is not answered again."""
    cycle, store = Cycle(installation), installation.require_store()
    cycle.run_once(NOW)
    request_plan(store, after(1), reason="prices changed", by="ops")
    request_plan(store, after(2), reason="nightly", by="airflow")
    cycle.run_once(after(3))
    cycle.run_once(after(4))
    plans = [detail for name, detail in engines.calls if name == "plan"]
    assert ["period", "asked for by airflow: nightly"] == plans


def test_lost_cluster_causes_a_new_plan(installation, engines):
    """An unreachable cluster counts like a quarantined one."""
    cycle = Cycle(installation)
    cycle.run_once(NOW)
    lost = ClusterHealth(cluster="b", state=HealthState.UNREACHABLE, observed_at=NOW)
    installation.require_store().record_health([lost])
    cycle.run_once(after(5))
    assert engines.calls[-2:] == [("learn", ""), ("plan", "clusters changed: lost b")]


@pytest.mark.parametrize("broken", ["learn", "plan", "watch"])
def test_broken_engine_costs_its_own_step_only(installation, engines, broken, caplog):
    """The other steps go on; the traceback is told once, the recovery too."""
    engines.failing = {broken}
    cycle = Cycle(installation)
    cycle.run_once(NOW)
    cycle.run_once(after(601))
    assert engines.names() == ["learn", "plan", "watch"] * 2
    told = [record for record in caplog.records if record.levelno == logging.ERROR]
    assert [record.exc_info is not None for record in told] == [True]
    engines.failing = set()
    cycle.run_once(after(1300))
    assert f"Step {broken} works again" in caplog.text


def test_what_is_interrupted_is_not_finished(installation, engines):
    """When the lease is lost in the middle, the remaining steps are not done."""
    Cycle(installation).run_once(NOW, lambda: not engines.calls)
    assert engines.names() == ["learn"]


def test_old_rows_are_removed_once_a_day(installation, engines, monkeypatch):
    """What lies before the history that is kept is removed."""
    asked: list[datetime] = []
    store = type(installation.require_store())
    monkeypatch.setattr(store, "purge", lambda _self, *, before: asked.append(before) or {"a": 1})
    cycle = Cycle(installation)
    for seconds in (0, 3600, 86_401):
        cycle.run_once(after(seconds))
    assert asked == [NOW - timedelta(days=1), after(86_401) - timedelta(days=1)]


def test_only_one_of_two_works(installation, engines):
    """Whoever does not hold the lease stands by."""
    store = installation.require_store()
    assert store.acquire_lease(LEASE_NAME, "somebody else", 3600)
    stop = threading.Event()
    thread = threading.Thread(target=run_cycle, args=(installation, stop))
    thread.start()
    assert not engines.called.wait(0.3)
    store.release_lease(LEASE_NAME, "somebody else")
    assert engines.called.wait(30)
    stop.set()
    thread.join(30)
    assert store.acquire_lease(LEASE_NAME, "a third", 1), "the lease is given back at the end"


def test_step_tells_a_new_failure_again(caplog):
    """The same failure is told once, another one again."""
    errors = iter([ValueError("a"), ValueError("a"), ValueError("b")])

    def fail(_now: datetime) -> None:
        raise next(errors)

    step = Step(name="x", run=fail)
    for _ in range(3):
        step.attempt(NOW)
    assert [record.levelno for record in caplog.records] == [logging.ERROR] * 2
