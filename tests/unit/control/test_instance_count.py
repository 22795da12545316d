"""A scheduler's process keeps instances apart by what it has booked itself."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from datetime import UTC, datetime

import pytest

from aiops_provider.control.decide import Decider, Snapshot, TaskRequest
from aiops_provider.control.installation import Installation
from aiops_provider.control.instance_count import InstanceCount
from aiops_provider.domain.cluster import ClusterHealth, HealthState
from aiops_provider.domain.profile import ResourceRequest, WorkloadProfile
from aiops_provider.domain.separation import FailureDomain
from aiops_provider.domain.spread import AntiAffinity, Spread
from aiops_provider.domain.task import TaskKey, TaskRun
from aiops_provider.domain.workload import Locality, Serving
from aiops_provider.placement.router import RouterSnapshot
from aiops_provider.profiling.book import ProfileBook
from aiops_provider.profiling.profiler import Profiler
from aiops_provider.settings.schema import Settings

NOW = datetime(2026, 3, 2, 12, tzinfo=UTC)


def profile(name: str, locality: Locality | None = None) -> WorkloadProfile:
    description = None if locality is None else Serving(locality=locality)
    made = Profiler().predict(TaskKey("dag", name), description, now=NOW)
    return replace(made, request=ResourceRequest(cores=1, memory_gib=1))


def decider(*profiles: WorkloadProfile) -> Decider:
    clusters = [
        {
            "name": name,
            "kind": "local",
            "provider": name,
            "region": region,
            "capacity": {"cores": 16, "memory_gib": 64},
            "price_usd_per_hour": price,
        }
        for name, region, price in (("a", "eu", 1.0), ("b", "eu", 2.0), ("c", "us", 3.0))
    ]
    settings = Settings.model_validate({"mode": "enforce", "clusters": clusters})
    installation = Installation.without_store(settings)
    made = Decider(installation, clock=lambda: NOW)
    made.swap(
        Snapshot(router=RouterSnapshot(clusters=installation.clusters), book=ProfileBook(profiles))
    )
    return made


def ask(one: Decider, name: str, number: int) -> str:
    decision = one.decide(TaskRequest(run=TaskRun(TaskKey("dag", name), f"r{number}")))
    assert not decision.problem
    return decision.cluster.name


def test_instances_are_spread_as_they_come_and_go():
    """Half of them in each region, whatever has ended meanwhile."""
    spread = Locality(spread=Spread(domain=FailureDomain.REGION))
    one = decider(profile("serve", spread), profile("other"))
    assert Counter(ask(one, "serve", number) for number in range(6)) == {"a": 3, "c": 3}
    assert [ask(one, "other", number) for number in range(3)] == ["a"] * 3
    for number in range(6):
        run = TaskRun(TaskKey("dag", "serve"), f"r{number}")
        one.ledger.release(run)
    assert ask(one, "serve", 7) == "a"


def test_choosing_anew_does_not_count_the_run_itself():
    """Its own place is free for it."""
    one = decider(profile("serve", Locality(spread=Spread())))
    assert ask(one, "serve", 1) == "a"
    assert ask(one, "serve", 1) == "a"
    assert ask(one, "serve", 2) == "b"


def test_anti_affinity_holds_in_both_directions():
    """Who is named keeps away from whoever named it, as long as that runs."""
    away = Locality(anti_affinity=AntiAffinity(tasks=("dag/noisy",), domain="region"))
    one = decider(profile("quiet", away), profile("noisy"))
    assert ask(one, "quiet", 1) == "a"
    assert ask(one, "noisy", 1) == "c"
    one.ledger.release(TaskRun(TaskKey("dag", "quiet"), "r1"))
    assert ask(one, "noisy", 2) == "a"
    one.ledger.release(TaskRun(TaskKey("dag", "noisy"), "r1"))
    assert ask(one, "quiet", 2) == "c"


def test_a_lost_cluster_does_not_make_instances_meet():
    """The task waits for its own region to return."""
    one = decider(profile("serve", Locality(spread=Spread(domain="region"))))
    assert ask(one, "serve", 1) == "a"
    one.set_health(ClusterHealth(cluster="c", state=HealthState.UNREACHABLE, observed_at=NOW))
    assert ask(one, "serve", 2) == "c"


def test_what_is_counted_goes_again():
    """Nothing is left of tasks that have ended."""
    count, key = InstanceCount(), TaskKey("dag", "quiet")
    away = profile("quiet", Locality(anti_affinity=AntiAffinity(tasks=("dag/noisy",))))
    count.add(key, "a", away.anti_affinity)
    assert count.concerns(profile("noisy"))
    count.remove(key, "a")
    assert not count.concerns(profile("noisy"))
    assert count.of(profile("noisy")).neighbours == ()
    assert count.of(away).own == {}


def test_a_pin_contradicts_a_required_spread():
    """With what to mend."""
    locality = Locality(spread=Spread())
    with pytest.raises(ValueError, match="leave one of them out"):
        Serving(cluster="a", locality=locality)
    preferred = Locality(spread=Spread(strictness="preferred"))
    assert Serving(cluster="a", locality=preferred).cluster == "a"


def test_too_few_allowed_regions_contradict_a_required_spread():
    """Before any plan is made of it."""
    spread = Spread(domain="region", at_least=3)
    with pytest.raises(ValueError, match=r"at least 3 regions but regions allows eu, us only"):
        Locality(regions=("eu", "us"), spread=spread)
    assert Locality(regions=("eu", "us"), spread=Spread(domain="region")).restricted


@pytest.mark.parametrize("name", ["train", "/train", "medical/"])
def test_names_of_tasks_are_whole(name):
    """Half a name would keep away from nobody."""
    with pytest.raises(ValueError, match="namespace/name"):
        AntiAffinity(tasks=(name,))
