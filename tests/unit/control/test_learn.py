"""Learning from finished tries, on a real store."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from aiops_provider.control.installation import Installation
from aiops_provider.control.learn import (
    learn,
    refresh,
    refresh_profiles,
    remember_description,
)
from aiops_provider.control.outcome_kpis import outcome_samples
from aiops_provider.control.stored_descriptions import stored_description
from aiops_provider.domain.cluster import Capacity, ClusterSpec, Pool
from aiops_provider.domain.execution import ExecutionRecord, Outcome, Usage
from aiops_provider.domain.profile import ResourceRequest, Source
from aiops_provider.domain.task import TaskKey, TaskRun
from aiops_provider.domain.workload import Cadence, Dataset, Etl, Generic
from aiops_provider.errors import StoreUnreachableError
from aiops_provider.placement.router import Router, RouterSnapshot
from aiops_provider.settings.schema import Settings
from aiops_provider.store import Store

NOW = datetime(2026, 1, 5, 12, tzinfo=UTC)
TASK = TaskKey("medical", "train")


def record(hours_ago: float = 1.0, *, peak: float = 0.2, **others) -> ExecutionRecord:
    ended = NOW - timedelta(hours=hours_ago)
    fields = {
        "run": TaskRun(TASK, f"{hours_ago:g} h ago"),
        "cluster": "eks-brazil",
        "provider": "aws",
        "region": "sa-east-1",
        "pool": "m7i",
        "started_at": ended - timedelta(seconds=30),
        "ended_at": ended,
        "outcome": Outcome.SUCCESS,
        "request": ResourceRequest(cores=1, memory_gib=0.5),
        "usage": Usage(peak_memory_gib=peak, cpu_seconds=20, duration_s=25),
    }
    return ExecutionRecord(**(fields | others))


@pytest.fixture
def installation(tmp_path):
    store = Store.open(f"sqlite:///{tmp_path / 'aiops.db'}")
    store.upgrade()
    settings = Settings()
    yield Installation(settings=settings, store=store, clusters=settings.cluster_specs)
    store.close()


def samples_of(installation):
    return installation.store.samples_after(0, 1000)[0]


def test_outcomes_tell_which_software_ran():
    """A failure that came with new code can be seen to have."""
    told = outcome_samples(record(code_hash="5d41402a", image="etl:7"))[0].context
    assert (told["code_hash"], told["image"]) == ("5d41402a", "etl:7")
    assert "code_hash" not in outcome_samples(record())[0].context


def test_a_task_leaves_the_pool_on_which_it_is_slow(installation):
    """Its profile has learned the pace, and the router finds the cheap pool to be the dear one."""

    def cluster(name, price):
        machine = Capacity(cores=8, memory_gib=32)
        pool = Pool(name="m7i", machine=machine, max_instances=1, price_usd_per_hour=price)
        return ClusterSpec(name=name, kind="local", provider="x", region="r", pools=(pool,))

    def took(cluster, seconds, first):
        return [
            record(
                place,
                cluster=cluster,
                usage=Usage(peak_memory_gib=0.2, cpu_seconds=20, duration_s=seconds + place / 10),
            )
            for place in range(first, first + 6)
        ]

    router = Router(RouterSnapshot(clusters=(cluster("cheap", 1.0), cluster("fast", 1.5))))
    learn(installation, took("fast", 30, 1), NOW)
    assert router.route(installation.store.profile(TASK)).cluster == "cheap"
    learn(installation, took("cheap", 300, 10), NOW)
    profile = installation.store.profile(TASK)
    assert {name: pace > 1 for name, _, pace in profile.pool_pace} == {"cheap": True, "fast": False}
    assert router.route(profile).cluster == "fast"


def test_a_finished_try_changes_the_profile(installation):
    """What was used is what the next run will be sized by."""
    learn(installation, [record(peak=0.2)], NOW)
    profile = installation.store.profile(TASK)
    assert profile.memory_gib.source is Source.OWN_HISTORY
    assert 0.2 < profile.request.memory_gib < 0.4
    assert installation.store.executions(TASK) == [record(peak=0.2)]


def test_a_finished_try_yields_outcome_kpis(installation):
    """task_failed, duration_s, peak_memory_gib and more, identified by DAG and task, with where it ran."""
    learn(installation, [record(peak=0.2)], NOW)
    samples = {sample.name: sample for sample in samples_of(installation)}
    assert {name: sample.value for name, sample in samples.items()} == {
        "task_failed": 0.0, "duration_s": 25.0, "peak_memory_gib": 0.2, "retries": 0.0,
    }  # fmt: skip
    failed = samples["task_failed"]
    assert failed.dimensions == {"dag": "medical", "task": "train"}
    assert failed.context == {
        "cluster": "eks-brazil", "provider": "aws", "region": "sa-east-1", "pool": "m7i",
        "run_id": "1 h ago", "try_number": "1",
    }  # fmt: skip
    assert failed.observed_at == record().ended_at


def test_mapped_runs_are_series_of_their_own():
    """A mapped run's index is its partition."""
    mapped = record(run=TaskRun(TASK, "r", map_index=7))
    assert {sample.dimensions["partition"] for sample in outcome_samples(mapped)} == {"7"}


