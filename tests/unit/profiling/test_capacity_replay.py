"""Terms from a replay of the last days."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import numpy as np
import pytest

from aiops_provider.profiling.capacity_replay import QUANTILES, choose_terms, outcome_of, seen_level

START = datetime(2026, 1, 5, tzinfo=UTC)


def test_idle_unmet_and_short():
    """Two steps of 10: one has 20, the other 5; the growing instance has idled for its start."""
    found = outcome_of(
        np.array([1.0, 4.0]),
        np.array([10.0, 10.0]),
        per_instance=5.0,
        step_s=300.0,
        cold_start_s=0.0,
    )
    assert (found.over, found.unmet, found.short, found.changes) == (0.5, 0.25, 0.5, 1)
    slow = outcome_of(
        np.array([1.0, 4.0]),
        np.array([10.0, 10.0]),
        per_instance=5.0,
        step_s=300.0,
        cold_start_s=300.0,
    )
    assert slow.over == 0.5 + 3 * 5.0 / 20.0


def test_what_is_seen_is_late_averaged_and_held():
    demand = np.array([1.0, 2.0, 9.0, 1.0, 1.0, 1.0])
    late = seen_level(demand, lead=1, averaged=1, held=1)
    assert late.tolist() == [1.0, 1.0, 2.0, 9.0, 1.0, 1.0]
    assert seen_level(demand, lead=2, averaged=1, held=2).tolist() == [1.0, 1.0, 1.0, 2.0, 9.0, 9.0]
    assert seen_level(demand, lead=1, averaged=2, held=1).tolist() == [1.0, 1.0, 1.5, 5.5, 5.0, 1.0]


def test_nothing_is_seen_before_its_time():
    rng = np.random.default_rng(0)
    demand = rng.random(50)
    changed = demand.copy()
    changed[30:] = 100.0
    for lead in (1, 3):
        before, after = (
            seen_level(values, lead=lead, averaged=3, held=2) for values in (demand, changed)
        )
        assert np.array_equal(before[: 30 + lead], after[: 30 + lead])


def terms(shortage_cost: float, *, days: int = 6, useful: bool = True):
    """A demand that jumps every other hour; the schedule knows of it, or of nothing."""
    times = [START + timedelta(minutes=5 * n) for n in range(days * 288)]
    values = [100.0 if t.hour % 2 else 10.0 for t in times]

    def floors_at(origin: datetime, moments: list[datetime]) -> dict:
        assert min(moments) == origin
        known = np.array([10.0 if t.hour % 2 else 1.0 for t in moments])
        return {q: known if useful and q >= 0.5 else np.ones(len(known)) for q in QUANTILES}

    return choose_terms(
        values,
        times,
        floors_at,
        per_instance=10.0,
        cold_start_s=300.0,
        shortage_cost=shortage_cost,
    )


def test_a_schedule_that_knows_is_followed():
    chosen = terms(100.0)
    assert chosen.quantile >= 0.5
    assert chosen.outcome.unmet == 0.0
    assert chosen.reaction.sample_count == 3 * 288


def test_dear_shortage_leaves_less_of_it():
    cheap, dear = (terms(cost, useful=False).outcome for cost in (0.5, 500.0))
    assert dear.unmet < cheap.unmet
    assert dear.over > cheap.over


@pytest.mark.parametrize("minutes", [5, 60])
def test_a_short_past_gives_no_terms(minutes):
    times = [START + timedelta(minutes=minutes * n) for n in range(20)]
    chosen = choose_terms(
        [1.0] * 20,
        times,
        lambda *_: {},
        per_instance=1.0,
        cold_start_s=60.0,
        shortage_cost=100.0,
    )
    assert chosen is None
