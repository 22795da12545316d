"""How long tries may wait for a cheaper cluster, as a scheduler's process knows it."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from aiops_provider.control.decide import Decider, Snapshot, TaskRequest
from aiops_provider.control.installation import Installation
from aiops_provider.control.patience import PatienceBook
from aiops_provider.domain.cluster import ClusterHealth, ClusterSpells, HealthState
from aiops_provider.domain.execution import ExecutionRecord, Outcome
from aiops_provider.domain.plan import RouteCode
from aiops_provider.domain.profile import Quantity, ResourceRequest, Source, WorkloadProfile
from aiops_provider.domain.task import TaskKey, TaskRun
from aiops_provider.placement.router import RouterSnapshot
from aiops_provider.profiling.book import ProfileBook
from aiops_provider.profiling.profiler import Profiler
from aiops_provider.settings.engine_schema import RoutingSettings
from aiops_provider.settings.schema import Settings

NOW = datetime(2026, 3, 2, 12, tzinfo=UTC)
TASK = TaskKey("medical", "train")
TEN_MINUTES = Quantity(p50=600.0, p80=600.0, p95=600.0, source=Source.OWN_HISTORY, sample_count=50)
PROFILE: WorkloadProfile = replace(
    Profiler().predict(TASK, now=NOW),
    request=ResourceRequest(cores=3, memory_gib=2),
    duration_s=TEN_MINUTES,
    deadline_s=3600.0,
)


def run(number: int) -> TaskRun:
    return TaskRun(TASK, f"r{number}")


class Clock:
    """Moved by hand."""

    def __init__(self) -> None:
        self.now = NOW

    def __call__(self) -> datetime:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


def decider(clock: Clock, profile: WorkloadProfile = PROFILE, **routing: object) -> Decider:
    clusters = [
        {
            "name": name,
            "kind": "local",
            "provider": name,
            "capacity": {"cores": 4, "memory_gib": 8},
            "price_usd_per_hour": price,
        }
        for name, price in (("cheap", 1.0), ("dear", 3.0))
    ]
    settings = Settings.model_validate(
        {"mode": "enforce", "clusters": clusters, "routing": routing}
    )
    installation = Installation.without_store(settings)
    made = Decider(installation, clock=clock)
    made.swap(
        Snapshot(router=RouterSnapshot(clusters=installation.clusters), book=ProfileBook([profile]))
    )
    return made


def ask(one: Decider, number: int, **fields: object) -> tuple[str, RouteCode]:
    decision = one.decide(TaskRequest(run=run(number), **{"may_wait": True, **fields}))
    assert not decision.problem
    return decision.cluster.name, decision.placement.route.reason.code


def test_a_try_waits_for_the_cheap_cluster_and_no_longer_than_its_deadline_allows(clock):
    """Routed anew all the while; its time runs from the first choice."""
    one = decider(clock)
    assert ask(one, 1)[0] == "cheap"
    one.ledger.admit(run(1))
    assert ask(one, 2) == ("cheap", RouteCode.WAIT)
    clock.now = NOW + timedelta(seconds=2500)
    assert ask(one, 2) == ("cheap", RouteCode.WAIT)
    clock.now = NOW + timedelta(seconds=3000)
    name, code = ask(one, 2)
    assert (name, code is RouteCode.WAIT) == ("dear", False)


def test_it_starts_when_there_is_room(clock):
    """The next choice after the first run has ended."""
    one = decider(clock)
    ask(one, 1)
    one.ledger.admit(run(1))
    assert ask(one, 2) == ("cheap", RouteCode.WAIT)
    assert not one.ledger.admit(run(2))
    one.ledger.release(run(1))
    assert ask(one, 2)[0] == "cheap"
    assert one.ledger.admit(run(2))


@pytest.mark.parametrize(
    ("profile", "fields", "routing"),
    [
        (replace(PROFILE, deadline_s=None), {}, {}),
        (replace(PROFILE, deadline_s=660.0), {}, {}),
        (replace(PROFILE, duration_s=replace(TEN_MINUTES, sample_count=2)), {}, {}),
        (PROFILE, {"may_wait": False}, {}),
        (PROFILE, {}, {"wait_for_saving": 1.0}),
    ],
    ids=["no deadline", "no slack", "too few runs", "host does not ask anew", "switched off"],
)
def test_others_start_at_once(clock, profile, fields, routing):
    """On the cluster that has room."""
    one = decider(clock, profile, **routing)
    ask(one, 1)
    one.ledger.admit(run(1))
    assert ask(one, 2, **fields)[0] == "dear"


def test_a_lost_cluster_is_waited_for_once_it_is_known_to_come_back(clock):
    """The first time nothing is known of its return."""
    one = decider(clock)

    def health(state: HealthState, after_s: float) -> None:
        clock.now = NOW + timedelta(seconds=after_s)
        one.set_health(ClusterHealth(cluster="cheap", state=state, observed_at=clock.now))

    health(HealthState.HEALTHY, 0)
    health(HealthState.UNREACHABLE, 100)
    assert ask(one, 1)[0] == "dear"
    one.ledger.release(run(1))
    health(HealthState.HEALTHY, 400)
    health(HealthState.UNREACHABLE, 2000)
    assert ask(one, 2) == ("cheap", RouteCode.WAIT)


def spells(**figures: object) -> ClusterSpells:
    """Of a cluster that was away twice and is away again."""
    fields = {
        "is_up": False,
        "observed_at": NOW,
        "up_s": 7200.0,
        "down_s": 600.0,
        "losses": 3.0,
        "returns": 2.0,
        **figures,
    }
    return ClusterSpells(**fields)  # type: ignore[arg-type]


def unreachable(name: str, at: datetime, state: HealthState = HealthState.UNREACHABLE):
    return ClusterHealth(cluster=name, state=state, observed_at=at)


def test_after_a_restart_a_lost_cluster_is_waited_for_as_before(clock):
    """What earlier processes have seen counts, although this one knows nothing but a loss."""
    ignorant, restarted = decider(clock), decider(clock)
    restarted.patience.hear({"cheap": spells()})
    for one in (ignorant, restarted):
        one.set_health(unreachable("cheap", NOW, HealthState.UNKNOWN))
        one.set_health(unreachable("cheap", NOW))
    assert ask(ignorant, 1)[0] == "dear"
    assert ask(restarted, 1) == ("cheap", RouteCode.WAIT)


def test_whether_a_cluster_is_reached_from_here_is_for_this_process_to_say(clock):
    """Others reach it; its past is theirs all the same, however often it is heard."""
    one = decider(clock)
    one.set_health(unreachable("cheap", NOW))
    for _ in range(3):
        one.patience.hear({"cheap": spells(is_up=True, losses=2.0)})
    known = one.patience.availability("cheap", NOW)
    assert not known.is_up
    assert known.mean_up_s == pytest.approx((21_600 + 7200) / (0.25 + 3))
    assert known.mean_down_s == pytest.approx(300)


def test_time_runs_from_the_first_choice_of_an_earlier_process():
    """A restart gives no more of it; an end forgets the try."""
    book = PatienceBook(RoutingSettings())
    book.remember({run(1): NOW - timedelta(hours=2)})
    seen = book.outlook(run(1), PROFILE, NOW)
    assert seen is not None
    assert seen.until is not None
    assert seen.until < NOW
    book.forget(run(1))
    fresh = book.outlook(run(1), PROFILE, NOW)
    assert fresh is not None
    assert fresh.until is not None
    assert fresh.until > NOW


def test_a_deferred_try_keeps_its_time(clock):
    """What it did before it was deferred counts towards its deadline."""
    one = decider(clock)
    ask(one, 1)
    one.ledger.admit(run(1))
    assert ask(one, 2) == ("cheap", RouteCode.WAIT)
    one.finished(
        ExecutionRecord(
            run=run(2),
            cluster="cheap",
            provider="cheap",
            region="local",
            pool="default",
            started_at=NOW,
            ended_at=NOW,
            outcome=Outcome.SUSPENDED,
        )
    )
    clock.now = NOW + timedelta(seconds=3000)
    assert ask(one, 2)[0] == "dear"


def test_a_lost_cluster_that_is_waited_for_is_no_reason_to_choose_anew(clock):
    """Until the latest start: each choice has an epoch of its own."""
    one = decider(clock)
    for state, after_s in (("healthy", 0), ("unreachable", 100), ("healthy", 400)):
        at = NOW + timedelta(seconds=after_s)
        one.set_health(ClusterHealth(cluster="cheap", state=HealthState(state), observed_at=at))
    clock.now = NOW + timedelta(seconds=2000)
    lost = ClusterHealth(cluster="cheap", state=HealthState.UNREACHABLE, observed_at=clock.now)
    one.set_health(lost)
    decision = one.decide(TaskRequest(run=run(1), may_wait=True))
    wait = decision.placement.route.wait
    assert wait is not None
    assert one.still_good(decision)
    clock.now = wait.until
    assert not one.still_good(decision)
