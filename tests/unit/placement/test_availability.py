"""What is learned from when places went and came back, and nothing later than that."""

from __future__ import annotations

import pytest

from aiops_provider.placement.availability import AvailabilityHistory


def test_a_place_never_heard_of_is_there_and_lost_once_a_day():
    """Nothing is known of its coming back, so no time is promised for it."""
    known = AvailabilityHistory[str]().of("spot", now_s=0.0)
    assert (known.is_up, known.mean_up_s, known.mean_down_s) == (True, 86_400.0, None)
    assert known.chance_up_within(0.0) == 1.0


def test_a_place_that_never_came_back_is_not_expected():
    """However long ago it went."""
    history = AvailabilityHistory[str]()
    history.observe("spot", is_up=True, now_s=0.0)
    history.observe("spot", is_up=False, now_s=100.0)
    known = history.of("spot", now_s=1e6)
    assert not known.is_up
    assert known.chance_up_within(1e9) == 0.0
    assert known.share_up == 0.0


def test_means_are_those_of_the_spells():
    """An hour there, twenty minutes away, over and over; the prior fades."""
    history = AvailabilityHistory[str]()
    for lap in range(200):
        history.observe("spot", is_up=True, now_s=lap * 4800.0)
        history.observe("spot", is_up=False, now_s=lap * 4800.0 + 3600.0)
    known = history.of("spot", now_s=200 * 4800.0)
    assert known.mean_up_s == pytest.approx(3600.0, rel=0.05)
    assert known.mean_down_s == pytest.approx(1200.0, rel=0.05)
    assert known.share_up == pytest.approx(0.75, abs=0.02)
    assert known.chance_up_within(1200.0) == pytest.approx(0.632, abs=0.02)


def test_the_present_spell_counts_as_far_as_it_has_lasted():
    """A long absence makes the next return later, a long presence the next loss."""
    history = AvailabilityHistory[str]()
    for moment, is_up in ((0.0, True), (100.0, False), (200.0, True), (300.0, False)):
        history.observe("spot", is_up=is_up, now_s=moment)
    soon, late = history.of("spot", now_s=301.0), history.of("spot", now_s=9000.0)
    assert soon.mean_down_s is not None
    assert late.mean_down_s is not None
    assert late.mean_down_s > 10 * soon.mean_down_s
    assert late.mean_up_s == soon.mean_up_s


def test_only_changes_are_news():
    """Probes that say the same again teach nothing."""
    once, often = AvailabilityHistory[str](), AvailabilityHistory[str]()
    for history, times in ((once, 1), (often, 5)):
        for moment, is_up in ((0.0, True), (500.0, False), (800.0, True)):
            for _ in range(times):
                history.observe("spot", is_up=is_up, now_s=moment)
    assert once.of("spot", now_s=1000.0) == often.of("spot", now_s=1000.0)
