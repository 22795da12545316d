"""A task waits for a cheaper place only as long as its deadline allows, and only if that is worth it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aiops_provider.domain.cluster import Capacity, ClusterSpec, Pool
from aiops_provider.domain.plan import RouteCode
from aiops_provider.domain.profile import ResourceRequest, WorkloadProfile
from aiops_provider.domain.task import TaskKey
from aiops_provider.placement.availability import Uptime
from aiops_provider.placement.router import InUse, Router, RouterSnapshot
from aiops_provider.placement.waiting_for_price import Outlook, latest_start_s
from aiops_provider.profiling.profiler import Profiler

NOW = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)
PROFILE: WorkloadProfile = replace(
    Profiler().predict(TaskKey("medical", "train"), now=NOW),
    request=ResourceRequest(cores=1, memory_gib=2),
)
HOUR = timedelta(hours=1)


def cluster(name: str, price: float | None) -> ClusterSpec:
    machine = Capacity(cores=8, memory_gib=32)
    pool = Pool(name="p", machine=machine, max_instances=1, price_usd_per_hour=price)
    return ClusterSpec(name=name, kind="local", provider=name, region="r", pools=(pool,))


CLUSTERS = (cluster("spot", 1.0), cluster("spot2", 1.0), cluster("steady", 3.0))
FULL = InUse(cores=8, memory_gib=32, waiting=1, backlog_s=600.0)
SPOT_FULL = {("spot", "p"): FULL, ("spot2", "p"): FULL}
ALWAYS = Uptime(is_up=True, mean_up_s=1e9, mean_down_s=60.0)


def outlook(
    until: datetime | None = NOW + HOUR,
    known: Callable[[tuple[str, str]], Uptime] = lambda _place: ALWAYS,
    **changes: float,
) -> Outlook:
    return Outlook(availability=known, until=until, **changes)


def router(**changes: object) -> Router:
    return Router(replace(RouterSnapshot(clusters=CLUSTERS), **changes))


def test_it_waits_where_the_queue_of_the_cheap_place_is_short_enough():
    """The route says so, until when, and what it would be instead."""
    route = router().route(PROFILE, load=SPOT_FULL, now=NOW, outlook=outlook())
    assert (route.cluster, route.reason.code) == ("spot", RouteCode.WAIT)
    assert route.wait is not None
    assert route.wait.until == NOW + HOUR
    assert route.wait.places == (("spot", "p"), ("spot2", "p"))
    assert route.alternatives[0].cluster == "steady"
    assert "67% cheaper than steady" in route.reason.sentence
    assert "1:00:00" in route.reason.sentence
    assert "costs" in route.reason.rejected["steady"]


@pytest.mark.parametrize(
    "given_outlook",
    [
        None,
        outlook(until=None),
        outlook(until=NOW),
        outlook(until=NOW - HOUR),
        outlook(until=NOW + timedelta(seconds=30)),
        outlook(least_saving=0.9),
    ],
    ids=["no outlook", "no deadline", "at T", "after T", "queue too long", "saves too little"],
)
def test_it_starts_at_once_otherwise(given_outlook):
    """On the dear place that has room."""
    route = router().route(PROFILE, load=SPOT_FULL, now=NOW, outlook=given_outlook)
    assert (route.cluster, route.wait) == ("steady", None)


def test_it_starts_where_there_is_room_on_a_cheap_place():
    """Of two full and free ones the free."""
    load = {("spot", "p"): FULL}
    route = router().route(PROFILE, load=load, now=NOW, outlook=outlook())
    assert (route.cluster, route.wait) == ("spot2", None)


def test_a_lost_place_is_waited_for_if_it_is_known_to_come_back():
    """With the chance of that; one that never came back is not waited for."""
    lost = router(unreachable={"spot": "it is out", "spot2": "it is out"})
    away = Uptime(is_up=False, mean_up_s=1e6, mean_down_s=1800.0)
    for_good = Uptime(is_up=False, mean_up_s=1e6, mean_down_s=None)
    route = lost.route(PROFILE, now=NOW, outlook=outlook(known=lambda _place: away))
    assert route.wait is not None
    assert route.wait.chance == pytest.approx(0.865, abs=0.001)
    route = lost.route(PROFILE, now=NOW, outlook=outlook(known=lambda _place: for_good))
    assert (route.cluster, route.wait) == ("steady", None)


@pytest.mark.parametrize("changes", [{"quarantined": 1}, {"unfit": 1}])
def test_a_place_at_fault_is_not_waited_for(changes):
    """It answers, so its coming back is not what is missing."""
    faults = {name: {"spot": "bad data", "spot2": "bad data"} for name in changes}
    route = router(**faults).route(PROFILE, now=NOW, outlook=outlook())
    assert (route.cluster, route.wait) == ("steady", None)


def test_where_this_run_failed_is_not_waited_for():
    """Whether it is lost or full."""
    avoid = {"spot": "try 1 failed there", "spot2": "try 1 failed there"}
    route = router().route(PROFILE, load=SPOT_FULL, avoid=avoid, now=NOW, outlook=outlook())
    assert (route.cluster, route.wait) == ("steady", None)


def test_of_equal_prices_the_place_that_stays_longer_is_taken():
    """With the reason in words."""
    flapping = Uptime(is_up=True, mean_up_s=1800.0, mean_down_s=60.0)

    def known(place: tuple[str, str]) -> Uptime:
        return flapping if place[0] == "spot" else ALWAYS

    route = router().route(
        PROFILE, now=NOW, outlook=outlook(known=known, checkpoint_interval_s=900.0)
    )
    assert (route.cluster, route.wait) == ("spot2", None)
    assert "lost every" in route.reason.sentence
    assert route.alternatives[0].cluster == "spot"


def test_an_unknown_price_is_not_waited_for_nor_compared_with():
    """It might be any."""
    clusters = (cluster("unknown", None), cluster("steady", 3.0))
    only = Router(RouterSnapshot(clusters=clusters))
    route = only.route(PROFILE, load={("steady", "p"): FULL}, now=NOW, outlook=outlook())
    assert (route.cluster, route.wait) == ("unknown", None)


@given(deadline=st.floats(1, 1e6), duration=st.floats(0, 1e6), done=st.floats(0, 1e6))
def test_who_starts_at_the_latest_start_is_in_time(deadline, duration, done):
    """If it takes no longer than was thought."""
    latest = latest_start_s(deadline, duration, done_s=done, margin_s=60.0)
    if latest is not None:
        assert 0 < latest
        assert latest + max(duration - done, 0.0) <= deadline - 60.0 + 1e-6
    assert latest_start_s(None, duration) is None
