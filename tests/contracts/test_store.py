"""What every store keeps to, on both databases: executions, placements, plans, the counter."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import Column, Connection, Integer, MetaData, Table, create_engine, select, text
from sqlalchemy.orm import Session, scoped_session, sessionmaker

from aiops_provider.domain.alarm import Response, ResponseAction
from aiops_provider.domain.cluster import ClusterHealth, HealthState
from aiops_provider.domain.execution import ExecutionRecord, Outcome, Usage
from aiops_provider.domain.plan import (
    Mode,
    Objective,
    Placement,
    PlacementPlan,
    PlacementState,
    PlanStatus,
    Route,
    RouteCode,
    RouteReason,
)
from aiops_provider.domain.profile import (
    ComputeType,
    Quantity,
    ResourceRequest,
    Source,
    WorkloadProfile,
)
from aiops_provider.domain.task import TaskKey, TaskRun
from aiops_provider.errors import DataError, StoreError, StoreNotMigratedError
from aiops_provider.store import Store, executions
from aiops_provider.store.statements import is_about
from aiops_provider.store.tables import execution as execution_table
from aiops_provider.store.tables import placement as placement_table
from aiops_provider.store.url import parse_url

_WAIT_S = 120.0
NOW = datetime(2026, 3, 29, 1, 30, tzinfo=UTC)
TRAIN = TaskKey("medical", "train")
REQUEST = ResourceRequest(cores=2, memory_gib=4)


def run(number: int = 1, *, task: TaskKey = TRAIN, try_number: int = 1) -> TaskRun:
    return TaskRun(task, f"run-{number}", try_number=try_number)


def execution(of: TaskRun, *, ended_at: datetime = NOW, **more: object) -> ExecutionRecord:
    described = ExecutionRecord(
        run=of,
        cluster="eks",
        provider="aws",
        region="sa-east-1",
        started_at=ended_at - timedelta(minutes=5),
        ended_at=ended_at,
        outcome=Outcome.SUCCESS,
    )
    return replace(described, **more)  # type: ignore[arg-type]


def placement(
    of: TaskRun, epoch: int = 1, *, cluster: str = "eks", at: datetime = NOW
) -> Placement:
    route = Route(
        task=of.task,
        cluster=cluster,
        pool="default",
        request=REQUEST,
        reason=RouteReason(code=RouteCode.PLAN, sentence="the plan says so"),
    )
    return Placement(
        run=of,
        epoch=epoch,
        route=route,
        mode=Mode.ENFORCE,
        applied=True,
        cluster=cluster,
        placed_at=at,
    )


def plan(value: float = 0.5) -> PlacementPlan:
    return PlacementPlan(
        groups=(),
        assignments=(),
        objective=Objective(),
        objective_value=value,
        bound=float("inf"),
        gap=0.0,
        status=PlanStatus.OPTIMAL,
        cost_usd_per_hour=1.0,
        sla_attainment=1.0,
        created_at=NOW,
    )


def profile(name: str = "train", *, cores: float = 1.0) -> WorkloadProfile:
    quantity = Quantity(p50=cores, p80=cores, p95=cores, source=Source.PRIOR)
    return WorkloadProfile(
        task=TaskKey("medical", name),
        compute_type=ComputeType.CPU,
        cores=quantity,
        memory_gib=quantity,
        duration_s=quantity,
        request=REQUEST,
        predicted_at=NOW,
    )


def response(identifier: str = "r1", **more: object) -> Response:
    quarantine = Response(
        id=identifier,
        super_alarm="s1",
        action=ResponseAction.QUARANTINE,
        reason="all of its tasks fail",
        starts_at=NOW,
        expires_at=NOW + timedelta(hours=1),
        clusters=("eks",),
    )
    return replace(quarantine, **more)  # type: ignore[arg-type]


def probe(state: HealthState, at: datetime = NOW) -> ClusterHealth:
    return ClusterHealth(cluster="eks", state=state, observed_at=at, detail="asked it")


class TestExecutions:
    def test_the_newest_end_comes_first(self, store: Store) -> None:
        """Finished tries are listed by their end, the latest first, and cut off at the limit."""
        records = [execution(run(i), ended_at=NOW + timedelta(minutes=i)) for i in range(3)]
        assert store.record_executions(records) == 3
        assert store.executions() == records[::-1]
        assert store.executions(limit=2) == records[:0:-1]
        assert store.executions(since=NOW + timedelta(minutes=2)) == [records[2]]

    def test_a_task_is_asked_for_by_its_key(self, store: Store) -> None:
        """Only the tries of the task that was asked for are returned."""
        other = execution(run(task=TaskKey("medical", "load")))
        store.record_executions([execution(run()), other])
        assert store.executions(other.run.task) == [other]
        assert store.executions(TaskKey("finance", "load")) == []

    @pytest.mark.parametrize("worker_first", [True, False])
    def test_worker_and_scheduler_report_the_same_try(
        self, store: Store, worker_first: bool
    ) -> None:
        """Whoever reports first, usage and sizes of the one and outcome of the other are kept."""
        usage = Usage(peak_memory_gib=3.5, cpu_seconds=200, duration_s=280)
        worker = execution(run(), usage=usage, input_gib=12.0, outcome=Outcome.FAILED)
        scheduler = execution(
            run(),
            ended_at=NOW + timedelta(seconds=3),
            outcome=Outcome.OUT_OF_MEMORY,
            request=REQUEST,
            exit_code=137,
        )
        for record in [worker, scheduler] if worker_first else [scheduler, worker]:
            assert store.record_executions([record]) == 1
        [merged] = store.executions()
        assert merged == replace(
            worker, outcome=Outcome.OUT_OF_MEMORY, request=REQUEST, exit_code=137
        )

    def test_a_repeated_report_tells_nothing_new(self, store: Store) -> None:
        """The same record again changes nothing and is not counted."""
        store.record_executions([execution(run())])
        assert store.record_executions([execution(run()), execution(run())]) == 0
        assert len(store.executions()) == 1

    def test_more_than_one_statement_takes(self, store: Store) -> None:
        """A batch larger than a database takes in one statement is stored whole, and merged."""
        records = [execution(run(i)) for i in range(1500)]
        assert store.record_executions(records) == 1500
        longer = [replace(record, input_rows=7) for record in records]
        assert store.record_executions(longer) == 1500
        assert {record.input_rows for record in store.executions()} == {7}

    def test_two_that_report_a_new_try_at_once(self, store: Store) -> None:
        """The second waits for the first and merges, although neither saw the try before."""
        may_commit, inserted = threading.Event(), threading.Event()

        def slow(connection: Connection) -> None:
            executions.record(connection, [execution(run(), input_rows=7)])
            inserted.set()
            assert may_commit.wait(_WAIT_S)

        with ThreadPoolExecutor(2) as pool:
            first = pool.submit(store._database.write, slow)
            try:
                assert inserted.wait(_WAIT_S)
                second = pool.submit(store.record_executions, [execution(run(), exit_code=3)])
                if store.dialect == "postgresql":
                    _wait_for_a_waiting_writer(store)
                assert not second.done()
            finally:
                may_commit.set()
            first.result()
            assert second.result() == 1
        assert store.executions() == [execution(run(), input_rows=7, exit_code=3)]

    def test_a_batch_is_stored_whole_or_not_at_all(self, store: Store) -> None:
        """One record without time zone and none of the batch is there."""
        naive = execution(run(2), queued_at=NOW.replace(tzinfo=None))
        with pytest.raises(DataError, match="time zone"):
            store.record_executions([execution(run(1)), naive])
        assert store.executions() == []


def _wait_for_a_waiting_writer(store: Store) -> None:
    query = text("SELECT count(*) FROM pg_locks WHERE locktype = 'transactionid' AND NOT granted")
    deadline = time.monotonic() + _WAIT_S
    with store._database.engine.connect() as connection:
        while connection.execute(query).scalar_one() == 0:
            assert time.monotonic() < deadline, "nobody waits"
            time.sleep(0.02)


class TestPlacements:
    def test_the_highest_epoch_is_the_latest(self, store: Store) -> None:
        """Of several placements of a try the one with the highest epoch counts."""
        first, second = placement(run(1), 1), placement(run(1), 2, cluster="batch")
        other = placement(run(2))
        store.record_placements([second, other])
        store.record_placements([first])
        assert store.latest_placements([run(1), run(2), run(3)]) == {run(1): second, run(2): other}
        assert store.latest_placements([]) == {}

    def test_many_tries_at_once(self, store: Store) -> None:
        """The placements of a whole scheduler's running tasks are found in one call."""
        all_placements = [placement(run(i)) for i in range(700)]
        store.record_placements(all_placements)
        found = store.latest_placements([run(i) for i in range(900)])
        assert list(found.values()) == all_placements

    def test_filters_and_order(self, store: Store) -> None:
        """Newest first, by task, by run and since a moment."""
        load = TaskKey("medical", "load")
        old = placement(run(1), at=NOW - timedelta(days=2))
        new = placement(run(1, task=load))
        store.record_placements([old, new])
        assert store.placements() == [new, old]
        assert store.placements(limit=1) == [new]
        assert store.placements(task=TRAIN) == [old]
        assert store.placements(run_id="run-1") == [new, old]
        assert store.placements(since=NOW - timedelta(days=1)) == [new]

    def test_its_life(self, store: Store) -> None:
        """The state of one epoch moves on; an unknown epoch is ignored."""
        store.record_placements([placement(run(), 1), placement(run(), 2)])
        store.set_placement_state(run(), 2, PlacementState.SUBMITTED)
        store.set_placement_state(run(), 9, PlacementState.FINISHED)
        states = {item.epoch: item.state for item in store.placements()}
        assert states == {1: PlacementState.CHOSEN, 2: PlacementState.SUBMITTED}

    def test_an_epoch_is_taken_once(self, store: Store) -> None:
        """The same placement again is fine; another one for the same epoch is refused."""
        store.record_placements([placement(run())])
        store.record_placements([placement(run())])
        with pytest.raises(StoreError, match=r"Epoch 1 of .* is taken: it was sent to eks"):
            store.record_placements([placement(run(2)), placement(run(), cluster="batch")])
        assert store.placements() == [placement(run())]


