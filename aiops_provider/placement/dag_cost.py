"""
Least cost of a DAG of tasks over places, with egress between them and no limit on capacity.

Exact: of a task's offers in one place only the cheapest counts; places that another one beats
whatever the neighbours choose are dropped (dead-end elimination, Goldstein 1994), and where that
leaves much, those that a lower bound excludes; then tasks are
eliminated one by one in min-fill order, each leaving a table over its neighbours (Dechter 1999,
bucket elimination: dynamic programming over a tree decomposition; on a chain it is the usual one).
Only if a table would be too large, an integer program decides.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from aiops_provider.errors import DataError
from aiops_provider.placement.dag_bounds import drop_by_bound
from aiops_provider.placement.dag_tables import Graph, drop_dead_ends, eliminate, table_entries
from aiops_provider.placement.fleet import Floats

# 160 MB of floating point; beyond, an integer program is faster than filling the table.
MOST_TABLE_ENTRIES = 20_000_000

# Below, filling the tables takes less time than a bound that would make them smaller.
SMALL_TABLE_ENTRIES = 200_000


@dataclass(frozen=True, slots=True)
class Offer:
    """One way to run a task: *cost* in USD of its whole run, at *place* as named in egress."""

    name: str
    place: str
    cost: float


@dataclass(frozen=True, slots=True)
class DagTask:
    """A task and what it can run on; data at a fixed place is a task with one offer at cost 0."""

    name: str
    offers: tuple[Offer, ...]


@dataclass(frozen=True, slots=True)
class Transfer:
    """Data in GiB that goes from one task to another."""

    source: str
    target: str
    gib: float


@dataclass(frozen=True, slots=True, kw_only=True)
class DagPlan:
    """
    The cheapest choice.

    Attributes:
        offers: The chosen offer by task.
        task_cost: USD of the runs.
        egress_cost: USD of the transfers.
        method: ``elimination`` or ``integer program``.
    """

    offers: Mapping[str, Offer]
    task_cost: float
    egress_cost: float
    method: str

    @property
    def cost(self) -> float:
        """USD in all."""
        return self.task_cost + self.egress_cost


def place_dag(
    tasks: Sequence[DagTask],
    transfers: Sequence[Transfer],
    egress: Mapping[tuple[str, str], float],
    *,
    most_table_entries: int = MOST_TABLE_ENTRIES,
) -> DagPlan:
    """
    Choose one offer per task so that runs and transfers together cost least.

    Args:
        tasks: With different names.
        transfers: Between those tasks.
        egress: USD per GiB from one place to another; within a place it is 0 unless given.
        most_table_entries: Above it an integer program is solved instead.

    Raises:
        DataError: If a task has no offer or occurs twice, a transfer names an unknown task, an
            amount is negative or not finite, or the egress price of a pair of places is missing.
    """
    rows = _checked_rows(tasks, transfers)
    places = sorted({offer.place for task in tasks for offer in task.offers})
    prices = _prices(places, egress)
    cheapest = [_cheapest_by_place(task) for task in tasks]
    costs = np.array(
        [[best[p].cost if p in best else math.inf for p in places] for best in cheapest]
    ).reshape(len(tasks), len(places))
    graph = Graph(costs, _tables(transfers, rows, prices))
    drop_dead_ends(graph)
    if table_entries(graph) > SMALL_TABLE_ENTRIES:
        drop_by_bound(graph)
        drop_dead_ends(graph)
    if table_entries(graph) <= most_table_entries:
        chosen, method = eliminate(graph), "elimination"
    else:
        from aiops_provider.placement.dag_program import solve

        chosen, method = solve(graph), "integer program"
    offers = {task.name: cheapest[row][places[chosen[row]]] for row, task in enumerate(tasks)}
    return DagPlan(
        offers=offers,
        task_cost=math.fsum(offer.cost for offer in offers.values()),
        egress_cost=math.fsum(
            t.gib * prices[chosen[rows[t.source]], chosen[rows[t.target]]] for t in transfers
        ),
        method=method,
    )


def _checked_rows(tasks: Sequence[DagTask], transfers: Sequence[Transfer]) -> dict[str, int]:
    rows: dict[str, int] = {}
    for row, task in enumerate(tasks):
        if task.name in rows:
            raise DataError(f"task {task.name!r} occurs twice: give each a name of its own")
        if not task.offers:
            raise DataError(f"task {task.name!r} has no offer: give at least one")
        for offer in task.offers:
            if not (math.isfinite(offer.cost) and offer.cost >= 0):
                raise DataError(f"offer {offer.name!r} of {task.name!r} costs {offer.cost}")
        rows[task.name] = row
    for transfer in transfers:
        for name in (transfer.source, transfer.target):
            if name not in rows:
                raise DataError(f"a transfer names task {name!r}: there is none of that name")
        if not (math.isfinite(transfer.gib) and transfer.gib >= 0):
            raise DataError(
                f"the transfer {transfer.source!r} to {transfer.target!r} has {transfer.gib} GiB"
            )
    return rows


def _cheapest_by_place(task: DagTask) -> dict[str, Offer]:
    best: dict[str, Offer] = {}
    for offer in task.offers:
        known = best.get(offer.place)
        if known is None or (offer.cost, offer.name) < (known.cost, known.name):
            best[offer.place] = offer
    return best


def _prices(places: Sequence[str], egress: Mapping[tuple[str, str], float]) -> Floats:
    prices = np.zeros((len(places), len(places)))
    for row, source in enumerate(places):
        for column, target in enumerate(places):
            price = egress.get((source, target), 0.0 if source == target else math.nan)
            if not (math.isfinite(price) and price >= 0):
                raise DataError(f"the egress price from {source!r} to {target!r} is missing")
            prices[row, column] = price
    return prices


def _tables(
    transfers: Sequence[Transfer], rows: Mapping[str, int], prices: Floats
) -> dict[tuple[int, int], Floats]:
    """One table per pair of tasks, whatever the direction and number of their transfers."""
    tables: dict[tuple[int, int], Floats] = {}
    for transfer in transfers:
        source, target = rows[transfer.source], rows[transfer.target]
        if source == target:
            continue
        pair = (min(source, target), max(source, target))
        table = transfer.gib * (prices if source < target else prices.T)
        tables[pair] = tables[pair] + table if pair in tables else table
    return tables
