"""Replays in virtual time: nothing lost, nothing doubled, nothing above capacity, always the same."""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from aiops_provider.domain.cluster import Capacity, CarbonRate, ClusterSpec, Pool, StorageRate
from aiops_provider.domain.profile import ResourceRequest
from aiops_provider.domain.task import TaskKey, TaskRun
from aiops_provider.placement.live_load import has_room
from aiops_provider.placement.replay import Replay
from aiops_provider.placement.replay_figures import replay_figures
from aiops_provider.placement.replay_policies import (
    RankingPolicy,
    cheapest_first,
    round_robin,
    single_cluster,
)
from aiops_provider.placement.replay_task import (
    Attempt,
    Moves,
    Nomination,
    Outage,
    ReplayTask,
    merged_outages,
)


def cluster(name: str, price: float | None, *, cores: float = 4, machines: int = 1) -> ClusterSpec:
    machine = Capacity(cores=cores, memory_gib=4 * cores)
    pool = Pool(name="p", machine=machine, max_instances=machines, price_usd_per_hour=price)
    return ClusterSpec(name=name, kind="local", provider=name, region=f"r-{name}", pools=(pool,))


CHEAP, DEAR = CLUSTERS = (cluster("cheap", 1.0), cluster("dear", 3.0, machines=2))


def task(number: int, arrival_s: float, duration_s: float, **given: object) -> ReplayTask:
    cores = float(given.pop("cores", 1.0))  # type: ignore[arg-type]
    return ReplayTask(
        run=TaskRun(TaskKey("d", f"t{number % 3}"), f"r{number}"),
        arrival_s=arrival_s,
        duration_s=duration_s,
        request=ResourceRequest(cores=cores, memory_gib=cores),
        **given,  # type: ignore[arg-type]
    )


def everywhere(clusters: tuple[ClusterSpec, ...]) -> RankingPolicy:
    """A copy waits at every place; the first with room gets the task."""
    return RankingPolicy(clusters, lambda _task, places, _replay: tuple(places), again_after_s=50)


class Restless(RankingPolicy):
    """Moves whatever runs to wherever there is room, and stops some of it; as often as it may."""

    def __init__(self) -> None:
        super().__init__(CLUSTERS, lambda _task, places, _replay: tuple(places), again_after_s=50)

    def moves(self, replay: Replay) -> Moves:
        """The oldest on each place; every third is stopped instead."""
        moved, stopped = [], []
        for here, there in ((("cheap", "p"), ("dear", "p")), (("dear", "p"), ("cheap", "p"))):
            first = next(iter(replay.running(here)), None)
            step_s = first.task.checkpoint_s if first is not None else None
            # Whoever is never left alone until its next checkpoint never ends.
            if first is None or not step_s or replay.now_s - first.started_s < step_s:
                continue
            if first.number % 3 == 0:
                stopped.append(first.number)
            elif there not in replay.down and has_room(
                first.task.request, replay.capacity(there), replay.held(there)
            ):
                moved.append((first.number, there))
                break
        return Moves(now=tuple(moved), stopped=tuple(stopped), again_after_s=37.0)


POLICIES = {
    "restless": Restless,
    "single": lambda: single_cluster(CLUSTERS, "cheap"),
    "cheapest": lambda: cheapest_first(CLUSTERS),
    "turns": lambda: round_robin(CLUSTERS),
    "everywhere": lambda: everywhere(CLUSTERS),
}


def used_at(attempts: list[Attempt], place: str, moment: float) -> float:
    return math.fsum(
        a.task.request.cores
        for a in attempts
        if a.place[0] == place and a.started_s <= moment < a.ended_s
    )


seconds = st.integers(0, 2000).map(float)
drawn_tasks = st.lists(
    st.tuples(
        seconds,
        st.integers(1, 900).map(float),
        st.sampled_from([0.5, 1.0, 2.5, 4.0]),
        st.sampled_from([None, 60.0]),
    ),
    max_size=25,
)
drawn_outages = st.lists(
    st.tuples(st.sampled_from(["cheap", "dear"]), seconds, st.integers(1, 800).map(float)),
    max_size=8,
)


