"""How requests are sized."""

from __future__ import annotations

from aiops_provider.domain.profile import Quantity, ResourceRequest, Source
from aiops_provider.profiling.quantiles import exceeded, quantile_at
from aiops_provider.profiling.request import cheapest_z, enlarged, request_for

ONE_CORE = Quantity(p50=0.5, p80=0.9, p95=2.0, source=Source.OWN_HISTORY, sample_count=5)


def memory(p50: float, p80: float, p95: float, *, runs: int = 5) -> Quantity:
    source = Source.OWN_HISTORY if runs else Source.PRIOR
    return Quantity(p50=p50, p80=p80, p95=p95, source=source, sample_count=runs)


def test_the_quantile_is_where_the_expected_cost_is_lowest():
    """No other size is cheaper, counting what is held and what kills cost."""
    need = memory(1.0, 1.2, 1.5)
    z = cheapest_z(need, 10.0)

    def cost(at: float) -> float:
        return quantile_at(need, at) * (1 + 10 * exceeded(at))

    # The search goes in steps of 0.05.
    assert all(cost(z) <= 1.001 * cost(other / 100) for other in range(134, 300))


def test_dearer_kills_ask_for_more():
    """The more a killed run costs, the larger the request."""
    asked = [
        request_for(memory(1, 1.5, 3), ONE_CORE, failure_cost_factor=k).memory_gib
        for k in (0.5, 1, 3, 10, 100)
    ]
    assert asked == sorted(asked)
    assert asked[0] < asked[-1]


def test_the_critical_ratio_is_the_floor():
    """However wide the need, at least k / (k + 1) of the runs get enough."""
    request = request_for(memory(1, 10, 100), ONE_CORE, failure_cost_factor=10)
    assert 10 / 11 <= request.memory_quantile < 10 / 11 + 0.01


def test_a_narrow_need_gets_a_higher_quantile():
    """A few MiB avoid nearly all kills where runs need always the same."""
    narrow = request_for(memory(1, 1.01, 1.02), ONE_CORE)
    wide = request_for(memory(1, 2, 4), ONE_CORE)
    assert narrow.memory_quantile > wide.memory_quantile
    assert narrow.memory_gib == 1.0625


def test_requests_are_rounded_up():
    """Memory to 1/16 GiB, cores to a quarter."""
    request = request_for(memory(1.01, 1.01, 1.01), ONE_CORE)
    assert (request.memory_gib, request.cores) == (1.0625, 1.0)


def test_tiny_needs_have_a_floor():
    """An eighth of a GiB and a quarter of a core; before a first run 0.4 GiB."""
    idle = Quantity(p50=0.01, p80=0.01, p95=0.01, source=Source.OWN_HISTORY, sample_count=5)
    seen = request_for(memory(0.01, 0.02, 0.03), idle)
    unseen = request_for(memory(0.01, 0.02, 0.03, runs=0), idle)
    assert (seen.memory_gib, seen.cores) == (0.125, 0.25)
    assert unseen.memory_gib == 0.4375
    assert "no less than 0.4 GiB" in unseen.reason


def test_pins_are_taken_as_they_are():
    """What the user pinned is neither rounded nor raised, not even after a kill."""
    pinned = Quantity(p50=0.3, p80=0.3, p95=0.3, source=Source.PINNED, reason="pinned")
    request = request_for(pinned, pinned, killed_at_gib=0.3)
    assert (request.memory_gib, request.cores, request.memory_quantile) == (0.3, 0.3, None)


def test_after_a_kill_more_is_asked_for():
    """1.2 times plus 100 MiB, where the need is not known to be larger anyway."""
    request = request_for(memory(0.3, 0.31, 0.32), ONE_CORE, killed_at_gib=0.5)
    assert request.memory_gib == 0.75  # 0.6977 rounded up
    assert "killed for memory at 0.5 GiB" in request.reason


def test_enlarging_heeds_how_wide_the_need_is():
    """A need that is known to vary widely gets the quantile of what is larger than the kill."""
    request = ResourceRequest(cores=1, memory_gib=1.0, memory_quantile=0.9)
    narrow = enlarged(request, memory(0.9, 0.95, 1.0), failed_gib=1.0)
    wide = enlarged(request, memory(0.3, 0.6, 1.2), failed_gib=1.0)
    assert narrow.memory_gib == 1.3125
    assert wide.memory_gib == 2.0  # twice what failed is the most in one step


def test_own_runs_decide_the_quantile():
    """The width of own runs stands, however wide the blend with a prior is."""
    blended, own = memory(1, 2, 4), memory(1, 1.01, 1.02)
    assert request_for(blended, ONE_CORE, shape=own).memory_quantile > 0.99
    assert request_for(blended, ONE_CORE).memory_quantile < 0.95


def test_no_kill_asks_for_less():
    """A kill far below the usual need changes nothing."""
    need = memory(4, 5, 6)
    assert request_for(need, ONE_CORE, killed_at_gib=0.5) == request_for(need, ONE_CORE)


def test_enlarging_exceeds_what_failed():
    """The next try gets more than the killed one and never less than the profile asks."""
    request = ResourceRequest(cores=1, memory_gib=0.5, memory_quantile=0.95)
    need = memory(0.3, 0.4, 0.5)
    assert enlarged(request, need, failed_gib=0.5).memory_gib > 0.5
    assert enlarged(request, need, failed_gib=2.0).memory_gib > 2.0
    assert enlarged(request, need, failed_gib=0.1).memory_gib >= 0.5


def test_accelerators_are_passed_on():
    """The request carries what the profile needs beside memory and cores."""
    request = request_for(
        memory(1, 1, 1), ONE_CORE, accelerator="T4", accelerators=2, local_disk_gib=5.0
    )
    assert (request.accelerator, request.accelerators, request.local_disk_gib) == ("T4", 2, 5.0)


def test_no_more_than_people_ask_for():
    """A wide guess stops at what has been enough so far; a kill at as much lifts that."""
    wide = memory(1, 4, 12, runs=0)
    asked = request_for(wide, ONE_CORE, enough_gib=2.0)
    assert asked.memory_gib == 2.0
    assert "no more than people ask for" in asked.reason
    assert request_for(wide, ONE_CORE, enough_gib=2.0, killed_at_gib=2.0).memory_gib > 2.0


def test_after_a_kill_what_people_ask_for_is_tried_at_once():
    """The next try gets the user's request where that is more, else more than failed."""
    need = memory(1, 1.1, 1.2)
    request = request_for(need, ONE_CORE)
    assert enlarged(request, need, failed_gib=1.5, enough_gib=8.0).memory_gib == 8.0
    assert 8.0 < enlarged(request, need, failed_gib=8.0, enough_gib=8.0).memory_gib <= 16.125
    assert request_for(need, ONE_CORE, killed_at_gib=1.5, enough_gib=8.0).memory_gib == 8.0
