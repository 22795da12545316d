"""Minimisation of a sum of tables over discrete choices: dead-end and bucket elimination."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from aiops_provider.placement.fleet import Floats, Integers


class Graph:
    """
    Choices and the tables that price them.

    Attributes:
        costs: Of each choice of each variable, ``inf`` if it is none; shape (variables, choices).
        tables: By pair of variables ``(a, b)``, a < b: cost of both choices, shape (choices,
            choices).
        choices: What is left to choose from, ascending, per variable.
    """

    __slots__ = ("choices", "costs", "neighbours", "tables")

    def __init__(self, costs: Floats, tables: Mapping[tuple[int, int], Floats]) -> None:
        self.costs = costs
        self.tables = dict(tables)
        self.choices: list[Integers] = [np.flatnonzero(np.isfinite(row)) for row in costs]
        self.neighbours: list[set[int]] = [set() for _ in costs]
        for a, b in tables:
            self.neighbours[a].add(b)
            self.neighbours[b].add(a)

    def table(self, a: int, b: int) -> Floats:
        """Costs of the choices left of *a* (rows) and *b* (columns)."""
        table = self.tables[a, b] if a < b else self.tables[b, a].T
        return table[np.ix_(self.choices[a], self.choices[b])]


def drop_dead_ends(graph: Graph) -> None:
    """
    Drop choices that cannot be in a cheapest solution, or not in the only one.

    Choice x is dropped for y if ``c(x) - c(y) + sum_n min_z (t_n(x, z) - t_n(y, z)) >= 0``: changing
    x to y never costs more, whatever the neighbours *n* choose. One choice of equals stays.
    """
    waiting = set(range(len(graph.choices)))
    while waiting:
        variable = waiting.pop()
        if _drop_for(graph, variable):
            waiting |= graph.neighbours[variable]


def _drop_for(graph: Graph, variable: int) -> bool:
    choices = graph.choices[variable]
    costs = graph.costs[variable, choices]
    least = costs[:, None] - costs[None, :]
    for neighbour in sorted(graph.neighbours[variable]):
        table = graph.table(variable, neighbour)
        least += np.array([(row - table).min(axis=1) for row in table])
    left = np.ones(len(choices), dtype=bool)
    for place in np.argsort(-costs, kind="stable"):
        others = left.copy()
        others[place] = False
        left[place] = not (least[place, others] >= 0).any()
    graph.choices[variable] = choices[left]
    return not left.all()


def elimination_order(graph: Graph) -> list[tuple[int, tuple[int, ...]]]:
    """Variables in min-fill order, each with those that its table will range over."""
    neighbours = [set(found) for found in graph.neighbours]
    waiting = set(range(len(neighbours)))
    order = []
    while waiting:
        variable = min(
            waiting, key=lambda v: (_fill(neighbours, v), _size(graph, neighbours, v), v)
        )
        scope = tuple(sorted(neighbours[variable]))
        for one in scope:
            neighbours[one] |= neighbours[variable]
            neighbours[one] -= {one, variable}
        waiting.remove(variable)
        order.append((variable, scope))
    return order


def _fill(neighbours: list[set[int]], variable: int) -> int:
    found = neighbours[variable]
    return sum(len(found - neighbours[one]) - 1 for one in found)


def _size(graph: Graph, neighbours: list[set[int]], variable: int) -> int:
    return math.prod(len(graph.choices[one]) for one in (variable, *neighbours[variable]))


def table_entries(graph: Graph) -> int:
    """Entries of the largest table that :func:`eliminate` will fill."""
    return max(
        (
            math.prod(len(graph.choices[one]) for one in (variable, *scope))
            for variable, scope in elimination_order(graph)
        ),
        default=0,
    )


@dataclass(slots=True)
class _Factor:
    scope: tuple[int, ...]
    values: Floats


@dataclass(slots=True)
class _Decision:
    variable: int
    scope: tuple[int, ...]
    best: Integers = field(repr=False)


def eliminate(graph: Graph) -> list[int]:
    """A cheapest choice of every variable; memory grows as :func:`table_entries`."""
    factors = [
        _Factor((variable,), graph.costs[variable, choices])
        for variable, choices in enumerate(graph.choices)
    ]
    factors += [_Factor(pair, graph.table(*pair)) for pair in graph.tables]
    decisions = []
    for variable, scope in elimination_order(graph):
        bucket = [factor for factor in factors if variable in factor.scope]
        factors = [factor for factor in factors if variable not in factor.scope]
        axes = (*scope, variable)
        total = np.zeros([len(graph.choices[one]) for one in axes])
        for factor in bucket:
            total += _spread(factor, axes)
        decisions.append(_Decision(variable, scope, total.argmin(axis=-1)))
        factors.append(_Factor(scope, total.min(axis=-1)))
    places = [0] * len(graph.choices)
    for decision in reversed(decisions):
        places[decision.variable] = int(decision.best[tuple(places[s] for s in decision.scope)])
    return [int(choices[place]) for choices, place in zip(graph.choices, places, strict=True)]


def _spread(factor: _Factor, axes: tuple[int, ...]) -> Floats:
    """The factor's values with an axis of length one for what it does not range over."""
    held = [axis for axis in axes if axis in factor.scope]
    values = factor.values.transpose([factor.scope.index(axis) for axis in held])
    sizes = iter(values.shape)
    return values.reshape([next(sizes) if axis in factor.scope else 1 for axis in axes])
