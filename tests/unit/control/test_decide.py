"""Where a task runs is decided from memory, and never fails the task."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from aiops_provider.control.decide import Decider, Snapshot, TaskRequest
from aiops_provider.control.installation import Installation
from aiops_provider.domain.cluster import ClusterHealth, HealthState
from aiops_provider.domain.execution import ExecutionRecord, Outcome, Usage
from aiops_provider.domain.plan import Mode, RouteCode
from aiops_provider.domain.profile import ClusterLimit
from aiops_provider.domain.task import TaskKey, TaskRun
from aiops_provider.domain.workload import Generic
from aiops_provider.placement.router import RouterSnapshot
from aiops_provider.profiling.book import ProfileBook
from aiops_provider.profiling.profiler import Profiler
from aiops_provider.settings.schema import Settings

NOW = datetime(2026, 3, 2, 12, tzinfo=UTC)
TASK = TaskKey("medical", "train")


def settings(**changes) -> Settings:
    clusters = [
        {
            "name": "onprem",
            "kind": "local",
            "capacity": {"cores": 4, "memory_gib": 8},
            "price_usd_per_hour": 0.1,
        },
        {
            "name": "aws",
            "kind": "local",
            "provider": "aws",
            "capacity": {"cores": 16, "memory_gib": 64},
            "price_usd_per_hour": 3.0,
        },
    ]
    return Settings.model_validate({"mode": "enforce", "clusters": clusters, **changes})


def decider(**changes) -> Decider:
    return Decider(Installation.without_store(settings(**changes)), clock=lambda: NOW)


def request(try_number: int = 1, index: int = -1, **fields) -> TaskRequest:
    return TaskRequest(run=TaskRun(TASK, "r1", index, try_number), **fields)


def unreachable(cluster: str) -> ClusterHealth:
    return ClusterHealth(
        cluster=cluster, state=HealthState.UNREACHABLE, observed_at=NOW, detail="no answer"
    )


def out_of_memory(decision) -> ExecutionRecord:
    return ExecutionRecord(
        run=decision.placement.run,
        cluster=decision.cluster.name,
        provider="x",
        region="y",
        started_at=NOW,
        ended_at=NOW,
        outcome=Outcome.OUT_OF_MEMORY,
        request=decision.grant,
    )


def test_what_the_host_knows_counts_where_nobody_said_anything():
    """Before its first run a query is known as one; also when its DAG is read only later."""
    query = Generic(operator="SQLExecuteQueryOperator")
    one = decider()
    assert one.decide(request()).placement.route.request.cores == 1.0
    assert one.decide(request(2, known=query)).placement.route.request.cores == 0.25
    said = request(3, known=query, description=Generic(cores=3))
    assert one.decide(said).placement.route.request.cores == 3.0


def test_tasks_never_seen_of_which_the_same_is_known_are_predicted_once(monkeypatch):
    """Each in its own name; what is known of one with the same operator may still differ."""
    one = decider()
    predict, asked = one.profiler.predict, []
    monkeypatch.setattr(
        one.profiler, "predict", lambda *a, **k: asked.append(a) or predict(*a, **k)
    )
    query = {"operator": "SQLExecuteQueryOperator"}
    same, other = Generic(**query), Generic(**query, parameters={"sql": "select 1"})
    tasks = [TaskKey("medical", name) for name in "abcd"]
    facts = [same, Generic(**query), other, None]
    decisions = [
        one.decide(TaskRequest(run=TaskRun(task, "r1"), known=known))
        for task, known in zip(tasks, facts, strict=True)
    ]
    assert tasks == [each.profile.task for each in decisions]
    assert tasks == [each.placement.route.task for each in decisions]
    assert [(tasks[0], same), (tasks[2], other), (tasks[3], None)] == asked
    fresh = replace(predict(tasks[1], same, now=NOW), task=tasks[1])
    assert fresh == decisions[1].profile


def test_the_cheaper_cluster_is_taken():
    """Without a plan, price decides among clusters that can hold the task."""
    decision = decider().decide(request())
    assert "onprem" == decision.cluster.name
    assert decision.placement.applied
    assert not decision.problem


def test_a_second_choice_for_the_same_try_has_a_higher_epoch():
    """Only the highest epoch of a try is valid."""
    one = decider()
    assert [1, 2] == [one.decide(request()).placement.epoch for _ in range(2)]


def test_epochs_go_on_where_an_earlier_process_stopped():
    """A restarted scheduler never gives an epoch twice."""
    one = decider()
    one.epochs.remember({request().run: 7})
    assert 8 == one.decide(request()).placement.epoch


def test_tasks_spread_when_the_cheap_cluster_is_full():
    """The load of earlier tasks counts at once."""
    one = decider()
    chosen = {one.decide(request(index=index)).cluster.name for index in range(40)}
    assert {"onprem", "aws"} == chosen


def test_an_unreachable_cluster_is_left_out_and_used_again_when_it_is_back():
    """Health seen by this process changes decisions at once, in both directions."""
    one = decider()
    one.set_health(unreachable("onprem"))
    assert "aws" == one.decide(request()).cluster.name
    one.set_health(replace(unreachable("onprem"), state=HealthState.HEALTHY))
    assert "onprem" == one.decide(request()).cluster.name


def test_health_of_this_process_outlives_a_new_snapshot():
    """A snapshot from the store does not know what this process has just seen."""
    one = decider()
    one.set_health(unreachable("onprem"))
    one.swap(Snapshot(router=RouterSnapshot(clusters=settings().cluster_specs), book=ProfileBook()))
    assert "aws" == one.decide(request()).cluster.name


def test_a_decision_is_stale_once_its_cluster_is_gone():
    """A task that was not sent yet is chosen anew."""
    one = decider()
    decision = one.decide(request())
    assert one.still_good(decision)
    one.set_health(unreachable("onprem"))
    assert not one.still_good(decision)


def test_a_quarantined_cluster_is_avoided():
    """What detection decided is honoured."""
    one = decider()
    router = RouterSnapshot(clusters=settings().cluster_specs, quarantined={"onprem": "bad data"})
    one.swap(Snapshot(router=router, book=ProfileBook()))
    decision = one.decide(request())
    assert "aws" == decision.cluster.name
    assert "bad data" in decision.placement.route.reason.rejected["onprem"]


def test_a_failed_try_is_placed_elsewhere_but_not_for_ever():
    """After `max_fail_overs` clusters the plan's choice stands again."""
    one = decider(routing={"max_fail_overs": 1})
    once = one.decide(request(2, avoid={"onprem": "try 1 failed there"}))
    assert "aws" == once.cluster.name
    twice = one.decide(request(3, avoid={"onprem": "failed", "aws": "failed"}))
    assert "onprem" == twice.cluster.name