@pytest.mark.parametrize("name", POLICIES)
@settings(max_examples=40, deadline=None)
@given(drawn=drawn_tasks, spells=drawn_outages)
def test_every_task_ends_once_within_capacity_and_not_where_it_is_out(name, drawn, spells):
    """Whatever arrives and fails: ended once, all its work done, no pool above what it has."""
    tasks = [
        task(n, arrival, duration, cores=cores, checkpoint_s=step)
        for n, (arrival, duration, cores, step) in enumerate(drawn)
    ]
    outages = [Outage(place=(c, "p"), begin_s=b, end_s=b + length) for c, b, length in spells]
    attempts = list(Replay(tasks, CLUSTERS, POLICIES[name](), outages=outages).run())
    assert Counter(a.task.run for a in attempts if a.finished) == Counter(t.run for t in tasks)
    for attempt in attempts:
        assert attempt.task.arrival_s <= attempt.ready_s <= attempt.started_s <= attempt.ended_s
        for spell in outages:
            if spell.place == attempt.place:
                assert attempt.ended_s <= spell.begin_s or attempt.started_s >= spell.end_s
    for spec in CLUSTERS:
        for moment in {a.started_s for a in attempts}:
            assert used_at(attempts, spec.name, moment) <= spec.pools[0].capacity.cores + 1e-6
    figures = replay_figures(tasks, attempts, CLUSTERS, outages=outages)
    assert (figures.finished, figures.lost, figures.doubled) == (len(tasks), 0, 0)
    for each in tasks:
        own = [a for a in attempts if a.task.run == each.run]
        kept = math.fsum(
            (a.ended_s - a.started_s) // each.checkpoint_s * each.checkpoint_s
            for a in own
            if not a.finished and each.checkpoint_s
        )
        last = next(a for a in own if a.finished)
        assert last.ended_s - last.started_s == pytest.approx(max(0.0, each.duration_s - kept))


@pytest.mark.parametrize("name", POLICIES)
def test_the_same_again(name):
    """Same tasks in another order, same outages: the same attempts."""
    tasks = [task(n, 7.0 * (n % 9), 30.0 + n, cores=1 + n % 4) for n in range(40)]
    outages = [Outage(place=("cheap", "p"), begin_s=40, end_s=90)]
    first = Replay(tasks, CLUSTERS, POLICIES[name](), outages=outages).run()
    again = Replay(tasks[::-1], CLUSTERS, POLICIES[name](), outages=outages[::-1]).run()
    assert first == again


def test_what_waits_starts_in_order_and_what_fits_passes():
    """A large one does not keep small ones from the room that is left."""
    tasks = [task(0, 0, 100, cores=3), task(1, 1, 10, cores=4), task(2, 2, 10, cores=1)]
    attempts = Replay(tasks, [CHEAP], cheapest_first([CHEAP])).run()
    assert {"r0": 0.0, "r2": 2.0, "r1": 100.0} == {a.task.run.run_id: a.started_s for a in attempts}


def test_a_lost_task_runs_elsewhere_after_the_notice_and_waste_is_paid():
    """At 300 s the cheap cluster is lost; ten seconds later the task starts anew on the other."""
    policy = cheapest_first(CLUSTERS)
    policy.notices_after_s = 10
    outages = [Outage(place=("cheap", "p"), begin_s=300)]
    tasks = [task(0, 0, 3600, deadline_s=3950.0)]
    attempts = Replay(tasks, CLUSTERS, policy, outages=outages).run()
    assert [("cheap", 0, 300, False), ("dear", 310, 3910, True)] == [
        (a.place[0], a.started_s, a.ended_s, a.finished) for a in attempts
    ]
    figures = replay_figures(tasks, attempts, CLUSTERS, outages=outages)
    quarter = 0.25  # of a machine: one core of four
    assert pytest.approx(quarter * 1.0 * 300 / 3600) == figures.wasted_usd
    assert pytest.approx(quarter * 3.0 + figures.wasted_usd) == figures.cost_usd
    assert (1.0, 1, 10.0) == (
        figures.sla_attainment,
        figures.interruptions,
        figures.queueing_max_s,
    )


def test_a_checkpoint_keeps_the_work_before_it():
    """Of 300 s the first 200 count."""
    outages = [Outage(place=("cheap", "p"), begin_s=300)]
    tasks = [task(0, 0, 3600, checkpoint_s=200.0)]
    attempts = Replay(tasks, CLUSTERS, cheapest_first(CLUSTERS), outages=outages).run()
    assert 3400 == attempts[1].ended_s - attempts[1].started_s


