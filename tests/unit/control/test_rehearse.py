"""What a task is told that is tried out: the decision of production, and nothing of it remembered."""

from __future__ import annotations

import json
from datetime import timedelta

import pytest

from aiops_provider.control.decision import TaskRequest
from aiops_provider.control.installation import Installation
from aiops_provider.control.rehearse import RehearsalStage
from aiops_provider.domain.alarm import Response, ResponseAction
from aiops_provider.domain.task import TaskKey, TaskRun
from aiops_provider.domain.units import utc_now
from aiops_provider.domain.workload import Generic
from aiops_provider.settings.schema import Settings

CLUSTERS = [
    {"name": "onprem", "kind": "local", "capacity": {"cores": 2, "memory_gib": 8}, "price_usd_per_hour": 0.1},
    {"name": "aws", "kind": "local", "provider": "aws", "capacity": {"cores": 8, "memory_gib": 32}, "price_usd_per_hour": 3.0},
]  # fmt: skip
TASK = TaskKey("medical", "train")
URL = "http://127.0.0.1:1/aiops"


def stage_on(tmp_path, **settings) -> RehearsalStage:
    said = {"clusters": CLUSTERS, "mode": "enforce", "store": f"sqlite:///{tmp_path / 'aiops.db'}"}
    installation = Installation.open(Settings.model_validate(said | settings))
    return RehearsalStage(installation, ingest_url=URL)


@pytest.fixture
def stage(tmp_path):
    stage = stage_on(tmp_path)
    stage.installation.require_store().upgrade()
    yield stage
    stage.installation.close()


def request(index: int = 0, **description) -> TaskRequest:
    described = Generic(**description) if description else None
    return TaskRequest(run=TaskRun(TASK, "r", index), description=described)


def test_the_cluster_its_size_and_the_reason_are_told(stage):
    """In one sentence."""
    rehearsal = stage.rehearse(request(cores=2, memory_gib=1))
    assert rehearsal.decision.cluster.name == "onprem"
    told = rehearsal.sentence
    assert told.startswith("medical/train would run on onprem with 2 cores and 1 GiB, for about ")
    assert rehearsal.decision.placement.route.reason.sentence in told


def test_tasks_that_are_tried_out_take_no_room(stage):
    """However many there are: none of them runs there."""
    chosen = [stage.rehearse(request(index, cores=2)).decision.cluster.name for index in range(5)]
    assert {"onprem"} == set(chosen)


def test_nothing_is_remembered(stage):
    """Neither the placement nor what the author said."""
    stage.rehearse(request(cores=2))
    store = stage.installation.require_store()
    assert (store.placements(), store.profiles(), store.executions()) == ([], [], [])


def test_a_quarantine_counts_as_in_production_from_the_next_task_on(stage):
    """The store is looked at for each task."""
    assert stage.rehearse(request()).decision.cluster.name == "onprem"
    now = utc_now()
    stage.installation.require_store().save_response(
        Response(
            id="q",
            super_alarm="s",
            action=ResponseAction.QUARANTINE,
            clusters=("onprem",),
            reason="row counts fall there",
            starts_at=now,
            expires_at=now + timedelta(hours=1),
        )
    )
    assert stage.rehearse(request()).decision.cluster.name == "aws"


def test_kpis_are_reported_as_those_of_a_test_and_of_no_cluster(stage):
    """Where the task would run is not where it runs."""
    environment = stage.rehearse(request(3)).environment
    assert environment["AIOPS_INGEST_URL"] == URL
    assert environment["AIOPS_RUN_KIND"] == "test"
    assert json.loads(environment["AIOPS_TASK"])["map_index"] == 3
    assert not {"AIOPS_CLUSTER", "AIOPS_PROVIDER", "AIOPS_REGION", "AIOPS_POOL"} & set(environment)


def test_a_mode_that_only_observes_is_told(tmp_path):
    """With the route that is not followed; a store without tables leaves the priors."""
    stage = stage_on(tmp_path, mode="observe", fallback_cluster="aws")
    told = stage.rehearse(request(cores=1, memory_gib=1)).sentence
    assert told.startswith(
        "medical/train would run on aws (mode observe); its route is onprem with 1 core and 1 GiB"
    )
    stage.installation.close()


def test_a_layer_that_is_switched_off_says_so(tmp_path):
    """And has nothing reported."""
    stage = stage_on(tmp_path, enabled=False)
    rehearsal = stage.rehearse(request())
    assert rehearsal.sentence == (
        "medical/train would run on onprem because aiops is switched off (enabled: false)"
    )
    assert rehearsal.environment == {}
    stage.installation.close()
