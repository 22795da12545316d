"""The integer program for graphs whose tables would be too large."""

from __future__ import annotations

import pulp

from aiops_provider.errors import PlanError
from aiops_provider.placement.dag_tables import Graph


def solve(graph: Graph) -> list[int]:
    """
    A cheapest choice of every variable, by HiGHS, proven to 1e-9 of its cost.

    The products of two choices are variables of their own, bound to sum to the choices from both
    sides, which is tighter than one bound per product.

    Raises:
        PlanError: If the solver does not prove its solution.
    """
    program = pulp.LpProblem("dag", pulp.LpMinimize)
    chosen = [
        {choice: program.add_variable(f"x_{row}_{choice}", cat="Binary") for choice in choices}
        for row, choices in enumerate(map(list, graph.choices))
    ]
    terms = [
        graph.costs[row, choice] * variable
        for row, by_choice in enumerate(chosen)
        for choice, variable in by_choice.items()
    ]
    for by_choice in chosen:
        program += pulp.lpSum(by_choice.values()) == 1
    for (a, b), table in graph.tables.items():
        both = {
            (x, y): program.add_variable(f"y_{a}_{b}_{x}_{y}", lowBound=0)
            for x in chosen[a]
            for y in chosen[b]
        }
        terms += [table[pair] * variable for pair, variable in both.items()]
        for x, variable in chosen[a].items():
            program += pulp.lpSum(both[x, y] for y in chosen[b]) == variable
        for y, variable in chosen[b].items():
            program += pulp.lpSum(both[x, y] for x in chosen[a]) == variable
    program += pulp.lpSum(terms)
    program.solve(pulp.HiGHS(msg=False, threads=1, gapRel=1e-9))
    if program.sol_status != pulp.LpSolutionOptimal:
        raise PlanError("the solver did not prove the cheapest placement of the DAG")
    return [
        int(max(by_choice, key=lambda choice: by_choice[choice].value())) for by_choice in chosen
    ]
