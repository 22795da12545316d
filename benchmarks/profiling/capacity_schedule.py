"""
Capacity schedules with their reaction against the ways to scale that people use.

Every day of the test part the schedule is made anew from what lies before; its terms come from the
days before the test part. A step's demand is known at its end, an instance serves a cold start after its
order and is paid from the order on. Over-provision is idle capacity by mean demand. All peers are
compared at equal over-provision: for each series and cold start their headroom is swept and the
unmet demand read at the over-provision that ours had.

Everything is measured twice: unmet is what finds no capacity in its own step (patience 0 s), or what
is not served within five minutes (300 s), as for requests in a queue.
"""

from __future__ import annotations

import argparse
from dataclasses import replace
from datetime import datetime
from itertools import product

import numpy as np
from numpy.typing import NDArray

from aiops_provider.profiling.capacity_demand import WeekOfDemand, minute_of_week, week_of_demand
from aiops_provider.profiling.capacity_outcome import Outcome, outcome_of, outcomes_of, seen_level
from aiops_provider.profiling.capacity_policy import CapacityPolicy
from aiops_provider.profiling.capacity_reaction import reaction_for
from aiops_provider.profiling.capacity_replay import QUANTILES, terms_tried
from aiops_provider.profiling.capacity_schedule import (
    planned_for,
    schedule_for,
    terms_of_past,
    zone_of,
)
from benchmarks.command import Options, run
from benchmarks.profiling.capacity_peers import Case, peers
from benchmarks.profiling.capacity_report import (
    SPIKE,
    Found,
    by_series,
    is_spike,
    musts_of,
    notes_of,
    rows_of,
)
from benchmarks.profiling.capacity_series import Series, series_of
from benchmarks.report import Must, Report

Values = NDArray[np.float64]

COLD_STARTS_S = (0.0, 60.0, 300.0)
PATIENCES_S = (0.0, 300.0)
# So many instances serve the mean of the past.
_INSTANCES_AT_MEAN = 10.0
_HEADROOMS = np.geomspace(0.1, 20.0, 60)
_UTC = zone_of("UTC")


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
        patience_s=case.patience_s,
    )
    found = []
    past, times = series.values[: case.begin].tolist(), series.times(0, case.begin)
    terms = terms_of_past(past, times, policy, week_at=weeks.before)
    reaction = terms.reaction if terms else reaction_for(past, times, case.cold_start_s)
    for origin in range(case.begin, len(series.values), day):
        end = min(origin + day, len(series.values))
        week = weeks.at(origin)
        quantile, standing = (terms.quantile, terms.standing) if terms else (0.8, 0.0)
        plan = schedule_for(week, policy, reaction, quantile, standing)
        slots = _slots(series, origin, end)
        level = seen_level(
            series.values[:end],
            lead=case.lead,
            averaged=case.steps(reaction.averaged_s),
            held=case.steps(reaction.scale_in_after_s),
        )[origin:]
        room = per_instance * reaction.target_utilisation
        found.append(np.maximum(np.array(plan.instances)[slots], np.ceil(level / room - 1e-9)))
    return np.concatenate(found)


def _slots(series: Series, begin: int, end: int) -> list[int]:
    minutes = round(series.slot_s / 60.0)
    return [minute_of_week(moment, _UTC) // minutes for moment in series.times(begin, end)]


def in_hindsight(case: Case, weeks: Weeks, *, per_instance: float) -> float:
    """The least over-provision with at most 1 % unmet, had the best fixed terms been known."""
    series, day = case.series, case.steps(86400.0)
    policy = CapacityPolicy(capacity_per_instance=per_instance, slot_s=series.slot_s)
    parts: dict[float, list[Values]] = {quantile: [] for quantile in QUANTILES}
    for origin in range(case.begin, len(series.values), day):
        slots = _slots(series, origin, min(origin + day, len(series.values)))
        for quantile in QUANTILES:
            planned = planned_for(weeks.at(origin), policy, quantile)
            parts[quantile].append(planned[slots].astype(float))
    tried = terms_tried(
        series.values,
        case.begin,
        {quantile: np.concatenate(part) for quantile, part in parts.items()},
        per_instance=per_instance,
        step_s=series.step_s,
        cold_start_s=case.cold_start_s,
        patience_s=case.patience_s,
    )
    return min((one.outcome.over for one in tried if one.outcome.unmet <= 0.01), default=np.inf)


def _measured(case: Case, instances: Values, per_instance: float) -> Outcome:
    return outcome_of(
        instances,
        case.series.values[case.begin :],
        per_instance=per_instance,
        step_s=case.series.step_s,
        cold_start_s=case.cold_start_s,
        patience_s=case.patience_s,
    )


def _at_equal(case: Case, capacity: Values, per_instance: float, over: float) -> float:
    """Unmet demand at that over-provision, on the line between the two nearest headrooms."""
    plans = np.ceil(np.outer(_HEADROOMS, capacity) / per_instance - 1e-9)
    swept = outcomes_of(
        np.maximum(plans, 1.0),
        case.series.values[case.begin :],
        per_instance=per_instance,
        step_s=case.series.step_s,
        cold_start_s=case.cold_start_s,
        patience_s=case.patience_s,
    )
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
    hindsight = in_hindsight(case, weeks, per_instance=per_instance)
    return Found(case, outcome, theirs, usual, hindsight)


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
        for patience_s, cold_start_s in product(PATIENCES_S, COLD_STARTS_S):
            begin = len(series.values) - series.tested
            case = Case(series, cold_start_s, patience_s, begin)
            fixed = {
                name: _once(name, peer, cached) if name.startswith("MSTL") else peer
                for name, peer in named.items()
            }
            found.append(_find(case, weeks, fixed, options.extra.shortage_cost))
    rows: list[dict[str, object]] = []
    musts: list[Must] = []
    for patience_s in PATIENCES_S:
        part = [f for f in found if f.case.patience_s == patience_s]
        for cold in COLD_STARTS_S:
            rows += rows_of(
                [f for f in part if f.case.cold_start_s == cold], patience_s, f"{cold:g} s"
            )
        rows += rows_of(part, patience_s, "all")
        musts += musts_of(part, f"patience {patience_s:g} s: ")
        notes += notes_of(part, f"Patience {patience_s:g} s: ", options.seed)
    spikes = sorted({f.case.series.name for f in found if is_spike(f.case)})
    notes.append(
        f"Spike series (test part beyond {SPIKE:g} times the p99 of the past): "
        f"{', '.join(spikes) or 'none'}."
    )
    notes += by_series(found)
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
