"""The executor's own queue: choosing, late binding, events – with a cluster that only pretends."""

import gc
import time
import weakref
from dataclasses import replace
from datetime import timedelta
from types import SimpleNamespace
from typing import ClassVar
from uuid import uuid4

import pytest
from airflow.executors import workloads
from airflow.executors.workloads import BundleInfo, ExecuteTask, TaskInstanceDTO
from airflow.utils.state import TaskInstanceState

from aiops_provider.airflow.executor import AiopsExecutor
from aiops_provider.airflow.inner.cluster import Accepted, Ended, Refused
from aiops_provider.airflow.task_request import task_run
from aiops_provider.airflow.versions import workload_key
from aiops_provider.control.installation import Installation
from aiops_provider.control.layer import Layer
from aiops_provider.control.move_rule import Move
from aiops_provider.domain.cluster import ClusterHealth, HealthState
from aiops_provider.domain.execution import ExecutionRecord, Outcome
from aiops_provider.domain.plan import Mode, PlacementState
from aiops_provider.domain.profile import Quantity, ResourceRequest, Source
from aiops_provider.domain.task import TaskKey
from aiops_provider.domain.units import utc_now
from aiops_provider.errors import ClusterUnreachableError
from aiops_provider.profiling.book import ProfileBook
from aiops_provider.profiling.profiler import Profiler
from aiops_provider.settings.schema import Settings
from aiops_provider.store.execution_merge import merge_executions
from aiops_provider.store.execution_segments import joined

CLUSTERS = [
    {"name": "onprem", "kind": "local", "capacity": {"cores": 2, "memory_gib": 8}, "price_usd_per_hour": 0.1},
    {"name": "aws", "kind": "local", "provider": "aws", "capacity": {"cores": 8, "memory_gib": 32}, "price_usd_per_hour": 3.0},
]  # fmt: skip


class PretendedCluster:
    """Takes workloads and ends them when told to."""

    accepting = True
    outlives_scheduler = False
    queues_ahead = False
    room = None

    def __init__(self, name: str) -> None:
        self.name = name
        self.sent: list = []
        self.cancelled: list = []
        self.ended: list[Ended] = []
        self.down = ""

    @property
    def busy(self) -> bool:
        return False

    def submit(self, workload, decision, environment):
        if self.down:
            raise ClusterUnreachableError(self.down)
        self.sent.append((workload, decision, environment))

    def poll(self):
        ended, self.ended = self.ended, []
        return ended

    def probe(self):
        state = HealthState.UNREACHABLE if self.down else HealthState.HEALTHY
        return ClusterHealth(
            cluster=self.name, state=state, observed_at=utc_now(), detail=self.down
        )

    def cancel(self, key):
        self.cancelled.append(key)

    def waiting(self):
        return ()

    def stop(self, grace_s):
        """Nothing runs here."""

    def end(self, index: int, outcome: Outcome) -> None:
        workload, decision, _ = self.sent[index]
        record = ExecutionRecord(
            run=decision.placement.run,
            cluster=self.name,
            provider="p",
            region="r",
            started_at=utc_now(),
            ended_at=utc_now(),
            outcome=outcome,
            request=decision.grant,
        )
        clean = outcome in (Outcome.SUCCESS, Outcome.FAILED, Outcome.SUSPENDED)
        self.ended.append(
            Ended(
                key=workload_key(workload),
                clean=clean,
                run=record.run,
                record=record,
                message="gone",
                epoch=decision.placement.epoch,
            )
        )


@pytest.fixture
def executor(monkeypatch):
    monkeypatch.setenv("AIRFLOW__API_AUTH__JWT_SECRET", "x" * 64)
    executor = AiopsExecutor(parallelism=32)
    settings = Settings.model_validate({"mode": "enforce", "clusters": CLUSTERS})
    executor._use(
        Layer(Installation.without_store(settings), ingest_url="http://127.0.0.1:1/aiops"),
        {c["name"]: PretendedCluster(c["name"]) for c in CLUSTERS},
    )
    return executor


def task(
    index: int = 0, *, name="train", try_number: int = 1, priority: int = 1, config=None
) -> ExecuteTask:
    ti = TaskInstanceDTO(
        id=uuid4(),
        dag_version_id=uuid4(),
        task_id=name,
        dag_id="medical",
        run_id="r1",
        try_number=try_number,
        map_index=index,
        pool_slots=1,
        queue="default",
        priority_weight=priority,
        executor_config=config,
    )
    return workloads.ExecuteTask(
        ti=ti,
        dag_rel_path="medical.py",
        token="t",
        bundle_info=BundleInfo(name="dags-folder"),
        log_path=None,
    )


def queue(executor, *tasks) -> None:
    for each in tasks:
        executor.queue_workload(each, session=None)


