"""Drops choices that a lower bound proves to be in no cheapest solution."""

from __future__ import annotations

import numpy as np

from aiops_provider.placement.dag_tables import Graph
from aiops_provider.placement.fleet import Floats

# The bound seldom rises further, and a pass over 40 tables of 60 x 60 takes some milliseconds.
_PASSES = 60

# Costs nearer than this share of the best known are the same but for rounding.
_SAME = 1e-9


def drop_by_bound(graph: Graph) -> None:
    """
    Drop every choice whose least possible total exceeds the cost of a solution that is known.

    Costs are moved between choices and tables without changing any total (block coordinate ascent
    of the dual of the linear relaxation: Globerson and Jaakkola, Fixing Max-Product, NIPS 2007)
    until ``sum_v min_x c[v, x]`` is a good lower bound; a choice's reduced cost is then what it adds
    to the bound at least.
    """
    costs = [graph.costs[row, choices].copy() for row, choices in enumerate(graph.choices)]
    tables = {pair: graph.table(*pair).copy() for pair in graph.tables}
    best, known = np.inf, [0] * len(costs)
    for _ in range(_PASSES):
        for (a, b), table in tables.items():
            _balance(costs, table, a, b)
        found = _descend(graph, [int(cost.argmin()) for cost in costs])
        total = _total(graph, found)
        if total < best:
            best, known = total, found
        if _bound(costs, tables) >= best - _SAME * abs(best):
            break
    slack = best - _bound(costs, tables) + _SAME * abs(best)
    for row, cost in enumerate(costs):
        keep = cost - cost.min() <= slack
        keep[known[row]] = True
        graph.choices[row] = graph.choices[row][keep]


def _balance(costs: list[Floats], table: Floats, a: int, b: int) -> None:
    """Move all costs of two variables into their table, and half of its least ones back to each."""
    table += costs[a][:, None] + costs[b]
    costs[a], costs[b] = table.min(axis=1) / 2, table.min(axis=0) / 2
    table -= costs[a][:, None] + costs[b]


def _bound(costs: list[Floats], tables: dict[tuple[int, int], Floats]) -> float:
    return float(sum(cost.min() for cost in costs) + sum(table.min() for table in tables.values()))


def _descend(graph: Graph, places: list[int]) -> list[int]:
    """Change one choice after the other for the better until none can be."""
    improved = True
    while improved:
        improved = False
        for row, choices in enumerate(graph.choices):
            total = graph.costs[row, choices].copy()
            for neighbour in graph.neighbours[row]:
                total += graph.table(row, neighbour)[:, places[neighbour]]
            least = int(total.argmin())
            if total[least] < total[places[row]]:
                places[row], improved = least, True
    return places


def _total(graph: Graph, places: list[int]) -> float:
    chosen = [choices[place] for choices, place in zip(graph.choices, places, strict=True)]
    runs = sum(graph.costs[row, choice] for row, choice in enumerate(chosen))
    return float(runs + sum(table[chosen[a], chosen[b]] for (a, b), table in graph.tables.items()))
