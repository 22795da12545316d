"""A DAG is placed at least cost, runs and egress together."""

from __future__ import annotations

import itertools
import math
import random

import pytest

from aiops_provider.errors import DataError
from aiops_provider.placement import dag_cost
from aiops_provider.placement.dag_cost import DagTask, Offer, Transfer, place_dag

EGRESS = {("a", "b"): 0.1, ("b", "a"): 0.3}


def task(name: str, **cost_by_place: float) -> DagTask:
    return DagTask(
        name, tuple(Offer(f"m-{place}", place, cost) for place, cost in cost_by_place.items())
    )


def random_dag(seed: int, count: int, places: str):
    chance = random.Random(seed)  # noqa: S311 - no secret
    tasks = [
        task(
            str(n), **{p: chance.uniform(1, 5) for p in places if chance.random() < 0.8 or p == "a"}
        )
        for n in range(count)
    ]
    transfers = [
        Transfer(str(s), str(t), chance.uniform(0, 20))
        for s, t in itertools.combinations(range(count), 2)
        if chance.random() < 0.5
    ]
    egress = {(p, q): chance.uniform(0, 0.2) for p in places for q in places if p != q}
    return tasks, transfers, egress


def cost_of(choice, transfers, egress):
    place = {name: offer.place for name, offer in choice.items()}
    return math.fsum(offer.cost for offer in choice.values()) + math.fsum(
        t.gib * egress.get((place[t.source], place[t.target]), 0.0) for t in transfers
    )


def by_brute_force(tasks, transfers, egress):
    return min(
        cost_of(dict(zip([t.name for t in tasks], offers, strict=True)), transfers, egress)
        for offers in itertools.product(*(t.offers for t in tasks))
    )


def test_a_task_moves_only_if_that_saves_more_than_the_egress():
    """Egress of 10 GiB costs 1 USD from a to b."""
    data = task("data", a=0)
    for saving, place in ((0.9, "a"), (1.1, "b")):
        plan = place_dag(
            [data, task("run", a=2, b=2 - saving)], [Transfer("data", "run", 10)], EGRESS
        )
        assert place == plan.offers["run"].place


def test_the_direction_of_a_transfer_counts():
    """From b to a costs three times as much as from a to b, however the tasks are listed."""
    tasks = [task("x", a=0), task("y", b=0)]
    assert math.isclose(1.0, place_dag(tasks, [Transfer("x", "y", 10)], EGRESS).cost)
    assert math.isclose(3.0, place_dag(tasks, [Transfer("y", "x", 10)], EGRESS).cost)


@pytest.mark.parametrize("seed", range(12))
@pytest.mark.parametrize("most_table_entries", [10**6, 0])
def test_both_methods_find_the_cost_of_brute_force(seed, most_table_entries):
    """On random DAGs of six tasks; the integer program where no table is allowed."""
    tasks, transfers, egress = random_dag(seed, 6, "abc")
    plan = place_dag(tasks, transfers, egress, most_table_entries=most_table_entries)
    assert math.isclose(by_brute_force(tasks, transfers, egress), plan.cost)
    assert math.isclose(cost_of(plan.offers, transfers, egress), plan.cost)
    assert ("elimination" if most_table_entries else "integer program") == plan.method


@pytest.mark.parametrize("seed", range(12))
def test_the_bound_drops_no_cheapest_choice(seed, monkeypatch):
    """The cost is that of brute force where the bound is always used."""
    monkeypatch.setattr(dag_cost, "SMALL_TABLE_ENTRIES", 0)
    tasks, transfers, egress = random_dag(seed, 6, "abcd")
    plan = place_dag(tasks, transfers, egress)
    assert math.isclose(by_brute_force(tasks, transfers, egress), plan.cost)


def test_the_order_of_the_tasks_does_not_change_the_cost():
    """Nor does the order of the transfers."""
    tasks, transfers, egress = random_dag(1, 8, "abcd")
    forwards = place_dag(tasks, transfers, egress).cost
    assert math.isclose(forwards, place_dag(tasks[::-1], transfers[::-1], egress).cost)


def test_a_dag_without_tasks_costs_nothing():
    """An empty plan."""
    assert 0.0 == place_dag([], [], {}).cost


@pytest.mark.parametrize(
    ("tasks", "transfers", "message"),
    [
        ([DagTask("x", ())], [], "'x' has no offer"),
        ([task("x", a=1), task("x", a=1)], [], "'x' occurs twice"),
        ([task("x", a=1)], [Transfer("x", "y", 1)], "names task 'y'"),
        ([task("x", a=math.nan)], [], "costs nan"),
        ([task("x", a=1)], [Transfer("x", "x", -1)], "-1 GiB"),
        ([task("x", a=1, c=1)], [], "from 'a' to 'c' is missing"),
    ],
)
def test_a_faulty_description_is_refused(tasks, transfers, message):
    """The error names what is wrong."""
    with pytest.raises(DataError, match=message):
        place_dag(tasks, transfers, EGRESS)
