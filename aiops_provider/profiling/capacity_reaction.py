"""
What to do when reality exceeds the schedule: how much room to leave above the demand just seen.

The rule is one that any autoscaler can carry out – hold the instances at a share of their capacity,
never below the schedule, scale in late – so that it can be handed to KEDA, Kubernetes or AWS as a
target utilisation. The share is measured: the faster a demand has risen within the time that new
instances need, the lower.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

import numpy as np
from numpy.typing import NDArray

from aiops_provider.errors import DataError

Values = NDArray[np.float64]

# Rises within the lead time that the room must hold: one in ten goes short for a moment.
_QUANTILE = 0.9
# Below a third of use the schedule is the better place for reserves; above 90 % queues grow without
# bound (M/M/1: ten times the service time).
_LEAST_UTILISATION, _MOST_UTILISATION = 1 / 3, 0.9
# What Kubernetes' autoscaler waits before it scales in (--horizontal-pod-autoscaler-downscale-
# stabilization).
_SCALE_IN_AFTER_S = 300.0
# With fewer rises seen the share is a guess, and said to be one.
_FEWEST_RISES = 30
_USUAL_UTILISATION = 0.7


@dataclass(frozen=True, slots=True, kw_only=True)
class Reaction:
    """
    The rule beside the schedule.

    Attributes:
        target_utilisation: Share of the instances' capacity to hold, in (0, 1].
        scale_in_after_s: Demand must have been lower for this long, seconds.
        averaged_s: The demand that is seen is the mean over this long, seconds.
        sample_count: Rises behind the share; 0 if it is the usual one.
        reason: One sentence.
    """

    target_utilisation: float
    scale_in_after_s: float
    sample_count: int
    reason: str
    averaged_s: float = 0.0

    def wanted(
        self,
        recent: Sequence[float],
        *,
        step_s: float = math.inf,
        scheduled: int,
        capacity_per_instance: float,
        maximum: int | None = None,
    ) -> int:
        """
        Instances to run now.

        Args:
            recent: Demand of the last ``scale_in_after_s`` and ``averaged_s`` together, oldest first;
                empty: nothing is known.
            step_s: Seconds between two of them; default: longer than they are averaged over.
            scheduled: What the schedule says; never undercut.
            capacity_per_instance: Demand that one instance serves, > 0.
            maximum: Never exceeded.

        Raises:
            DataError: A demand is negative or no number.

        >>> rule = Reaction(target_utilisation=0.5, scale_in_after_s=300, sample_count=0, reason="")
        >>> rule.wanted([10.0, 30.0, 12.0], scheduled=4, capacity_per_instance=10.0)
        6
        """
        for value in recent:
            if not 0 <= value < math.inf:
                raise DataError("must be >= 0 and finite", field="recent", value=value)
        room = capacity_per_instance * self.target_utilisation
        averaged = min(max(1, round(self.averaged_s / step_s)), max(1, len(recent)))
        means = [
            sum(recent[end - averaged : end]) / averaged for end in range(averaged, len(recent) + 1)
        ]
        # The largest of the window: a scale-in has to wait until the peak has left it.
        needed = math.ceil(max(means, default=0.0) / room - 1e-9)
        wanted = max(scheduled, needed)
        return wanted if maximum is None else min(wanted, maximum)


def reaction_for(
    values: Sequence[float], times: Sequence[datetime], cold_start_s: float
) -> Reaction:
    """
    Measure how much room a demand needs above what was just seen.

    The room is the 0.9 quantile of ``demand(t + lead) / demand(t)``, where the lead is one sampling
    step plus the cold start: what is ordered now is there then.

    Args:
        values: Past demand, NaN where missing.
        times: Their moments, any order.
        cold_start_s: From the order of an instance until it serves, >= 0.
    """
    seconds = np.array([moment.timestamp() for moment in times])
    order = np.argsort(seconds, kind="stable")
    seconds, demand = seconds[order], np.asarray(values, dtype=float)[order]
    kept = np.isfinite(demand)
    seconds, demand = seconds[kept], demand[kept]
    gaps = np.diff(np.unique(seconds))
    if not len(gaps):
        return _usual(0)
    step = float(np.median(gaps))
    lead = math.ceil((step + cold_start_s) / step - 1e-9)
    rises = _rises(seconds, demand, lead, lead * step)
    if len(rises) < _FEWEST_RISES:
        return _usual(len(rises))
    growth = float(np.quantile(rises, _QUANTILE))
    share = min(max(1.0 / growth, _LEAST_UTILISATION), _MOST_UTILISATION)
    return Reaction(
        target_utilisation=round(share, 3),
        scale_in_after_s=max(_SCALE_IN_AFTER_S, cold_start_s),
        sample_count=len(rises),
        reason=f"in nine of ten cases demand rose by no more than {100 * (growth - 1):.3g} % within "
        f"{lead * step:g} s, from when it is seen until a new instance serves",
    )


def _rises(seconds: Values, demand: Values, lead: int, lead_s: float) -> Values:
    if len(demand) <= lead:
        return np.array([])
    apart = seconds[lead:] - seconds[:-lead]
    # Pairs across a gap tell of another time span.
    usable = (np.abs(apart - lead_s) < 0.5 * lead_s / lead) & (demand[:-lead] > 0)
    ratios: Values = demand[lead:][usable] / demand[:-lead][usable]
    return ratios


def _usual(seen: int) -> Reaction:
    return Reaction(
        target_utilisation=_USUAL_UTILISATION,
        scale_in_after_s=_SCALE_IN_AFTER_S,
        sample_count=0,
        reason=f"70 %, as is usual, for {seen} rises are too few to measure",
    )