class TestHostTransaction:
    """Placements written with the transaction of the host: they share its fate."""

    host = Table("task_instance", MetaData(), Column("id", Integer, primary_key=True))

    @pytest.mark.parametrize("kind", ["connection", "session", "scoped_session"])
    @pytest.mark.parametrize("commits", [True, False])
    def test_committed_or_rolled_back_together(
        self, store: Store, store_url: str, kind: str, commits: bool
    ) -> None:
        """The placement is there if and only if the host's own row is."""
        engine = create_engine(parse_url(store_url))
        self.host.create(engine)
        opened = {
            "connection": engine.connect,
            "session": lambda: Session(engine),
            "scoped_session": lambda: scoped_session(sessionmaker(engine)),
        }[kind]()
        opened.execute(self.host.insert().values(id=1))
        store.record_placements([placement(run())], connection=opened)
        assert store.placements() == []
        if commits:
            opened.commit()
        else:
            opened.rollback()
        rows = opened.execute(select(self.host)).all()
        opened.close()
        engine.dispose()
        assert len(rows) == len(store.placements()) == int(commits)

    def test_a_taken_epoch_does_not_spoil_the_host(self, store: Store, store_url: str) -> None:
        """After a refusal the host can go on and commit what it did before and after."""
        store.record_placements([placement(run())])
        engine = create_engine(parse_url(store_url))
        self.host.create(engine)
        with Session(engine) as session:
            session.execute(self.host.insert().values(id=1))
            with pytest.raises(StoreError, match="is taken"):
                store.record_placements([placement(run(), cluster="batch")], session)
            session.execute(self.host.insert().values(id=2))
            session.commit()
            assert len(session.execute(select(self.host)).all()) == 2
        engine.dispose()

    def test_missing_tables_do_not_spoil_the_host(self, empty_url: str) -> None:
        """Before `aiops db upgrade` the error says so, and the host's transaction stays usable."""
        store = Store.open(empty_url)
        engine = create_engine(parse_url(empty_url))
        self.host.create(engine)
        with Session(engine) as session:
            session.execute(self.host.insert().values(id=1))
            with pytest.raises(StoreNotMigratedError, match="aiops db upgrade"):
                store.record_placements([placement(run())], session)
            session.commit()
            assert len(session.execute(select(self.host)).all()) == 1
        engine.dispose()
        store.close()