def test_a_queued_task_is_sent_to_the_chosen_cluster_with_its_identity(executor):
    """One heartbeat sends it; the worker knows who it is."""
    queue(executor, task())
    executor.heartbeat()
    (_, decision, environment) = executor._clusters["onprem"].sent[0]
    assert "onprem" == decision.cluster.name
    assert "onprem" == environment["AIOPS_CLUSTER"]
    assert '"run_id": "r1"' in environment["AIOPS_TASK"]
    assert not executor.queued_tasks
    assert 1 == len(executor.running)


def test_slots_count_waiting_and_running(executor):
    """The scheduler never gives more than `parallelism`."""
    queue(executor, *(task(index) for index in range(3)))
    assert 29 == executor.slots_available
    executor.heartbeat()
    assert 29 == executor.slots_available


def test_what_is_sent_ahead_takes_no_slot(executor):
    """As with Airflow's own local executor; the task is known here until its end all the same."""
    clusters = executor._clusters.values()
    for each in clusters:
        each.queues_ahead, each.room = True, 2
    executor.parallelism = 2
    tasks = [task(index) for index in range(4)]
    for first, second in (tasks[:2], tasks[2:]):
        queue(executor, first, second)
        assert (0, 2) == (executor.slots_available, executor.slots_occupied)
        executor.heartbeat()
        assert (2, 0) == (executor.slots_available, executor.slots_occupied)
    assert 4 == sum(len(each.sent) for each in clusters)
    assert all(executor.has_task(each.ti) for each in tasks)
    assert {} == executor.get_event_buffer()
    executor._clusters["onprem"].end(0, Outcome.SUCCESS)
    executor.sync()
    assert [False, True, True, True] == [executor.has_task(each.ti) for each in tasks]
    assert ["success"] == [str(state) for state, _ in executor.get_event_buffer().values()]


def test_a_pool_may_take_more_in_one_turn_than_runs_at_a_time(executor):
    """The scheduler queues up to `parallelism` less what is occupied; each turn costs it the same."""
    executor.parallelism = 2
    clusters = executor._clusters.values()
    for each in clusters:
        each.queues_ahead, each.room = True, 5
    assert (5, -3) == (executor.slots_available, executor.slots_occupied)
    queue(executor, *(task(index) for index in range(5)))
    assert (0, 2) == (executor.slots_available, executor.slots_occupied)
    executor.heartbeat()
    assert 5 == sum(len(each.sent) for each in clusters)


def test_nothing_is_sent_to_a_cluster_without_room(executor):
    """It waits here, where the more important task still comes first."""
    cluster = executor._clusters["onprem"]
    cluster.queues_ahead, cluster.room = True, 0
    queue(executor, task(0), task(1, priority=5))
    executor.heartbeat()
    assert (0, -2) == (len(cluster.sent), executor.slots_available)
    cluster.room = 2
    executor.heartbeat()
    assert [1, 0] == [workload.ti.map_index for workload, *_ in cluster.sent]


def test_what_waits_too_long_on_such_a_cluster_is_queued_anew(executor, monkeypatch):
    """Before Airflow takes it for stuck; what has started by then stays."""
    cluster = executor._clusters["onprem"]
    cluster.queues_ahead, cluster.room = True, 2
    tasks = [task(0), task(1)]
    queue(executor, *tasks)
    executor.heartbeat()
    monkeypatch.setattr(cluster, "waiting", lambda: [each.ti.key for each in tasks], raising=False)
    executor.sync()
    assert [] == cluster.cancelled
    monkeypatch.setattr(
        "aiops_provider.airflow.in_flight.give_back", lambda ids: {tasks[1].ti.id} & set(ids)
    )
    monkeypatch.setattr(executor._placer.waiting, "_longest_s", 0.0)
    executor.sync()
    assert [tasks[1].ti.key] == cluster.cancelled
    assert [True, False] == [executor.has_task(each.ti) for each in tasks]


def test_parallelism_limits_what_is_sent(executor):
    """What does not fit stays queued."""
    executor.parallelism = 2
    queue(executor, *(task(index) for index in range(3)))
    executor.heartbeat()
    assert 2 == len(executor.running)
    assert 1 == len(executor.queued_tasks)


def test_a_full_cluster_makes_tasks_wait_and_others_pass(executor):
    """Pinned tasks wait for their cluster; the rest is not held up behind them."""
    pin = {"aiops": {"cluster": "onprem", "cores": 2}}
    queue(executor, *(task(i, config=pin, priority=10) for i in range(3)), task(name="score"))
    executor.heartbeat()
    assert 1 == len(executor._clusters["onprem"].sent)
    assert 1 == len(executor._clusters["aws"].sent)
    assert 2 == len(executor.queued_tasks)


def test_the_more_important_task_is_sent_first(executor):
    """Priority weight decides who waits."""
    pin = {"aiops": {"cluster": "onprem", "cores": 2}}
    queue(executor, task(0, config=pin), task(1, config=pin, priority=5))
    executor.heartbeat()
    assert 1 == executor._clusters["onprem"].sent[0][0].ti.map_index


