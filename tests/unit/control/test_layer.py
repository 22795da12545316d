"""What is on record of a choice, when other processes choose too."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from aiops_provider.control.cycle import LEASE_NAME
from aiops_provider.control.decide import TaskRequest
from aiops_provider.control.installation import Installation
from aiops_provider.control.layer import Layer
from aiops_provider.control.learn import refresh
from aiops_provider.control.past_moves import MovedBefore
from aiops_provider.domain.cluster import ClusterHealth, HealthState
from aiops_provider.domain.execution import ExecutionRecord, Outcome, Usage
from aiops_provider.domain.plan import PlacementState
from aiops_provider.domain.profile import ResourceRequest
from aiops_provider.domain.task import TaskKey, TaskRun
from aiops_provider.domain.units import utc_now
from aiops_provider.domain.workload import Generic
from aiops_provider.errors import StoreUnreachableError
from aiops_provider.settings.schema import Settings

RUN = TaskRun(TaskKey("medical", "train"), "r1")


@pytest.fixture
def opened(store_url):
    """Opens a layer on one store, as each scheduler does."""
    layers = []

    def opened(cluster: str = "local", **said: object) -> Layer:
        clusters = [{"name": cluster, "kind": "local"}]
        settings = Settings.model_validate({"run_cycle": False, "clusters": clusters, **said})
        layer = Layer(Installation.open(settings, default_store_url=store_url), ingest_url=None)
        layers.append(layer)
        return layer

    yield opened
    for layer in layers:
        layer.stop()


def decide(layer, *runs):
    """As a host does in one transaction; the decisions as written."""
    requests = [TaskRequest(run=run) for run in runs or (RUN,)]
    chosen = [(request, layer.decide(request, host_writes=True)) for request in requests]
    written = layer.write_chosen(chosen, layer.installation.store.record_placements)
    return written if runs else written[0]


def test_a_restarted_scheduler_counts_on(opened):
    """A try that is placed anew after a restart gets a higher epoch than before it."""
    first = opened()
    decided = [decide(first) for _ in range(3)]
    assert [1, 2, 3] == [each.placement.epoch for each in decided]
    second = opened()
    second.start()
    again = decide(second)
    assert (4, True) == (again.placement.epoch, again.recorded)


def test_two_schedulers_never_give_one_epoch_twice(opened):
    """Whoever comes second counts on from what the other one wrote, whatever it chose."""
    first, second = opened(), opened(cluster="elsewhere")
    one = decide(first)
    other = decide(second)
    assert [1, 2] == [one.placement.epoch, other.placement.epoch]
    assert other.recorded
    assert "elsewhere" == first.installation.store.latest_placements([RUN])[RUN].cluster


def test_a_taken_epoch_does_not_spoil_what_is_written_with_it(opened):
    """Only the try that another scheduler placed gets a further epoch; all are on record."""
    first, second = opened(), opened(cluster="elsewhere")
    other = replace(RUN, map_index=7)
    decide(first)
    both = decide(second, RUN, other)
    assert [(2, True), (1, True)] == [(each.placement.epoch, each.recorded) for each in both]
    stored = second.installation.store.latest_placements([RUN, other])
    assert {RUN: 2, other: 1} == {run: each.epoch for run, each in stored.items()}


def test_what_the_host_cannot_write_is_written_later(opened):
    """Whatever goes wrong, the host's transaction goes on and nothing is forgotten."""
    layer = opened()
    request = TaskRequest(run=RUN)
    chosen = [(request, layer.decide(request, host_writes=True))]

    def fails(placements):
        raise RuntimeError("the connection is gone")

    (decision,) = layer.write_chosen(chosen, fails)
    assert not decision.recorded
    layer.refresher.refresh()
    assert 1 == layer.installation.store.latest_placements([RUN])[RUN].epoch


def test_a_placement_whose_epoch_is_taken_does_not_block_the_others(opened):
    """The rest of a batch is written although one of it never can be."""
    layer = opened()
    taken = decide(layer).placement
    other_run = replace(RUN, map_index=7)
    other = layer.decider.decide(TaskRequest(run=other_run)).placement
    layer.refresher.placed(replace(taken, cluster="elsewhere"))
    layer.refresher.placed(other)
    layer.refresher.refresh()
    stored = layer.installation.store.latest_placements([RUN, other_run])
    assert {RUN: "local", other_run: "local"} == {run: p.cluster for run, p in stored.items()}


