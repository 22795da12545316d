"""How instances met a demand, and what a reaction saw of it in time."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Values = NDArray[np.float64]


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


def outcome_of(
    instances: Values,
    demand: Values,
    *,
    per_instance: float,
    step_s: float,
    cold_start_s: float,
    patience_s: float = 0.0,
) -> Outcome:
    """
    Measure serving instances against demand.

    An instance is paid from its order, so each one that is added has idled for the cold start. Demand
    is served in the order in which it came; what has waited for longer than *patience_s* is unmet. What
    still waits at the end is neither.

    Args:
        instances: That serve in each step, whole, shape (steps,).
        demand: Of each step, same shape.
        per_instance: Demand that one serves.
        step_s: Seconds per step.
        cold_start_s: Seconds from order to service.
        patience_s: Seconds that demand waits for capacity; whole steps count.
    """
    return outcomes_of(
        instances[None, :],
        demand,
        per_instance=per_instance,
        step_s=step_s,
        cold_start_s=cold_start_s,
        patience_s=patience_s,
    )[0]


def outcomes_of(
    instances: Values,
    demand: Values,
    *,
    per_instance: float,
    step_s: float,
    cold_start_s: float,
    patience_s: float = 0.0,
) -> list[Outcome]:
    """:func:`outcome_of` for each row of *instances*, shape (plans, steps)."""
    capacity = instances * per_instance
    total = max(float(demand.sum()), 1e-12)
    changes = np.diff(instances, axis=1)
    starting = np.maximum(changes, 0.0).sum(axis=1) * per_instance * cold_start_s / step_s
    missed, served = _served(capacity, demand, math.floor(patience_s / step_s + 1e-9))
    unmet = missed.sum(axis=1)
    idle = capacity.sum(axis=1) - served
    short = (missed > 1e-9 * capacity).mean(axis=1)
    changed = (changes != 0).sum(axis=1)
    return [
        Outcome(over=float(o), unmet=float(u), short=float(n), changes=int(c))
        for o, u, n, c in zip(
            (np.maximum(idle, 0.0) + starting) / total, unmet / total, short, changed, strict=True
        )
    ]


def _served(capacity: Values, demand: Values, patience: int) -> tuple[Values, Values]:
    """Demand given up in each step, shape (plans, steps), and served in all, shape (plans,)."""
    if patience == 0:
        missed = np.maximum(demand - capacity, 0.0)
        return missed, np.asarray(demand.sum() - missed.sum(axis=1))
    given_up = np.zeros((len(demand), len(capacity)))
    come = np.cumsum(demand)
    gone = np.zeros(len(capacity))
    for step, able in enumerate(np.ascontiguousarray(capacity.T)):
        gone = np.minimum(gone + able, come[step])
        if step >= patience:
            given_up[step] = np.maximum(come[step - patience] - gone, 0.0)
            gone = gone + given_up[step]
    return given_up.T, gone - given_up.sum(axis=0)


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
