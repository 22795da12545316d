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

from aiops_provider.profiling.capacity_outcome import Outcome, outcomes_of, seen_level
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
# Instances that stay all week: none, or those for a quantile of all past demand times a factor. What
# comes at no hour in particular is met by no forecast, and too fast for a reaction.
_STANDING = ((0.0, 0.0), (0.5, 1.0), (0.9, 1.0), (0.99, 1.0), (1.0, 1.0), (1.0, 1.5))
# Numbers held at once while terms are tried, 32 MiB.
_BLOCK = 4_000_000
# Fewer steps would choose terms by chance.
_FEWEST_STEPS = 24


@dataclass(frozen=True, slots=True, kw_only=True)
class Terms:
    """
    Terms chosen by replay.

    Attributes:
        quantile: Of the forecast, for the schedule.
        standing: Demand for which instances stay all week, >= 0.
        reaction: Beside it.
        outcome: What they did in the replayed days.
    """

    quantile: float
    standing: float
    reaction: Reaction
    outcome: Outcome


@dataclass(frozen=True, slots=True)
class Tried:
    """
    Terms and what they did.

    Attributes:
        quantile: Of the forecast.
        standing: Position in :func:`standing_levels`.
        averaged: Steps.
        held: Steps.
        room: Capacity by the demand that is seen.
        outcome: In the steps tried.
    """

    quantile: float
    standing: int
    averaged: int
    held: int
    room: float
    outcome: Outcome


def choose_terms(
    values: Sequence[float],
    times: Sequence[datetime],
    floors_at: Callable[[datetime, Sequence[datetime]], dict[float, Values]],
    *,
    per_instance: float,
    cold_start_s: float,
    shortage_cost: float,
    patience_s: float = 0.0,
    minimum: int = 1,
    maximum: int | None = None,
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
        patience_s: How long demand waits, see ``outcome_of``.
        minimum: Instances that always run.
        maximum: Instances that are never exceeded.

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
    tried = terms_tried(
        demand,
        begin,
        {q: np.concatenate([part[q] for part in parts]) for q in QUANTILES},
        per_instance=per_instance,
        step_s=step_s,
        cold_start_s=cold_start_s,
        patience_s=patience_s,
        minimum=minimum,
        maximum=maximum,
    )
    best = min(tried, key=lambda one: one.outcome.over + shortage_cost * one.outcome.unmet)
    found = best.outcome
    return Terms(
        quantile=best.quantile,
        standing=standing_levels(demand)[best.standing],
        outcome=found,
        reaction=Reaction(
            target_utilisation=round(1.0 / best.room, 3),
            averaged_s=best.averaged * step_s,
            scale_in_after_s=best.held * step_s,
            sample_count=len(demand) - begin,
            reason=f"cost least in {days} replayed spans of {length * step_s / 3600:.3g} h: "
            f"{100 * found.unmet:.2g} % of the demand unmet, {100 * found.over:.3g} % idle",
        ),
    )


def standing_levels(past: Values) -> tuple[float, ...]:
    """Levels of demand for which instances may stay all week, the first none."""
    return tuple(factor * float(np.quantile(past, level)) for level, factor in _STANDING)


def terms_tried(
    demand: Values,
    begin: int,
    floors: dict[float, Values],
    *,
    per_instance: float,
    step_s: float,
    cold_start_s: float,
    patience_s: float = 0.0,
    minimum: int = 1,
    maximum: int | None = None,
) -> Iterator[Tried]:
    """
    All combinations of terms in the steps from *begin* on; what stands is known from those before.

    Args:
        demand: Per step, with what lies before *begin*.
        begin: First step tried.
        floors: Instances of the schedule by quantile, shape (steps from begin,).
        per_instance: Demand that one instance serves.
        step_s: Seconds per step.
        cold_start_s: From order to service.
        patience_s: How long demand waits, see ``outcome_of``.
        minimum: Instances that always run.
        maximum: Instances that are never exceeded.
    """
    actual = demand[begin:]
    lead = 1 + math.ceil(cold_start_s / step_s - 1e-9)
    standing = [
        max(_whole(level, per_instance), minimum) for level in standing_levels(demand[:begin])
    ]
    plans = list(product(floors, range(len(standing)), _ROOMS))
    size = max(1, _BLOCK // max(1, len(actual)))
    for averaged, held, level in _levels(demand, begin, lead, step_s):
        reacting = {room: np.ceil(level * room / per_instance - 1e-9) for room in _ROOMS}
        for start in range(0, len(plans), size):
            block = plans[start : start + size]
            serving = np.stack(
                [np.maximum(np.maximum(floors[q], reacting[r]), standing[n]) for q, n, r in block]
            )
            outcomes = outcomes_of(
                serving if maximum is None else np.minimum(serving, maximum),
                actual,
                per_instance=per_instance,
                step_s=step_s,
                cold_start_s=cold_start_s,
                patience_s=patience_s,
            )
            for (quantile, spot, room), outcome in zip(block, outcomes, strict=True):
                yield Tried(quantile, spot, averaged, held, room, outcome)


def _whole(demand: float, per_instance: float) -> int:
    return math.ceil(demand / per_instance - 1e-9)


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
