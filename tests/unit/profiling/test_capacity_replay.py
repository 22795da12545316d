"""Terms from a replay of the last days."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import numpy as np
import pytest

from aiops_provider.profiling.capacity_outcome import outcome_of, seen_level
from aiops_provider.profiling.capacity_replay import QUANTILES, choose_terms

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


def outcome(instances: list[float], demand: list[float], *, patience_s: float = 0.0):
    return outcome_of(
        np.array(instances),
        np.array(demand),
        per_instance=1.0,
        step_s=60.0,
        cold_start_s=0.0,
        patience_s=patience_s,
    )


def test_what_waits_is_served_first_come_first_served():
    """Six come at once, two are served per minute: the last two would wait two minutes."""
    instances, demand = [2.0] * 4, [6.0, 0.0, 0.0, 0.0]
    assert outcome(instances, demand).unmet == pytest.approx(4 / 6)
    assert outcome(instances, demand, patience_s=60.0).unmet == pytest.approx(2 / 6)
    patient = outcome(instances, demand, patience_s=120.0)
    assert (patient.unmet, patient.short, patient.over) == (0.0, 0.0, pytest.approx(2 / 6))


def test_capacity_does_not_wait_for_demand():
    """What idles before a demand comes is lost."""
    assert outcome([4.0, 0.0], [0.0, 4.0], patience_s=600.0).over == pytest.approx(1.0)
    assert outcome([4.0, 0.0, 0.0], [0.0, 4.0, 0.0], patience_s=60.0).unmet == pytest.approx(1.0)


def test_newcomers_do_not_overtake_but_those_gone_do_not_hold_them_up():
    """Ten come and eight are given up after a minute; the two of the next minute are served."""
    assert outcome([1.0] * 4, [10.0, 0.0, 2.0, 0.0], patience_s=60.0).unmet == pytest.approx(8 / 12)


def test_patience_below_a_step_is_none():
    impatient = outcome([1.0, 1.0], [2.0, 0.0])
    assert outcome([1.0, 1.0], [2.0, 0.0], patience_s=59.0) == impatient


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


def terms(shortage_cost: float, *, days: int = 6, useful: bool = True, maximum: int | None = None):
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
        maximum=maximum,
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


def test_bursts_at_no_hour_in_particular_are_met_by_what_stands():
    """No forecast and no reaction is in time for a single step at random; dear shortage pays for it."""
    rng = np.random.default_rng(3)
    times = [START + timedelta(minutes=5 * n) for n in range(8 * 288)]
    values = np.where(rng.random(len(times)) < 0.03, 100.0, 10.0).tolist()

    def nothing_known(_: datetime, moments: list[datetime]) -> dict:
        return {q: np.ones(len(moments)) for q in QUANTILES}

    def chosen(shortage_cost: float):
        return choose_terms(
            values,
            times,
            nothing_known,
            per_instance=10.0,
            cold_start_s=300.0,
            shortage_cost=shortage_cost,
        )

    dear = chosen(1000.0)
    assert (dear.standing, dear.outcome.unmet) == (100.0, 0.0)
    assert chosen(1.0).standing <= 10.0


def test_the_maximum_bounds_what_is_tried():
    limited = terms(100.0, maximum=4)
    assert limited.outcome.unmet > terms(100.0).outcome.unmet
    assert limited.outcome.unmet >= (100.0 - 40.0) / 110.0 - 1e-9


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
