"""Which running tasks are moved to a cheaper cluster, as a scheduler's process knows them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from aiops_provider.control import moves
from aiops_provider.control.decide import Decider, Decision, Snapshot, TaskRequest
from aiops_provider.control.installation import Installation
from aiops_provider.control.past_moves import earlier_tries
from aiops_provider.domain.cluster import ClusterHealth, HealthState
from aiops_provider.domain.plan import PlacementState
from aiops_provider.domain.profile import (
    ClusterLimit,
    Quantity,
    ResourceRequest,
    Source,
    WorkloadProfile,
)
from aiops_provider.domain.task import TaskKey, TaskRun
from aiops_provider.domain.workload import Generic, Sla
from aiops_provider.placement.router import RouterSnapshot
from aiops_provider.profiling.book import ProfileBook
from aiops_provider.profiling.profiler import Profiler
from aiops_provider.settings.schema import Settings

NOW = datetime(2026, 3, 2, 12, tzinfo=UTC)
TASK = TaskKey("medical", "train")
HOURS = Quantity(p50=36e3, p80=36e3, p95=36e3, source=Source.OWN_HISTORY, sample_count=50)
PROFILE: WorkloadProfile = replace(
    Profiler().predict(TASK, now=NOW),
    request=ResourceRequest(cores=3, memory_gib=2),
    duration_s=HOURS,
    checkpoint_interval_s=600.0,
)
DECLARED = Generic(
    idempotent=True, on_cluster_loss="fence_and_rerun", checkpoint_interval_s=600.0, cores=3
)


def due(deadline_s: float | None) -> Generic:
    return DECLARED.model_copy(update={"sla": Sla(deadline_s=deadline_s)})


class World:
    """A dear cluster, and a cheap one that holds one task and is away at first."""

    def __init__(self, profile: WorkloadProfile = PROFILE, **routing: object) -> None:
        clusters = [
            {
                "name": name,
                "kind": "local",
                "provider": name,
                "capacity": {"cores": cores, "memory_gib": 64},
                "price_usd_per_hour": price,
            }
            for name, cores, price in (("cheap", 4, 1.0), ("dear", 16, 12.0))
        ]
        settings = Settings.model_validate(
            {"mode": "enforce", "clusters": clusters, "routing": routing}
        )
        self.now = NOW
        self.decider = Decider(Installation.without_store(settings), clock=lambda: self.now)
        self.decider.swap(
            Snapshot(
                router=RouterSnapshot(clusters=Installation.without_store(settings).clusters),
                book=ProfileBook([profile]),
            )
        )
        self.moves = self.decider.moves
        self.tell("cheap", HealthState.UNREACHABLE)

    def tell(self, cluster: str, state: HealthState) -> None:
        self.decider.set_health(
            ClusterHealth(cluster=cluster, state=state, observed_at=self.now, detail="x")
        )

    def start(
        self,
        index: int = 0,
        description: Generic = DECLARED,
        try_number: int = 1,
        avoid: Mapping[str, str] | None = None,
    ) -> Decision:
        run = TaskRun(TASK, "r1", index, try_number)
        request = TaskRequest(run=run, description=description, avoid=avoid or {})
        decision = self.decider.decide(request)
        assert self.decider.ledger.admit(run)
        self.moves.started(decision, self.now)
        return decision

    def after(self, seconds: float) -> list[tuple[int, str, str]]:
        """What is due so long after the last look."""
        self.now += timedelta(seconds=seconds)
        self.moves.look(self.now)
        return [(m.run.map_index, m.source, m.target) for m in self.moves.due(self.now)]


@pytest.fixture
def world() -> World:
    return World()


def test_a_declared_task_is_moved_when_a_cheaper_cluster_is_back(world):
    """Not before; and it is told once."""
    assert "dear" == world.start().cluster.name
    assert [] == world.after(606)
    world.tell("cheap", HealthState.HEALTHY)
    assert [(0, "dear", "cheap")] == world.after(6)
    assert [] == world.moves.due(world.now)


def test_the_next_try_is_told_why_and_goes_there(world):
    """The sentence stands in the route's reason; the deadline's time goes on."""
    world.start()
    world.tell("cheap", HealthState.HEALTHY)
    world.now += timedelta(seconds=606)
    world.moves.look(world.now)
    (move,) = world.moves.due(world.now)
    world.moves.moving(move, world.now)
    decision = world.start(try_number=2)
    assert "cheap" == decision.cluster.name
    assert "; moved away from dear at" in decision.placement.route.reason.sentence
    assert "moved" not in world.start(index=1).placement.route.reason.sentence


@pytest.mark.parametrize(
    "description",
    [
        Generic(cores=3, checkpoint_interval_s=600.0, idempotent=True),
        Generic(cores=3, checkpoint_interval_s=600.0),
    ],
    ids=["only idempotent", "nothing said"],
)
def test_what_its_author_does_not_let_run_anew_stays(world, description):
    """However much it would save."""
    world.start(description=description)
    world.tell("cheap", HealthState.HEALTHY)
    assert [] == world.after(606)


@pytest.mark.parametrize(
    ("profile", "routing"),
    [
        (PROFILE, {"move_running": False}),
        (PROFILE, {"max_moves": 0}),
        (PROFILE, {"move_restart_s": 1e6}),
        (replace(PROFILE, deadline_s=36_500.0), {}),
        (
            replace(PROFILE, deadline_s=9e5, duration_s=replace(HOURS, sample_count=2)),
            {},
        ),
    ],
    ids=["switched off", "never", "restart too long", "no slack", "too few runs"],
)
def test_others_stay(profile, routing):
    """The settings forbid it, it does not pay, or it might cost the deadline."""
    world = World(profile, **routing)
    # What the description says of a deadline counts, not what the profile remembers.
    world.start(description=due(profile.deadline_s))
    world.tell("cheap", HealthState.HEALTHY)
    assert [] == world.after(606)


def test_a_deadline_that_is_far_away_is_no_obstacle():
    """As above, with time for two changeovers."""
    world = World()
    world.start(description=due(90_000.0))
    world.tell("cheap", HealthState.HEALTHY)
    assert [(0, "dear", "cheap")] == world.after(606)


def test_the_next_checkpoint_is_waited_for_where_much_would_be_lost():
    """A task near its end, just before a checkpoint: later it may not be worth it any more."""
    world = World(replace(PROFILE, checkpoint_interval_s=7200.0), move_restart_s=0.0)
    far = DECLARED.model_copy(update={"checkpoint_interval_s": 7200.0})
    world.start(description=far)
    world.tell("cheap", HealthState.HEALTHY)
    assert [] == world.after(7190)
    assert [(0, "dear", "cheap")] == [
        (m.run.map_index, m.source, m.target)
        for m in world.moves.due(world.now + timedelta(seconds=16))
    ]


def test_a_checkpoint_counts_only_when_it_must_have_been_written():
    """The task began a moment after it was sent: what is reckoned just past is not there yet."""
    world = World(move_restart_s=0.0)
    world.start()
    world.tell("cheap", HealthState.HEALTHY)
    assert [] == world.after(601)
    (move,) = world.moves.due(world.now + timedelta(seconds=5))
    assert NOW + timedelta(seconds=605) == move.due_at


def test_only_as_many_are_moved_as_there_is_room_for(world):
    """Also where the first is still on its way."""
    world.start(0)
    world.start(1)
    world.tell("cheap", HealthState.HEALTHY)
    world.now += timedelta(seconds=606)
    world.moves.look(world.now)
    (move,) = world.moves.due(world.now)
    world.moves.moving(move, world.now)
    assert [] == world.after(6)


def test_a_run_is_moved_so_many_times_at_most():
    """Over all of its tries: it is lost from the cheap cluster each time."""
    world = World(max_moves=2)
    moved = 0
    for number in range(1, 6):
        world.start(try_number=number)
        world.tell("cheap", HealthState.HEALTHY)
        world.now += timedelta(seconds=606)
        world.moves.look(world.now)
        for move in world.moves.due(world.now):
            world.moves.moving(move, world.now)
            moved += 1
        world.decider.ledger.release(TaskRun(TASK, "r1", 0, number))
        world.tell("cheap", HealthState.UNREACHABLE)
    assert 2 == moved


def test_what_has_ended_is_not_moved(world):
    """Even if it was found to be worth it a moment ago."""
    run = world.start().placement.run
    world.tell("cheap", HealthState.HEALTHY)
    world.now += timedelta(seconds=606)
    world.moves.look(world.now)
    world.moves.ended(run)
    assert [] == world.moves.due(world.now)


def test_after_a_restart_tasks_are_moved_as_before(world):
    """By the placement on record, if the author lets them run anew."""
    placements = [world.start(index).placement for index in (0, 1)]
    heir = World()
    heir.decider.take_over(placements[0], may_move=True)
    heir.decider.take_over(placements[1])
    heir.tell("cheap", HealthState.HEALTHY)
    assert [(0, "dear", "cheap")] == heir.after(606)


def test_a_run_is_not_moved_to_where_it_has_failed(world):
    """It would be placed elsewhere again at once, and lose its work for nothing."""
    world.start(avoid={"cheap": "try 1 failed there"})
    world.tell("cheap", HealthState.HEALTHY)
    assert [] == world.after(606)


def test_nothing_is_moved_to_a_cluster_that_is_lost_again(world):
    """Between the look and the moment at which the move is due."""
    world.start()
    world.tell("cheap", HealthState.HEALTHY)
    world.now += timedelta(seconds=606)
    world.moves.look(world.now)
    world.tell("cheap", HealthState.UNREACHABLE)
    assert [] == world.moves.due(world.now)


def test_room_that_an_earlier_look_gave_away_is_not_given_again(world, monkeypatch):
    """Many running tasks are looked at by turns, and the cheap cluster holds one."""
    monkeypatch.setattr(moves, "_MOST_AT_A_LOOK", 1)
    world.start(0)
    world.start(1)
    world.tell("cheap", HealthState.HEALTHY)
    world.now += timedelta(seconds=606)
    for _ in range(2):
        world.moves.look(world.now)
        world.now += timedelta(seconds=6)
    assert 1 == len(world.moves.due(world.now))


def test_some_are_moved_in_a_turn_of_the_host_and_the_others_in_the_next(monkeypatch):
    """Each is a row that the scheduler waits for."""
    monkeypatch.setattr(moves, "_MOST_AT_A_TURN", 2)
    world = World(replace(PROFILE, request=ResourceRequest(cores=1, memory_gib=1)))
    for index in range(3):
        world.start(index, DECLARED.model_copy(update={"cores": 1}))
    world.tell("cheap", HealthState.HEALTHY)
    assert [2, 1] == [len(world.after(606)), len(world.moves.due(world.now))]


@pytest.mark.parametrize(("state", "moved"), [("moved", []), ("fenced", [(0, "dear", "cheap")])])
def test_moves_of_another_scheduler_count(state, moved):
    """The third try is this one's; the store says what became of the first two."""
    world = World(max_moves=2)
    run = world.start(try_number=3).placement.run
    world.tell("cheap", HealthState.HEALTHY)
    assert [] == world.moves.unread(world.now)
    assert [] == world.after(606), "who knows how often it was moved before"
    assert [run] == world.moves.unread(world.now)
    placement = World().start().placement
    placements = {
        each: replace(placement, run=each, state=PlacementState(state))
        for each in earlier_tries(run)
    }
    world.moves.hear([run], placements, {})
    assert [] == world.moves.unread(world.now)
    assert moved == world.after(6)


@pytest.mark.parametrize(
    ("ago_s", "moved"), [(0.0, [(0, "dear", "cheap")]), (60_000.0, [])], ids=["now", "long ago"]
)
def test_a_move_of_another_scheduler_gives_no_more_time(ago_s, moved):
    """The deadline runs from when the try before was placed."""
    world = World()
    run = world.start(try_number=2, description=due(90_000.0)).placement.run
    world.tell("cheap", HealthState.HEALTHY)
    world.after(606)
    before = TaskRun(TASK, "r1", 0, 1)
    placement = World().start().placement
    long_ago = replace(
        placement, run=before, state=PlacementState.MOVED, placed_at=NOW - timedelta(seconds=ago_s)
    )
    world.moves.hear([run], {before: long_ago}, {})
    assert moved == world.after(6)


def test_a_task_that_was_taken_over_stays_where_its_team_may_be():
    """The cheap cluster is not for it."""
    placement = World().start().placement
    heir = World()
    heir.decider.take_over(
        placement,
        may_move=True,
        limits=(ClusterLimit(clusters=("dear",), reason="its team", binding=True),),
    )
    heir.tell("cheap", HealthState.HEALTHY)
    assert [] == heir.after(606)
