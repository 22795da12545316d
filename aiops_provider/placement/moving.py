"""
Whether a running task that writes checkpoints should be moved to a cheaper place, and when.

A stopping rule in expected cost. What moving costs – work since the last checkpoint, which is done
again, and the time until the task is as far as that on the new place – is weighed against the price
difference over the time that the task will really be there: until it ends or the cheaper place goes,
whichever comes first (exponential spells, first-order as in Young 1974 for checkpoints). A place that
comes and goes faster than a move pays for itself is therefore left alone, which is what keeps tasks
from flapping. That no task is moved whose deadline would not survive another loss is the hysteresis of
*Can't Be Late* (Wu et al., NSDI 2024): time for two changeovers must be left.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

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
        slack_s: Time to its deadline less an upper quantile of the work left; infinite without one.
    """

    remaining_s: float
    since_checkpoint_s: float
    checkpoint_interval_s: float
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
    if target.usd_per_hour >= usd_per_hour:
        return None
    to_checkpoint_s = run.checkpoint_interval_s - run.since_checkpoint_s
    now = _gain(run, usd_per_hour, target, lost_s=run.since_checkpoint_s, wait_s=0.0)
    later = _gain(run, usd_per_hour, target, lost_s=0.0, wait_s=to_checkpoint_s)
    best = max((v for v in (now, later) if v is not None), key=lambda v: v.gain_usd, default=None)
    return best


def _gain(
    run: Running, usd_per_hour: float, target: Target, *, lost_s: float, wait_s: float
) -> Verdict | None:
    work_s = run.remaining_s - wait_s
    changeover_s = target.restart_s + run.checkpoint_interval_s
    if work_s <= 0 or run.slack_s < lost_s + target.restart_s + changeover_s:
        return None
    lost_again = -math.expm1(-work_s / target.mean_up_s)
    there_s = target.mean_up_s * lost_again if math.isfinite(target.mean_up_s) else work_s
    saved = (usd_per_hour - target.usd_per_hour) * there_s
    moved = target.usd_per_hour * (lost_s + target.restart_s)
    # On average half an interval is lost with the place, and the run starts once more.
    back = usd_per_hour * lost_again * (run.checkpoint_interval_s / 2 + target.restart_s)
    delayed = (usd_per_hour - target.usd_per_hour) * wait_s
    if saved <= _HYSTERESIS * (moved + back):
        return None
    return Verdict(after_s=wait_s, gain_usd=(saved - moved - back - delayed) / 3600.0)
