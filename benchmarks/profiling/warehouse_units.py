"""
What the choice of warehouse units costs, beside the rules of others, with DuckDB as the warehouse.

``python -m benchmarks.profiling.warehouse_units [--measurements FILE] [--seed N] [--output json]``. The suite is
measured on this machine; with ``--measurements`` it is written to that file, or read from it if it is
there. Each query is held out in turn: what is known of it is nothing (cold), or runs on the Medium size
with less data (growing), or one run there with the same data (one run); all others have run everywhere.
"""

from __future__ import annotations

import argparse
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from aiops_provider.profiling.warehouse_model import WarehouseRun, WarehouseSize
from aiops_provider.profiling.warehouse_units import WarehouseUnits
from benchmarks.command import Options, run
from benchmarks.profiling.warehouse_runs import QUERIES, medium, read_or_measure, sizes
from benchmarks.report import Report, at_most

_OURS = "aiops warehouse units"
_RESAMPLINGS = 2_000
# A failed run costs itself and nine more like it.
_FAILURE_COST = 10.0
# A deadline that the fastest size keeps with a quarter to spare.
_DEADLINE_SLACK = 1.25


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """
    One query on data of one volume, and what is known when its size is chosen.

    Attributes:
        known: What is known of the query: cold, growing or one run.
        query: Which.
        volume_gib: Of its data.
        outcomes: What really happens, by size.
        own: Its own runs that are known, oldest first.
        others: Runs of all other queries.
    """

    known: str
    query: str
    volume_gib: float
    outcomes: Mapping[WarehouseSize, WarehouseRun]
    own: Sequence[WarehouseRun]
    others: Sequence[WarehouseRun]

    def cost(self, size: WarehouseSize) -> float:
        """What a run costs there, in USD."""
        outcome = self.outcomes[size]
        failed = _FAILURE_COST if outcome.failed else 1.0
        return size.price_per_s * outcome.runtime_s * failed

    @property
    def deadline_s(self) -> float:
        """A quarter more than what the fastest size needs."""
        return _DEADLINE_SLACK * min(r.runtime_s for r in self.outcomes.values() if not r.failed)

    def keeps(self, size: WarehouseSize) -> bool:
        """Whether a run there keeps the deadline."""
        outcome = self.outcomes[size]
        return not outcome.failed and outcome.runtime_s <= self.deadline_s


def cases(runs: Sequence[WarehouseRun]) -> Iterator[Case]:
    """Every query at every volume under each kind of knowledge."""
    volumes = sorted({r.volume_gib for r in runs})
    for query in QUERIES:
        mine = [r for r in runs if r.query == query]
        others = [r for r in runs if r.query != query]
        on_medium = [r for r in mine if r.size == medium()]
        for volume in volumes:
            outcomes = {r.size: r for r in mine if r.volume_gib == volume}
            if all(r.failed for r in outcomes.values()):
                continue  # nothing can be chosen well
            before = [r for r in on_medium if r.volume_gib < volume]
            same = [r for r in on_medium if r.volume_gib == volume]
            for known, own in (("cold", []), ("growing", before), ("one run", same)):
                if own or known == "cold":
                    yield Case(
                        known=known,
                        query=query,
                        volume_gib=volume,
                        outcomes=outcomes,
                        own=own,
                        others=others,
                    )


def _always_medium(case: Case) -> WarehouseSize:  # noqa: ARG001 - one signature for all
    return medium()


def _rules(case: Case) -> WarehouseSize:
    """
    One step up the ladder if the last run spilled, one down if it used little, else as it was.

    After dbt-labs' dbt-cost-optimization and Snowflake's documentation: spilling asks for a larger
    warehouse, short runs without spill for a smaller one; little is less than a second here.
    """
    ladder = sizes()
    if not case.own:
        return medium()
    last = case.own[-1]
    at = ladder.index(last.size)
    if last.spilled or last.failed:
        at += 1
    elif last.runtime_s < 1.0:
        at -= 1
    return ladder[min(max(at, 0), len(ladder) - 1)]


_PEERS: Mapping[str, Callable[[Case], WarehouseSize]] = {
    "start with Medium": _always_medium,
    "spill up, low use down": _rules,
    "smallest": lambda _: sizes()[0],
    "largest": lambda _: sizes()[-1],
}


def _ours(case: Case, *, deadline: bool) -> WarehouseSize:
    chosen = WarehouseUnits([*case.others, *case.own]).choose(
        case.query,
        volume_gib=case.volume_gib,
        sizes=sizes(),
        deadline_s=case.deadline_s if deadline else None,
    )
    assert chosen is not None, "others have run"
    return chosen.size


@dataclass(slots=True)
class _Score:
    """Ratios to the least cost, by query; how many runs spilled and failed."""

    by_query: dict[str, list[float]]
    spills: int = 0
    failures: int = 0