def test_a_pin_is_followed():
    """Who pins a cluster gets it."""
    decision = decider().decide(request(description=Generic(cluster="aws")))
    assert "aws" == decision.cluster.name
    assert RouteCode.PINNED is decision.placement.route.reason.code


def test_after_running_out_of_memory_the_next_try_is_bigger_at_once():
    """No history is needed for that."""
    one = decider()
    first = one.decide(request())
    one.finished(out_of_memory(first))
    assert one.decide(request(2)).grant.memory_gib > first.grant.memory_gib


@pytest.mark.parametrize("mode", ["observe", "advise"])
def test_observing_records_the_route_and_runs_as_without_us(mode):
    """The task gets the fallback cluster with no limit and never waits for room there."""
    decision = decider(mode=mode, fallback_cluster="aws").decide(request())
    assert "aws" == decision.cluster.name
    assert "onprem" == decision.placement.route.cluster
    assert not decision.placement.applied
    assert not decision.limited
    assert 64 == decision.grant.memory_gib


def test_modes_by_dag_win_over_modes_by_team():
    """The most specific mode holds."""
    mode = {"default": "observe", "teams": {"ml": "advise"}, "dags": {"medical": "enforce"}}
    one = decider(mode=mode)
    assert Mode.ENFORCE is one.mode(TASK, "ml")
    assert Mode.ADVISE is one.mode(TaskKey("other", "train"), "ml")
    assert Mode.OBSERVE is one.mode(TaskKey("other", "train"))


def test_a_percentage_of_the_tasks_is_enforced_and_always_the_same_ones():
    """A roll-out by percentage is stable from run to run."""
    one = decider(mode={"default": "enforce", "enforce_percentage": 30})
    tasks = [TaskKey("dag", f"task_{number}") for number in range(1000)]
    enforced = [task for task in tasks if one.mode(task) is Mode.ENFORCE]
    assert 240 < len(enforced) < 360
    assert enforced == [task for task in tasks if one.mode(task) is Mode.ENFORCE]


def test_switched_off_every_task_runs_on_the_fallback_cluster():
    """`enabled: false` decides nothing."""
    decision = decider(enabled=False, fallback_cluster="aws").decide(request())
    assert "aws" == decision.cluster.name
    assert RouteCode.FALLBACK is decision.placement.route.reason.code
    assert decision.problem


def test_an_engine_that_raises_never_stops_a_task(monkeypatch):
    """A bug of ours sends the task to the fallback cluster and says so."""
    one = decider(fallback_cluster="aws")

    def broken(*_, **__):
        raise ZeroDivisionError("a bug")

    monkeypatch.setattr(one.profiler, "predict", broken)
    decision = one.decide(request())
    assert "aws" == decision.cluster.name
    assert "ZeroDivisionError" in decision.problem


def test_a_pin_that_fits_no_machine_falls_back_and_says_why():
    """The reason names the field to mend."""
    pin = Generic(cluster="onprem", memory_gib=4000)
    decision = decider(fallback_cluster="aws").decide(request(description=pin))
    assert "4000" in decision.problem
    assert "memory_gib" in decision.problem