def test_what_a_cluster_took_is_marked(opened):
    """An heir of the scheduler can tell it from what was only chosen."""
    layer = opened()
    placement = decide(layer).placement
    layer.submitted(RUN, placement.epoch)
    layer.refresher.refresh()
    stored = layer.installation.store.latest_placements([RUN])[RUN]
    assert PlacementState.SUBMITTED is stored.state


def ended(run: TaskRun) -> ExecutionRecord:
    now = utc_now()
    return ExecutionRecord(
        run=run,
        cluster="local",
        provider="local",
        region="local",
        pool="default",
        started_at=now - timedelta(seconds=5),
        ended_at=now,
        outcome=Outcome.SUCCESS,
        request=ResourceRequest(cores=1, memory_gib=1),
        usage=Usage(peak_memory_gib=0.5, cpu_seconds=3, duration_s=5),
    )


def test_the_process_of_the_cycle_learns_where_there_is_one(opened):
    """The host only writes down what ended, and reads the one profile that has changed for it."""
    layer, other = opened(), replace(RUN, task=TaskKey("medical", "score"))
    store = layer.installation.store
    layer.executed(ended(other))
    layer.refresher.refresh()
    before = layer.decider.snapshot.book[other.task]
    router = layer.decider._router
    store.acquire_lease(LEASE_NAME, "the cycle", ttl_s=60)
    layer.executed(ended(RUN))
    layer.refresher.refresh()
    assert (1, None) == (len(store.executions(RUN.task)), store.profile(RUN.task))
    refresh(layer.installation, utc_now())
    layer.refresher.refresh()
    assert 1 == layer.decider.snapshot.book[RUN.task].memory_gib.sample_count
    assert before is layer.decider.snapshot.book[other.task]
    assert router is layer.decider._router


def test_nothing_is_left_unlearned_without_that_process(opened):
    """It is left to a server that does not run, or has died: then the host learns."""
    layer = opened()
    layer.installation.store.acquire_lease(LEASE_NAME, "the cycle that died", ttl_s=1e-3)
    layer.executed(ended(RUN))
    layer.refresher.refresh()
    assert 1 == layer.decider.snapshot.book[RUN.task].memory_gib.sample_count


def test_an_unwritten_choice_is_written_before_it_is_followed(opened):
    """Idempotent: what is on record stays as it is."""
    layer = opened()
    decision = layer.decider.decide(TaskRequest(run=RUN))
    assert not decision.recorded
    layer.record([decision, decision])
    assert 1 == layer.installation.store.latest_placements([RUN])[RUN].epoch


def test_no_other_cluster_means_no_other_choice(opened):
    """A task whose only cluster is away does not get a new row at every heartbeat."""
    layer = opened()
    decision = decide(layer)
    assert decision is layer.decide_again(TaskRequest(run=RUN), decision)


def test_what_cannot_be_leased_is_read_all_the_same(opened, monkeypatch, caplog):
    """A store that is locked for writing keeps nobody from what is known; it is said once."""
    first, second = opened(), opened()
    first.start()

    def locked(*_: object) -> None:
        raise StoreUnreachableError("database is locked")

    monkeypatch.setattr(second.installation.store, "renew_pool_lease", locked)
    second.refresher.refresh()
    second.refresher.refresh()
    assert second.decider.snapshot.version == second.installation.store.version()
    told = [each for each in caplog.records if "not renewed" in each.message]
    assert ["WARNING"] == [each.levelname for each in told]


def seen(state: HealthState, minute: float) -> ClusterHealth:
    at = datetime(2026, 1, 5, tzinfo=UTC) + timedelta(minutes=minute)
    return ClusterHealth(cluster="local", state=state, observed_at=at)