def test_a_cluster_that_refuses_loses_the_task_to_another_one(executor):
    """Nothing was started, so the next heartbeat sends it elsewhere with a higher epoch."""
    executor._clusters["onprem"].down = "no answer"
    queue(executor, task())
    executor.heartbeat()
    executor.heartbeat()
    ((_, decision, _),) = executor._clusters["aws"].sent
    assert 2 == decision.placement.epoch


def test_a_waiting_task_moves_when_its_cluster_fails(executor):
    """Late binding: no revocation is needed for what was not sent."""
    executor._clusters["onprem"].down = "no answer"
    executor.sync()
    queue(executor, task())
    executor.heartbeat()
    assert executor._clusters["aws"].sent


def test_the_clusters_are_used_again_when_they_are_back(executor):
    """Fail-back needs nobody."""
    onprem = executor._clusters["onprem"]
    onprem.down = "no answer"
    executor.sync()
    onprem.down = ""
    executor.sync()
    queue(executor, task())
    executor.heartbeat()
    assert onprem.sent


@pytest.mark.parametrize(
    ("outcome", "state"),
    [
        (Outcome.SUCCESS, TaskInstanceState.SUCCESS),
        (Outcome.FAILED, TaskInstanceState.SUCCESS),
        (Outcome.OUT_OF_MEMORY, TaskInstanceState.FAILED),
        (Outcome.CLUSTER_LOST, TaskInstanceState.FAILED),
    ],
)
def test_the_scheduler_hears_how_the_process_ended(executor, outcome, state):
    """A process that ended by itself has told the API server already how its task ended."""
    queue(executor, task())
    executor.heartbeat()
    executor._clusters["onprem"].end(0, outcome)
    executor.sync()
    ((reported, _),) = executor.get_event_buffer().values()
    assert state == reported
    assert not executor.running


def test_a_retry_goes_where_it_has_not_failed(executor):
    """The next try of the same run avoids the cluster of the last one."""
    queue(executor, task())
    executor.heartbeat()
    executor._clusters["onprem"].end(0, Outcome.FAILED)
    executor.sync()
    queue(executor, task(try_number=2))
    executor.heartbeat()
    assert executor._clusters["aws"].sent


def test_a_retry_goes_elsewhere_although_the_end_of_the_first_try_was_not_heard_of(executor):
    """Airflow asks for it when the task has failed; its process, and the news, may take longer."""
    queue(executor, task())
    executor.heartbeat()
    queue(executor, task(try_number=2))
    executor.heartbeat()
    executor._clusters["onprem"].end(0, Outcome.FAILED)
    executor.heartbeat()
    assert 1 == len(executor._clusters["onprem"].sent)
    assert 1 == len(executor._clusters["aws"].sent)


def test_a_try_that_succeeded_keeps_nobody_away(executor):
    """When the task is cleared it may go where it was."""
    queue(executor, task())
    executor.heartbeat()
    executor._clusters["onprem"].end(0, Outcome.SUCCESS)
    executor.heartbeat()
    queue(executor, task(try_number=2))
    executor.heartbeat()
    assert 2 == len(executor._clusters["onprem"].sent)


def test_one_broken_cluster_does_not_stop_the_others(executor):
    """Whatever a cluster raises, the heartbeat goes on."""

    def broken():
        raise RuntimeError("a bug of that cluster")

    executor._clusters["onprem"].poll = broken
    queue(executor, task())
    executor.heartbeat()
    executor.heartbeat()
    assert executor._clusters["onprem"].sent


def test_a_revoked_task_is_cancelled_and_forgotten(executor):
    """Its slot and its room are free again."""
    workload = task()
    queue(executor, workload)
    executor.heartbeat()
    executor.revoke_task(ti=SimpleNamespace(key=workload_key(workload)))
    assert [workload_key(workload)] == executor._clusters["onprem"].cancelled
    assert 32 == executor.slots_available
    assert not executor._layer.decider.ledger.load()


def test_a_late_word_about_a_revoked_task_is_dropped(executor):
    """Only the owner of a key may report it."""
    workload = task()
    queue(executor, workload)
    executor.heartbeat()
    executor._clusters["onprem"].end(0, Outcome.KILLED)
    executor.revoke_task(ti=SimpleNamespace(key=workload_key(workload)))
    executor.sync()
    assert not executor.get_event_buffer()


def test_a_description_that_cannot_be_used_does_not_stop_the_task(executor):
    """The log names the field; the task runs."""
    queue(executor, task(config={"aiops": {"memory": 3}}))
    executor.heartbeat()
    assert 1 == len(executor.running)


@pytest.fixture
def learned(executor, monkeypatch):
    """Records that reach the thread which learns."""
    records: list = []
    monkeypatch.setattr(executor._layer.refresher, "executed", records.append)
    return records