class TestPlans:
    def test_none_at_first(self, store: Store) -> None:
        """A new store has no plan, and none is in force."""
        assert store.plan_in_force() is None
        assert store.plan(1) is None

    def test_versions_and_the_one_in_force(self, store: Store) -> None:
        """The store counts the versions; only what was activated is in force."""
        first = store.save_plan(plan(0.1), activate=True)
        second = store.save_plan(plan(0.2), activate=False)
        assert second > first > 0
        assert store.plan_in_force() == replace(plan(0.1), version=first)
        assert store.plan(second) == replace(plan(0.2), version=second)
        store.activate_plan(second)
        assert store.plan_in_force() == replace(plan(0.2), version=second)

    def test_versions_are_listed(self, store: Store) -> None:
        """Latest first, with what is in force and what never was."""
        first = store.save_plan(plan(0.1), activate=True)
        second = store.save_plan(plan(0.2), activate=False)
        listed = store.plan_versions()

        assert [(second, False), (first, True)] == [
            (each.version, each.in_force) for each in listed
        ]
        assert [True, False] == [each.activated_at is None for each in listed]
        assert [second] == [each.version for each in store.plan_versions(limit=1)]

    def test_an_unknown_version_cannot_be_activated(self, store: Store) -> None:
        """Activating a plan that is not there changes nothing and names the version."""
        version = store.save_plan(plan(), activate=True)
        with pytest.raises(DataError, match=r"version: there is no such plan .got 99"):
            store.activate_plan(99)
        in_force = store.plan_in_force()
        assert in_force is not None
        assert in_force.version == version