def test_one_cluster_waits_for_its_return_or_loses_its_tasks():
    """With a single cluster a task waits; if that never returns it is lost, and told so."""
    back = [Outage(place=("cheap", "p"), begin_s=5, end_s=100)]
    tasks = [task(0, 0, 50)]
    attempts = Replay(tasks, CLUSTERS, single_cluster(CLUSTERS, "cheap"), outages=back).run()
    assert [(0, 5), (100, 150)] == [(a.started_s, a.ended_s) for a in attempts]
    gone = [Outage(place=("cheap", "p"), begin_s=5)]
    attempts = Replay(tasks, CLUSTERS, everywhere((CHEAP,)), outages=gone).run()
    figures = replay_figures(tasks, attempts, CLUSTERS, outages=gone)
    assert (0, 1) == (figures.finished, figures.lost)


def test_what_fits_nowhere_is_refused():
    """It counts as refused, not as lost, and misses its deadline."""
    tasks = [task(0, 0, 50, cores=64, deadline_s=100.0), task(1, 0, 50, deadline_s=50.0)]
    replay = Replay(tasks, CLUSTERS, cheapest_first(CLUSTERS))
    figures = replay_figures(tasks, replay.run(), CLUSTERS, refused=replay.refused)
    assert (1, 1, 0, 0.5) == (
        figures.finished,
        figures.refused,
        figures.lost,
        figures.sla_attainment,
    )
    assert "fits on no machine" in replay.refused[tasks[0].run]


def test_figures_see_doubled_and_lost_tasks():
    """A count that cannot rise proves nothing: ended twice, at two places at once, never ended."""
    tasks = [task(n, 0, 10) for n in range(3)]

    def ran(number: int, place: str, begin: float, end: float, *, finished: bool) -> Attempt:
        return Attempt(
            task=tasks[number],
            place=(place, "p"),
            ready_s=0,
            started_s=begin,
            ended_s=end,
            finished=finished,
        )

    attempts = [
        ran(0, "cheap", 0, 10, finished=True),
        ran(0, "dear", 10, 20, finished=True),
        ran(1, "cheap", 0, 10, finished=True),
        ran(1, "dear", 5, 8, finished=False),
    ]
    figures = replay_figures(tasks, attempts, CLUSTERS)
    assert (2, 2, 1) == (figures.finished, figures.doubled, figures.lost)


def test_a_backlog_is_what_runs_and_waits():
    """In seconds of the whole pool, falling while time passes."""
    seen = []

    class Watching(RankingPolicy):
        def choose(self, task, lost_on, replay):
            in_use = replay.load().get(("cheap", "p"))
            seen.append(in_use.backlog_s if in_use else 0.0)
            chosen = super().choose(task, lost_on, replay)
            return Nomination(places=chosen.places, expected_s=100)

    tasks = [task(n, 10.0 * n, 100, cores=4) for n in range(3)]
    Replay(tasks, [CHEAP], Watching([CHEAP], lambda _t, places, _r: tuple(places))).run()
    assert [0.0, 90.0, 180.0] == pytest.approx(seen)


def test_unpriced_pools_are_counted_not_made_up():
    """They are in no sum of money."""
    free = cluster("free", None)
    tasks = [task(0, 0, 10)]
    figures = replay_figures(tasks, Replay(tasks, [free], cheapest_first([free])).run(), [free])
    assert (1, 0.0) == (figures.unpriced, figures.cost_usd)


def test_touching_spells_are_one():
    """So that nothing starts in the seam of two of them."""
    place = ("cheap", "p")
    spells = [Outage(place=place, begin_s=b, end_s=e) for b, e in ((5, 9), (0, 5), (7, 8))]
    assert [Outage(place=place, begin_s=0, end_s=9)] == merged_outages(spells)
    with pytest.raises(ValueError, match="lasts from"):
        merged_outages([Outage(place=place, begin_s=5, end_s=5)])


def test_a_moved_task_keeps_what_its_checkpoints_kept_and_is_no_interruption():
    """It goes on at the other place; what it did since its last checkpoint is done again."""

    class Once(RankingPolicy):
        def moves(self, replay: Replay) -> Moves:
            runs = [run for run in replay.running(("dear", "p")) if run.task.checkpoint_s]
            return Moves(now=tuple((run.number, ("cheap", "p")) for run in runs))

    policy = Once(CLUSTERS, lambda task, *_: (("cheap" if task.arrival_s else "dear", "p"),))
    long = task(0, 0.0, 1000.0, checkpoint_s=100.0)
    # The end of the second one is the moment at which moves are asked for.
    tasks = [long, task(1, 10.0, 240.0)]
    attempts = Replay(tasks, CLUSTERS, policy).run()
    first, second = (a for a in attempts if a.task is long)
    assert (first.place, first.ended_s, first.moved, first.lost) == (
        ("dear", "p"),
        250.0,
        True,
        False,
    )
    assert (second.place, second.started_s, second.ended_s) == (("cheap", "p"), 250.0, 1050.0)
    figures = replay_figures(tasks, attempts, CLUSTERS)
    assert (figures.interruptions, figures.moves, figures.doubled, figures.lost) == (0, 1, 0, 0)
    assert figures.wasted_usd == pytest.approx(3.0 * 0.25 * 50 / 3600)