def test_a_stay_that_ends_after_its_successor_was_queued_leaves_it_its_place(executor, learned):
    """A deferred task may be back before its first process has gone, with the same key."""
    queue(executor, task())
    executor.heartbeat()
    onprem = executor._clusters["onprem"]
    queue(executor, task())
    onprem.end(0, Outcome.SUSPENDED)
    executor.sync()
    assert [Outcome.SUSPENDED] == [record.outcome for record in learned]
    assert 1 == len(executor._the_layer.decider.ledger.load())
    executor.trigger_tasks(32)
    assert [1, 2] == [decision.placement.epoch for _, decision, _ in onprem.sent]


def test_a_stay_that_ends_after_its_successor_was_sent_is_learned_all_the_same(executor, learned):
    """It is the owner of nothing any more, but what it used belongs to the try."""
    queue(executor, task())
    executor.heartbeat()
    queue(executor, task())
    executor.heartbeat()
    onprem = executor._clusters["onprem"]
    onprem.end(0, Outcome.SUSPENDED)
    executor.sync()
    assert [Outcome.SUSPENDED] == [record.outcome for record in learned]
    assert 1 == len(executor.running)
    assert 1 == len(executor._the_layer.decider.ledger.load())
    onprem.end(1, Outcome.SUCCESS)
    executor.sync()
    assert [Outcome.SUSPENDED, Outcome.SUCCESS] == [record.outcome for record in learned]
    assert not executor.running
    assert not executor._the_layer.decider.ledger.load()


class PretendedRemote(PretendedCluster):
    """A cluster whose tasks go on without their scheduler."""

    outlives_scheduler = True
    queues_ahead = False
    room = None

    def __init__(self, name: str) -> None:
        super().__init__(name)
        self.waiting: list = []
        self.adopted: list = []

    def withdraw(self):
        waiting, self.waiting = self.waiting, []
        return waiting

    def adopt(self, orphans):
        self.adopted.extend(orphans)


@pytest.fixture
def gone_back(monkeypatch):
    """Ids of the tasks that went back to the scheduler; those in `started` are left alone."""

    class GoneBack(list):
        started: ClassVar[set] = set()

    gone = GoneBack()

    def give_back(ids):
        back = set(ids) - gone.started
        gone.extend(back)
        return back

    monkeypatch.setattr("aiops_provider.airflow.in_flight.give_back", give_back)
    return gone


@pytest.fixture
def remote(executor):
    executor._clusters = {c["name"]: PretendedRemote(c["name"]) for c in CLUSTERS}
    executor._use(executor._layer, executor._clusters)
    return executor


def test_a_cluster_that_is_not_ready_makes_tasks_wait(remote):
    """Late binding: nothing leaves before the cluster's own probe has answered."""
    remote._clusters["onprem"].accepting = False
    queue(remote, task())
    remote.heartbeat()
    assert [] == remote._clusters["onprem"].sent
    assert 1 == len(remote.queued_tasks)
    remote._clusters["onprem"].accepting = True
    remote.heartbeat()
    assert 1 == len(remote._clusters["onprem"].sent)


def test_what_has_not_left_a_cluster_that_fails_is_chosen_anew(remote, gone_back):
    """It never was anywhere else, so nothing has to be revoked."""
    onprem = remote._clusters["onprem"]
    workload = task()
    queue(remote, workload)
    remote.heartbeat()
    onprem.waiting, onprem.down = [workload_key(workload)], "connection refused"
    remote.heartbeat()
    remote.heartbeat()
    assert [workload] == [each[0] for each in remote._clusters["aws"].sent]
    assert [] == gone_back
    assert 31 == remote.slots_available


def test_what_waits_on_a_cluster_that_fails_goes_back_and_what_runs_is_held(remote, gone_back):
    """Running tasks are neither lost nor run twice; queued ones are free at once."""
    waits, runs = task(0), task(1)
    queue(remote, waits, runs)
    remote.heartbeat()
    gone_back.started = {runs.ti.id}
    remote._clusters["onprem"].down = "no worker answers"
    remote.heartbeat()
    assert [waits.ti.id] == gone_back
    assert {workload_key(runs)} == remote.running
    assert [workload_key(waits)] == remote._clusters["onprem"].cancelled


def test_a_refused_task_goes_back_until_there_is_nobody_left_to_ask(remote, gone_back):
    """Refusals are bounded, on one cluster or several; then Airflow hears the error."""
    workload = task()
    queue(remote, workload)
    remote.heartbeat()
    onprem = remote._clusters["onprem"]
    onprem.ended = [Refused(key=workload_key(workload), epoch=1, reason="timed out")]
    remote.sync()
    assert [workload.ti.id] == gone_back
    assert not remote.get_event_buffer()
    for _ in range(3):
        again = task(config={"aiops": {"cluster": "aws"}})
        queue(remote, again)
        remote.heartbeat()
        _, decision, _ = remote._clusters["aws"].sent[-1]
        epoch = decision.placement.epoch
        remote._clusters["aws"].ended = [
            Refused(key=workload_key(again), epoch=epoch, reason="no such queue")
        ]
        remote.sync()
    assert 3 == len(gone_back)
    ((state, info),) = remote.get_event_buffer().values()
    assert TaskInstanceState.FAILED == state
    assert "aws: no such queue" == info
    assert 32 == remote.slots_available


