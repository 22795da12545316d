"""Waiting for room, without a server."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime

import pytest

from aiops_provider.control.decide import Decision
from aiops_provider.control.load import LoadLedger
from aiops_provider.domain.cluster import Capacity, ClusterSpec, Pool
from aiops_provider.domain.plan import Mode, Placement, Route, RouteCode, RouteReason
from aiops_provider.domain.profile import ResourceRequest
from aiops_provider.domain.task import TaskKey, TaskRun
from aiops_provider.prefect.admission import Admission

pytestmark = pytest.mark.anyio

CLUSTER = ClusterSpec(
    name="c",
    kind="local",
    provider="on_premises",
    region="here",
    pools=(
        Pool(
            name="p",
            machine=Capacity(cores=2, memory_gib=4),
            max_instances=1,
            price_usd_per_hour=None,
        ),
    ),
)


def decision(name: str, *, cores: float = 2.0) -> Decision:
    task = TaskKey("flow", name)
    grant = ResourceRequest(cores=cores, memory_gib=1)
    reason = RouteReason(code=RouteCode.ONLY_CHOICE, sentence="there is no other")
    route = Route(task=task, cluster="c", pool="p", request=grant, reason=reason)
    placement = Placement(
        run=TaskRun(task, "r"),
        epoch=1,
        route=route,
        mode=Mode.ENFORCE,
        applied=True,
        cluster="c",
        placed_at=datetime.now(UTC),
    )
    return Decision(placement=placement, cluster=CLUSTER, grant=grant, limited=True)


def booked(ledger: LoadLedger, one: Decision) -> Decision:
    ledger.book(one.placement.run, cluster="c", pool="p", grant=one.grant, limited=True)
    return one


async def test_waits_until_another_has_ended() -> None:
    """A full cluster admits the next run when the one before it has ended, and not earlier."""
    ledger = LoadLedger((CLUSTER,))
    admission = Admission(ledger, patience_s=3600)
    first, second = (booked(ledger, decision(name)) for name in ("first", "second"))
    assert await admission.admit(first, still_good=lambda: True)
    waiting = asyncio.create_task(admission.admit(second, still_good=lambda: True))
    await asyncio.sleep(0.05)
    assert not waiting.done()
    ledger.release(first.placement.run)
    admission.moved()
    assert await waiting


async def test_stops_waiting_for_a_cluster_that_is_no_good_any_more() -> None:
    """Whoever waits is placed anew once the cluster must not be used any more."""
    ledger = LoadLedger((CLUSTER,))
    admission = Admission(ledger, patience_s=3600)
    first, second = (booked(ledger, decision(name)) for name in ("first", "second"))
    good = True
    assert await admission.admit(first, still_good=lambda: good)
    waiting = asyncio.create_task(admission.admit(second, still_good=lambda: good))
    await asyncio.sleep(0)
    good = False
    admission.moved()
    assert await waiting is False


async def test_first_in_line_goes_on_when_nothing_ever_ends() -> None:
    """A parent that holds the room its child waits for does not hold it for ever."""
    ledger = LoadLedger((CLUSTER,))
    admission = Admission(ledger, patience_s=0.2)
    parent, child, other = (booked(ledger, decision(name)) for name in ("parent", "child", "other"))
    assert await admission.admit(parent, still_good=lambda: True)
    waiting = asyncio.create_task(admission.admit(child, still_good=lambda: True))
    await asyncio.sleep(0)
    behind = asyncio.create_task(admission.admit(other, still_good=lambda: not waiting.done()))
    assert await waiting
    assert await behind is False
