"""Which pool a task that needs an accelerator goes to."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from aiops_provider.catalog.catalog import Catalog
from aiops_provider.control.accelerator_advice import accelerator_history
from aiops_provider.control.decide import Decider, Snapshot, TaskRequest
from aiops_provider.control.installation import Installation
from aiops_provider.domain.cluster import ClusterHealth, HealthState
from aiops_provider.domain.execution import ExecutionRecord, Outcome, Usage
from aiops_provider.domain.plan import RouteCode
from aiops_provider.domain.profile import ResourceRequest
from aiops_provider.domain.task import TaskKey, TaskRun
from aiops_provider.domain.workload import Locality, ModelCandidate, Serving, Training
from aiops_provider.placement.router import RouterSnapshot
from aiops_provider.profiling.book import ProfileBook
from aiops_provider.settings.schema import Settings

NOW = datetime(2026, 3, 2, 12, tzinfo=UTC)
TASK = TaskKey("models", "serve")
# 8.03e9 weights of 2 bytes are 15 GiB: a T4 has 16, of which a context takes one or two.
LLAMA = Serving(
    model=ModelCandidate(name="llama-3-8b"),
    concurrent_requests=4,
    prompt_tokens=500,
    output_tokens=100,
)
TRAINING = Training(
    candidates=(ModelCandidate(family="deep_network", parameters=3e8, batch_size=8),),
    tokens=1e9,
)


def cluster(name: str, price: float, accelerators: dict[str, int]) -> dict:
    machine = {"cores": 32, "memory_gib": 256, "accelerators": accelerators}
    return {
        "name": name,
        "kind": "local",
        "capacity": machine,
        "price_usd_per_hour": price,
    }


def decider(*clusters: dict) -> Decider:
    plain = {"name": "plain", "kind": "local", "capacity": {"cores": 64, "memory_gib": 512}}
    settings = Settings.model_validate({"mode": "enforce", "clusters": [plain, *clusters]})
    return Decider(Installation.without_store(settings), clock=lambda: NOW)


def asked(description, number: int = 1) -> TaskRequest:
    return TaskRequest(run=TaskRun(TASK, "r", -1, number), description=description)


def test_a_cheaper_pool_without_the_memory_is_no_choice():
    """Weights and cache that a T4 cannot hold go to the L4, though a T4 costs a fifth."""
    decision = decider(cluster("small", 0.2, {"T4": 1}), cluster("large", 1.0, {"L4": 1})).decide(
        asked(LLAMA)
    )
    assert not decision.problem
    assert decision.cluster.name == "large"
    assert decision.grant.accelerator_memory_gib > 16


def test_several_small_ones_hold_what_one_cannot():
    """Where a machine has four T4, as many are asked for as hold it."""
    decision = decider(cluster("small", 1.0, {"T4": 4})).decide(asked(LLAMA))
    assert not decision.problem
    assert (decision.cluster.name, decision.grant.accelerators) == ("small", 2)


def test_where_no_pool_has_the_memory_the_task_runs_as_without_us_and_says_why():
    """The reason names what is needed."""
    decision = decider(cluster("small", 1.0, {"T4": 1})).decide(asked(LLAMA))
    assert decision.placement.route.reason.code is RouteCode.FALLBACK
    assert "accelerators" in decision.problem


def test_the_lowest_price_per_unit_of_work_wins():
    """An H100 at three times the price of an A10G does a training for less: it is 14 times as fast."""
    two = cluster("slow", 1.0, {"A10G": 1}), cluster("fast", 3.0, {"H100": 1})
    assert decider(*two).decide(asked(TRAINING)).cluster.name == "fast"
    dear = cluster("slow", 1.0, {"A10G": 1}), cluster("fast", 30.0, {"H100": 1})
    assert decider(*dear).decide(asked(TRAINING)).cluster.name == "slow"


@pytest.mark.parametrize("why", ["quarantined", "unfit"])
def test_an_accelerator_of_a_cluster_that_is_avoided_is_no_choice(why):
    """Its task is made for what is offered elsewhere."""
    decided = decider(cluster("small", 9.0, {"T4": 4}), cluster("large", 1.0, {"L4": 1}))
    router = replace(decided.snapshot.router, **{why: {"large": "something is wrong there"}})
    decided.swap(Snapshot(router=router, book=ProfileBook(())))
    decision = decided.decide(asked(LLAMA))
    assert (decision.cluster.name, decision.grant.accelerators) == ("small", 2)


def test_an_accelerator_of_a_cluster_that_is_away_is_no_choice():
    """When the L4 is away four T4 take over, as many as are needed."""
    decided = decider(cluster("small", 9.0, {"T4": 4}), cluster("large", 1.0, {"L4": 1}))
    assert decided.decide(asked(LLAMA)).cluster.name == "large"
    decided.set_health(
        ClusterHealth(cluster="large", state=HealthState.UNREACHABLE, observed_at=NOW)
    )
    second = decided.decide(asked(LLAMA, 2))
    assert (second.cluster.name, second.grant.accelerators) == ("small", 2)


def test_a_pinned_accelerator_is_followed_by_any_of_its_names():
    """The name of the cloud stands for the model."""
    two = cluster("slow", 1.0, {"A10G": 1}), cluster("fast", 3.0, {"nvidia-h100-80gb": 1})
    pinned = TRAINING.model_copy(update={"accelerator": "nvidia-a10g"})
    decision = decider(*two).decide(asked(pinned))
    assert (decision.cluster.name, decision.grant.accelerator) == ("slow", "A10G")


def test_an_unknown_accelerator_never_stops_a_task():
    """It runs as without us; the problem names the field, the value and the nearest name."""
    pinned = TRAINING.model_copy(update={"accelerator": "H1000"})
    decision = decider(cluster("fast", 3.0, {"H100": 1})).decide(asked(pinned))
    assert "accelerator: is no accelerator that the catalogue knows (got 'H1000')" in (
        decision.problem
    )
    assert "H100" in decision.problem


def test_regions_limit_the_choice():
    """An accelerator where the task must not run is not what the request is made for."""
    here = {**cluster("here", 9.0, {"T4": 4}), "region": "eu-north-1"}
    there = {**cluster("there", 1.0, {"L4": 1}), "region": "us-east-1"}
    kept = LLAMA.model_copy(update={"locality": Locality(regions=("eu-north-1",))})
    decision = decider(here, there).decide(asked(kept))
    assert (decision.cluster.name, decision.grant.accelerators) == ("here", 2)


def run(task: str, where: str, seconds: float) -> ExecutionRecord:
    return ExecutionRecord(
        run=TaskRun(TaskKey("models", task), f"{where}-{seconds}"),
        cluster=where,
        provider="on_premises",
        region="local",
        started_at=NOW - timedelta(seconds=seconds),
        ended_at=NOW,
        outcome=Outcome.SUCCESS,
        request=ResourceRequest(cores=1, memory_gib=1, accelerators=1),
        usage=Usage(peak_memory_gib=1, cpu_seconds=1, duration_s=seconds),
    )


def test_what_runs_show_wins_over_datasheets():
    """A task that was no faster on an H100 goes where an hour is cheaper."""
    two = cluster("slow", 1.0, {"A10G": 1}), cluster("fast", 3.0, {"H100": 1})
    decided = decider(*two)
    clusters = decided.snapshot.router.clusters
    records = [run("serve", "slow", 1000), run("serve", "fast", 900)]
    history = accelerator_history(records, clusters, Catalog.embedded())
    decided.swap(
        Snapshot(
            router=RouterSnapshot(clusters=clusters), book=ProfileBook(()), accelerators=history
        )
    )
    assert decided.decide(asked(TRAINING)).cluster.name == "slow"


def test_a_probe_and_other_tasks_tell_of_a_model_it_has_not_run_on():
    """Measured on one model, a task gets the ratio of one that ran on both."""
    two = cluster("slow", 1.0, {"A10G": 1}), cluster("fast", 3.0, {"H100": 1})
    clusters = decider(*two).snapshot.router.clusters
    records = [run("other", "slow", 1000), run("other", "fast", 500), run("serve", "slow", 800)]
    history = accelerator_history(records, clusters, Catalog.embedded())
    assert history.seconds(TASK, ["A10G", "H100"]) == pytest.approx({"A10G": 800, "H100": 400})
    assert history.seconds(TaskKey("never", "run"), ["A10G"]) == {}
