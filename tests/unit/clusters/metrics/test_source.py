"""What all sources of cluster metrics count alike."""

from __future__ import annotations

from datetime import UTC, datetime

from aiops_provider.clusters.metrics.source import SPOT_INTERRUPTIONS, Newcomers, interruptions

NOW = datetime(2026, 11, 28, 12, tzinfo=UTC)


def test_what_is_there_at_first_is_old():
    """How long it has been there nobody knows."""
    newcomers = Newcomers()
    assert newcomers.count(["a", "b"]) is None
    assert 1 == newcomers.count(["b", "c"])
    assert 0 == newcomers.count(["c"])
    assert 2 == newcomers.count(["d", "e", "d"])


def test_nothing_at_first_is_a_first_look_too():
    """What comes after it is new."""
    newcomers = Newcomers()
    assert newcomers.count([]) is None
    assert 1 == newcomers.count(["a"])


def test_interruptions_are_a_reading_that_means_a_fault_when_high():
    """None at the first look, so that no series begins with what had been before."""
    newcomers = Newcomers()
    assert [] == list(interruptions(newcomers, ["a"], NOW))
    (reading,) = interruptions(newcomers, ["a", "b"], NOW)
    assert (SPOT_INTERRUPTIONS, NOW, 1.0, "high") == (
        reading.name,
        reading.observed_at,
        reading.value,
        reading.fault_when,
    )
