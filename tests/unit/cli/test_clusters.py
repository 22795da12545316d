"""``aiops clusters``, ``aiops costs`` and ``aiops route --run`` over one store."""

from __future__ import annotations

from contextlib import closing
from datetime import timedelta

import pytest

from aiops_provider.domain.cluster import ClusterHealth, HealthState
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
from aiops_provider.domain.units import utc_now
from aiops_provider.store import Store

CONFIG = """\
store: sqlite:///{folder}/aiops.db
teams: {{science: {{clusters: [cheap, dear], dags: [medical]}}}}
clusters:
  - {{name: cheap, kind: local, capacity: {{cores: 4, memory_gib: 16}}, price_usd_per_hour: 0.4}}
  - {{name: dear, kind: local, provider: aws, region: r, capacity: {{cores: 4, memory_gib: 16}}, price_usd_per_hour: 4.0}}
"""
TRAIN, SCORE, BILL = TaskKey("medical", "train"), TaskKey("medical", "score"), TaskKey("shop", "b")
NOW = utc_now().replace(microsecond=0)


@pytest.fixture
def store(aiops, tmp_path):
    (tmp_path / "aiops.yaml").write_text(CONFIG.format(folder=tmp_path))
    with closing(Store.open(f"sqlite:///{tmp_path}/aiops.db")) as opened:
        opened.upgrade()
        yield opened


def placed(task, cluster, *, try_number=1, run_id="r1", applied=True, team=None, **more):
    route = Route(
        task=task,
        cluster=cluster,
        pool="default",
        request=ResourceRequest(cores=2, memory_gib=4),
        reason=RouteReason(code=RouteCode.CHEAPEST, sentence=f"{cluster} is cheap"),
        team=team,
    )
    return Placement(
        run=TaskRun(task, run_id, -1, try_number),
        epoch=1,
        route=route,
        mode=Mode.ENFORCE if applied else Mode.OBSERVE,
        applied=applied,
        cluster=cluster,
        placed_at=NOW - timedelta(hours=2, minutes=-try_number),
        **more,
    )


def ran(task, cluster, *, try_number=1, run_id="r1", outcome=Outcome.SUCCESS, hours=1.0, **more):
    return ExecutionRecord(
        run=TaskRun(task, run_id, -1, try_number),
        cluster=cluster,
        provider="p",
        region="r",
        started_at=NOW - timedelta(hours=hours),
        ended_at=NOW,
        outcome=outcome,
        **more,
    )


@pytest.fixture
def history(store):
    """A lost try and its successor, one that was only observed, and one of nobody's team."""
    store.record_placements(
        [
            placed(TRAIN, "cheap", state=PlacementState.FENCED),
            placed(TRAIN, "dear", try_number=2),
            placed(SCORE, "cheap", applied=False),
            placed(BILL, "dear", run_id="r2", team="finance"),
        ]
    )
    whole = ResourceRequest(cores=4, memory_gib=16)
    store.record_executions(
        [
            ran(TRAIN, "cheap", outcome=Outcome.CLUSTER_LOST, request=None),
            ran(TRAIN, "dear", try_number=2, request=ResourceRequest(cores=4, memory_gib=4)),
            ran(SCORE, "cheap", request=whole, cost_usd=0.4),
            ran(BILL, "dear", run_id="r2", cost_usd=0.5),
            ran(BILL, "gone", run_id="r3"),
        ]
    )
    store.record_health(
        [
            ClusterHealth(
                cluster="cheap",
                state=HealthState.UNREACHABLE,
                observed_at=NOW,
                detail="no worker answers",
            )
        ]
    )


def test_clusters_are_listed_with_what_keeps_tasks_off(aiops, history):
    """Health, and what was lost with them."""
    answer = aiops("clusters", "list", "-o", "json")
    cheap, dear = answer.data
    assert ("cheap", "unreachable", 1) == (
        cheap["spec"]["name"],
        cheap["health"]["state"],
        cheap["fenced"],
    )
    assert (None, 0, "") == (dear["health"], dear["fenced"], dear["quarantine"])
    people = aiops("clusters").out
    assert "no worker answers" in people
    assert "1 x 4 cores 16 GiB at 0.4 USD/h" in people


def test_fenced_tries_are_listed(aiops, store, history):
    """And how long both ran, once the worker of the old one has told."""
    (told,) = aiops("clusters", "fenced", "-o", "json").data
    assert ("cheap", "dear", None) == (told["cluster"], told["rerun_on"], told["overlap_s"])
    late = Usage(peak_memory_gib=1, cpu_seconds=1, duration_s=1)
    store.record_executions([ran(TRAIN, "cheap", usage=late)])
    (told,) = aiops("clusters", "fenced", "-o", "json").data
    assert 3600 == told["overlap_s"]
    assert "3600" in aiops("clusters", "fenced").out
    assert [] == aiops("clusters", "fenced", "--since", "1h", "-o", "json").data


@pytest.mark.parametrize(
    ("by", "costs"),
    [
        # dear: 4 of 4 cores for an hour; cheap: half of it for an hour, twice.
        ("dag", {"medical": 4.0 + 0.2 + 0.2, "shop": 0.5}),
        ("task", {"medical/train": 4.2, "medical/score": 0.2, "shop/b": 0.5}),
        ("team", {"science": 4.4, "finance": 0.5, "(no team)": 0.0}),
        ("run", {"medical r1": 4.4, "shop r2": 0.5, "shop r3": 0.0}),
        ("cluster", {"dear": 4.5, "cheap": 0.4, "gone": 0.0}),
    ],
)
def test_costs_are_split(aiops, history, by, costs):
    """By what each try held; one that was only observed held no whole machine."""
    answer = aiops("costs", "--by", by, "-o", "json")
    assert {row["name"]: pytest.approx(row["cost_usd"]) for row in answer.data["rows"]} == costs
    total = answer.data["total"]
    assert pytest.approx(4.9) == total["cost_usd"]
    assert (5, 1, pytest.approx(0.2)) == (total["tries"], total["unpriced"], total["wasted_usd"])
    assert "1 tries are not in it" in answer.err


def test_costs_of_a_time(aiops, history):
    """What ended before is not in it, and a time that is none is refused."""
    later = f"{NOW + timedelta(minutes=1):%Y-%m-%dT%H:%M:%S}"
    assert [] == aiops("costs", "--since", later, "-o", "json").data["rows"]
    assert "total" in aiops("costs", "--since", "2w").out
    refused = aiops("costs", "--since", "yesterday")
    assert (2, True) == (refused.status, "neither an age such as 7d" in refused.err)


def test_every_try_of_a_run_is_told_with_its_reason(aiops, history):
    """In order; how it ended is told of the cluster where it ended."""
    tries = aiops("route", "--run", "r1", "-o", "json").data
    assert [
        ("score", 1, "cheap", "success"),
        ("train", 1, "cheap", "cluster_lost"),
        ("train", 2, "dear", "success"),
    ] == [
        (
            each["placement"]["run"]["task"]["name"],
            each["placement"]["run"]["try_number"],
            each["placement"]["cluster"],
            each["outcome"],
        )
        for each in tries
    ]
    people = aiops("route", "--run", "r1", "medical/train").out
    assert "fenced" in people
    assert "dear is cheap" in people
    assert "score" not in people


def test_a_run_that_is_not_known_is_told(aiops, history):
    """With the name that was looked for."""
    refused = aiops("route", "--run", "r9")
    assert (2, True) == (refused.status, "'r9'" in refused.err)
    assert 2 == aiops("route", "--run", "r2", "medical").status
    assert 2 == aiops("route", "--run", "r1", "--dag", "f.py").status