def test_availability_is_measured_by_what_the_host_probes(opened):
    """A cluster that stays as it is is told of from time to time, or nobody would know for how long."""
    layer = opened()
    store = layer.installation.require_store()
    store.upgrade()
    for step in range(26 * 12 + 1):
        state = HealthState.UNREACHABLE if 12 <= step < 24 else HealthState.HEALTHY
        layer.observe(seen(state, 5 * step))
        layer.refresher.refresh()
    assert pytest.approx(25 / 26, abs=0.002) == store.availability()["local"].share


def test_probes_are_written_once_a_minute_unless_they_are_news(opened, monkeypatch):
    """A scheduler probes every second."""
    layer = opened()
    store = layer.installation.require_store()
    store.upgrade()
    written = []
    monkeypatch.setattr(store, "record_health", lambda healths, **_: written.extend(healths))
    told = [(HealthState.HEALTHY, 0), (HealthState.HEALTHY, 0.5), (HealthState.HEALTHY, 1)]
    for state, minute in [*told, (HealthState.UNREACHABLE, 1.1), (HealthState.UNREACHABLE, 1.2)]:
        layer.observe(seen(state, minute))
        layer.refresher.refresh()
    assert [seen(*told[0]), seen(*told[2]), seen(HealthState.UNREACHABLE, 1.1)] == written


def test_a_scheduler_without_network_does_not_make_a_cluster_unavailable(opened):
    """Another one reaches it all the time; both write to one store."""
    cut_off, fine = opened(), opened()
    store = fine.installation.require_store()
    store.upgrade()
    for step in range(25 * 60 * 2 + 1):
        layer, state = (
            (cut_off, HealthState.UNREACHABLE) if step % 2 else (fine, HealthState.HEALTHY)
        )
        layer.observe(seen(state, step / 2))
        layer.refresher.refresh()
        if step == 2:
            version = store.version()
    assert HealthState.HEALTHY is store.health()["local"].state
    assert version == store.version(), "nobody plans anew while they disagree"
    assert store.availability()["local"].share > 0.999


def test_a_restarted_scheduler_knows_how_clusters_come_and_go(opened):
    """Two losses that the one before it has seen; the cluster is away while it begins."""
    first = opened()
    first.installation.store.upgrade()
    began = utc_now() - timedelta(hours=1)
    told = [
        (0, HealthState.HEALTHY),
        (300, HealthState.UNREACHABLE),
        (500, HealthState.HEALTHY),
        (900, HealthState.UNREACHABLE),
    ]
    for seconds, state in told:
        at = began + timedelta(seconds=seconds)
        first.observe(ClusterHealth(cluster="local", state=state, observed_at=at))
        first.refresher.refresh()
    second = opened()
    second.start()
    now = began + timedelta(seconds=1000)
    before, after = (each.decider.patience.availability("local", now) for each in (first, second))
    assert not after.is_up
    assert after.mean_down_s == pytest.approx(before.mean_down_s, rel=0.01)
    assert after.mean_up_s == pytest.approx(before.mean_up_s, rel=0.01)


def test_a_scheduler_reads_from_the_store_how_often_another_one_moved_a_run(opened):
    """Its own try is the second one; the first has kept two checkpoints of ten minutes."""
    first, second = opened(mode="enforce"), opened(mode="enforce")
    first.installation.store.upgrade()
    declared = Generic(
        idempotent=True, on_cluster_loss="fence_and_rerun", checkpoint_interval_s=600.0
    )
    epoch, now = decide(first).placement.epoch, utc_now()
    first.moved(
        ExecutionRecord(
            run=RUN,
            cluster="local",
            provider="local",
            region="local",
            pool="default",
            started_at=now - timedelta(seconds=1300),
            ended_at=now,
            outcome=Outcome.KILLED,
        ),
        epoch,
    )
    first.refresher.refresh()
    following, moves = replace(RUN, try_number=2), second.decider.moves
    decision = second.decide(TaskRequest(run=following, description=declared))
    moves.started(decision, now - timedelta(seconds=60))
    assert [following] == moves.unread(now)
    second.refresher.refresh()
    assert [] == moves.unread(now)
    assert MovedBefore(moves=1, kept_s=1200.0, through=1) == moves._past.before(following)
    placed_at = first.installation.store.latest_placements([RUN])[RUN].placed_at
    assert placed_at == second.decider.patience.asked_at(following)
