"""
What a schedule with its reaction would have done in the last days, and the terms that did best.

How far ahead to plan and how much room to leave are not asked of the user as percentages but as one
price: how much worse is unmet demand than idle capacity? The last days of the past are replayed with
schedules made before each of them, and the terms of least cost are taken.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import product

import numpy as np
from numpy.typing import NDArray

from aiops_provider.profiling.capacity_reaction import Reaction
from aiops_provider.profiling.forecast.regular import regular_series

Values = NDArray[np.float64]

# Days replayed: an ordinary one, its neighbour and one more, each with a forecast of its own.
_DAYS = 3
_DAY_S = 86400.0
# Levels of the forecast tried as the floor. The lowest is next to no floor: a demand that no forecast
# gets right is better left to the reaction.
QUANTILES = (0.025, 0.3, 0.5, 0.7, 0.8, 0.9, 0.975)
# Steps over which the demand seen is averaged, and for which the largest of these is held.
_AVERAGED = (1, 3, 6)
_HELD = (1, 3, 6)
_ROOMS = tuple(1.1**n for n in range(14))
_HELD_MOST_S = 3600.0
# Fewer steps would choose terms by chance.
_FEWEST_STEPS = 24


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """
    How capacity met demand.

    Attributes:
        over: Idle capacity in multiples of the mean demand, starting instances included.
        unmet: Share of the demand that met no capacity.
        short: Share of the steps that were short.
        changes: Changes of the number of instances.
    """

    over: float
    unmet: float
    short: float
    changes: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Terms:
    """
    Terms chosen by replay.

    Attributes:
        quantile: Of the forecast, for the schedule.
        reaction: Beside it.
        outcome: What they did in the replayed days.
    """

    quantile: float
    reaction: Reaction
    outcome: Outcome


def outcome_of(
    instances: Values, demand: Values, *, per_instance: float, step_s: float, cold_start_s: float
) -> Outcome:
    """
    Measure serving instances against demand.

    An instance is paid from its order, so each one that is added has idled for the cold start.

    Args:
        instances: That serve in each step, whole, shape (steps,).
        demand: Of each step, same shape.
        per_instance: Demand that one serves.
        step_s: Seconds per step.
        cold_start_s: Seconds from order to service.
    """
    capacity = instances * per_instance
    total = max(float(demand.sum()), 1e-12)
    changes = np.diff(instances)
    starting = float(changes[changes > 0].sum()) * per_instance * cold_start_s / step_s
    short = demand > capacity * (1 + 1e-9)
    return Outcome(
        over=(float(np.maximum(capacity - demand, 0.0).sum()) + starting) / total,
        unmet=float(np.maximum(demand - capacity, 0.0).sum()) / total,
        short=float(short.mean()),
        changes=int((changes != 0).sum()),
    )


def seen_level(demand: Values, *, lead: int, averaged: int, held: int) -> Values:
    """
    The demand that a reaction goes by in each step: means of what was known, the largest held.

    Args:
        demand: Per step, shape (steps,).
        lead: Steps from the demand that is seen to the first one that its instances serve, >= 1.
        averaged: Steps of a mean, >= 1.
        held: Steps over which the largest mean counts, >= 1.

    Returns:
        Shape (steps,); the first ones know only the first value.
    """
    padded = np.concatenate((np.full(averaged + held - 2 + lead, demand[0]), demand))
    sums = np.concatenate(([0.0], np.cumsum(padded)))
    means = (sums[averaged:] - sums[:-averaged]) / averaged
    windows = np.lib.stride_tricks.sliding_window_view(means, held)
    level: Values = windows.max(axis=1)[: len(demand)]
    return level


def choose_terms(
    values: Sequence[float],
    times: Sequence[datetime],
    floors_at: Callable[[datetime, Sequence[datetime]], dict[float, Values]],
    *,
    per_instance: float,
    cold_start_s: float,
    shortage_cost: float,
    minimum: int = 1,
) -> Terms | None:
    """
    Replay the last days of the past and take the terms of least cost.

    The cost is ``over + shortage_cost * unmet``. Floors, averages and rooms are tried in all
    combinations; a schedule knows nothing of the day that it is tried on.

    Args:
        values: Past demand, NaN where missing.
        times: Their moments, with a time zone.
        floors_at: Instances per quantile at moments, from what lies before an origin alone.
        per_instance: Demand that one instance serves.
        cold_start_s: From order to service.
        shortage_cost: How much worse unmet demand is than as much idle capacity, > 0.
        minimum: Instances that always run.

    Returns:
        ``None`` where the past is too short to replay.
    """
    order = np.argsort([moment.timestamp() for moment in times], kind="stable")
    moments = [times[index].astimezone(UTC) for index in order]
    series = regular_series([values[index] for index in order], times=moments, step_s=None)
    demand, step_s = series.values, series.step_s
    # Steps that are missing at either end are cut off there, so the grid is counted from its end.
    last = max(m for m, index in zip(moments, order, strict=True) if not np.isnan(values[index]))
    span = _replayed(len(demand), step_s)
    if span is None:
        return None
    days, length = span
    begin = len(demand) - days * length
    parts = []
    for day in range(days):
        first = begin + day * length
        steps = np.arange(first - len(demand) + 1, first - len(demand) + 1 + length)
        spots = [last + int(step) * timedelta(seconds=step_s) for step in steps]
        parts.append(floors_at(spots[0], spots))
    floors = {q: np.concatenate([part[q] for part in parts]) for q in QUANTILES}
    lead = 1 + math.ceil(cold_start_s / step_s - 1e-9)
    best: tuple[float, float, int, int, float, Outcome] | None = None
    actual = demand[begin:]
    for averaged, held, level in _levels(demand, begin, lead, step_s):
        for quantile, room in product(QUANTILES, _ROOMS):
            reacting = np.ceil(level * room / per_instance - 1e-9)
            serving = np.maximum(np.maximum(floors[quantile], reacting), minimum)
            found = outcome_of(
                serving, actual, per_instance=per_instance, step_s=step_s, cold_start_s=cold_start_s
            )
            cost = found.over + shortage_cost * found.unmet
            if best is None or cost < best[0]:
                best = (cost, quantile, averaged, held, room, found)
    if best is None:
        return None
    _, quantile, averaged, held, room, found = best
    return Terms(
        quantile=quantile,
        outcome=found,
        reaction=Reaction(
            target_utilisation=round(1.0 / room, 3),
            averaged_s=averaged * step_s,
            scale_in_after_s=held * step_s,
            sample_count=len(actual),
            reason=f"cost least in {days} replayed spans of {length * step_s / 3600:.3g} h: "
            f"{100 * found.unmet:.2g} % of the demand unmet, {100 * found.over:.3g} % idle",
        ),
    )


def _replayed(steps: int, step_s: float) -> tuple[int, int] | None:
    """Spans and their length in steps: days, or quarters of a past too short for them."""
    day = round(_DAY_S / step_s)
    for length in (day, steps // (_DAYS + 1)):
        if length >= 1 and steps >= (_DAYS + 1) * length and _DAYS * length >= _FEWEST_STEPS:
            return _DAYS, length
    return None


def _levels(
    demand: Values, begin: int, lead: int, step_s: float
) -> Iterator[tuple[int, int, Values]]:
    for averaged, held in product(_AVERAGED, _HELD):
        if max(averaged, held) > 1 and max(averaged, held) * step_s > _HELD_MOST_S:
            continue
        level = seen_level(demand, lead=lead, averaged=averaged, held=held)
        yield averaged, held, level[begin:]
