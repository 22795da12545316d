"""The choice between cost and SLA: plans of which none is both cheaper and better than another."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class FrontPoint:
    """
    One plan of a front.

    Attributes:
        sla_attainment: SLA-weighted share of the demand that it places.
        cost_usd_per_hour: Mean spend.
        least_usd_per_hour: Proven: no plan that places as much is cheaper than this; ``None`` where
            nothing is proven.
        usd_per_percent: What each further percent of the SLA weight costs per hour, counted from
            the point before; ``None`` for the first.
        unplaced_groups: Groups that it does not place wholly.
    """

    sla_attainment: float
    cost_usd_per_hour: float
    least_usd_per_hour: float | None
    usd_per_percent: float | None
    unplaced_groups: int


@dataclass(frozen=True, slots=True, kw_only=True)
class PlanFront:
    """
    What more SLA costs.

    Attributes:
        points: The cheapest first; each places more than the one before.
        largest_step: The widest part of the range of SLA without a point, as a share of the weight.
        hidden: What may lie undiscovered between the points: the largest rectangle between two
            neighbours as a share of the rectangle that holds all of them.
        plans_made: How many plans were made to find it.
        failed: Why some could not be made, if any.
    """

    points: tuple[FrontPoint, ...]
    largest_step: float
    hidden: float
    plans_made: int
    failed: tuple[str, ...] = ()