class TestProfilesAndHealth:
    def test_the_latest_profile_of_each_task(self, store: Store) -> None:
        """A later profile replaces the earlier; profiles are listed by task."""
        store.save_profiles([profile("train"), profile("load")])
        store.save_profiles([profile("train", cores=3)])
        assert store.profiles() == [profile("load"), profile("train", cores=3)]
        assert store.profile(TRAIN) == profile("train", cores=3)
        assert store.profile(TaskKey("a", "b")) is None

    def test_the_latest_probe_of_each_cluster(self, store: Store) -> None:
        """A probe that arrives late does not replace a newer one."""
        newer = probe(HealthState.UNREACHABLE, NOW + timedelta(seconds=2))
        store.record_health([newer])
        store.record_health([probe(HealthState.HEALTHY)])
        assert store.health() == {"eks": newer}

    def test_availability_is_the_share_of_the_watched_time(self, store: Store) -> None:
        """A day of probes, one hour of it without an answer; before a day it is not known."""
        steps = 26 * 12
        for step in range(steps + 1):
            at = NOW + timedelta(minutes=5 * step)
            state = HealthState.UNREACHABLE if 12 <= step < 24 else HealthState.HEALTHY
            store.record_health([probe(state, at)])
            if step == 12 * 12:
                assert store.availability() == {}
        known = store.availability()["eks"]
        # The older hours count a little less, and the lost one is among the oldest.
        assert known.share == pytest.approx(25 / 26, abs=0.002)
        assert 25 * 60 <= known.observations <= 26 * 60

    def test_time_that_nobody_watched_is_not_counted(self, store: Store) -> None:
        """A week between two probes is no week of availability, nor is what was not known."""
        store.record_health([probe(HealthState.HEALTHY)])
        store.record_health([probe(HealthState.HEALTHY, NOW + timedelta(days=7))])
        for minute in range(0, 60 * 26, 5):
            at = NOW + timedelta(days=8, minutes=minute)
            store.record_health([probe(HealthState.UNKNOWN, at)])
        assert store.availability() == {}

    def test_how_a_cluster_comes_and_goes(self, store: Store) -> None:
        """Two spells of ten minutes away in a day, seen by one prober."""
        for minute in range(24 * 60 + 1):
            away = 600 <= minute < 610 or 900 <= minute < 910
            state = HealthState.UNREACHABLE if away else HealthState.HEALTHY
            again = minute not in {0, 600, 610, 900, 910}
            store.record_health([probe(state, NOW + timedelta(minutes=minute))], again=again)
        known = store.spells()["eks"]
        assert known.is_up
        assert (known.losses, known.returns) == pytest.approx((2, 2), rel=0.02)
        assert known.down_s == pytest.approx(1200, rel=0.02)
        assert known.up_s == pytest.approx(86_400 - 1200, rel=0.02)

    def test_a_cluster_that_is_away_is_away_after_a_restart(self, store: Store) -> None:
        """A prober that begins anew does not know at first, which is neither a return nor a loss."""
        store.record_health([probe(HealthState.HEALTHY)])
        for seconds, state in (
            (300, HealthState.UNREACHABLE),
            (320, HealthState.UNKNOWN),
            (325, HealthState.UNREACHABLE),
        ):
            store.record_health([probe(state, NOW + timedelta(seconds=seconds))])
        known = store.spells()["eks"]
        assert (known.is_up, known.returns) == (False, 0)
        assert known.losses == pytest.approx(1, rel=0.001)

    @pytest.mark.parametrize("blink_s", [5, 20, 300])
    def test_a_prober_with_a_broken_network_spoils_nothing(
        self, store: Store, blink_s: int
    ) -> None:
        """For hours it loses the cluster now and then, while another one reaches it all the time."""
        told = [(second, HealthState.HEALTHY, second > 0) for second in range(0, 6 * 3600, 60)]
        for second in range(37, 6 * 3600, 600):
            told.append((second, HealthState.UNREACHABLE, False))
            repeats = range(second + 60, second + blink_s, 60)
            told += [(each, HealthState.UNREACHABLE, True) for each in repeats]
            told.append((second + blink_s, HealthState.HEALTHY, False))
        for second, state, again in sorted(told, key=lambda each: each[0]):
            store.record_health([probe(state, NOW + timedelta(seconds=second))], again=again)
        known = store.spells()["eks"]
        assert known.is_up
        assert known.losses == pytest.approx(0, abs=0.01)
        assert known.returns == pytest.approx(0, abs=0.01)
        assert known.down_s < 60