@pytest.mark.parametrize("outcome", [Outcome.FAILED, Outcome.OUT_OF_MEMORY])
def test_a_failure_is_one_sample(outcome):
    """How long and how large a failed run was is no measure of the task."""
    samples = outcome_samples(record(outcome=outcome))
    assert [(sample.name, sample.value) for sample in samples] == [("task_failed", 1.0)]


@pytest.mark.parametrize("outcome", [Outcome.KILLED, Outcome.CLUSTER_LOST])
def test_a_run_that_was_cut_off_failed_at_nothing(outcome):
    """Killed by the user or lost with its cluster, it is no sample at all."""
    assert outcome_samples(record(outcome=outcome)) == []


def test_unmeasured_runs_tell_their_time():
    """Without usage the moments tell the duration, and nothing tells the memory."""
    samples = {sample.name: sample.value for sample in outcome_samples(record(usage=None))}
    assert samples == {"task_failed": 0.0, "duration_s": 30.0, "retries": 0.0}


def test_learning_twice_counts_once(installation):
    """Worker and host may both report a try, and either may repeat itself."""
    learn(installation, [record()], NOW)
    version = installation.store.version()
    learn(installation, [record(), replace(record(), usage=None)], NOW)
    assert len(samples_of(installation)) == 4
    assert installation.store.profile(TASK).memory_gib.sample_count == 1
    assert installation.store.version() == version


def test_reports_of_worker_and_host_are_merged(installation):
    """The host knows that it was killed for memory, the worker what it had used."""
    host = record(outcome=Outcome.OUT_OF_MEMORY, usage=None)
    worker = record(outcome=Outcome.FAILED, request=None)
    learn(installation, [host], NOW)
    learn(installation, [worker], NOW)
    profile = installation.store.profile(TASK)
    assert profile.request.memory_gib > 0.5
    assert "killed for memory" in profile.memory_gib.reason


def test_tries_that_have_not_ended_are_stored_but_not_learned(installation):
    """A clock that runs ahead must not let the future leak into a profile."""
    learn(installation, [record(-1.0, peak=5.0), record(1.0, peak=0.2)], NOW)
    assert installation.store.profile(TASK).memory_gib.p95 < 1.0
    later = refresh_profiles(installation, [TASK], NOW + timedelta(hours=2))
    assert later[0].memory_gib.p95 > 5.0


def test_nothing_learned_nothing_done(installation):
    """An empty report touches no store."""
    learn(Installation.without_store(Settings()), [], NOW)
    with pytest.raises(StoreUnreachableError):
        learn(Installation.without_store(Settings()), [record()], NOW)


def test_profiles_follow_the_settings(installation):
    """Costlier failures ask for more; a minimum of runs holds history back."""
    cautious = Settings.model_validate({"profiling": {"minimum_runs": 3}})
    waiting = replace(installation, settings=cautious)
    learn(waiting, [record(2), record(3)], NOW)
    assert installation.store.profile(TASK).memory_gib.source is Source.PRIOR
    learn(waiting, [record(1)], NOW)
    assert installation.store.profile(TASK).memory_gib.source is Source.OWN_HISTORY


def test_descriptions_are_remembered(installation):
    """What the user said at one run is known wherever the profile is made."""
    description = Etl(
        source=Dataset(rows=500),
        cadence=Cadence(cron="0 6 * * *"),
        memory_gib=3.0,
        cluster="onprem",
    )
    remember_description(installation, TASK, description)
    assert stored_description(installation.store, TASK) == description
    learn(installation, [record()], NOW)
    profile = installation.store.profile(TASK)
    assert profile.request.memory_gib == 3.0
    assert profile.pinned_cluster == "onprem"
    assert sum(profile.starts_by_hour_of_week) == pytest.approx(7.0)


def test_a_described_task_has_a_profile_before_it_runs(installation):
    """It can be planned for; saying the same again changes nothing."""
    remember_description(installation, TASK, Generic(cores=2.0))
    version = installation.store.version()
    assert installation.store.profile(TASK).request.cores == 2.0
    remember_description(installation, TASK, Generic(cores=2.0))
    assert installation.store.version() == version


def test_parameters_of_any_kind_are_remembered_as_text(installation):
    """A description may hold objects of the user's, and numbers that JSON lacks."""
    parameters = {"path": object, "when": NOW, "loss": float("nan")}
    remember_description(installation, TASK, Generic(parameters=parameters))
    assert set(stored_description(installation.store, TASK).parameters) == set(parameters)


def test_an_unreadable_description_is_no_description(installation, caplog):
    """Another version of ours may have written it; the profile is made without."""
    installation.store.set_state(f"description:{TASK}", {"kind": "quantum"})
    assert stored_description(installation.store, TASK) is None
    assert "cannot be read" in caplog.text