def test_a_task_waits_until_there_is_room():
    """A pool never runs more than it has."""
    one = decider()
    pinned = Generic(cluster="onprem", cores=3)
    first, second = (one.decide(request(index=i, description=pinned)) for i in (0, 1))
    assert one.ledger.admit(first.placement.run)
    assert not one.ledger.admit(second.placement.run)
    one.ledger.release(first.placement.run)
    assert one.ledger.admit(second.placement.run)


def test_a_profile_in_the_book_is_used():
    """What was learned elsewhere decides here."""
    one = decider()
    cold = one.decide(request()).profile
    learned = replace(cold, request=replace(cold.request, memory_gib=5.0, cores=1.0))
    one.swap(
        Snapshot(
            router=RouterSnapshot(clusters=settings().cluster_specs),
            book=ProfileBook([learned]),
            valid_until=NOW + timedelta(hours=1),
        )
    )
    assert 5.0 == one.decide(request(index=2)).grant.memory_gib


def limit(*clusters: str, binding: bool = False) -> ClusterLimit:
    return ClusterLimit(clusters=clusters, reason="so they say", binding=binding)


def test_limits_decide_before_the_price():
    """Also what a task gets when it is only observed: a queue meant that cluster before us."""
    assert "aws" == decider().decide(request(limits=(limit("aws"),))).cluster.name
    observed = decider(mode="observe").decide(request(limits=(limit("aws"),)))
    assert ("aws", False) == (observed.cluster.name, observed.placement.applied)


def test_limits_hold_when_the_layer_cannot_decide():
    """A team's task must not land where it may not be, whatever goes wrong."""
    huge = Generic(memory_gib=500)
    home = decider().decide(request(description=huge, limits=(limit("aws", binding=True),)))
    assert ("aws", RouteCode.FALLBACK) == (home.cluster.name, home.placement.route.reason.code)
    assert "aws is the first that it may use" in home.placement.route.reason.sentence


def test_limits_that_leave_nothing_give_way_but_for_those_of_a_team():
    """A queue that nobody knows must not stop a task, nor lead it out of its team's clusters."""
    lost = decider().decide(request(limits=(limit(),)))
    assert "onprem" == lost.cluster.name
    assert "so they say" in lost.problem
    of_team = decider().decide(request(limits=(limit("aws", binding=True), limit())))
    assert "aws" == of_team.cluster.name


def test_who_pays_is_on_record():
    """A placement knows its team, decided or not."""
    assert "science" == decider().decide(request(team="science")).placement.route.team
    assert "science" == decider(enabled=False).decide(request(team="science")).placement.route.team


def sized_book(*points):
    """The book after runs of the task on inputs of n with that peak memory."""
    profiler = Profiler()
    profiler.restore(
        ExecutionRecord(
            run=TaskRun(TASK, f"h{number}", number),
            cluster="onprem",
            provider="x",
            region="y",
            started_at=NOW - timedelta(hours=1),
            ended_at=NOW - timedelta(minutes=number + 1),
            outcome=Outcome.SUCCESS,
            usage=Usage(peak_memory_gib=peak, cpu_seconds=60, duration_s=60),
            inputs=(("n", n),),
        )
        for number, (n, peak) in enumerate(points)
    )
    return ProfileBook((profiler.predict(TASK, now=NOW),))


def knowing(book):
    one = decider()
    one.swap(Snapshot(router=one.snapshot.router, book=book))
    return one


def test_each_instance_asks_for_what_its_own_input_needs():
    """Described or not; what the pin says goes before."""
    one = knowing(sized_book((1.0, 0.2), (50.0, 2.0)))
    for description in (None, Generic(cores=1)):
        asked = [
            one.decide(request(index=i, inputs=(("n", n),), description=description))
            for i, n in enumerate((1.0, 50.0))
        ]
        small, large = (each.placement.route.request.memory_gib for each in asked)
        assert small < 0.7
        assert large > 2.0
    assert asked[1].inputs == (("n", 50.0),)
    pinned = request(index=3, inputs=(("n", 50.0),), description=Generic(memory_gib=1))
    assert one.decide(pinned).placement.route.request.memory_gib == 1


def test_a_size_that_is_said_grows_the_need_once():
    """Where it is learned already what it needs, nothing is added in proportion."""
    one = knowing(sized_book((1.0, 0.2), (50.0, 2.0)))
    said = request(inputs=(("input_gib", 50.0), ("n", 50.0)), description=Generic(input_gib=50.0))
    assert one.decide(said).placement.route.request.memory_gib < 4


def test_memory_that_was_too_little_for_a_large_input_says_nothing_of_small_ones():
    """And a small one that asks for less does not make the large one forget."""
    one = knowing(sized_book((1.0, 0.2), (50.0, 1.0)))
    small, large = (request(index=i, inputs=(("n", n),)) for i, n in enumerate((1.0, 50.0)))
    first = one.decide(large)
    one.finished(replace(out_of_memory(first), inputs=first.inputs))
    before = first.placement.route.request.memory_gib
    assert one.decide(small).placement.route.request.memory_gib < before
    again = one.decide(replace(large, run=replace(large.run, try_number=2)))
    assert again.placement.route.request.memory_gib > before
