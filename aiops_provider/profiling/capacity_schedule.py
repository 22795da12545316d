"""
How many instances should run in each slot of a week: ahead of the demand, with few changes.

From the forecast quantile of the demand to whole instances, to a plan with few changes, to the
moments at which the changes must be started so that the instances are ready in time. Knows nothing
of the systems that scale; ``capacity_export`` speaks their languages.
"""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime

import numpy as np
from numpy.typing import NDArray

from aiops_provider.domain.units import SECONDS_PER_HOUR
from aiops_provider.profiling.capacity_changes import (
    bridge_dips,
    fewest_changes,
    rolling_maximum,
)
from aiops_provider.profiling.capacity_demand import (
    WeekOfDemand,
    minute_of_week,
    week_of_demand,
    zone_of,
)
from aiops_provider.profiling.capacity_policy import CapacityPolicy
from aiops_provider.profiling.capacity_reaction import Reaction, reaction_for
from aiops_provider.profiling.capacity_replay import QUANTILES, Terms, choose_terms
from aiops_provider.profiling.forecast import DemandForecaster

Counts = NDArray[np.int64]
Values = NDArray[np.float64]

_DAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
# Where the past is too short to replay: one slot of five leans on the reaction.
_USUAL_QUANTILE = 0.8
# Instances are whole, and 2.0000001 of them are two.
_TINY = 1e-9


@dataclass(frozen=True, slots=True, kw_only=True)
class ScaleEvent:
    """
    A change of the number of instances, every week.

    Attributes:
        minute_of_week: When to order it: minutes since Monday 00:00 on the wall clock of the schedule.
        before: Instances until then.
        instances: Instances from then on.
        reason: One sentence.
    """

    minute_of_week: int
    before: int
    instances: int
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class CapacitySchedule:
    """
    Instances over a week that repeats; slot 0 starts on Monday 00:00 of the wall clock.

    Attributes:
        instances: Instances that serve in each slot.
        demand_p50: Demand of each slot, as likely exceeded as not.
        demand_p80: Exceeded in one week of five.
        demand_p95: Exceeded in one week of twenty.
        events: Orders that make it so, in the order of the week; empty if nothing changes.
        reaction: What to do when the demand exceeds what is planned.
        policy: What was asked for.
        quantile: Of the forecast that the plan holds.
        sample_count: Slots of past demand behind it.
        short_slots: Slots whose need exceeds the maximum.
        reason: One sentence.
    """

    instances: tuple[int, ...]
    demand_p50: tuple[float, ...]
    demand_p80: tuple[float, ...]
    demand_p95: tuple[float, ...]
    events: tuple[ScaleEvent, ...]
    reaction: Reaction
    policy: CapacityPolicy
    quantile: float
    sample_count: int
    short_slots: int
    reason: str

    @property
    def smallest(self) -> int:
        """Instances that are there all week."""
        return min((e.instances for e in self.events), default=max(self.instances))

    @property
    def largest(self) -> int:
        """Most instances that are planned."""
        return max(self.instances)

    def ordered_at(self, moment: datetime) -> int:
        """
        Instances that must have been ordered by a moment.

        By the wall clock: the hour that comes twice at the end of summer time has its instances
        twice; at its start the day goes on with the slot after the hour that does not exist.

        Raises:
            DataError: The moment has no time zone.
        """
        minute = minute_of_week(moment, zone_of(self.policy.timezone))
        if not self.events:
            return self.largest
        position = bisect_right([event.minute_of_week for event in self.events], minute)
        # Before the first event of the week the last one of the week before is in force.
        return self.events[position - 1].instances


def capacity_schedule(
    values: Sequence[float],
    times: Sequence[datetime],
    policy: CapacityPolicy,
    *,
    others: Sequence[DemandForecaster] = (),
) -> CapacitySchedule:
    """
    Plan the instances of a week from past demand.

    Args:
        values: Past demand, >= 0, NaN where missing, in any unit.
        times: Their moments, with a time zone, in any order.
        policy: What is asked for.
        others: Forecasters that take part beside our own, in the plan and in the replay of the last days.

    Raises:
        DataError: The demand cannot be used; see :func:`week_of_demand`.
    """
    week = week_of_demand(
        values, times, slot_s=policy.slot_s, timezone=policy.timezone, others=others
    )
    terms = terms_of_past(values, times, policy, others=others) if policy.quantile is None else None
    if terms is None:
        reaction = reaction_for(values, times, policy.cold_start_s)
        return schedule_for(week, policy, reaction, policy.quantile or _USUAL_QUANTILE)
    return schedule_for(week, policy, terms.reaction, terms.quantile, terms.standing)


