"""Prices over time: stretches add up, and every moment has the price of the latest change before it."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aiops_provider.domain.cluster import Capacity, ClusterSpec, Pool
from aiops_provider.placement.price_series import PriceChange, PriceSeries
from aiops_provider.placement.replay import Replay
from aiops_provider.placement.replay_policies import cheapest_first

PLACE = ("c", "p")


def _cluster(price: float | None) -> ClusterSpec:
    machine = Capacity(cores=4, memory_gib=16)
    pool = Pool(name="p", machine=machine, max_instances=1, price_usd_per_hour=price)
    return ClusterSpec(name="c", kind="local", provider="x", region="r", pools=(pool,))


def _series(changes: dict[int, float]) -> PriceSeries:
    return PriceSeries(
        PriceChange(place=PLACE, at_s=float(at), usd_per_hour=usd) for at, usd in changes.items()
    )


@given(
    changes=st.dictionaries(st.integers(-20, 60), st.integers(0, 9).map(float), max_size=8),
    begin=st.integers(0, 50),
    seconds=st.integers(0, 30),
)
def test_a_stretch_costs_what_its_seconds_cost(changes, begin, seconds):
    """Counted one by one, at the prices that a policy sees in that second."""
    series = _series(changes)
    spans = series.spans(PLACE, float(begin + seconds), float(seconds), 5.0)
    assert seconds == sum(lasted for lasted, _ in spans)
    one_by_one = [
        series.repriced([_cluster(5.0)], float(second))[0].pools[0].price_usd_per_hour
        for second in range(begin, begin + seconds)
    ]
    assert math.fsum(one_by_one) == math.fsum(lasted * (usd or 0.0) for lasted, usd in spans)


def test_before_the_first_change_the_price_is_the_given_one():
    """Which may be unknown."""
    series = _series({10: 2.0})
    assert [(5.0, 2.0), (10.0, None)] == series.spans(PLACE, 15.0, 15.0, None)
    assert [(4.0, None)] == series.spans(PLACE, 9.0, 4.0, None)
    assert [(7.0, 3.0)] == series.spans(("other", "p"), 9.0, 7.0, 3.0)
    given_clusters = (_cluster(None),)
    assert series.repriced(given_clusters, 9.0)[0] is given_clusters[0]
    assert _cluster(2.0) == series.repriced(given_clusters, 10.0)[0]
    assert [0.0, 3.0] == _series({-5: 1.0, -1: 2.0, 3: 1.0}).moments


def test_two_prices_at_one_moment_and_unknown_pools_are_refused():
    """Rather than one of them taken."""
    twice = [PriceChange(place=PLACE, at_s=1.0, usd_per_hour=usd) for usd in (1.0, 2.0)]
    with pytest.raises(ValueError, match="two prices"):
        PriceSeries(twice)
    clusters = [_cluster(1.0)]
    elsewhere = PriceSeries([PriceChange(place=("d", "p"), at_s=1.0, usd_per_hour=1.0)])
    with pytest.raises(ValueError, match="no pool"):
        Replay([], clusters, cheapest_first(clusters), prices=elsewhere)
