"""Tables, limits and remarks of the benchmark of capacity schedules."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from aiops_provider.profiling.capacity_outcome import Outcome
from benchmarks.profiling.capacity_peers import Case
from benchmarks.report import Must, at_most

# A spike series: its test part rises beyond this many times the p99 of its past. Named by this rule,
# not by hand, so that it holds for other files.
SPIKE = 3.0


@dataclass(frozen=True, slots=True)
class Found:
    """
    At one series and cold start.

    Attributes:
        case: Which.
        ours: What the schedule with its reaction did.
        theirs: Unmet demand of each peer at our over-provision.
        usual: Each peer at a headroom of 1.2.
        hindsight: Least over-provision of any fixed terms of ours with at most 1 % unmet.
    """

    case: Case
    ours: Outcome
    theirs: dict[str, float]
    usual: dict[str, Outcome]
    hindsight: float


def is_spike(case: Case) -> bool:
    """Whether the test part rises far beyond the past."""
    past, future = case.series.values[: case.begin], case.series.values[case.begin :]
    return float(future.max()) > SPIKE * float(np.quantile(past, 0.99))


def rows_of(found: Sequence[Found], patience_s: float, label: str) -> list[dict[str, object]]:
    """Ours and each peer over these cases."""

    def row(peer: str, outcomes: list[Outcome], equal: list[float]) -> dict[str, object]:
        unmet = np.array(equal)
        calm = np.array([not is_spike(f.case) for f in found])
        return {
            "policy": peer,
            "patience": f"{patience_s:g} s",
            "cold start": label,
            "cases": len(found),
            "unmet % at equal over, median": 100 * float(np.median(unmet)),
            "mean": 100 * float(unmet.mean()),
            "mean without spikes": 100 * float(unmet[calm].mean()) if calm.any() else None,
            "as it comes: over, median": float(np.median([o.over for o in outcomes])),
            "unmet %": 100 * float(np.median([o.unmet for o in outcomes])),
            "short steps %": 100 * float(np.mean([o.short for o in outcomes])),
            "changes, median": float(np.median([o.changes for o in outcomes])),
        }

    made = [row("aiops", [f.ours for f in found], [f.ours.unmet for f in found])]
    made += [
        row(name, [f.usual[name] for f in found], [f.theirs[name] for f in found])
        for name in found[0].theirs
    ]
    return made


def _interval(found: Sequence[Found], peer: str, seed: int) -> tuple[float, float]:
    """95 % paired-bootstrap interval of ours minus theirs, drawn by series."""
    names = sorted({f.case.series.name for f in found})
    means = [
        np.mean([f.ours.unmet - f.theirs[peer] for f in found if f.case.series.name == name])
        for name in names
    ]
    draws = np.random.default_rng(seed).integers(len(means), size=(2000, len(means)))
    low, high = np.quantile(np.array(means)[draws].mean(axis=1), (0.025, 0.975))
    return 100 * float(low), 100 * float(high)


def musts_of(found: Sequence[Found], measure: str) -> list[Must]:
    """The limits on these cases."""
    unmet = np.array([f.ours.unmet for f in found])
    musts = [
        at_most(f"{measure}median unmet demand %", 100 * float(np.median(unmet)), 1.0),
        at_most(f"{measure}median over-provision", _median(f.ours.over for f in found), 0.5),
    ]
    for peer in found[0].theirs:
        theirs = 100 * float(np.mean([f.theirs[peer] for f in found]))
        name = f"{measure}mean unmet % at equal over-provision, against {peer}"
        musts.append(at_most(name, 100 * float(unmet.mean()), theirs))
    return musts


def notes_of(found: Sequence[Found], measure: str, seed: int) -> list[str]:
    """Intervals, and what hindsight would have reached."""
    notes = []
    for peer in found[0].theirs:
        low, high = _interval(found, peer, seed)
        notes.append(f"{measure}aiops minus {peer}: 95 % interval {low:.2f} to {high:.2f} points.")
    hindsight = np.array([f.hindsight for f in found])
    notes.append(
        f"{measure}with the best fixed terms of each case, known in hindsight, 1 % unmet takes a median "
        f"over-provision of {np.median(hindsight):.2f}; in {np.isinf(hindsight).sum()} of "
        f"{len(found)} cases no terms reach it."
    )
    return notes


def by_series(found: Sequence[Found]) -> list[str]:
    """Each series at the longest cold start."""
    notes = []
    longest = max(f.case.cold_start_s for f in found)
    for f in sorted(found, key=lambda f: (f.case.patience_s, -f.ours.unmet)):
        if f.case.cold_start_s == longest:
            best = min(f.theirs, key=lambda n: f.theirs[n])
            notes.append(
                f"{f.case.series.name}, cold start {f.case.cold_start_s:g} s, patience "
                f"{f.case.patience_s:g} s: unmet {100 * f.ours.unmet:.2f} % at {f.ours.over:.2f}; "
                f"{best} {100 * f.theirs[best]:.2f} %."
            )
    return notes


def _median(values: Iterable[float]) -> float:
    return float(np.median(list(values)))