def _released(store: Store) -> None:
    store.save_response(response())
    store.release_response("r1", NOW)


MOVES: dict[str, tuple[Callable[[Store], object], Callable[[Store], object]]] = {
    # name: (what happened before, what moves the counter)
    "plan activated with saving": (lambda _: None, lambda s: s.save_plan(plan(), activate=True)),
    "plan activated later": (
        lambda s: s.save_plan(plan(), activate=False),
        lambda s: s.activate_plan(1),
    ),
    "response": (lambda _: None, lambda s: s.save_response(response())),
    "check of a cluster": (lambda _: None, lambda s: s.set_check("check/a", {"problem": "x"})),
    "response changed": (
        lambda s: s.save_response(response()),
        lambda s: s.save_response(response(expires_at=NOW + timedelta(hours=2))),
    ),
    "response released": (
        lambda s: s.save_response(response()),
        lambda s: s.release_response("r1", NOW),
    ),
    "profile": (lambda _: None, lambda s: s.save_profiles([profile()])),
    "profile changed": (
        lambda s: s.save_profiles([profile()]),
        lambda s: s.save_profiles([profile(cores=9)]),
    ),
    "first probe": (lambda _: None, lambda s: s.record_health([probe(HealthState.HEALTHY)])),
    "health state changed": (
        lambda s: s.record_health([probe(HealthState.HEALTHY)]),
        lambda s: s.record_health([probe(HealthState.UNREACHABLE)]),
    ),
}

STAYS: dict[str, tuple[Callable[[Store], object], Callable[[Store], object]]] = {
    "plan only saved": (lambda _: None, lambda s: s.save_plan(plan(), activate=False)),
    "plan in force already": (
        lambda s: s.save_plan(plan(), activate=True),
        lambda s: s.activate_plan(1),
    ),
    "same response": (
        lambda s: s.save_response(response()),
        lambda s: s.save_response(response()),
    ),
    "released twice": (_released, lambda s: s.release_response("r1", NOW + timedelta(hours=1))),
    "same profile": (
        lambda s: s.save_profiles([profile()]),
        lambda s: s.save_profiles([profile()]),
    ),
    "same health state": (
        lambda s: s.record_health([probe(HealthState.HEALTHY)]),
        lambda s: s.record_health([probe(HealthState.HEALTHY, NOW + timedelta(seconds=2))]),
    ),
    "late probe": (
        lambda s: s.record_health([probe(HealthState.HEALTHY)]),
        lambda s: s.record_health([probe(HealthState.UNREACHABLE, NOW - timedelta(seconds=2))]),
    ),
    "execution": (lambda _: None, lambda s: s.record_executions([execution(run())])),
    "placement": (lambda _: None, lambda s: s.record_placements([placement(run())])),
}


class TestVersion:
    @pytest.mark.parametrize("what", MOVES)
    def test_moves_with_what_routers_read(self, store: Store, what: str) -> None:
        """A router that polls the counter learns of every change of what it reads."""
        before, change = MOVES[what]
        before(store)
        version = store.version()
        change(store)
        assert store.version() > version

    @pytest.mark.parametrize("what", STAYS)
    def test_stays_when_nothing_changed_for_routers(self, store: Store, what: str) -> None:
        """Repetitions and rows that routers do not read do not make them load anew."""
        before, change = STAYS[what]
        before(store)
        version = store.version()
        change(store)
        assert store.version() == version

    def test_a_change_that_fails_does_not_move_it(self, store: Store) -> None:
        """The counter moves in the transaction of the change, or not at all."""
        version = store.version()
        with pytest.raises(DataError):
            store.save_profiles([profile("a"), replace(profile("b"), predicted_at=datetime.min)])  # noqa: DTZ901
        assert store.version() == version
        assert store.profiles() == []


