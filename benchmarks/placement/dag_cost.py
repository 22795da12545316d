"""
Places DAGs of tasks at least cost: machines by region, egress between regions, no capacity.

``python -m benchmarks.placement.dag_cost [--data FOLDER] [--seed N] [--limit-s 30] [--output json]``.
Peers: every combination (small DAGs), and one integer program for CBC, one-hot with linearised
products.
"""

from __future__ import annotations

import argparse
import itertools
import math
import time
from collections.abc import Callable, Sequence

import pulp

from aiops_provider.placement.dag_cost import DagTask, Transfer, place_dag
from benchmarks.command import Options, run
from benchmarks.placement.dag_cases import Case, cases
from benchmarks.report import Must, Report, at_most

_REPEATS = 3
_EQUAL = 1e-6
_MOST_COMBINATIONS = 300_000


def main() -> int:
    """See the module."""
    return run("placement", measure, add_options=_options)


def measure(options: Options) -> Report:
    """Ours and each peer that can take the case, on all cases."""
    rows: list[dict[str, object]] = []
    musts: list[Must] = []
    for case in cases(options.data, options.seed):
        cost, seconds = _timed(_ours, case, _REPEATS)
        method = place_dag(case.tasks, case.transfers, case.egress).method
        rows.append(_row(case, f"aiops, {method}", cost, seconds, True))
        if case.combinations <= _MOST_COMBINATIONS:
            found, took = _timed(_brute_force, case, 1)
            rows.append(_row(case, "brute force", found, took, True))
            musts.append(_equal(case, "brute force", cost, found))
        start = time.perf_counter()
        found, proven = _cbc(case, options.extra.limit_s)
        rows.append(_row(case, "CBC, one shot", found, time.perf_counter() - start, proven))
        if proven:
            musts.append(_equal(case, "CBC", cost, found))
        if case.name.startswith("layered 20"):
            musts.append(
                at_most(f"{case.name}, {len(case.regions)} regions: seconds", seconds, 2.0)
            )
    return Report(
        bench="placement.dag_cost",
        data="vm-prices, skyplane-network",
        seed=options.seed,
        rows=rows,
        musts=musts,
        notes=[
            f"Seconds: the best of {_REPEATS} for ours, else of one run; with building the "
            f"program. CBC had {options.extra.limit_s} s of solving.",
            "Machines: the cheapest of a region that is large enough. Egress: Skyplane's prices of "
            "May 2022, premium tier.",
        ],
    )


def _options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--limit-s", type=float, default=30.0, help="of CBC, per DAG")


def _timed(solve: Callable[[Case], float], case: Case, repeats: int) -> tuple[float, float]:
    cost, best = math.nan, math.inf
    for _ in range(repeats):
        start = time.perf_counter()
        cost = solve(case)
        best = min(best, time.perf_counter() - start)
    return cost, best


def _row(case: Case, peer: str, cost: float, seconds: float, proven: bool) -> dict[str, object]:
    return {
        "DAG": case.name,
        "tasks": len(case.tasks),
        "transfers": len(case.transfers),
        "regions": len(case.regions),
        "peer": peer,
        "cost USD": round(cost, 4) if math.isfinite(cost) else None,
        "seconds": seconds,
        "proven": "yes" if proven else "no",
    }


def _equal(case: Case, peer: str, cost: float, other: float) -> Must:
    name = f"{case.name}, {len(case.regions)} regions: relative difference to {peer}"
    return at_most(name, abs(cost - other) / max(other, _EQUAL), _EQUAL)


def _ours(case: Case) -> float:
    return place_dag(case.tasks, case.transfers, case.egress).cost


def _brute_force(case: Case) -> float:
    names = [task.name for task in case.tasks]
    best = math.inf
    for offers in itertools.product(*(task.offers for task in case.tasks)):
        place = dict(zip(names, (offer.place for offer in offers), strict=True))
        cost = sum(offer.cost for offer in offers) + sum(
            t.gib * case.egress[place[t.source], place[t.target]] for t in case.transfers
        )
        best = min(best, cost)
    return best


def _cbc(case: Case, limit_s: float) -> tuple[float, bool]:
    """Cost found and whether it is proven; a transfer's product is bound by x + y - 1 from below."""
    program = pulp.LpProblem("dag", pulp.LpMinimize)
    runs = {task.name: _one_hot(program, task) for task in case.tasks}
    terms = [
        offer.cost * runs[task.name][offer.place] for task in case.tasks for offer in task.offers
    ]
    terms += _transfer_terms(program, case.transfers, runs, case)
    program += pulp.lpSum(terms)
    program.solve(pulp.PULP_CBC_CMD(msg=False, timeLimit=limit_s, gapRel=1e-9))
    cost = pulp.value(program.objective)
    # The status is "optimal" also where the limit stopped it; the solution's own is not.
    proven = program.sol_status == pulp.LpSolutionOptimal
    return (math.nan if cost is None else float(cost)), proven


def _one_hot(program: pulp.LpProblem, task: DagTask) -> dict[str, pulp.LpVariable]:
    found = {
        offer.place: program.add_variable(f"x_{task.name}_{n}", cat="Binary")
        for n, offer in enumerate(task.offers)
    }
    program += pulp.lpSum(found.values()) == 1
    return found


def _transfer_terms(
    program: pulp.LpProblem,
    transfers: Sequence[Transfer],
    runs: dict[str, dict[str, pulp.LpVariable]],
    case: Case,
) -> list[pulp.LpAffineExpression]:
    terms = []
    for number, transfer in enumerate(transfers):
        pairs = itertools.product(runs[transfer.source].items(), runs[transfer.target].items())
        for pair, ((source, x), (target, y)) in enumerate(pairs):
            price = transfer.gib * case.egress[source, target]
            if price:
                both = program.add_variable(f"y_{number}_{pair}", lowBound=0)
                program += both >= x + y - 1
                terms.append(price * both)
    return terms


if __name__ == "__main__":
    raise SystemExit(main())
