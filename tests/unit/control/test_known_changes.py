"""What was changed is read from where it was noted."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from aiops_provider.control.installation import Installation
from aiops_provider.control.known_changes import ChangeReader
from aiops_provider.domain.alarm import Response, ResponseAction
from aiops_provider.domain.execution import ExecutionRecord, Outcome
from aiops_provider.domain.kpi import KpiSample
from aiops_provider.domain.plan import (
    Assignment,
    Objective,
    PlacementPlan,
    PlanStatus,
    WorkloadGroup,
)
from aiops_provider.domain.profile import ResourceRequest
from aiops_provider.domain.task import TaskKey, TaskRun
from aiops_provider.domain.units import utc_now
from aiops_provider.settings.schema import Settings
from aiops_provider.store import Store

NOW = datetime(2026, 11, 24, 14, tzinfo=UTC)
LOAD = TaskKey("sales", "load")


@pytest.fixture
def store(tmp_path):
    made = Store.open(f"sqlite:///{tmp_path / 'aiops.db'}")
    made.upgrade()
    yield made
    made.close()


@pytest.fixture
def installation(store, tmp_path):
    settings = Settings.model_validate({"catalog": {"folder": str(tmp_path / "catalog")}})
    return Installation(settings=settings, store=store, clusters=())


def ran(minutes, code, *, image=None):
    at = NOW - timedelta(minutes=minutes)
    return ExecutionRecord(
        run=TaskRun(LOAD, f"run {minutes}"),
        cluster="a",
        provider="aws",
        region="eu-west-1",
        started_at=at,
        ended_at=at + timedelta(seconds=30),
        outcome=Outcome.SUCCESS,
        code_hash=code,
        image=image,
    )


def words(changes):
    return [one.words for one in changes]


def test_the_first_run_of_new_code_is_a_deployment(store, installation):
    """At the moment it began; a second run of the same code is none."""
    store.record_executions([ran(50, "aaaa"), ran(20, "c0ffee"), ran(10, "c0ffee")])
    (one,) = ChangeReader().read(installation, NOW)
    assert "task sales/load ran new code c0ffee for the first time" == one.words
    assert {"dag": "sales", "task": "load", "code_hash": "c0ffee"} == one.attributes
    assert NOW - timedelta(minutes=20) == one.at


def test_a_task_that_never_ran_before_or_returns_to_old_code_was_not_deployed(store, installation):
    """A new task has no code before; a code that ran earlier is known."""
    store.record_executions([ran(500, "old"), ran(400, "newer"), ran(20, "old")])
    assert [] == ChangeReader().read(installation, NOW)


def test_code_is_found_out_of_runs_that_end_later(store, installation):
    """By the reader that has looked before, and once only."""
    reader = ChangeReader()
    store.record_executions([ran(90, "aaaa", image="etl:1")])
    assert [] == reader.read(installation, NOW)
    store.record_executions([ran(5, "aaaa", image="etl:2")])
    assert ["task sales/load ran in the new image etl:2 for the first time"] == words(
        reader.read(installation, NOW)
    )
    assert [] == reader.read(installation, NOW)


def test_quarantines_and_their_ends_are_changes(store, installation):
    """The beginning may concern whoever got the work; a dry run moved nothing."""
    response = Response(
        id="r",
        super_alarm="s",
        action=ResponseAction.QUARANTINE,
        clusters=("a",),
        reason="",
        starts_at=NOW - timedelta(minutes=50),
        expires_at=NOW - timedelta(minutes=10),
    )
    store.save_response(response)
    store.save_response(replace(response, id="dry", dry_run=True, clusters=("b",)))
    told = {one.words: dict(one.attributes) for one in ChangeReader().read(installation, NOW)}
    expected = {"a was quarantined, work moved": {}, "the quarantine of a ended": {"cluster": "a"}}
    assert expected == told


def test_machines_that_were_taken_back_are_a_change_of_their_cluster(store, installation):
    """Looks that saw none are not."""
    store.add_samples(
        KpiSample(
            name="spot_interruptions",
            observed_at=NOW - timedelta(minutes=n),
            value=value,
            dimensions={"cluster": "a"},
        )
        for n, value in ((3, 2.0), (2, 0.0))
    )
    (one,) = ChangeReader().read(installation, NOW)
    assert ("2 spot machines of a taken back", {"cluster": "a"}) == (one.words, one.attributes)


def test_other_settings_rules_and_prices_are_noted_once_they_hold(store, installation, tmp_path):
    """By their content: the same in another process is no change."""
    assert [] == ChangeReader().read(installation, NOW)
    assert [] == ChangeReader().read(installation, NOW)
    rules = tmp_path / "rules.yaml"
    rules.write_text("version: 1\nrules: []\n")
    detection = installation.settings.detection.model_copy(update={"rules_file": str(rules)})
    settings = installation.settings.model_copy(update={"detection": detection})
    other = Installation(settings=settings, store=store, clusters=())
    assert ["another configuration of detection, rules"] == words(ChangeReader().read(other, NOW))
    later = NOW + timedelta(minutes=10)
    folder = installation.settings.catalog.refreshed
    folder.mkdir(parents=True)
    (folder / "prices.csv").write_text("new")
    found = ChangeReader().read(other, later)
    assert [("config", NOW), ("price", later)] == [(one.kind, one.at) for one in found]
    assert [] == ChangeReader().read(other, later + timedelta(hours=3))


def plan(cluster):
    group = WorkloadGroup(
        name="g",
        tasks=(LOAD,),
        request=ResourceRequest(cores=1.0, memory_gib=1.0),
        cores_by_slot=(1.0,),
        memory_gib_by_slot=(1.0,),
        accelerators_by_slot=(0.0,),
        peak_of_sum_cores=1.0,
        sum_of_peaks_cores=1.0,
    )
    place = Assignment(group="g", cluster=cluster, pool="p", share=1.0, cost_usd_per_hour=1.0)
    return PlacementPlan(
        groups=(group,),
        assignments=(place,),
        objective=Objective(),
        objective_value=1.0,
        bound=1.0,
        gap=0.0,
        status=PlanStatus.OPTIMAL,
        cost_usd_per_hour=1.0,
        sla_attainment=1.0,
        created_at=NOW,
    )


def test_a_plan_in_force_tells_what_it_moved(store, installation):
    """The task that moved, and the cluster that got it."""
    for cluster in ("a", "b"):
        store.save_plan(plan(cluster), activate=True)
    found = ChangeReader().read(installation, utc_now() + timedelta(seconds=1))
    told = {one.words: dict(one.attributes) for one in found if one.kind == "plan"}
    assert told == {
        "plan 1 came into force": {},
        "plan 2 came into force": {},
        "plan 2 sent task sales/load to b": {"dag": "sales", "task": "load"},
        "plan 2 sent 1 task more to b": {"cluster": "b"},
    }
