"""Domain objects as text and back."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone
from math import inf, isnan, nan
from types import MappingProxyType

import numpy as np
import pytest

from aiops_provider.domain.alarm import Alarm
from aiops_provider.domain.cluster import ClusterHealth, HealthState
from aiops_provider.domain.kpi import SeriesKey
from aiops_provider.domain.plan import Route, RouteCode, RouteReason, Wait
from aiops_provider.domain.profile import ResourceRequest
from aiops_provider.domain.task import TaskKey
from aiops_provider.errors import DataError, StoreError
from aiops_provider.placement.alternatives import Alternatives
from aiops_provider.placement.reason import Rejections
from aiops_provider.store.payload import decode, encode, encode_natively

KATHMANDU = timezone(timedelta(hours=5, minutes=45))


def test_moments_are_written_in_utc() -> None:
    """A moment of another zone is the same moment, shown in UTC."""
    health = ClusterHealth(
        cluster="eks",
        state=HealthState.HEALTHY,
        observed_at=datetime(2026, 1, 1, 5, 45, tzinfo=KATHMANDU),
    )
    read = decode(ClusterHealth, encode(health))
    assert read == health
    assert read.observed_at.utcoffset() == timedelta(0)
    assert "2026-01-01T00:00:00+00:00" in encode(health)


def test_infinity_and_nan_survive() -> None:
    """Figures without end come back as what they were, which JSON types of databases refuse."""
    alarm = Alarm(
        id="a",
        series=SeriesKey("k"),
        observed_at=datetime(2026, 1, 1, tzinfo=UTC),
        value=inf,
        expected=-inf,
        score=1.0,
        p_value=nan,
        attributes=MappingProxyType({"a": "b"}),
    )
    read = decode(Alarm, encode(alarm))
    assert (read.value, read.expected, read.attributes) == (inf, -inf, {"a": "b"})
    assert isnan(read.p_value)


def test_numbers_of_numpy_are_numbers() -> None:
    """The engines compute with numpy; what they hand over is written as Python's numbers."""
    value = {"i": np.int64(3), "f": np.float64(0.1), "b": np.True_}
    assert json.loads(encode(value)) == {"i": 3, "f": 0.1, "b": True}


def test_sets_are_written_in_order() -> None:
    """The same set gives the same text every time."""
    assert encode({"held": frozenset({"b", "a"})}) == '{"held":["a","b"]}'


def test_what_is_no_unicode_is_replaced() -> None:
    """A log line in an unknown encoding does not make its row unreadable."""
    assert json.loads(encode("caf\udce9 \0 \u2028 ☕")) == "caf? \0 \u2028 ☕"


@pytest.mark.parametrize(
    ("value", "problem"),
    [
        (object(), "object is no JSON"),
        ({(1, 2): 3}, "keys must be str"),
        (datetime(2026, 1, 1), "without a time zone"),  # noqa: DTZ001
    ],
)
def test_what_cannot_be_written(value: object, problem: str) -> None:
    """The error says what it is that cannot be stored."""
    with pytest.raises(DataError, match=problem):
        encode(value)


@pytest.mark.parametrize(
    "text", ["", "[]", '{"cluster": "eks"}', '{"cluster":1,"state":"melted","observed_at":0}']
)
def test_what_cannot_be_read(text: str) -> None:
    """A row of an incompatible version names its type and asks about the version."""
    with pytest.raises(StoreError, match=r"stored ClusterHealth cannot be read: .*version"):
        decode(ClusterHealth, text)


def test_fields_of_a_newer_version_are_left_out() -> None:
    """A row with one more field can still be read by the version before."""
    assert decode(SeriesKey, '{"name": "k", "dimensions": [["a", "b"]], "unit": "s"}') == (
        SeriesKey("k", (("a", "b"),))
    )


def a_route(**said) -> Route:
    """As a router makes them: alternatives and rejections are ranked when they are read."""
    route = Route(
        task=TaskKey("medical", "train"),
        cluster="eks",
        pool="large",
        request=ResourceRequest(cores=2.5, memory_gib=1e-7),
        reason=RouteReason(
            code=RouteCode.PLAN,
            sentence="plan 3 gives eks 80 % – of it",
            rejected=Rejections(lambda: {"gke": "it is full"}),
            figures={"score_usd": np.float64(0.1), "wait_s": 1e20},
        ),
        alternatives=Alternatives(list, 1.0),
        wait=Wait(
            until=datetime(2026, 1, 1, 12, tzinfo=UTC),
            places=(("gke", "small"),),
            chance=0.5,
            saving_usd=0.5,
        ),
    )
    return replace(route, **said)


def test_the_native_way_says_the_same() -> None:
    """Also what is no number to JSON, and what is no text to a database."""
    assert decode(Route, encode_natively(a_route())) == decode(Route, encode(a_route()))
    odd = a_route(team="caf\udce9", expected_cost_usd=inf)
    assert decode(Route, encode_natively(odd)) == decode(Route, encode(odd))
    endless = a_route(expected_cost_usd=inf)
    assert decode(Route, encode_natively(endless)).expected_cost_usd == inf
    with pytest.raises(DataError):
        encode_natively({"what": object()})