def test_the_name_by_which_a_cluster_knows_a_task_reaches_airflow(remote):
    """Airflow shows it, and some executors adopt by it."""
    workload = task()
    queue(remote, workload)
    remote.heartbeat()
    remote._clusters["onprem"].ended = [
        Accepted(
            key=workload_key(workload),
            epoch=1,
            state=TaskInstanceState.RUNNING,
            external_id="arn:job/7",
        )
    ]
    remote.sync()
    assert [(TaskInstanceState.RUNNING, "arn:job/7")] == list(remote.get_event_buffer().values())
    assert 1 == len(remote.running)


def test_news_of_an_older_placement_are_dropped(remote):
    """A late word must not end the try that runs elsewhere by now."""
    workload = task()
    queue(remote, workload)
    remote.heartbeat()
    run = remote._clusters["onprem"].sent[0][1].placement.run
    for name, epoch in (("onprem", 0), ("aws", 1)):
        remote._clusters[name].ended = [
            Ended(
                key=workload_key(workload),
                epoch=epoch,
                clean=False,
                run=run,
                record=None,
                message="late",
            )
        ]
    remote.sync()
    assert not remote.get_event_buffer()
    assert 1 == len(remote.running)


def orphan(index: int, state: str, *, try_number=1) -> SimpleNamespace:
    dto = task(index, try_number=try_number).ti
    return SimpleNamespace(
        **{name: getattr(dto, name) for name in ("id", "dag_id", "task_id", "run_id", "map_index")},
        try_number=try_number,
        state=state,
        queue="default",
        external_executor_id=None,
        executor_config=None,
        queued_by_job_id=1,
        key=dto.key,
    )


def test_orphans_are_adopted_by_the_cluster_on_record(remote, monkeypatch):
    """Only what no cluster was ever seen to take goes back to the scheduler."""
    tis = [orphan(0, "running"), orphan(1, "queued"), orphan(2, "queued"), orphan(3, "running")]
    states = [PlacementState.CHOSEN, PlacementState.SUBMITTED, PlacementState.CHOSEN]
    names = ["aws", "onprem", "aws"]
    route = SimpleNamespace(
        team=None, pool="default", request=ResourceRequest(cores=0.5, memory_gib=1)
    )

    def newest(runs):
        return {
            run: SimpleNamespace(
                run=run, cluster=name, state=state, epoch=5, applied=True, route=route
            )
            for run, name, state in zip(runs, names, states, strict=False)
        }

    monkeypatch.setattr(remote._layer, "newest_placements", newest)
    assert [tis[2]] == remote.try_adopt_task_instances(tis)
    adopted = {name: [o.ti.key for o in c.adopted] for name, c in remote._clusters.items()}
    assert {"aws": [tis[0].key], "onprem": [tis[1].key, tis[3].key]} == adopted
    assert {tis[0].key, tis[1].key, tis[3].key} == remote.running
    booked = remote._layer.decider.ledger.load()
    assert {("aws", "default"): 0.5, ("onprem", "default"): 0.5} == {
        pool: in_use.cores for pool, in_use in booked.items()
    }


def test_tasks_of_local_clusters_go_back(executor):
    """Their pools died with their scheduler."""
    tis = [orphan(0, "running"), orphan(1, "queued")]
    assert tis == executor.try_adopt_task_instances(tis)


def test_a_scheduler_that_takes_itself_for_dead_keeps_its_own_tasks(remote):
    """What waits in its queue and what it has sent is neither given back nor adopted."""
    remote._clusters["aws"].accepting = False
    sent, waits = task(0), task(1, config={"aiops": {"cluster": "aws"}})
    queue(remote, sent, waits)
    remote.heartbeat()
    tis = [orphan(0, "running"), orphan(1, "queued")]
    assert [] == remote.try_adopt_task_instances(tis)
    assert [[], []] == [each.adopted for each in remote._clusters.values()]
    assert [workload_key(waits)] == list(remote.queued_tasks)


def test_an_adopted_task_that_ends_frees_its_slot(remote):
    """It is reported like any other."""
    ti = orphan(0, "running")
    assert [] == remote.try_adopt_task_instances([ti])
    remote._clusters["onprem"].ended = [
        Ended(key=ti.key, epoch=0, clean=True, run=None, record=None, message="")
    ]
    remote.sync()
    ((state, _),) = remote.get_event_buffer().values()
    assert TaskInstanceState.SUCCESS == state
    assert 32 == remote.slots_available


def test_a_heartbeat_does_not_wait_for_a_cluster_that_hangs(remote, site, gone_back):
    """Neither for its executor nor for its end."""
    remote._clusters["onprem"] = site.runner
    remote._use(remote._layer, remote._clusters)
    site.open().inner.hang.clear()
    queue(remote, *(task(index) for index in range(20)))
    took_s = []
    for _ in range(20):
        began = time.monotonic()
        remote.heartbeat()
        took_s.append(time.monotonic() - began)
        time.sleep(0.02)
    # The call hangs for ten seconds; on a busy machine one beat may be slow for other reasons.
    assert 0.5 > sorted(took_s)[10]
    assert 5.0 > max(took_s)
    assert remote._clusters["aws"].sent


