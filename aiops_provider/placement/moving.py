"""
Whether a running task that writes checkpoints should be moved to a cheaper place, and when.

A stopping rule in expected cost. What moving costs – work since the last checkpoint, which is done
again, and the time until the task is as far as that on the new place – is weighed against the price
difference over the time that the task will really be there: until it ends or the new place goes,
whichever comes first (exponential spells). Prices count with the rework that is to be expected, so a
place that comes and goes faster than a move pays for itself is left alone, which keeps tasks from
flapping. That no task is moved whose deadline would not survive another loss is the hysteresis of
*Can't Be Late* (Wu et al., NSDI 2024): time for two changeovers must be left.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from aiops_provider.placement.rework import rework_factor

# The saving must be worth this multiple of what the move costs: estimates of both are rough.
_HYSTERESIS = 1.2


@dataclass(frozen=True, slots=True, kw_only=True)
class Running:
    """
    A run as it stands.

    Attributes:
        remaining_s: Expected work left, beyond that since the last checkpoint or not, in seconds.
        since_checkpoint_s: Work that a move now would lose.
        checkpoint_interval_s: Work between two checkpoints.
        mean_up_s: Mean time until the place where it runs goes.
        slack_s: Time to its deadline less an upper quantile of the work left; infinite without one.
    """

    remaining_s: float
    since_checkpoint_s: float
    checkpoint_interval_s: float
    mean_up_s: float = math.inf
    slack_s: float = math.inf


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """
    What a move would lead to.

    Attributes:
        usd_per_hour: What the run costs there.
        mean_up_s: Mean time until that place goes.
        restart_s: Until the run is as far there as its last checkpoint.
    """

    usd_per_hour: float
    mean_up_s: float = math.inf
    restart_s: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """
    What to do.

    Attributes:
        after_s: 0: move now; else after so many seconds, right after the next checkpoint.
        gain_usd: Expected, after what the move costs.
    """

    after_s: float
    gain_usd: float


def worth_moving(run: Running, usd_per_hour: float, target: Target) -> Verdict | None:
    """
    Whether moving pays, now or right after the next checkpoint.

    Args:
        run: As it stands.
        usd_per_hour: What it costs where it runs.
        target: Where it could go.

    Returns:
        The better of the two moments, or ``None`` if the task should stay.

    >>> far = Running(remaining_s=36_000, since_checkpoint_s=60, checkpoint_interval_s=1800)
    >>> worth_moving(far, 3.0, Target(usd_per_hour=1.0)).after_s
    0.0
    >>> worth_moving(far, 1.0, Target(usd_per_hour=1.0)) is None
    True
    """
    interval_s = min(run.checkpoint_interval_s, run.remaining_s)
    here = usd_per_hour * rework_factor(interval_s, run.mean_up_s, restart_s=target.restart_s)
    there = target.usd_per_hour * rework_factor(
        interval_s, target.mean_up_s, restart_s=target.restart_s
    )
    if there >= here:
        return None
    to_checkpoint_s = run.checkpoint_interval_s - run.since_checkpoint_s
    now = _gain(run, here, there, target, lost_s=run.since_checkpoint_s, wait_s=0.0)
    later = _gain(run, here, there, target, lost_s=0.0, wait_s=to_checkpoint_s)
    if now is None or later is None:
        return now or later
    return now if now.gain_usd >= later.gain_usd else later


def _gain(
    run: Running, here: float, there: float, target: Target, *, lost_s: float, wait_s: float
) -> Verdict | None:
    work_s = run.remaining_s - wait_s
    changeover_s = target.restart_s + run.checkpoint_interval_s
    if work_s <= 0 or run.slack_s < lost_s + target.restart_s + changeover_s:
        return None
    stays_s = work_s
    if math.isfinite(target.mean_up_s):
        stays_s = -target.mean_up_s * math.expm1(-work_s / target.mean_up_s)
    saved = (here - there) * stays_s
    moved = there * (lost_s + target.restart_s)
    if saved <= _HYSTERESIS * moved:
        return None
    delayed = (here - there) * wait_s
    return Verdict(after_s=wait_s, gain_usd=(saved - moved - delayed) / 3600.0)