def _measure(options: Options) -> Report:
    runs = read_or_measure(options.extra.measurements, options.seed)
    scores: dict[tuple[str, str], _Score] = {}
    covered: dict[str, list[bool]] = {}
    late: dict[str, list[tuple[float, bool]]] = {}
    for case in cases(runs):
        least = min(case.cost(size) for size in case.outcomes)
        fixed = {name: peer(case) for name, peer in _PEERS.items()}
        for name, size in {_OURS: _ours(case, deadline=False), **fixed}.items():
            score = scores.setdefault((case.known, name), _Score({}))
            score.by_query.setdefault(case.query, []).append(case.cost(size) / least)
            score.spills += case.outcomes[size].spilled
            score.failures += case.outcomes[size].failed
        average = [case.cost(size) / least for size in case.outcomes]
        score = scores.setdefault((case.known, "random, on average"), _Score({}))
        score.by_query.setdefault(case.query, []).append(_geometric(average))
        covered.setdefault(case.known, []).append(_covered(case))
        in_time = min(case.cost(size) for size in case.outcomes if case.keeps(size))
        for name, size in {_OURS: _ours(case, deadline=True), **fixed}.items():
            late.setdefault(name, []).append((case.cost(size) / in_time, case.keeps(size)))
    return _report(options, runs, scores, covered, late)


def _covered(case: Case) -> bool:
    """Whether the runtime at the chosen size is at most the p80 that was told."""
    chosen = WarehouseUnits([*case.others, *case.own]).choose(
        case.query, volume_gib=case.volume_gib, sizes=sizes()
    )
    return chosen is not None and case.outcomes[chosen.size].runtime_s <= chosen.runtime_s.p80


def _report(
    options: Options,
    runs: Sequence[WarehouseRun],
    scores: Mapping[tuple[str, str], _Score],
    covered: Mapping[str, Sequence[bool]],
    late: Mapping[str, Sequence[tuple[float, bool]]],
) -> Report:
    generator = np.random.default_rng(options.seed)
    rows: list[dict[str, Any]] = []
    for (known, name), score in sorted(scores.items()):
        ratios = [ratio for found in score.by_query.values() for ratio in found]
        low, high = _interval(score.by_query, scores[known, _OURS].by_query, generator)
        rows.append(
            {
                "known": known,
                "peer": name,
                "n": len(ratios),
                "failures": score.failures,
                "spills": score.spills if name != "random, on average" else None,
                "cost / least": _geometric(ratios),
                "90th percentile": float(np.quantile(ratios, 0.9)),
                "cost / ours, 95 %": "–" if name == _OURS else f"{low:.3f} to {high:.3f}",
            }
        )
    kinds = sorted({known for known, _ in scores})
    musts = [
        at_most(
            f"{known}: cost / least, geometric mean",
            next(r["cost / least"] for r in rows if r["known"] == known and r["peer"] == _OURS),
            1.2,
        )
        for known in kinds
    ]
    notes = [
        f"{len(QUERIES)} queries, {len({r.volume_gib for r in runs})} volumes, {len(sizes())} sizes; "
        f"{sum(r.spilled for r in runs)} of {len(runs)} measurements spilled, {sum(r.failed for r in runs)} failed for "
        "want of memory. Wall time, the shortest of three rounds.",
        "With a deadline of 1.25 times the fastest size's time (cost to the least that keeps it; share kept): "
        + "; ".join(
            f"{name} {_geometric([c for c, _ in found]):.3f}, {100 * np.mean([k for _, k in found]):.0f} %"
            for name, found in late.items()
        )
        + ".",
        "The runtime was at most the p80 that ours told: "
        + ", ".join(
            f"{known} {100 * np.mean(found):.0f} % of {len(found)}"
            for known, found in covered.items()
        )
        + ".",
        "Intervals resample queries, paired.",
    ]
    return Report(
        bench="profiling.warehouse_units",
        data="measured on this machine",
        seed=options.seed,
        rows=rows,
        musts=musts,
        notes=notes,
    )


def _geometric(values: Sequence[float]) -> float:
    return math.exp(sum(map(math.log, values)) / len(values))


def _interval(
    theirs: Mapping[str, Sequence[float]],
    ours: Mapping[str, Sequence[float]],
    generator: np.random.Generator,
) -> tuple[float, float]:
    """Their cost as a multiple of ours, 95 % of the resamplings of queries."""
    logs = np.array(
        [np.mean(np.log(theirs[query])) - np.mean(np.log(ours[query])) for query in theirs]
    )
    drawn = generator.integers(0, len(logs), (_RESAMPLINGS, len(logs)))
    low, high = np.exp(np.quantile(logs[drawn].mean(axis=1), [0.025, 0.975]))
    return float(low), float(high)


def _add_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--measurements",
        type=Path,
        metavar="FILE",
        help="read the measurements from here; where it is not, measure and write it",
    )


if __name__ == "__main__":
    raise SystemExit(run("profiling", _measure, add_options=_add_options))