def test_events_live_until_the_scheduler_has_saved_them(executor):
    """A row that only a weak reference leads to would be saved as an empty one."""
    rows = weakref.WeakSet()
    executor.log_task_event(event="refused", extra="no such queue", ti_key=task().ti.key)
    rows.add(executor._task_event_logs.popleft())
    gc.collect()
    assert ["refused"] == [row.event for row in rows]


FENCED = {"aiops": {"idempotent": True, "on_cluster_loss": "fence_and_rerun"}}


@pytest.fixture
def fenced(remote, gone_back, monkeypatch):
    """A remote cluster with tasks that started there; ids of those that were fenced."""
    remote._layer.settings.routing.__dict__["fence_after_s"] = 0.0
    for name, cluster in remote._clusters.items():
        cluster.spec = remote._layer.installation.cluster(name)
    remote._use(remote._layer, remote._clusters)
    ids: list = []

    def fence(wanted, *, reason):
        ids.extend(wanted)
        gone_back.reason = reason
        return set(wanted)

    monkeypatch.setattr("aiops_provider.airflow.in_flight.fence", fence)
    return ids


def test_running_tasks_of_a_lost_cluster_are_fenced_if_their_author_says_so(
    remote, gone_back, fenced
):
    """Each is forgotten there, ends as lost, and its next try avoids the cluster."""
    once, twice = task(0), task(1, config=FENCED)
    queue(remote, once, twice)
    remote.heartbeat()
    gone_back.started = {once.ti.id, twice.ti.id}
    remote._clusters["onprem"].down = "no worker answers"
    remote.heartbeat()
    assert [twice.ti.id] == fenced
    assert {workload_key(once)} == remote.running
    assert [workload_key(twice)] == remote._clusters["onprem"].cancelled
    remote._clusters["onprem"].down = ""
    queue(remote, task(1, try_number=2, config=FENCED))
    remote.heartbeat()
    remote.heartbeat()
    assert [2] == [each[0].ti.try_number for each in remote._clusters["aws"].sent]


def test_a_fenced_stay_is_a_part_of_its_own(remote, gone_back, fenced, monkeypatch):
    """A try that was deferred and lost when it was back had two stays, of which one was lost."""
    lost: list = []
    monkeypatch.setattr(remote._layer, "fenced", lambda record, epoch: lost.append(record))
    workload = task(0, config=FENCED)
    remote._layer.decider.epochs.remember({task_run(workload.ti): 1})
    queue(remote, workload)
    remote.heartbeat()
    gone_back.started = {workload.ti.id}
    remote._clusters["onprem"].down = "no worker answers"
    remote.heartbeat()
    (stay,) = lost
    an_hour = timedelta(hours=1)
    deferred = replace(
        stay,
        segment=1,
        outcome=Outcome.SUSPENDED,
        started_at=stay.started_at - an_hour,
        ended_at=stay.ended_at - an_hour,
    )
    whole = joined(merge_executions(deferred, stay))
    assert (2, 2, Outcome.CLUSTER_LOST) == (whole.segment, whole.segments, whole.outcome)
    assert (deferred.started_at, stay.ended_at) == (whole.started_at, whole.ended_at)


def test_a_late_word_about_a_fenced_try_is_dropped(remote, gone_back, fenced):
    """Whatever the lost cluster says of it when it is back."""
    workload = task(0, config=FENCED)
    queue(remote, workload)
    remote.heartbeat()
    gone_back.started = {workload.ti.id}
    onprem = remote._clusters["onprem"]
    onprem.down = "no worker answers"
    remote.heartbeat()
    onprem.end(0, Outcome.SUCCESS)
    remote.sync()
    assert [workload.ti.id] == fenced
    assert not remote.get_event_buffer()


def test_a_cluster_that_comes_back_in_time_keeps_its_tasks(remote, gone_back, fenced):
    """The time that counts is that without an answer, not that since the first one missing."""
    remote._journey._fence_after_s = 3600.0
    workload = task(0, config=FENCED)
    queue(remote, workload)
    remote.heartbeat()
    gone_back.started = {workload.ti.id}
    onprem = remote._clusters["onprem"]
    onprem.down = "no worker answers"
    remote.heartbeat()
    assert "onprem" in remote._in_flight.lost_since
    onprem.down = ""
    remote.heartbeat()
    assert {} == remote._in_flight.lost_since
    assert [] == fenced


def test_while_observing_nothing_is_fenced(remote, gone_back, fenced):
    """The task runs as it would without us."""
    remote._layer.settings.mode.__dict__["default"] = Mode.OBSERVE
    workload = task(0, config=FENCED)
    queue(remote, workload)
    remote.heartbeat()
    gone_back.started = {workload.ti.id}
    remote._clusters["onprem"].down = "no worker answers"
    remote.heartbeat()
    assert [] == fenced


