"""
Capacity schedules with their reaction against the ways to scale that people use.

Every day of the test part the schedule is made anew from what lies before; its terms come from the
days before the test part. A step's demand is known at its end, an instance serves a cold start after its
order and is paid from the order on. Over-provision is idle capacity by mean demand. All peers are
compared at equal over-provision: for each series and cold start their headroom is swept and the
unmet demand read at the over-provision that ours had.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime

import numpy as np
from numpy.typing import NDArray

from aiops_provider.profiling.capacity_demand import WeekOfDemand, minute_of_week, week_of_demand
from aiops_provider.profiling.capacity_reaction import reaction_for
from aiops_provider.profiling.capacity_replay import Outcome, outcome_of, seen_level
from aiops_provider.profiling.capacity_schedule import (
    CapacityPolicy,
    schedule_for,
    terms_of_past,
    zone_of,
)
from benchmarks.command import Options, run
from benchmarks.profiling.capacity_peers import Case, peers
from benchmarks.profiling.capacity_series import Series, series_of
from benchmarks.report import Report, at_most

Values = NDArray[np.float64]

COLD_STARTS_S = (0.0, 60.0, 300.0)
# So many instances serve the mean of the past.
_INSTANCES_AT_MEAN = 10.0
_HEADROOMS = np.geomspace(0.1, 20.0, 60)
# A spike series: its test part rises beyond this many times the p99 of its past. Named by this rule,
# not by hand, so that it holds for other files.
_SPIKE = 3.0
_UTC = zone_of("UTC")


@dataclass(frozen=True, slots=True)
class Found:
    """
    At one series and cold start.

    Attributes:
        case: Which.
        ours: What the schedule with its reaction did.
        theirs: Unmet demand of each peer at our over-provision.
        usual: Each peer at a headroom of 1.2.
    """

    case: Case
    ours: Outcome
    theirs: dict[str, float]
    usual: dict[str, Outcome]


class Weeks:
    """Forecasts by origin, made once for all cold starts and prices."""

    def __init__(self, series: Series) -> None:
        self._series = series
        self._made: dict[int, WeekOfDemand] = {}

    def at(self, origin: int) -> WeekOfDemand:
        """The week from what lies before a step."""
        if origin not in self._made:
            series = self._series
            self._made[origin] = week_of_demand(
                series.values[:origin].tolist(), series.times(0, origin), slot_s=series.slot_s
            )
        return self._made[origin]

    def before(self, moment: datetime) -> WeekOfDemand:
        """The week from what lies before a moment."""
        gone = (moment - self._series.starts).total_seconds() / self._series.step_s
        return self.at(round(gone))


def ours(case: Case, weeks: Weeks, *, per_instance: float, shortage_cost: float) -> Values:
    """Serving instances of each step of the test part."""
    series, day = case.series, case.steps(86400.0)
    policy = CapacityPolicy(
        capacity_per_instance=per_instance,
        cold_start_s=case.cold_start_s,
        slot_s=series.slot_s,
        shortage_cost=shortage_cost,
    )
    found = []
    past, times = series.values[: case.begin].tolist(), series.times(0, case.begin)
    terms = terms_of_past(past, times, policy, week_at=weeks.before)
    reaction = terms.reaction if terms else reaction_for(past, times, case.cold_start_s)
    for origin in range(case.begin, len(series.values), day):
        end = min(origin + day, len(series.values))
        plan = schedule_for(weeks.at(origin), policy, reaction, terms.quantile if terms else 0.8)
        slots = [
            minute_of_week(moment, _UTC) // round(series.slot_s / 60.0)
            for moment in series.times(origin, end)
        ]
        level = seen_level(
            series.values[:end],
            lead=case.lead,
            averaged=case.steps(reaction.averaged_s),
            held=case.steps(reaction.scale_in_after_s),
        )[origin:]
        room = per_instance * reaction.target_utilisation
        found.append(np.maximum(np.array(plan.instances)[slots], np.ceil(level / room - 1e-9)))
    return np.concatenate(found)


def _measured(case: Case, instances: Values, per_instance: float) -> Outcome:
    return outcome_of(
        instances,
        case.series.values[case.begin :],
        per_instance=per_instance,
        step_s=case.series.step_s,
        cold_start_s=case.cold_start_s,
    )


def _at_equal(case: Case, capacity: Values, per_instance: float, over: float) -> float:
    """Unmet demand at that over-provision, on the line between the two nearest headrooms."""
    swept = [
        _measured(case, np.maximum(np.ceil(capacity * h / per_instance - 1e-9), 1.0), per_instance)
        for h in _HEADROOMS
    ]
    overs = np.maximum.accumulate([o.over for o in swept])
    return float(np.interp(over, overs, [o.unmet for o in swept]))


def _find(case: Case, weeks: Weeks, named: dict, shortage_cost: float) -> Found:  # type: ignore[type-arg]
    per_instance = max(float(case.series.values[: case.begin].mean()) / _INSTANCES_AT_MEAN, 1e-9)
    mine = ours(case, weeks, per_instance=per_instance, shortage_cost=shortage_cost)
    outcome = _measured(case, mine, per_instance)
    theirs, usual = {}, {}
    for name, peer in named.items():
        capacity = peer(case)
        theirs[name] = _at_equal(case, capacity, per_instance, outcome.over)
        instances = np.maximum(np.ceil(1.2 * capacity / per_instance - 1e-9), 1.0)
        usual[name] = _measured(case, instances, per_instance)
    return Found(case, outcome, theirs, usual)


def _is_spike(case: Case) -> bool:
    past, future = case.series.values[: case.begin], case.series.values[case.begin :]
    return float(future.max()) > _SPIKE * float(np.quantile(past, 0.99))


def _rows(found: Sequence[Found], label: str) -> list[dict[str, object]]:
    def row(peer: str, outcomes: list[Outcome], equal: list[float]) -> dict[str, object]:
        unmet = np.array(equal)
        calm = np.array([not _is_spike(f.case) for f in found])
        return {
            "policy": peer,
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


def measure(options: Options) -> Report:
    """Every policy at every series and cold start."""
    named, notes = peers()
    if options.extra.peers:
        named = {
            n: p for n, p in named.items() if any(w in n for w in options.extra.peers.split(","))
        }
    all_series = [s.shifted(options.extra.shift) for s in series_of(options.data)]
    found: list[Found] = []
    for series in all_series:
        weeks = Weeks(series)
        cached: dict[str, Values] = {}
        for cold_start_s in COLD_STARTS_S:
            case = Case(series, cold_start_s, len(series.values) - series.tested)
            fixed = {
                name: _once(name, peer, cached) if name.startswith("MSTL") else peer
                for name, peer in named.items()
            }
            found.append(_find(case, weeks, fixed, options.extra.shortage_cost))
    rows: list[dict[str, object]] = []
    for cold in COLD_STARTS_S:
        rows += _rows([f for f in found if f.case.cold_start_s == cold], f"{cold:g} s")
    rows += _rows(found, "all")
    unmet, over = (np.array([getattr(f.ours, n) for f in found]) for n in ("unmet", "over"))
    musts = [
        at_most("median unmet demand %", 100 * float(np.median(unmet)), 1.0),
        at_most("median over-provision", float(np.median(over)), 0.5),
    ]
    for peer in named:
        theirs = 100 * float(np.mean([f.theirs[peer] for f in found]))
        low, high = _interval(found, peer, options.seed)
        name = f"mean unmet % at equal over-provision, against {peer}"
        musts.append(at_most(name, 100 * float(unmet.mean()), theirs))
        notes.append(f"aiops minus {peer}: 95 % interval {low:.2f} to {high:.2f} points.")
    spikes = sorted({f.case.series.name for f in found if _is_spike(f.case)})
    notes.append(
        f"Spike series (test part beyond {_SPIKE:g} times the p99 of the past): "
        f"{', '.join(spikes) or 'none'}."
    )
    for f in sorted(found, key=lambda f: (f.case.cold_start_s, -f.ours.unmet)):
        if f.case.cold_start_s == COLD_STARTS_S[-1]:
            best = min(f.theirs, key=lambda n: f.theirs[n])
            notes.append(
                f"{f.case.series.name}, {f.case.cold_start_s:g} s: unmet {100 * f.ours.unmet:.2f} % "
                f"at {f.ours.over:.2f}; {best} {100 * f.theirs[best]:.2f} %."
            )
    notes.append(f"Price of unmet demand: {options.extra.shortage_cost:g} times idle capacity.")
    if options.extra.shift:
        notes.append(f"Development run: it ends {options.extra.shift} test parts earlier.")
    sets = ", ".join(dict.fromkeys(s.data for s in all_series))
    return Report(
        bench="profiling.capacity_schedule",
        data=sets,
        seed=options.seed,
        rows=rows,
        musts=musts,
        notes=notes,
    )


def _once(name: str, peer, cached: dict[str, Values]):  # type: ignore[no-untyped-def]
    """A peer that does not know the cold start is asked once per series."""

    def capacity(case: Case) -> Values:
        if name not in cached:
            cached[name] = peer(replace(case, cold_start_s=0.0))
        return cached[name]

    return capacity


def _add_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--shift", type=int, default=0, help="test parts to go back (for choosing)")
    parser.add_argument(
        "--shortage-cost", type=float, default=100.0, help="of unmet demand, in idle capacity"
    )
    parser.add_argument("--peers", help="only those whose name contains one of these, by comma")


if __name__ == "__main__":
    raise SystemExit(run("profiling", measure, add_options=_add_options))