def test_a_move_to_where_there_is_no_room_is_a_bug_of_the_policy():
    """It is said so, rather than a pool being overfilled."""

    class Pushy(RankingPolicy):
        def moves(self, replay: Replay) -> Moves:
            runs = list(replay.running(("dear", "p")))
            return Moves(now=tuple((run.number, ("cheap", "p")) for run in runs))

    policy = Pushy(CLUSTERS, lambda task, *_: (("cheap" if task.arrival_s else "dear", "p"),))
    tasks = [
        task(0, 0.0, 1000.0, cores=3.0, checkpoint_s=1.0),
        task(1, 1.0, 500.0, cores=3.0),
        task(2, 2.0, 10.0),
    ]
    with pytest.raises(ValueError, match="no room"):
        Replay(tasks, CLUSTERS, policy).run()


def test_a_copy_is_paid_for_until_the_next_run_replaces_it():
    """Where it was written; a loss leaves nothing, and another class has another price."""
    monthly = {"object": StorageRate(usd_per_gib_month=730.0)}
    places = (
        replace(CHEAP, storage=monthly),
        replace(DEAR, storage={"file": StorageRate(usd_per_gib_month=7300.0)}),
    )
    tasks = [
        task(0, 0, 3600, stored_gib=2.0),
        task(3, 0, 7200, stored_gib=5.0),  # the same task again
        task(1, 0, 10800, stored_gib=1.0, storage_class="file"),
    ]
    attempts = [
        Attempt(task=each, place=place, ready_s=0, started_s=0, ended_s=end, finished=finished)
        for each, place, end, finished in (
            (tasks[0], ("cheap", "p"), 3600, True),
            (tasks[1], ("dear", "p"), 1800, False),
            (tasks[1], ("cheap", "p"), 7200, True),
            (tasks[2], ("dear", "p"), 10800, True),
            (replace(tasks[2], run=TaskRun(TaskKey("d", "t2"), "r9")), ("dear", "p"), 14400, True),
        )
    ]
    figures = replay_figures(tasks[:2] + [each.task for each in attempts[3:]], attempts, places)
    # Two GiB for an hour, five for two, at a dollar an hour; one of files for an hour at ten.
    assert pytest.approx(2.0 + 10.0 + 10.0) == figures.stored_usd
    bare = replay_figures(tasks[:2] + [each.task for each in attempts[3:]], attempts, CLUSTERS)
    assert 0.0 == bare.stored_usd
    assert pytest.approx(bare.cost_usd + 22.0) == figures.cost_usd
    assert figures.wasted_usd == bare.wasted_usd > 0
    by_cluster = {each.cluster: each.cost_usd for each in figures.clusters}
    assert pytest.approx(figures.cost_usd) == sum(by_cluster.values())


def test_emissions_are_in_the_cost_at_their_price():
    """Also in what was wasted; a pool without a price stays out of both."""
    pool = replace(CHEAP.pools[0], carbon=CarbonRate(kg_per_hour=2.0))
    emitting = replace(CHEAP, pools=(pool,))
    tasks = [task(0, 0, 3600), task(1, 0, 1800)]
    attempts = [
        Attempt(task=each, place=("cheap", "p"), ready_s=0, started_s=0, ended_s=end, finished=done)
        for each, end, done in ((tasks[0], 3600, True), (tasks[1], 1800, False))
    ]
    plain = replay_figures(tasks, attempts, [emitting])
    priced = replay_figures(tasks, attempts, [emitting], carbon_usd_per_kg=0.5)
    # A quarter of a machine of one USD and two kilograms an hour.
    assert (pytest.approx(0.375), pytest.approx(0.125)) == (plain.cost_usd, plain.wasted_usd)
    assert (pytest.approx(0.75), pytest.approx(0.25)) == (priced.cost_usd, priced.wasted_usd)
    free = replace(emitting, pools=(replace(pool, price_usd_per_hour=None),))
    unpriced = replay_figures(tasks, attempts, [free], carbon_usd_per_kg=0.5)
    assert (0.0, 2) == (unpriced.cost_usd, unpriced.unpriced)