def test_an_adopted_task_is_fenced_too(remote, gone_back, fenced, monkeypatch):
    """Its description is on record with Airflow."""
    ti = orphan(0, "running")
    ti.executor_config = FENCED
    placed = SimpleNamespace(
        run=task_run(ti),
        cluster="onprem",
        state=PlacementState.SUBMITTED,
        epoch=1,
        applied=True,
        route=SimpleNamespace(
            team=None, pool="default", request=ResourceRequest(cores=0.5, memory_gib=1)
        ),
    )
    monkeypatch.setattr(
        remote._layer, "newest_placements", lambda runs: dict.fromkeys(runs, placed)
    )
    assert [] == remote.try_adopt_task_instances([ti])
    gone_back.started = {ti.id}
    remote._clusters["onprem"].down = "no worker answers"
    remote.heartbeat()
    assert [ti.id] == fenced


@pytest.fixture
def moving(remote, fenced, monkeypatch):
    """A task that began to move away from its cluster; what the database does when it has ended."""
    for name, cluster in remote._clusters.items():
        cluster.spec = remote._layer.installation.cluster(name)
    known = SimpleNamespace(restarting=True, ended=[], moved=[], workload=task(0, config=FENCED))

    def run_moved(ids, *, reason):
        if isinstance(known.restarting, Exception):
            raise known.restarting
        known.ended += ids
        return set(ids) if known.restarting else set()

    monkeypatch.setattr("aiops_provider.airflow.in_flight.end_to_move", set)
    monkeypatch.setattr("aiops_provider.airflow.arrivals.run_moved", run_moved)
    monkeypatch.setattr(
        remote._layer, "moved", lambda record, epoch: known.moved.append((record, epoch))
    )
    queue(remote, known.workload)
    remote.heartbeat()
    run = task_run(known.workload.ti)
    known.move = Move(
        run=run,
        source="onprem",
        target="aws",
        pool="default",
        gain_usd=1.0,
        due_at=utc_now(),
        sentence="moved away from onprem",
    )
    monkeypatch.setattr(remote._layer.decider.moves, "due", lambda now: [known.move])
    remote.sync()
    assert known.move == remote._in_flight[workload_key(known.workload)].moving
    monkeypatch.setattr(remote._layer.decider.moves, "due", lambda now: [])
    return known


def test_a_moved_task_is_run_anew_when_its_cluster_has_told_of_the_end(remote, moving):
    """Airflow hears of no end; nothing speaks against the cluster that it left."""
    assert [] == moving.ended
    remote._clusters["onprem"].end(0, Outcome.FAILED)
    remote.sync()
    assert [moving.workload.ti.id] == moving.ended
    ((record, epoch),) = moving.moved
    assert (Outcome.KILLED, "moved away from onprem", 1) == (record.outcome, record.message, epoch)
    assert {} == remote.get_event_buffer()
    assert not remote.has_task(moving.workload.ti)
    following = task_run(task(0, try_number=2).ti)
    assert {} == remote._placer.failed_places.avoid(following)


def test_a_task_that_somebody_marked_while_it_was_moved_ends_as_ever(remote, moving):
    """It is not restarting any more."""
    moving.restarting = False
    remote._clusters["onprem"].end(0, Outcome.SUCCESS)
    remote.sync()
    assert [] == moving.moved
    assert ["success"] == [str(state) for state, _ in remote.get_event_buffer().values()]


def test_without_the_database_a_moved_task_is_left_to_airflow(remote, moving):
    """Which restarts what is restarting when it hears of the end."""
    moving.restarting = ConnectionError("the database is away")
    remote._clusters["onprem"].end(0, Outcome.KILLED)
    remote.sync()
    assert [] == moving.moved
    assert ["success"] == [str(state) for state, _ in remote.get_event_buffer().values()]
    assert not remote.has_task(moving.workload.ti)


def test_a_task_is_fenced_when_its_cluster_is_lost_while_it_is_moved(
    remote, moving, gone_back, fenced
):
    """Nobody will tell of its end."""
    gone_back.started = {moving.workload.ti.id}
    remote._clusters["onprem"].down = "no worker answers"
    remote.heartbeat()
    assert [moving.workload.ti.id] == fenced
    assert [] == moving.moved


def test_a_move_that_fails_does_not_end_the_scheduler(remote, fenced, monkeypatch):
    """The task runs on where it is."""

    def end_to_move(ids):
        raise ConnectionError("the database is away")

    workload = task(0, config=FENCED)
    queue(remote, workload)
    remote.heartbeat()
    monkeypatch.setattr("aiops_provider.airflow.in_flight.end_to_move", end_to_move)
    move = SimpleNamespace(run=task_run(workload.ti), source="onprem", sentence="")
    monkeypatch.setattr(remote._layer.decider.moves, "due", lambda now: [move])
    remote.sync()
    assert remote._in_flight[workload_key(workload)].moving is None