def test_refresh_finds_what_came_by_another_way(installation):
    """Rows that someone stored without learning are found at once, with their KPIs."""
    installation.store.record_executions([record(1)])
    assert [profile.task for profile in refresh(installation, NOW)] == [TASK]
    assert refresh(installation, NOW + timedelta(seconds=1)) == []
    installation.store.record_executions([record(0.001, peak=0.9)])
    (changed,) = refresh(installation, NOW + timedelta(seconds=2))
    assert changed.memory_gib.sample_count == 2
    assert 8 == len(samples_of(installation))


def test_what_a_process_that_died_did_not_learn_is_learned_by_the_next(installation, monkeypatch):
    """How far one has come is written after the learning, and learning twice changes nothing."""
    installation.store.record_executions([record(1)])

    def die(*_):
        raise StoreUnreachableError("killed in the middle")

    with monkeypatch.context() as patched:
        patched.setattr(Store, "save_profiles", die)
        with pytest.raises(StoreUnreachableError):
            refresh(installation, NOW)
    assert 4 == len(samples_of(installation))
    assert [TASK] == [profile.task for profile in refresh(installation, NOW)]
    assert 4 == len(samples_of(installation))


def test_after_an_upgrade_what_was_learned_before_is_not_learned_again(installation):
    """The earlier version kept no place among the rows, only when it had looked last."""
    store = installation.store
    store.set_state("profiles:refreshed_at", (NOW - timedelta(minutes=2)).isoformat())
    store.record_executions([record(5_000), record(0.01)])
    assert [TASK] == [profile.task for profile in refresh(installation, NOW)]
    late = NOW - timedelta(hours=0.01)
    assert {late} == {sample.observed_at for sample in samples_of(installation)}
    store.record_executions([record(4_999)])
    refresh(installation, NOW + timedelta(seconds=1))
    assert 8 == len(samples_of(installation))


def test_what_is_added_to_a_try_later_is_seen_within_a_minute(installation):
    """The row is an old one by then, which only the look at all that ended lately finds."""
    first = record(0.01)
    installation.store.record_executions([replace(first, usage=None)])
    refresh(installation, NOW)
    installation.store.record_executions([first])
    assert [] == refresh(installation, NOW + timedelta(seconds=30))
    (changed,) = refresh(installation, NOW + timedelta(seconds=61))
    assert 1 == changed.memory_gib.sample_count


def test_an_aged_profile_is_not_written_again(installation):
    """Only the age in its sentences has changed: the version stays, and with it all snapshots."""
    learn(installation, [record()], NOW)
    version = installation.store.version()
    assert refresh_profiles(installation, [TASK], NOW + timedelta(hours=5)) == []
    assert installation.store.version() == version


def stay(number: int, outcome: Outcome, *, minutes_ago: float, peak: float) -> ExecutionRecord:
    """A try that was deferred between its stays on a worker."""
    ended = NOW - timedelta(minutes=minutes_ago)
    return record(
        run=TaskRun(TASK, "deferred"),
        started_at=ended - timedelta(seconds=30),
        ended_at=ended,
        outcome=outcome,
        segment=number,
        usage=Usage(peak_memory_gib=peak, cpu_seconds=20, duration_s=25),
    )


def test_a_deferred_try_is_learned_as_one_run_once_it_has_ended(installation):
    """Its work is the sum of its stays on workers, without the hours in between."""
    parts = [
        stay(1, Outcome.SUSPENDED, minutes_ago=300, peak=0.9),
        stay(2, Outcome.SUSPENDED, minutes_ago=200, peak=0.2),
    ]
    learn(installation, parts, NOW)
    assert installation.store.executions(TASK) == []
    assert samples_of(installation) == []
    assert installation.store.profile(TASK) is None

    learn(installation, [stay(3, Outcome.SUCCESS, minutes_ago=10, peak=0.3)], NOW)
    (run,) = installation.store.executions(TASK)
    assert (run.segments, run.started_at) == (3, parts[0].started_at)
    assert run.usage == Usage(peak_memory_gib=0.9, cpu_seconds=60, duration_s=75)
    assert {s.name: s.value for s in samples_of(installation)} == {
        "task_failed": 0.0, "duration_s": 75.0, "peak_memory_gib": 0.9, "retries": 0.0,
    }  # fmt: skip
    profile = installation.store.profile(TASK)
    assert 60 < profile.duration_s.p50 < 90
    assert profile.request.memory_gib > 0.9


def test_a_deferred_try_that_fails_ends_as_any_other(installation):
    """With the memory of all its stays."""
    learn(installation, [stay(1, Outcome.SUSPENDED, minutes_ago=300, peak=0.9)], NOW)
    learn(installation, [stay(2, Outcome.FAILED, minutes_ago=10, peak=0.1)], NOW)
    (run,) = installation.store.executions(TASK)
    assert (run.outcome, run.usage.peak_memory_gib) == (Outcome.FAILED, 0.9)
    assert {s.name: s.value for s in samples_of(installation)} == {"task_failed": 1.0}