def terms_of_past(
    values: Sequence[float],
    times: Sequence[datetime],
    policy: CapacityPolicy,
    *,
    week_at: Callable[[datetime], WeekOfDemand] | None = None,
    others: Sequence[DemandForecaster] = (),
) -> Terms | None:
    """
    The terms that would have cost least in the last days; ``None`` if the past is too short.

    Args:
        values: Past demand.
        times: Their moments.
        policy: What is asked for.
        week_at: The week as forecast from what lies before a moment; default: it is forecast.
        others: Forecasters that take part in that.
    """

    def forecast(origin: datetime) -> WeekOfDemand:
        before = [(v, t) for v, t in zip(values, times, strict=True) if t < origin]
        return week_of_demand(
            [v for v, _ in before],
            [t for _, t in before],
            slot_s=policy.slot_s,
            timezone=policy.timezone,
            others=others,
        )

    zone = zone_of(policy.timezone)
    slot_minutes = round(policy.slot_s / 60.0)

    def floors_at(origin: datetime, moments: Sequence[datetime]) -> dict[float, Values]:
        week = (week_at or forecast)(origin)
        slots = [minute_of_week(moment, zone) // slot_minutes for moment in moments]
        return {
            quantile: planned_for(week, policy, quantile)[slots].astype(float)
            for quantile in QUANTILES
        }

    return choose_terms(
        values,
        times,
        floors_at,
        per_instance=policy.capacity_per_instance,
        cold_start_s=policy.cold_start_s,
        shortage_cost=policy.shortage_cost,
        patience_s=policy.patience_s,
        minimum=policy.minimum,
        maximum=policy.maximum,
    )


def schedule_for(
    week: WeekOfDemand,
    policy: CapacityPolicy,
    reaction: Reaction,
    quantile: float,
    standing: float = 0.0,
) -> CapacitySchedule:
    """
    Plan the instances of a week whose demand is known as far as it can be.

    Args:
        week: Demand per slot.
        policy: What is asked for.
        reaction: Goes with the schedule.
        quantile: Of the forecast that the plan must hold.
        standing: Demand for which instances stay all week.
    """
    asked = week.at(quantile)
    always = int(instances_for(np.array([standing]), policy)[0])
    planned = np.maximum(planned_for(week, policy, quantile), always)
    stays = f", and {always} all week for what comes at any hour" if standing > 0 else ""
    short = 0 if policy.maximum is None else int((_uncapped(asked, policy) > policy.maximum).sum())
    ordered = _ordered_ahead(planned, policy)
    return CapacitySchedule(
        instances=tuple(planned.tolist()),
        demand_p50=tuple(week.at(0.5).tolist()),
        demand_p80=tuple(week.at(0.8).tolist()),
        demand_p95=tuple(week.at(0.95).tolist()),
        events=_events(ordered, planned, asked, policy),
        reaction=reaction,
        policy=policy,
        quantile=quantile,
        sample_count=week.forecast.sample_count,
        short_slots=short,
        reason=f"p{100 * quantile:g} of the demand by {week.forecast.method} "
        f"({week.forecast.reason}), {policy.capacity_per_instance:g} per instance{stays}",
    )


def planned_for(week: WeekOfDemand, policy: CapacityPolicy, quantile: float) -> Counts:
    """Instances that serve in each slot: enough, held over dips, with few changes."""
    needs = instances_for(week.at(quantile), policy)
    held = bridge_dips(needs, math.ceil(policy.hold_s / policy.slot_s))
    return fewest_changes(held, policy.change_cost_hours * SECONDS_PER_HOUR / policy.slot_s)


def instances_for(demand: NDArray[np.float64], policy: CapacityPolicy) -> Counts:
    """Whole instances that serve a demand, within the limits of the policy."""
    needs = np.maximum(_uncapped(demand, policy), policy.minimum)
    return needs if policy.maximum is None else np.minimum(needs, policy.maximum)


def _uncapped(demand: NDArray[np.float64], policy: CapacityPolicy) -> Counts:
    return np.ceil(demand / policy.capacity_per_instance - _TINY).astype(np.int64)


def _ordered_ahead(planned: Counts, policy: CapacityPolicy) -> Counts:
    """Instances that must have been ordered, per minute: scale-out earlier by the cold start."""
    minutes = np.repeat(planned, round(policy.slot_s / 60.0))
    return rolling_maximum(minutes, math.ceil(policy.cold_start_s / 60.0) + 1)


def _events(
    ordered: Counts, planned: Counts, asked: NDArray[np.float64], policy: CapacityPolicy
) -> tuple[ScaleEvent, ...]:
    minutes_per_slot = round(policy.slot_s / 60.0)
    ahead = math.ceil(policy.cold_start_s / 60.0)
    found = []
    for minute in np.flatnonzero(ordered != np.roll(ordered, 1)).tolist():
        before, now = int(ordered[minute - 1]), int(ordered[minute])
        serves = (minute + ahead) % len(ordered) if now > before else minute
        slot = serves // minutes_per_slot
        if now > before:
            reason = (
                f"ready at {clock(serves)}, when up to {asked[slot]:.4g} are expected; "
                f"{policy.cold_start_s:g} s of cold start before"
            )
        else:
            reason = f"{planned[slot]} are enough for the {asked[slot]:.4g} expected from now on"
        found.append(ScaleEvent(minute_of_week=minute, before=before, instances=now, reason=reason))
    return tuple(found)


def clock(minute_of_the_week: int) -> str:
    """
    A minute of the week for people.

    >>> clock(24 * 60 + 65)
    'Tue 01:05'
    """
    day, minute = divmod(minute_of_the_week, 24 * 60)
    return f"{_DAYS[day % 7]} {minute // 60:02d}:{minute % 60:02d}"