class Later:
    """A clock that a test moves."""

    def __init__(self):
        self.now = time.monotonic()

    def __call__(self):
        return self.now


def test_a_task_that_waits_goes_where_room_was_made(executor):
    """It is placed anew from time to time, and not bound to the queue that it was put into first."""
    later = Later()
    executor._placer.waiting._clock = later
    small = {"aiops": {"cores": 2}}
    pinned = {"aiops": {"cores": 8, "cluster": "aws"}}
    queue(executor, task(0, config=pinned), *(task(i, config=small) for i in (1, 2)))
    executor.heartbeat()
    (waits,) = executor.queued_tasks
    sent = [each[0].ti.map_index for each in executor._clusters["aws"].sent]
    assert ([0], 2) == (sent, waits.map_index)
    executor._clusters["aws"].end(0, Outcome.SUCCESS)
    later.now += 60
    # On premises is still full, in the cloud there is room now.
    executor.heartbeat()
    executor.heartbeat()
    assert not executor.queued_tasks


def known_to_take(executor, seconds: float) -> None:
    """The task has run often, and always as long."""
    decider = executor._layer.decider
    duration = Quantity(
        p50=seconds, p80=seconds, p95=seconds, source=Source.OWN_HISTORY, sample_count=50
    )
    profile = replace(
        Profiler().predict(TaskKey("medical", "train"), now=utc_now()),
        duration_s=duration,
        request=ResourceRequest(cores=2, memory_gib=1),
    )
    decider.swap(replace(decider.snapshot, book=ProfileBook([profile])))


def test_a_task_with_time_waits_for_the_cheaper_cluster_until_its_latest_start(executor, gone_back):
    """Also where Airflow queues it anew meanwhile; whoever has no deadline does not wait."""
    later = Later()
    executor._placer.waiting._clock = later
    begin = utc_now()
    executor._layer.decider._clock = lambda: begin + timedelta(seconds=later.now - started)
    started = later.now
    known_to_take(executor, 600.0)
    patient = {"aiops": {"cores": 2, "sla": {"deadline_s": 3600}}}
    hasty = {"aiops": {"cores": 2}}
    waits = task(1, config=patient)
    queue(executor, task(0, config=hasty), waits, task(2, config=hasty))
    executor.heartbeat()
    assert [1] == [key.map_index for key in executor.queued_tasks]
    assert [2] == [each[0].ti.map_index for each in executor._clusters["aws"].sent]
    assert 30 == executor.slots_available  # two run; what waits for a price keeps nothing back
    later.now += 2500
    executor.heartbeat()
    assert [waits.ti.id] == gone_back
    queue(executor, waits)
    executor.heartbeat()
    assert [1] == [key.map_index for key in executor.queued_tasks]
    later.now += 490
    queue(executor, waits)
    executor.heartbeat()
    assert not executor.queued_tasks
    assert [2, 1] == [each[0].ti.map_index for each in executor._clusters["aws"].sent]


def test_a_task_with_time_starts_when_the_cheaper_cluster_has_room(executor):
    """Long before its latest start."""
    later = Later()
    executor._placer.waiting._clock = later
    known_to_take(executor, 600.0)
    patient = {"aiops": {"cores": 2, "sla": {"deadline_s": 3600}}}
    queue(executor, task(0, config=patient), task(1, config=patient))
    executor.heartbeat()
    assert 1 == len(executor.queued_tasks)
    executor._clusters["onprem"].end(0, Outcome.SUCCESS)
    executor.heartbeat()
    executor.heartbeat()
    assert not executor.queued_tasks
    assert [0, 1] == [each[0].ti.map_index for each in executor._clusters["onprem"].sent]


def test_a_task_that_waits_for_room_is_queued_anew_in_time(executor, gone_back):
    """Airflow would fail it as stuck, and its token would have expired."""
    later = Later()
    executor._placer.waiting._clock = later
    pin = {"aiops": {"cluster": "onprem", "cores": 2}}
    runs, waits = task(0, config=pin), task(1, config=pin)
    queue(executor, runs, waits)
    executor.heartbeat()
    later.now += 299
    executor.heartbeat()
    assert [] == gone_back
    later.now += 1
    executor.heartbeat()
    assert [waits.ti.id] == gone_back
    assert not executor.queued_tasks
    assert {workload_key(runs)} == executor.running


def test_a_task_that_nobody_started_in_time_goes_elsewhere(remote, gone_back):
    """Airflow takes it back; the same queue would not be shorter the next time."""
    workload = task()
    queue(remote, workload)
    remote.heartbeat()
    remote.revoke_task(ti=SimpleNamespace(key=workload_key(workload)))
    queue(remote, task())
    remote.heartbeat()
    (_, decision, _) = remote._clusters["aws"].sent[0]
    why = decision.placement.route.reason.rejected["onprem"]
    assert "nobody started it there within" in why
