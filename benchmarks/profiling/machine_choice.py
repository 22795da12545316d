"""
Which configuration of machines should a task run on?

``python -m benchmarks.profiling.machine_choice [--data FOLDER]``: every task of ``scout`` and ``multicloud`` is left
out once; the others' times on all configurations are known, and of its own those of 0 to 6 probes. What
counts is the cost of the configuration chosen, as a ratio to the cheapest.
"""

from __future__ import annotations

import math
import time
from collections.abc import Sequence
from typing import Any

import numpy as np

from benchmarks.command import Options, run
from benchmarks.profiling.machine_peers import PEERS, Chooser, Ours
from benchmarks.profiling.machine_tables import Table, read_tables
from benchmarks.report import Must, Report, at_most

_OURS = "aiops"
_PROBES = (0, 1, 3, 6)
_FAILED = 10.0  # a failed choice counts as ten times the cheapest
_REPETITIONS = 5  # of what is random
_RESAMPLES = 2_000


def measure(options: Options) -> Report:
    """Let every chooser choose for every task."""
    tables = list(read_tables(options.data))
    methods: dict[str, type[Chooser]] = {_OURS: Ours, **PEERS}
    ratios: dict[tuple[str, str], np.ndarray] = {}
    spent: dict[str, float] = {}
    known_to_fail = 0
    for name, method in methods.items():
        started = time.process_time()
        for table in tables:
            found = [_play(method, table, task, options.seed) for task in sorted(table.times)]
            ratios[name, table.name] = np.array([one for one, _ in found])
            known_to_fail += sum(bad for _, bad in found) if name == _OURS else 0
        spent[name] = time.process_time() - started
    rows = []
    for label, names in [
        *((table.name, [table.name]) for table in tables),
        ("all", [table.name for table in tables]),
    ]:
        rows += [_row(label, name, np.vstack([ratios[name, t] for t in names])) for name in methods]
        rows.append(_hindsight(label, [table for table in tables if table.name in names]))
    tasks = sum(len(table.times) for table in tables)
    return Report(
        bench="profiling.machine_choice",
        data="scout, multicloud",
        seed=options.seed,
        rows=rows,
        musts=_musts(ratios, tables, known_to_fail, options.seed),
        notes=[
            f"Geometric mean over tasks of cost over the cheapest; within 10 %: share of tasks. A choice that "
            f"fails counts {_FAILED:g} times the cheapest. Choosers that draw lots are repeated "
            f"{_REPETITIONS} times; ratios are averaged in logarithms.",
            "'Best fixed of the others' is chosen without the task in question, 'best fixed in hindsight' with "
            "it: nobody can have the latter.",
            f"Ours takes {1000 * spent[_OURS] / max(tasks * (len(_PROBES) + max(_PROBES)), 1):.0f} ms a decision, "
            "learning included.",
            "The shrinkage of 0.3 and the factor of a failure were not tuned; strengths of likeness are chosen by "
            "the engine from the other tasks. Likeness of names was chosen in sight of these tasks.",
        ],
    )


def _play(method: type[Chooser], table: Table, task: str, seed: int) -> tuple[list[float], int]:
    """Logarithms of the ratio after 0, 1, 3, 6 probes, and choices that were known to fail."""
    logs, bad = [], 0
    for repetition in range(_REPETITIONS if method.__name__ in _DRAWING else 1):
        rng = np.random.default_rng([seed, repetition])
        chooser = method(table, task, rng)
        told = []
        for probes in range(max(_PROBES) + 1):
            if probes in _PROBES:
                chosen = chooser.choice()
                bad += chosen in chooser.probes and chooser.probes[chosen] is None
                told.append(math.log(_ratio(table, task, chosen)))
            name = chooser.next_probe()
            chooser.tell(name, table.times[task][name])
        logs.append(told)
    return list(np.mean(logs, axis=0)), bad


_DRAWING = frozenset({"Random", "Neighbours", "Factors", "BayesianOptimisation"})


def _ratio(table: Table, task: str, chosen: str) -> float:
    costs = {
        name: seconds * table.configurations[name].usd_per_hour
        for name, seconds in table.times[task].items()
        if seconds is not None
    }
    return costs[chosen] / min(costs.values()) if chosen in costs else _FAILED


def _row(data: str, peer: str, logs: np.ndarray) -> dict[str, Any]:
    row: dict[str, Any] = {"data": data, "peer": peer, "tasks": len(logs)}
    for place, probes in enumerate(_PROBES):
        row[f"{probes} probes"] = float(np.exp(logs[:, place].mean()))
    for probes in (0, 3):
        place = _PROBES.index(probes)
        row[f"within 10 %, {probes} probes"] = float((logs[:, place] <= math.log(1.1)).mean())
    return row


def _hindsight(data: str, tables: Sequence[Table]) -> dict[str, Any]:
    """The fixed configuration that would have been best for all tasks of each table."""
    logs = np.concatenate([_best_in_hindsight(table) for table in tables])
    ratio = float(np.exp(logs.mean()))
    return {"data": data, "peer": "best fixed in hindsight", "tasks": len(logs), "0 probes": ratio}


def _best_in_hindsight(table: Table) -> np.ndarray:
    tasks = sorted(table.times)
    logs = {
        name: np.array([math.log(_ratio(table, task, name)) for task in tasks])
        for name in table.configurations
    }
    return min(logs.values(), key=lambda one: float(one.mean()))


def _musts(
    ratios: dict[tuple[str, str], np.ndarray],
    tables: Sequence[Table],
    known_to_fail: int,
    seed: int,
) -> list[Must]:
    def logs(name: str, probes: int) -> np.ndarray:
        place = _PROBES.index(probes)
        return np.concatenate([ratios[name, table.name][:, place] for table in tables])

    fixed = math.exp(float(logs("best fixed of the others", 0).mean())) - 1.0
    hindsight = (
        math.exp(float(np.concatenate([_best_in_hindsight(t) for t in tables]).mean())) - 1.0
    )
    ours = math.exp(float(logs(_OURS, 0).mean())) - 1.0
    best = min(PEERS, key=lambda name: float(logs(name, 3).mean()))
    gap = logs(_OURS, 3) - logs(best, 3)
    rng = np.random.default_rng(seed)
    upper = float(np.quantile(rng.choice(gap, (_RESAMPLES, len(gap))).mean(axis=1), 0.975))
    return [
        at_most("0 probes: excess over the best fixed of the others'", ours / fixed, 0.8),
        at_most("0 probes: excess over the best fixed in hindsight's", ours / hindsight, 0.8),
        at_most(f"3 probes: ratio to {best}, the best peer", math.exp(float(gap.mean())), 1.0),
        at_most(
            "3 probes: the same, upper bound of the paired 95 % interval", math.exp(upper), 1.0
        ),
        at_most("choices that were known to fail", known_to_fail, 0),
    ]


if __name__ == "__main__":
    raise SystemExit(run("profiling", measure))