class TestState:
    @pytest.mark.parametrize("value", [None, 0, "text", [1, 2.5], {"cursor": 17, "ok": True}])
    def test_json_values_by_key(self, store: Store, value: object) -> None:
        """What was put under a key is what one gets, until something else is put there."""
        store.set_state("detection", "before")
        store.set_state("detection", value)
        assert store.get_state("detection") == value
        assert store.get_state("other") is None

    def test_what_is_no_json_is_refused(self, store: Store) -> None:
        """An object that JSON cannot express is refused and the old value stays."""
        store.set_state("key", 1)
        with pytest.raises(DataError, match="object is no JSON"):
            store.set_state("key", object())
        assert store.get_state("key") == 1


def test_nothing_to_store(store: Store) -> None:
    """Empty lists are stored without a word, and without a table being there to be asked."""
    store.save_alarms([])
    store.save_super_alarms([])
    store.save_profiles([])
    store.record_health([])
    store.record_placements([])
    assert store.record_executions([]) == 0
    assert store.version() == 0


def test_purge_deletes_what_is_over_and_keeps_what_counts(store: Store) -> None:
    """Old executions, placements, lapsed responses and plans go; what is in force stays."""
    old = NOW - timedelta(days=100)
    store.record_executions([execution(run(1), ended_at=old), execution(run(2))])
    store.record_placements([placement(run(1), at=old), placement(run(2))])
    store.save_response(response("old", starts_at=old, expires_at=old + timedelta(hours=1)))
    store.save_response(response("new"))
    in_force = store.save_plan(replace(plan(), created_at=old), activate=True)
    store.save_plan(replace(plan(), created_at=old), activate=False)
    counts = store.purge(before=NOW - timedelta(days=30))
    assert {name: count for name, count in counts.items() if count} == {
        "executions": 1,
        "placements": 1,
        "responses": 1,
        "plans": 1,
    }
    assert [record.run for record in store.executions()] == [run(2)]
    assert [item.run for item in store.placements()] == [run(2)]
    assert [item.id for item in store.responses()] == ["new"]
    assert store.plan(in_force) is not None


@pytest.mark.parametrize("table", [execution_table, placement_table], ids=lambda table: table.name)
def test_tries_are_found_by_the_index(store: Store, table: Table) -> None:
    """To look up the running tasks does not read the history of all tasks."""
    query = select(table.c.id).where(is_about(table, [run(number) for number in range(3)]))
    with store._database.engine.connect() as connection:
        if store.dialect == "postgresql":
            connection.execute(text("SET enable_seqscan = off"))  # the table is empty
        explain = "EXPLAIN QUERY PLAN" if store.dialect == "sqlite" else "EXPLAIN"
        sql = query.compile(connection, compile_kwargs={"literal_binds": True})
        steps = [str(row) for row in connection.execute(text(f"{explain} {sql}"))]
    unique = {"sqlite": f"SEARCH {table.name} USING", "postgresql": f"uq_{table.name}_run"}
    assert unique[store.dialect] in "\n".join(steps)
    assert not any(f"SCAN {table.name}" in step or "Seq Scan" in step for step in steps)


def test_checks_are_listed_by_what_their_keys_start_with(store: Store) -> None:
    """A later one replaces an earlier one; signs that SQL knows are taken as they are."""
    store.set_check("check/a", {"problem": "x"})
    store.set_check("check/a", {"problem": ""})
    store.set_check("check/b", None)
    store.set_check("chec%/c", 1)
    store.set_state("other", 2)
    assert store.checks("check/") == {"check/a": {"problem": ""}, "check/b": None}
    assert store.checks("chec%") == {"chec%/c": 1}


def test_placements_are_found_by_their_state(store: Store) -> None:
    """Such as those that were fenced."""
    store.record_placements([placement(run(1)), placement(run(2))])
    store.set_placement_state(run(2), 1, PlacementState.FENCED)
    (fenced,) = store.placements(state=PlacementState.FENCED)
    assert fenced.run == run(2)
